#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/unit/runtime/state/stage.h"

/* The whole of a state against the naive model, over RocksDB and over the simulator's stand-in. */

struct world {
    struct weir_sim *sim;
    struct weir_env *env;
};

static struct world world_open(bool is_real)
{
    struct world world = {0};
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
    ck_assert_uint_eq(stage->written_count, written_count + 1);
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
    default:
        stage_batch(stage, store, random);
        break;
    }
}

static void random_life(bool is_real, uint64_t seed, size_t cache_bytes_max, size_t step_count)
{
    struct weir_test_random random = {seed};
    char path[WEIR_TEST_PATH_SIZE];
    struct world world = world_open(is_real);
    struct stage stage;
    weir_test_directory(path);
    strcat(path, "/a/b"); /* folders are made */
    stage_init(&stage, world.env, path);
    stage.cache_bytes_max = cache_bytes_max;
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
    random_life(true, (uint64_t)_i + 1, cache_bounds[_i], 3000);
}
END_TEST

START_TEST(store_equals_a_model_over_the_stand_in)
{
    random_life(false, (uint64_t)_i + 1, cache_bounds[_i % 4], 3000);
}
END_TEST

static void add(Suite *suite)
{
    TCase *model = tcase_create("model");
    tcase_add_loop_test(model, store_equals_a_model_over_rocksdb, 0, 4);
    tcase_add_loop_test(model, store_equals_a_model_over_the_stand_in, 0, 12);
    suite_add_tcase(suite, model);
}

int main(void)
{
    return weir_test_main("state", add);
}
