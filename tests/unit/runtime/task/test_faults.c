/* Each allocation fails in turn: the job says so or goes on, and what was committed stays. */
#include "base/hash.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;

/* One life of a job with a failing allocation. */
static void live_with_failure(struct weir_test_failures *failures)
{
    struct weir_error error = {0};
    weir_test_failures_arm(failures, stage.env->heap);
    struct weir_streams *streams =
        stage_try_start(&stage, &plan.topology, STAGE_OPTIONS(.num_stream_threads = 2), &error);
    bool has_started = streams != NULL;
    int rc = 0;
    if (has_started) {
        rc = weir_streams_drain(streams, 2000, &error);
        (void)weir_streams_close(streams, &error); /* it may have failed: that is the point */
    }
    bool was_hit = weir_test_failures_disarm(failures);
    ck_assert_msg(was_hit || (has_started && rc == 0), "%s", error.text);
}

/* Start, drain and close with each allocation failing in turn; afterwards a job without failures
 * counts every record once. */
START_TEST(every_allocation_may_fail)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        stage_open(&stage, failures.round);
        stage_topic(&stage, "in", 2);
        stage_topic(&stage, "counts", 2);
        for (int i = 0; i < 6; i++) {
            stage_produce(&stage, "in", i % 2, "a", "1", 1000 + i);
        }
        plan_repartition(&plan, _i == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY);
        live_with_failure(&failures);
        stage_start(&stage, &plan.topology, STAGE_OPTIONS(0));
        stage_drain(&stage);
        int32_t partition = weir_partition_of_key(weir_text("a"), 2);
        ck_assert_uint_eq(stage_stored(&stage, partition, "a"), 6);
        stage_close(&stage);
    }
    ck_assert_uint_gt(failures.hits, 300);
}
END_TEST

/* Each call of a commit's arena, which here has a heap of its own, fails once: the job ends with
 * WEIR_NO_MEMORY rather than write a commit that lacks something; the next one counts every record once. */
START_TEST(each_allocation_of_a_commit_may_fail)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct weir_heap heap;
        struct weir_budget budget;
        weir_heap_init(&heap, false);
        weir_budget_init(&budget, "commit", &heap, NULL, 0);
        stage_open(&stage, failures.round);
        stage_topic(&stage, "in", 2);
        stage_topic(&stage, "counts", 2);
        plan_repartition(&plan, WEIR_STORE_MEMORY);
        stage_start(&stage, &plan.topology, STAGE_OPTIONS(.num_stream_threads = 2));
        ck_assert_int_eq(stage.streams->commit.groups[0].state.phase, WEIR_COMMIT_IDLE);
        weir_arena_close(&stage.streams->commit.groups[0].arena);
        weir_arena_init(&stage.streams->commit.groups[0].arena, &budget, 1);
        weir_test_failures_arm(&failures, &heap);
        for (int i = 0; i < 6; i++) {
            stage_produce(&stage, "in", i % 2, "a", "1", 1000 + i);
        }
        struct weir_error error = {0};
        int rc = weir_streams_drain(stage.streams, 10000, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert_int_eq(weir_streams_error(stage.streams, &error), rc);
        ck_assert(heap.allocation_count > 0);
        (void)weir_streams_close(stage.streams, &error);
        ck_assert_uint_eq(budget.used, 0);
        stage_start(&stage, &plan.topology, STAGE_OPTIONS(0));
        stage_drain(&stage);
        int32_t partition = weir_partition_of_key(weir_text("a"), 2);
        ck_assert_uint_eq(stage_stored(&stage, partition, "a"), 6);
        stage_close(&stage);
    }
    ck_assert_uint_gt(failures.hits, 3);
}
END_TEST

/* ---- shortage -------------------------------------------------------------------------------- */

enum { KEYS = 5, RECORDS = 40 };

/* A job that has records to process and no room to write what comes of them. */
static void begin_without_room(uint64_t seed)
{
    stage_open(&stage, seed);
    stage_topic(&stage, "in", 2);
    stage_topic(&stage, "counts", 2);
    plan_repartition(&plan, WEIR_STORE_MEMORY);
    stage_start(&stage, &plan.topology, STAGE_OPTIONS(.num_stream_threads = 2));
    stage_drain(&stage);
    weir_streams_pause(stage.streams, true);
    for (int i = 0; i < RECORDS; i++) {
        char key[2] = {(char)('a' + i % KEYS)};
        stage_produce(&stage, "in", i % 2, key, "1", 1000 + i);
    }
    weir_sim_disk_limit(stage.sim, 0, 1);
    weir_streams_pause(stage.streams, false);
}

