/**
 * A task restores by itself: the others of its job process and commit meanwhile. A log in memory keeps back the answer to
 * who reads the changelog of task 0_0, so that what others do beside it depends on no time.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tests/unit/client/memory_log.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;

static const char changelog[] = "app-counts-changelog";
enum { KEYS = 5000, RECORDS_PER_TURN = 1024 };

static void set_up(void)
{
    stage_open_memory(&stage, 11);
    stage_topic(&stage, "in", 2);
    stage_topic(&stage, "counts", 2);
}

static void tear_down(void)
{
    stage_stop(&stage);
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
    ck_assert_uint_eq(stage.env->budget->used, 0);
    weir_sim_free(stage.sim);
}

static void hold(bool is_held)
{
    struct memory_log_faults *faults = memory_log_faults(stage.log);
    faults->held_topic = changelog;
    faults->held_partition = 0;
    faults->is_held = is_held;
    if (!is_held) memory_log_let_go(stage.log);
}

static void produce_many(int32_t partition, int count)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(stage.log, &options, &stage.error);
    ck_assert_ptr_nonnull(producer);
    for (int i = 0; i < count; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        const struct weir_record record = {
            .key = weir_text(key), .value = weir_text("v"), .timestamp_ms = 1000};
        ck_ok(weir_producer_send(producer, "in", partition, &record, NULL, &stage.error),
              &stage.error);
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

/* A first life counts: KEYS keys of 0_0, one of 0_1. Its stores are in memory: all of both is restored in the next. */
static const struct weir_topology *live_once(const struct weir_topology *topology)
{
    produce_many(0, KEYS);
    stage_produce(&stage, "in", 1, "b", "1", 1000);
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 1));
    stage_drain(&stage);
    stage_stop(&stage);
    return topology;
}

static struct weir_task_metadata task_of(int32_t partition)
{
    struct weir_task_metadata tasks[8];
    size_t count = weir_streams_task_metadata(stage.streams, tasks, 8);
    ck_assert_uint_le(count, 8);
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].subtopology == 0 && tasks[i].partition == partition) return tasks[i];
    }
    ck_abort_msg("no task 0_%d", (int)partition);
}

static void step_until_running(int32_t partition)
{
    while (task_of(partition).state != WEIR_TASK_RUNNING) {
        ck_assert(weir_sim_step(stage.sim));
    }
}

static void step_until_committed(const char *topic, int32_t partition, int64_t offset)
{
    while (stage_committed(&stage, topic, partition) < offset) {
        ck_assert(weir_sim_step(stage.sim));
    }
}

/* 0_1 counts on and commits while 0_0 has read nothing of its changelog yet. What comes for 0_0 meanwhile is counted on
 * top of what it had, once that is there. On one thread, and on one each. */
START_TEST(a_task_that_restores_keeps_no_other_from_running)
{
    const struct weir_topology *topology = live_once(plan_count(&plan, WEIR_STORE_MEMORY));
    int64_t before = stage_committed(&stage, "in", 0);
    hold(true);
    stage_start(&stage, topology,
                STAGE_OPTIONS(.num_stream_threads = _i, .returns_while_restoring = true));
    step_until_running(1);
    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RESTORING);
    stage_produce(&stage, "in", 0, "k7", "1", 2000);
    stage_produce(&stage, "in", 1, "b", "2", 2000);
    step_until_committed("in", 1, 2);

    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RESTORING);
    ck_assert_int_eq(task_of(0).state, WEIR_TASK_RESTORING);
    ck_assert_int_eq(task_of(0).restored_records, 0);
    ck_assert_int_ge(task_of(0).restore_left, KEYS);
    ck_assert_int_eq(task_of(1).restored_records, 1);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), before);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.tasks, 2);
    ck_assert_int_eq(metrics.tasks_restoring, 1);
    ck_assert_uint_eq(stage_stored(&stage, 1, "b"), 2);

    hold(false);
    stage_drain(&stage);
    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RUNNING);
    ck_assert_int_eq(task_of(0).restored_records, KEYS);
    ck_assert_int_eq(task_of(0).restore_left, 0);
    ck_assert_uint_eq(stage_stored(&stage, 0, "k7"), 2);
    ck_assert_uint_eq(stage_stored(&stage, 0, "k8"), 1);
}
END_TEST

/* A turn restores no more records than it would process of inputs. */
START_TEST(a_turn_restores_a_bounded_part)
{
    const struct weir_topology *topology = live_once(plan_count(&plan, WEIR_STORE_MEMORY));
    hold(true);
    stage_start(&stage, topology, STAGE_OPTIONS(.returns_while_restoring = true));
    hold(false);
    int64_t restored = task_of(0).restored_records;
    int steps = 0;
    while (task_of(0).state == WEIR_TASK_RESTORING) {
        ck_assert(weir_sim_step(stage.sim));
        int64_t now = task_of(0).restored_records;
        ck_assert_int_le(now - restored, RECORDS_PER_TURN);
        steps += now > restored;
        restored = now;
    }
    ck_assert_int_eq(restored, KEYS);
    ck_assert_int_ge(steps, KEYS / RECORDS_PER_TURN);
}
END_TEST

