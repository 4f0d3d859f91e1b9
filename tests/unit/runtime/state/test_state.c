#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/unit/runtime/state/stage.h"

/* The whole of a state against the naive model, over RocksDB and over the simulator's stand-in. */

struct world {
    const struct weir_backend_kind *backend;
    struct weir_sim *sim;
    struct weir_env *env;
};

static struct world world_open(bool is_real)
{
    struct world world = {.backend = is_real ? &weir_backend_rocksdb : &weir_backend_model};
    struct weir_error error;
    if (is_real) {
        ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &world.env, &error), &error);
    } else {
        world.sim = weir_sim_new(&(struct weir_sim_options){.seed = 7});
        world.env = weir_sim_node(world.sim, 0);
    }
    return world;
}

static void world_close(struct world *world)
{
    if (world->sim != NULL) {
        weir_sim_free(world->sim);
    } else {
        weir_env_uv_free(world->env);
    }
}

static void close_state(struct stage *stage, bool is_clean)
{
    struct weir_error error;
    ck_ok(weir_state_close(stage->state, is_clean, &error), &error);
    stage->state = NULL;
    ck_assert_uint_eq(stage->budget.used, 0);
}

static void commit(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STORES; i++) {
        stage_forward(stage, i);
    }
    stage_seal(stage);
    size_t written_count = stage->written_count;
    stage_commit(stage);
    if (stage->write_down_bytes == 0) ck_assert_uint_eq(stage->written_count, written_count);
    ck_assert_uint_le(stage->written_count, written_count + 1);
    ck_assert_int_eq(stage->written_rc, WEIR_OK);
}

static void random_step(struct stage *stage, struct weir_test_random *random)
{
    size_t store = weir_test_random_below(random, STAGE_STORES);
    size_t a = weir_test_random_below(random, STAGE_KEYS);
    size_t b = weir_test_random_below(random, STAGE_KEYS);
    switch (weir_test_random_below(random, 10)) {
    case 0:
        stage_scan(stage, store, a, b);
        break;
    case 1:
        stage_get(stage, store, random);
        break;
    case 2:
        stage_forward(stage, store);
        break;
    case 3:
        commit(stage);
        break;
    case 4: /* as a processor does it: one key, and perhaps the same again */
        stage_set(stage, store, a, stage_random_value(random));
        stage_set(stage, store, weir_test_random_below(random, 2) == 0 ? a : b,
                  stage_random_value(random));
        break;
    default:
        stage_batch(stage, store, random);
        break;
    }
}

/* At every commit, now and then, at a clean end only. */
static const size_t write_down_bounds[] = {1, 9000, 0};

static void random_life(bool is_real, uint64_t seed, size_t cache_bytes_max, size_t step_count)
{
    struct weir_test_random random = {seed};
    char path[WEIR_TEST_PATH_SIZE];
    struct world world = world_open(is_real);
    struct stage stage;
    weir_test_directory(path);
    strcat(path, "/a/b"); /* folders are made */
    stage_init(&stage, world.backend, world.env, path);
    stage.cache_bytes_max = cache_bytes_max;
    stage.write_down_bytes = write_down_bounds[seed % 3];
    stage_open(&stage);
    for (size_t i = 0; i < step_count; i++) {
        random_step(&stage, &random);
        if (weir_test_random_below(&random, 400) != 0) continue;
        stage_check_all(&stage);
        close_state(&stage, weir_test_random_below(&random, 2) == 0);
        stage_open(&stage);
        ck_assert(!stage.was_wiped);
        stage_restore(&stage);
        stage_check_all(&stage);
    }
    close_state(&stage, true);
    stage_close(&stage);
    world_close(&world);
}

static const size_t cache_bounds[] = {0, 1000, 5000, 1 << 20};

/* Goal: operators, commits and restarts see exactly what the model says, however small the cache. */
START_TEST(store_equals_a_model_over_rocksdb)
{
    random_life(true, (uint64_t)_i + 1, cache_bounds[_i], 2000);
}
END_TEST

START_TEST(store_equals_a_model_over_the_stand_in)
{
    random_life(false, (uint64_t)_i + 1, cache_bounds[_i % 4], 2000);
}
END_TEST

/* ---- with a worker ------------------------------------------------------------------------------- */

struct thread_run {
    struct stage stage;
    struct weir_test_random random;
    struct weir_env *env;
    size_t steps_left;
    size_t commit_count;
    _Atomic bool is_done;
};

/* The actor learns of itself by a message: its first turn may come before weir_actor_start returns. */
struct start {
    struct weir_message message;
    struct thread_run *run;
    struct weir_actor *actor;
};

static void start_turns(struct weir_message *message)
{
    struct start *start = (struct start *)message;
    start->run->stage.actor = start->actor;
    stage_open(&start->run->stage);
}

static void end_thread_run(struct thread_run *run)
{
    struct weir_error error;
    stage_check_all(&run->stage);
    ck_ok(weir_state_close(run->stage.state, true, &error), &error);
    ck_assert_uint_le(run->stage.written_count, run->commit_count);
    ck_assert_uint_gt(run->stage.written_count, 2);
    atomic_store(&run->is_done, true);
    weir_signal(run->env);
}