/* Nothing that it has to write can be written for a while: it waits, and then goes on by itself; every
 * record counts once, and nothing is out of order in what it has written. */
START_TEST(a_job_waits_out_a_full_disk)
{
    begin_without_room((uint64_t)_i + 1);
    weir_sim_advance_ms(stage.sim, 1000 + 700 * _i);
    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RUNNING);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_gt(metrics.records_in, 0);
    weir_sim_disk_limit(stage.sim, 0, 0);
    stage_drain(&stage);
    for (int i = 0; i < KEYS; i++) {
        char key[2] = {(char)('a' + i)};
        int32_t partition = weir_partition_of_key(weir_text(key), 2);
        ck_assert_uint_eq(stage_stored(&stage, partition, key), RECORDS / KEYS);
    }
    stage_close(&stage);
}
END_TEST

/* A disk that stays full ends the job after delivery.timeout.ms, with the reason. */
START_TEST(a_job_gives_up_a_disk_that_stays_full)
{
    begin_without_room(7);
    weir_sim_advance_ms(stage.sim, WEIR_DELIVERY_TIMEOUT_MS + 10000);
    struct weir_error error = {0};
    ck_assert_int_eq(weir_streams_error(stage.streams, &error), WEIR_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(error.text, "'app"));
    weir_sim_disk_limit(stage.sim, 0, 0);
    (void)weir_streams_close(stage.streams, &error);
    stage.streams = NULL;
    stage_close(&stage);
}
END_TEST

/* Batches that the log refuses are skipped; what comes behind them is written. */
START_TEST(a_skipped_batch_leaves_no_gap)
{
    const struct weir_config small = {"max.message.bytes", "300"};
    const struct weir_config large = {"max.message.bytes", "100000"};
    char value[400];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    stage_open(&stage, 3);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan),
                STAGE_OPTIONS(.on_production_error = WEIR_ON_ERROR_SKIP));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_drain(&stage);
    ck_ok(weir_topic_configure(stage.log, "out", &small, 1, &stage.error), &stage.error);
    stage_produce(&stage, "in", 0, "a", value, 1001); /* the job still knows the larger bound */
    stage_drain(&stage);
    ck_ok(weir_topic_configure(stage.log, "out", &large, 1, &stage.error), &stage.error);
    stage_produce(&stage, "in", 0, "a", "2", 1002);
    stage_drain(&stage);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.records_failed, 1);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 2);
    stage_close(&stage);
}
END_TEST

/* Where nobody has asked for that, and of state in any case, a batch that the log refuses ends
 * the job: with the reason, and what came before it stays. */
START_TEST(a_refused_batch_ends_the_job)
{
    const struct weir_config small = {"max.message.bytes", "300"};
    static const struct {
        const char *topic;
        enum weir_on_error on_error;
    } cases[] = {{"out", WEIR_ON_ERROR_FAIL}, {"app-again-repartition", WEIR_ON_ERROR_SKIP}};
    char value[400];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    stage_open(&stage, 3);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_topic(&stage, "counts", 1);
    stage_start(&stage, _i == 0 ? plan_filter(&plan) : plan_repartition(&plan, WEIR_STORE_MEMORY),
                STAGE_OPTIONS(.on_production_error = cases[_i].on_error));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_drain(&stage);
    ck_ok(weir_topic_configure(stage.log, cases[_i].topic, &small, 1, &stage.error), &stage.error);
    stage_produce(&stage, "in", 0, "a", value, 1001);
    struct weir_error error = {0};
    ck_code(weir_streams_drain(stage.streams, 10000, &error), WEIR_TOO_LARGE);
    ck_assert_int_eq(weir_streams_error(stage.streams, &error), WEIR_TOO_LARGE);
    ck_assert_msg(strstr(error.text, cases[_i].topic) != NULL, "%s", error.text);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.records_failed, 0);
    ck_assert_int_eq(stage_log_end(&stage, cases[_i].topic, 0), 2); /* a record and its marker */
    (void)weir_streams_close(stage.streams, &error);
    stage.streams = NULL;
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("faults");
    tcase_add_loop_test(tests, a_job_waits_out_a_full_disk, 0, 20);
    tcase_add_test(tests, a_job_gives_up_a_disk_that_stays_full);
    tcase_add_test(tests, a_skipped_batch_leaves_no_gap);
    tcase_add_loop_test(tests, a_refused_batch_ends_the_job, 0, 2);
    tcase_add_test(tests, each_allocation_of_a_commit_may_fail);
    tcase_set_timeout(tests, 240);
    tcase_add_loop_test(tests, every_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("faults", add);
}
