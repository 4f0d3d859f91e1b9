#include <stdio.h>
#include <string.h>

#include "tests/unit/runtime/state/stage.h"

/* What a crash leaves: the simulator's stand-in for RocksDB, write-downs by a worker. */

struct crash_run {
    struct weir_sim *sim;
    struct stage stage;
    struct weir_test_random random;
    size_t points_left; /* until the crash */
};

/* At every commit, now and then, at a clean end only. */
static const size_t write_down_bounds[] = {1, 9000, 0};
/* A database from the first write on, from somewhere on, never. */
static const size_t rows_bounds[] = {1, 4000, 0};

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

static void start_node(struct crash_run *run)
{
    struct weir_error error;
    struct stage *stage = &run->stage;
    stage->env = weir_sim_node(run->sim, 0);
    const struct weir_actor_options options = {.name = "stream thread", .run_once = rest};
    ck_ok(weir_actor_start(stage->env, &options, &stage->actor, &error), &error);
    stage_open(stage);
    stage_restore(stage);
}

static bool has_come(struct crash_run *run)
{
    if (run->points_left == 0) return true;
    run->points_left--;
    return run->points_left == 0;
}

/* Let the worker and the completion happen, one event at a time; true at the crash. */
static bool run_events(struct crash_run *run, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (has_come(run)) return true;
        if (!weir_sim_step(run->sim)) return false;
    }
    return false;
}

/* Commits of all stores, the write-downs of which overlap with what comes next; true at the crash. */
static bool work_until_crash(struct crash_run *run)
{
    struct stage *stage = &run->stage;
    for (size_t round = 0; round < 6; round++) {
        for (size_t i = 0; i < STAGE_STORES; i++) {
            stage_batch(stage, i, &run->random);
            if (has_come(run)) return true;
            stage_forward(stage, i);
        }
        stage_seal(stage);
        if (has_come(run)) return true;
        stage_batch(stage, round % STAGE_STORES, &run->random); /* after the seal: not in it */
        stage_commit(stage);
        if (run_events(run, weir_test_random_below(&run->random, 6))) return true;
    }
    return run_events(run, 1000);
}

static void finish(struct crash_run *run)
{
    struct weir_error error;
    struct stage *stage = &run->stage;
    while (weir_state_is_writing(stage->state)) {
        ck_assert(weir_sim_step(run->sim));
    }
    ck_assert_int_eq(stage->written_rc, WEIR_OK);
    ck_ok(weir_state_close(stage->state, true, &error), &error);
    weir_actor_stop(stage->actor);
    stage->actor = NULL;
}

static void check_whole_restart(struct crash_run *run)
{
    struct stage *stage = &run->stage;
    start_node(run);
    stage_check_all(stage);
    for (size_t i = 0; i < STAGE_STORES; i++) {
        stage_batch(stage, i, &run->random);
        stage_forward(stage, i);
    }
    stage_seal(stage);
    stage_commit(stage);
    finish(run);

    struct weir_error error;
    stage_open(stage);                          /* in place from now on: nothing is under way */
    for (size_t i = 0; i < STAGE_STORES; i++) { /* a clean end: nothing is missing */
        if (stage_specs[i]->kind == WEIR_STORE_MEMORY) continue;
        ck_assert_int_eq(weir_store_position(stage_store(stage, i)).offset,
                         (int64_t)stage->logs[i].durable_count);
    }
    ck_ok(weir_state_close(stage->state, true, &error), &error);
}

/* True if the scenario has a point of this number. */
static bool crash_at(size_t point, uint64_t seed)
{
    struct crash_run run = {.random = {seed}, .points_left = point};
    run.sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    stage_init(&run.stage, &weir_backend_model, weir_sim_node(run.sim, 0), "state/application/0_0");
    run.stage.cache_bytes_max = seed % 2 == 0 ? 2000 : 1 << 20;
    run.stage.write_down_bytes = write_down_bounds[seed % 3];
    run.stage.rows_bytes_max = rows_bounds[seed / 3 % 3];
    start_node(&run);
    bool has_crashed = work_until_crash(&run);
    if (has_crashed) {
        weir_sim_crash(run.sim, 0, seed % 3 == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);
        check_whole_restart(&run);
    } else {
        finish(&run);
    }
    weir_sim_free(run.sim);
    stage_close(&run.stage);
    return has_crashed;
}

/* Goal: whenever the node ends, each store's backend equals the fold of its changelog up to the
 * position that it names (I17), and restoring the rest gives all that was committed and no more. */
START_TEST(crash_at_every_point_leaves_a_prefix_of_the_changelog)
{
    uint64_t seed = (uint64_t)_i + 1;
    size_t point = 1;
    while (crash_at(point, seed)) {
        point++;
    }
    ck_assert_uint_gt(point, 30); /* the scenario was not over at once */
}
END_TEST

/* Goal: crash upon crash, each after a random stretch of work, never tears a store. */
START_TEST(crashes_in_a_row_leave_a_prefix_of_the_changelog)
{
    struct crash_run run = {.random = {(uint64_t)_i + 100}};
    run.sim = weir_sim_new(&(struct weir_sim_options){.seed = (uint64_t)_i + 100});
    stage_init(&run.stage, &weir_backend_model, weir_sim_node(run.sim, 0), "state/application/0_0");
    run.stage.cache_bytes_max = 3000;
    run.stage.write_down_bytes = write_down_bounds[_i % 3];
    run.stage.rows_bytes_max = rows_bounds[_i / 3 % 3];
    for (int life = 0; life < 20; life++) {
        start_node(&run);
        stage_check_all(&run.stage);
        run.points_left = 1 + weir_test_random_below(&run.random, 60);
        (void)work_until_crash(&run); /* or to the end of the work: a crash at rest */
        weir_sim_crash(run.sim, 0, WEIR_SIM_KILL);
    }
    weir_sim_free(run.sim);
    stage_close(&run.stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *crash = tcase_create("crash");
    tcase_add_loop_test(crash, crash_at_every_point_leaves_a_prefix_of_the_changelog, 0, 9);
    tcase_add_loop_test(crash, crashes_in_a_row_leave_a_prefix_of_the_changelog, 0, 10);
    suite_add_tcase(suite, crash);
}

int main(void)
{
    return weir_test_main("state crash", add);
}