/* The stream thread: goes on while workers write down what was committed. */
static int thread_turn(void *impl)
{
    struct thread_run *run = impl;
    struct stage *stage = &run->stage;
    if (stage->state == NULL || atomic_load(&run->is_done)) return 0;
    if (run->steps_left == 0) {
        if (weir_state_is_writing(stage->state)) return 0; /* its completion brings the next turn */
        end_thread_run(run);
        return 0;
    }
    run->steps_left--;
    stage_batch(stage, weir_test_random_below(&run->random, STAGE_STORES), &run->random);
    stage_get(stage, weir_test_random_below(&run->random, STAGE_STORES), &run->random);
    if (run->steps_left % 5 != 0) return 1;
    stage_scan(stage, weir_test_random_below(&run->random, STAGE_STORES), 0, STAGE_KEYS - 1);
    for (size_t i = 0; i < STAGE_STORES; i++) {
        stage_forward(stage, i);
    }
    stage_seal(stage);
    stage_commit(stage);
    run->commit_count++;
    return 1;
}

static bool is_thread_done(void *context)
{
    return atomic_load(&((struct thread_run *)context)->is_done);
}

/* Goal: reading and evicting while a worker writes down older generations gives the same answers. */
START_TEST(store_equals_a_model_while_a_worker_writes)
{
    struct weir_error error;
    struct world world = world_open(true);
    struct thread_run run = {.random = {(uint64_t)_i + 50}, .env = world.env, .steps_left = 1500};
    char path[WEIR_TEST_PATH_SIZE];
    weir_test_directory(path);
    stage_init(&run.stage, world.backend, world.env, path);
    run.stage.cache_bytes_max = cache_bounds[_i];
    run.stage.write_down_bytes = write_down_bounds[_i % 2];
    struct weir_actor *actor;
    const struct weir_actor_options options = {
        .name = "stream", .run_once = thread_turn, .impl = &run};
    ck_ok(weir_actor_start(world.env, &options, &actor, &error), &error);
    struct start start = {.message = {.handle = start_turns}, .run = &run, .actor = actor};
    weir_actor_post(actor, &start.message);
    ck_ok(weir_wait(world.env, is_thread_done, &run, WEIR_MONO_NEVER), &error);
    weir_actor_stop(actor);
    stage_close(&run.stage);
    world_close(&world);
}
END_TEST

/* ---- other calls while a scan walks -------------------------------------------------------------- */

enum { WALK_KEYS = 8 };

struct reading_walk {
    struct stage *stage;
    size_t others; /* a store that is read meanwhile */
    char met[WALK_KEYS * 8];
    bool is_inner;
};

static void read_other(const struct reading_walk *walk)
{
    struct weir_error error;
    uint8_t bytes[WALK_KEYS][STAGE_KEY_SIZE];
    struct weir_slice keys[WALK_KEYS], values[WALK_KEYS];
    for (size_t i = 0; i < WALK_KEYS; i++) {
        keys[i] = stage_key(walk->stage, walk->others, i, bytes[i]);
    }
    ck_ok(weir_store_get_many(stage_store(walk->stage, walk->others), keys, WALK_KEYS, values, NULL,
                              &error),
          &error);
}

static int meet_and_read(void *context, struct weir_slice key, struct weir_slice value,
                         int64_t timestamp_ms)
{
    struct reading_walk *walk = context;
    (void)key, (void)timestamp_ms;
    size_t size = strlen(walk->met);
    (void)snprintf(walk->met + size, sizeof walk->met - size, "%.*s ", (int)value.size,
                   (const char *)value.data);
    if (walk->is_inner) return 0;
    read_other(walk);
    struct reading_walk inner = {.stage = walk->stage, .others = walk->others, .is_inner = true};
    struct weir_error error;
    ck_ok(weir_store_scan(stage_store(walk->stage, walk->others), weir_null(), weir_null(),
                          meet_and_read, &inner, &error),
          &error);
    ck_assert_str_eq(inner.met, "x x x x x x x x ");
    return 0;
}

static struct stage_value value_of(char letter)
{
    return (struct stage_value){.exists = true, .size = 1, .bytes = {(uint8_t)letter}};
}

/* Goal: whoever walks a store may read others on the way, by key and by walks of his own, and still meets
 * what the store holds: written down or not. */
START_TEST(walk_meets_all_while_other_stores_are_read)
{
    struct world world = world_open(false);
    struct stage stage;
    stage_init(&stage, world.backend, world.env, "state");
    stage.write_down_bytes = 1;
    stage.cache_bytes_max = 1 << 20;
    stage_open(&stage);
    for (size_t i = 0; i < WALK_KEYS; i++) {
        stage_set(&stage, STAGE_CACHED, i, value_of('x'));
        if (i < WALK_KEYS / 2) stage_set(&stage, STAGE_PLAIN, i, value_of((char)('a' + i)));
    }
    commit(&stage);
    for (size_t i = 0; i < WALK_KEYS; i++) {
        stage_set(&stage, STAGE_CACHED, i, value_of('x'));
        if (i >= WALK_KEYS / 2) stage_set(&stage, STAGE_PLAIN, i, value_of((char)('a' + i)));
    }
    struct reading_walk walk = {.stage = &stage, .others = STAGE_CACHED};
    struct weir_error error;
    ck_ok(weir_store_scan(stage_store(&stage, STAGE_PLAIN), weir_null(), weir_null(), meet_and_read,
                          &walk, &error),
          &error);
    ck_assert_str_eq(walk.met, "a b c d e f g h ");
    close_state(&stage, true);
    stage_close(&stage);
    world_close(&world);
}
END_TEST

static void add(Suite *suite)
{
    TCase *model = tcase_create("model");
    tcase_add_loop_test(model, store_equals_a_model_over_rocksdb, 0, 4);
    tcase_add_loop_test(model, store_equals_a_model_over_the_stand_in, 0, 12);
    tcase_add_loop_test(model, store_equals_a_model_while_a_worker_writes, 0, 4);
    tcase_add_test(model, walk_meets_all_while_other_stores_are_read);
    suite_add_tcase(suite, model);
}

int main(void)
{
    return weir_test_main("state", add);
}