/* A job that is closed while a task restores commits what the others have done, and waits for no answer. */
START_TEST(a_close_commits_those_that_run)
{
    const struct weir_topology *topology = live_once(plan_count(&plan, WEIR_STORE_MEMORY));
    hold(true);
    stage_start(&stage, topology,
                STAGE_OPTIONS(.returns_while_restoring = true, .commit_interval_ms = 3600000));
    step_until_running(1);
    stage_produce(&stage, "in", 1, "b", "2", 2000);
    struct weir_streams_metrics metrics = {0};
    while (metrics.records_in == 0) {
        ck_assert(weir_sim_step(stage.sim));
        weir_streams_metrics(stage.streams, &metrics);
    }
    ck_assert_int_eq(stage_committed(&stage, "in", 1), 1);
    stage_stop(&stage);
    ck_assert_int_eq(stage_committed(&stage, "in", 1), 2);
    hold(false);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    ck_assert_uint_eq(stage_stored(&stage, 1, "b"), 2);
    ck_assert_uint_eq(stage_stored(&stage, 0, "k7"), 1);
}
END_TEST

/* The job stops, and its error names the store and where it was restored from. */
START_TEST(a_restore_that_fails_is_named)
{
    const struct weir_topology *topology = live_once(plan_count(&plan, WEIR_STORE_MEMORY));
    hold(true);
    stage_start(&stage, topology, STAGE_OPTIONS(.returns_while_restoring = true));
    step_until_running(1);
    while (memory_log_waiting(stage.log) < 2) { /* the input of 0_1, the changelog of 0_0 */
        ck_assert(weir_sim_step(stage.sim));
    }
    struct memory_log_faults *faults = memory_log_faults(stage.log);
    faults->rc[MEMORY_FETCH] = WEIR_OFFLINE;
    faults->left[MEMORY_FETCH] = 1;
    hold(false);
    while (weir_streams_state(stage.streams) != WEIR_STREAMS_ERROR) {
        ck_assert(weir_sim_step(stage.sim));
    }
    ck_assert_int_eq(weir_streams_close(stage.streams, &stage.error), WEIR_OFFLINE);
    ck_assert_msg(strstr(stage.error.text, "restore store 'counts' from 'app-counts-changelog' "
                                           "partition 0") != NULL,
                  "%s", stage.error.text);
    stage.streams = NULL;
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    ck_assert_uint_eq(stage_stored(&stage, 0, "k7"), 1);
}
END_TEST

/* ---- behind a repartition topic --------------------------------------------------------------- */

static struct weir_operator_ops timed_table;

/* "in" -> count -> sink to "again-repartition" | source -> a table that follows stream time */
static const struct weir_topology *plan_timed(void)
{
    plan = (struct plan){0};
    timed_table = stage_table;
    timed_table.traits.has_timers = true;
    int32_t in = plan_topic(&plan, "in", false);
    int32_t again = plan_topic(&plan, "again-repartition", true);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t count = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_count, source, -1, NULL);
    plan_store(&plan, 0, count, "counts", WEIR_STORE_MEMORY);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, count, again, NULL);
    int32_t reader = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, again, NULL);
    int32_t table = plan_node(&plan, 1, WEIR_PLAN_OPERATOR, &timed_table, reader, -1, NULL);
    plan_store(&plan, 1, table, "latest", WEIR_STORE_MEMORY);
    return plan_done(&plan);
}

static const struct weir_task *reader_task(void)
{
    const struct weir_stream_thread *thread = stage.streams->threads[0];
    for (size_t i = 0; i < thread->task_count; i++) {
        const struct weir_thread_task *owned = &thread->tasks[i];
        if (owned->subtopology == 1 && owned->partition == 0) return owned->task;
    }
    ck_abort_msg("no reader");
}

/* The reader's stream time stays where both writers had it when they were committed last, though one of them is further and
 * at its end: the other has not reached more. It moves on when that one runs and says where it is. */
START_TEST(a_writer_that_restores_has_reached_no_more_than_it_committed)
{
    const struct weir_topology *topology = live_once(plan_timed());
    hold(true);
    stage_start(&stage, topology,
                STAGE_OPTIONS(.num_stream_threads = 1, .returns_while_restoring = true));
    step_until_running(1);
    stage_produce(&stage, "in", 1, "b", "2", 9000);
    step_until_committed("in", 1, 2);
    for (int i = 0; i < 2000; i++) { /* and many commits more */
        ck_assert(weir_sim_step(stage.sim));
    }
    ck_assert_int_eq(task_of(0).state, WEIR_TASK_RESTORING);
    ck_assert_int_eq(reader_task()->phase, WEIR_TASK_RUNNING);
    ck_assert_int_eq(reader_task()->time.seen_ms, 9000);
    ck_assert_int_eq(reader_task()->time.bound_ms, -1);
    ck_assert_int_eq(reader_task()->stream_time_ms, 1000);
    hold(false);
    stage_drain(&stage);
    while (reader_task()->stream_time_ms < 9000) { /* both are at their end */
        ck_assert(weir_sim_step(stage.sim));
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("task_states");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_task_that_restores_keeps_no_other_from_running, 1, 3);
    tcase_add_test(tests, a_turn_restores_a_bounded_part);
    tcase_add_test(tests, a_close_commits_those_that_run);
    tcase_add_test(tests, a_restore_that_fails_is_named);
    tcase_add_test(tests, a_writer_that_restores_has_reached_no_more_than_it_committed);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("task_states", add);
}
