/* A job on an embedded log: records go through, state and progress are committed together. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/broker.h"
#include "client/embedded/embedded.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static char text[8192];

/* Each test runs three times: in the simulator, on libuv, and on a log that is not the engine; where it is
 * about who owns a group, or what topics say, only on the two engines. */
enum { SIMULATED, REAL, MEMORY, ENVIRONMENTS, ENGINES = MEMORY };

static void open_stage(int environment)
{
    if (environment == REAL) {
        stage_open_real(&stage);
    } else if (environment == MEMORY) {
        stage_open_memory(&stage, 7);
    } else {
        stage_open(&stage, 7);
    }
}

static void close_stage(void)
{
    stage_close(&stage);
}

/* Source, filter, sink: what was there before the start and what comes later, in order, once. */
START_TEST(a_stateless_job_passes_records_on)
{
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "b", "x", 1001);
    stage_produce(&stage, "in", 0, "c", "3", 1002);
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 c=3@1002 ");
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 3);
}
END_TEST

/* Of two inputs of a task the one that has been read to its end is not waited for, and the other
 * is read on: what is there of both goes by time, what comes to one later goes at once. */
START_TEST(an_input_that_is_read_to_its_end_is_not_waited_for)
{
    open_stage(_i);
    stage_topic(&stage, "left", 1);
    stage_topic(&stage, "right", 1);
    stage_topic(&stage, "out", 1);
    plan = (struct plan){0};
    int32_t left = plan_topic(&plan, "left", false);
    int32_t right = plan_topic(&plan, "right", false);
    int32_t out = plan_topic(&plan, "out", false);
    int32_t from = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, left, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, from, out, NULL);
    from = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, right, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, from, out, NULL);
    stage_produce(&stage, "left", 0, "a", "1", 1000);
    stage_produce(&stage, "left", 0, "c", "1", 1002);
    stage_produce(&stage, "right", 0, "b", "1", 1001);
    stage_start(&stage, plan_done(&plan), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text),
                     "a=1@1000 b=1@1001 c=1@1002 ");
    stage_produce(&stage, "right", 0, "d", "1", 1003);
    stage_drain(&stage);
    stage_produce(&stage, "left", 0, "e", "1", 1000);
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text),
                     "a=1@1000 b=1@1001 c=1@1002 d=1@1003 e=1@1000 ");
    ck_assert_int_eq(stage_committed(&stage, "left", 0), 3);
    ck_assert_int_eq(stage_committed(&stage, "right", 0), 2);
}
END_TEST

/* Counts go to store, changelog and output; the commit names the changelog's end. */
START_TEST(a_counting_job_commits_store_and_offsets)
{
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_produce(&stage, "in", 0, "b", "1", 1001);
    stage_produce(&stage, "in", 0, "a", "1", 1002);
    stage_drain(&stage);
    stage_stop(&stage);
    const char *log = stage_read(&stage, "app-counts-changelog", 0, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(log, "a=2@1002 "));
    ck_assert_ptr_nonnull(strstr(log, "b=1@1001 "));
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 3);
    ck_assert_int_eq(stage_committed(&stage, "app-counts-changelog", 0),
                     stage_end(&stage, "app-counts-changelog", 0));
}
END_TEST

static void fill(const char *topic, int32_t partitions, int count)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(stage.log, &options, &stage.error);
    ck_assert_msg(producer != NULL, "%s", stage.error.text);
    for (int32_t p = 0; p < partitions; p++) {
        for (int i = 0; i < count; i++) {
            const struct weir_record record = {
                .key = weir_text("a"), .value = weir_text("1"), .timestamp_ms = 1000 + i};
            ck_ok(weir_producer_send(producer, topic, p, &record, NULL, &stage.error),
                  &stage.error);
        }
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

/* However many tasks a thread has, a seal that is asked for waits for the rows of one batch. */
START_TEST(a_turn_is_bounded_by_rows)
{
    enum { PARTITIONS = 4, COUNT = 2 * WEIR_TASK_ROWS_MAX };
    open_stage(SIMULATED);
    stage_topic(&stage, "in", PARTITIONS);
    stage_topic(&stage, "out", PARTITIONS);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_drain(&stage);
    weir_streams_pause(stage.streams, true);
    fill("in", PARTITIONS, COUNT);
    weir_sim_advance_ms(stage.sim, 1000); /* all of it is buffered */
    weir_streams_pause(stage.streams, false);
    const struct weir_counter *rows = &stage.streams->threads[0]->metrics.records_in;
    int64_t before = weir_counter_get(rows);
    ck_assert_int_eq(before, 0);
    while (weir_counter_get(rows) < PARTITIONS * COUNT) {
        ck_assert(weir_sim_step(stage.sim));
        ck_assert_int_le(weir_counter_get(rows) - before, WEIR_TASK_ROWS_MAX);
        before = weir_counter_get(rows);
    }
    stage_stop(&stage);
}
END_TEST

static uint64_t counted(const char *topic, int32_t partitions, char key)
{
    char pattern[8];
    (void)snprintf(pattern, sizeof pattern, "%c=", key);
    uint64_t last = 0;
    for (int32_t p = 0; p < partitions; p++) {
        const char *at = stage_read(&stage, topic, p, text, sizeof text);
        while ((at = strstr(at, pattern)) != NULL) {
            last = strtoull(at + 2, NULL, 10);
            at += 2;
        }
    }
    return last;
}

/* Several threads, several partitions, a repartition between: each record is counted once. */
START_TEST(threads_share_the_tasks)
{
    open_stage(_i);
    stage_topic(&stage, "in", 3);
    stage_topic(&stage, "counts", 3);
    stage_start(&stage, plan_repartition(&plan, WEIR_STORE_ROCKSDB),
                STAGE_OPTIONS(.num_stream_threads = 2));
    for (int i = 0; i < 30; i++) {
        const char *const keys[] = {"a", "b", "c", "d"};
        stage_produce(&stage, "in", i % 3, keys[i % 4], "1", 1000 + i);
    }
    stage_drain(&stage);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.tasks, 6);
    ck_assert_int_eq(metrics.records_in, 60);
    ck_assert_int_eq(metrics.records_lag, 0);
    ck_assert_uint_eq(counted("counts", 3, 'a'), 8);
    ck_assert_uint_eq(counted("counts", 3, 'b'), 8);
    ck_assert_uint_eq(counted("counts", 3, 'c'), 7);
    ck_assert_uint_eq(counted("counts", 3, 'd'), 7);
}
END_TEST

/* More tasks than a turn runs: those at the end of the row have their turn, too. */
START_TEST(many_tasks_all_have_their_turn)
{
    enum { PARTITIONS = 50 };
    open_stage(_i);
    stage_topic(&stage, "in", PARTITIONS);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_drain(&stage);
    for (int32_t p = PARTITIONS - 1; p >= 0; p -= 7) {
        stage_produce(&stage, "in", p, "a", "1", 1000 + p);
        stage_drain(&stage);
        ck_assert_int_eq(stage_committed(&stage, "in", p), 1);
    }
}
END_TEST

/* One application runs once per log; another id on the same log is fine. */
START_TEST(a_second_start_is_refused)
{
    open_stage(_i);
    struct plan other;
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&other), STAGE_OPTIONS(0), &error));
    ck_assert_int_eq(error.code, WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.text, "'app'"));
    struct weir_streams_options options = *STAGE_OPTIONS(0);
    options.application_id = "other";
    struct weir_streams *second = stage_try_start(&stage, plan_filter(&other), &options, &error);
    ck_assert_msg(second != NULL, "%s", error.text);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_drain(&stage);
    ck_ok(weir_streams_drain(second, 60000, &error), &error);
    ck_ok(weir_streams_close(second, &error), &error);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 a=1@1000 ");
    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RUNNING);
}
END_TEST

/* The lock is the log's: another state directory makes it no other application, and whatever stopped
 * the first job lets the next one in. */
START_TEST(a_second_start_with_another_state_directory_is_refused)
{
    open_stage(_i);
    static struct plan other; /* the job is stopped behind this function */
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    char elsewhere[512];
    (void)snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", stage.log->directory);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    struct weir_streams_options options = *STAGE_OPTIONS(.state_dir = elsewhere);
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&other), &options, &error));
    ck_assert_int_eq(error.code, WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.text, "application 'app' is running on this log"));
    stage_stop(&stage);
    stage_start(&stage, plan_filter(&other), &options);
}
END_TEST

/* Two logs may have been given one state directory: it is locked itself, whatever becomes of the file in it. */
START_TEST(a_state_directory_is_one_jobs)
{
    struct weir_error error = {0};
    struct weir_file *held = NULL;
    char path[512];
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    (void)snprintf(path, sizeof path, "%s/state/app/lock", stage.log->directory);
    ck_ok(weir_remove(stage.env, path, &error), &error);
    path[strlen(path) - strlen("/lock")] = '\0';
    ck_code(weir_directory_lock(stage.env, path, &held, &error), WEIR_LOCKED);
    stage_stop(&stage);
    ck_ok(weir_directory_lock(stage.env, path, &held, &error), &error);
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0), &error));
    ck_assert_int_eq(error.code, WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.text, "in use by another job of application 'app'"));
    weir_file_close(held);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
}
END_TEST

/* Who commits under the application's name moves nothing, whether the job runs or has stopped. */
START_TEST(a_consumer_does_not_move_the_job)
{
    open_stage(_i);
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "app"};
    struct weir_consumer *consumer = weir_consumer_new(stage.log, &options, &error);
    ck_assert_msg(consumer != NULL, "%s", error.text);
    ck_ok(weir_consumer_assign(consumer, "in", 0, WEIR_POSITION_BEGINNING, &error), &error);

    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    ck_assert_int_eq(weir_consumer_commit(consumer, &error), WEIR_GROUP_OWNED);
    stage_drain(&stage);
    ck_assert_int_eq(weir_consumer_commit(consumer, &error), WEIR_GROUP_OWNED);
    ck_assert_ptr_nonnull(strstr(error.text, "stream application 'app'"));
    stage_stop(&stage);
    ck_assert_int_eq(weir_consumer_commit(consumer, &error), WEIR_GROUP_OWNED);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 1);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 ");
}
END_TEST

/* A log is not closed under a job: the refusal says what is open, and the job runs on. */
START_TEST(a_log_with_a_job_is_not_closed)
{
    open_stage(_i);
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    ck_code(weir_close(stage.log, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "1 job,"));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 ");
    stage_stop(&stage);
}
END_TEST

/* What went well leaves no error behind, though directories were there already. */
START_TEST(a_second_life_leaves_no_error)
{
    open_stage(_i);
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    for (int life = 0; life < 2; life++) {
        stage.streams = stage_try_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0), &error);
        ck_assert_ptr_nonnull(stage.streams);
        ck_assert_str_eq(error.text, "");
        stage_stop(&stage);
    }
}
END_TEST

/* Bad options are told by name, and leave nothing behind. */
START_TEST(bad_options_are_refused)
{
    open_stage(_i);
    struct weir_error error = {0};
    const char *const ids[] = {NULL, "", "a/b", "..", "a b"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct weir_streams_options options = *STAGE_OPTIONS(0);
        options.application_id = ids[i];
        ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan), &options, &error));
        ck_assert_int_eq(error.code, WEIR_INVALID_ARGUMENT);
    }
    ck_assert_ptr_null(
        stage_try_start(&stage, plan_filter(&plan),
                        STAGE_OPTIONS(.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "dead_letter_topic"));
    ck_assert_ptr_null(
        stage_try_start(&stage, plan_filter(&plan), STAGE_OPTIONS(.cache_max_bytes = -5), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "cache_max_bytes is -5"));
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan),
                                       STAGE_OPTIONS(.repartition_isolation_level = 2), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "repartition_isolation_level is 2"));
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan),
                                       STAGE_OPTIONS(.transaction_timeout_ms = INT64_MAX), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "transaction_timeout_ms is "));
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan),
                                       STAGE_OPTIONS(.task_max_time_skew_ms = -2), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "task_max_time_skew_ms is -2"));
}
END_TEST

/* Topics that are joined by partition number must have one count: both are named. */
/* One bound for all stores of a job: it is kept by the figures of tables and backends, and one that is too small for
 * the job's tasks is refused with what is enough. */
START_TEST(stores_stay_within_one_bound)
{
    enum { PARTITIONS = 4, BOUND = 16 << 20 };
    open_stage(_i);
    stage_topic(&stage, "in", PARTITIONS);
    stage_topic(&stage, "counts", PARTITIONS);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    struct weir_error error = {0};
    struct weir_streams *none =
        stage_try_start(&stage, topology, STAGE_OPTIONS(.state_memory_max_bytes = 1000), &error);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(error.code, WEIR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(error.text, "state_memory_max_bytes is 1000: 4 tasks") != NULL, "%s",
                  error.text);
    stage_start(&stage, topology, STAGE_OPTIONS(.state_memory_max_bytes = BOUND));
    for (int i = 0; i < 50; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        stage_produce(&stage, "in", i % PARTITIONS, key, "v", 1000);
    }
    stage_drain(&stage);
    struct weir_streams_metrics metrics;
    do { /* figures follow a turn later */
        weir_streams_metrics(stage.streams, &metrics);
        stage_produce(&stage, "in", 0, "k0", "v", 1000);
        stage_drain(&stage);
    } while (metrics.state_memory_bytes == 0);
    ck_assert_int_le(metrics.state_memory_bytes, BOUND);
    ck_assert_int_ge(metrics.state_memory_bytes, metrics.cache_bytes);
}
END_TEST

START_TEST(unequal_partition_counts_are_refused)
{
    open_stage(_i);
    static const int32_t group[] = {0, 1, -1, -2};
    struct weir_error error = {0};
    stage_topic(&stage, "left", 2);
    stage_topic(&stage, "right", 3);
    plan = (struct plan){0};
    for (int i = 0; i < 2; i++) {
        int32_t topic = plan_topic(&plan, i == 0 ? "left" : "right", false);
        plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, topic, NULL);
    }
    plan.subtopologies[0].copartitioned = group;
    ck_assert_ptr_null(stage_try_start(&stage, plan_done(&plan), STAGE_OPTIONS(0), &error));
    ck_assert_int_eq(error.code, WEIR_INVALID_TOPOLOGY);
    ck_assert_ptr_nonnull(strstr(error.text, "'left' has 2"));
    ck_assert_ptr_nonnull(strstr(error.text, "'right' has 3"));
}
END_TEST

/* A record that fails stops the job and is still there: a job that skips it goes on behind it. */
START_TEST(a_failure_stops_the_job_and_loses_nothing)
{
    open_stage(_i);
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t out = plan_topic(&plan, "out", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t refuse = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_refuse, source, -1, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, refuse, out, NULL);
    stage_start(&stage, plan_done(&plan), STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_drain(&stage);
    stage_produce(&stage, "in", 0, "b", "!", 1001);
    ck_code(weir_streams_drain(stage.streams, 60000, &error), WEIR_USER_FUNCTION);
    ck_assert_ptr_nonnull(strstr(error.text, "topic 'in' partition 0 offset 1: value !"));
    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_ERROR);
    ck_code(weir_streams_close(stage.streams, &error), WEIR_USER_FUNCTION);
    stage.streams = NULL;
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 1);

    stage_produce(&stage, "in", 0, "c", "3", 1002);
    stage_start(&stage, plan_done(&plan), STAGE_OPTIONS(.on_processing_error = WEIR_ON_ERROR_SKIP));
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 c=3@1002 ");
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.records_failed, 1);
}
END_TEST

/* Failed rows reach the dead-letter topic, which is made like any other output topic. */
START_TEST(dead_letters_have_their_topic)
{
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_refuse, source, -1, NULL);
    stage_start(&stage, plan_done(&plan),
                STAGE_OPTIONS(.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER,
                              .dead_letter_topic = "letters"));
    stage_produce(&stage, "in", 0, "a", "!", 1000);
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "letters", 0, text, sizeof text), "a=!@1000 ");
}
END_TEST

/* A compacted topic refuses the letter of a record without a key, and the job would stop at it. */
START_TEST(a_compacted_topic_for_dead_letters_is_refused)
{
    static const char *const policies[] = {"compact", "compact,delete"};
    open_stage(0);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_topic(&stage, "letters", 1);
    struct weir_config policy = {"cleanup.policy", policies[_i]};
    ck_ok(weir_topic_configure(stage.log, "letters", &policy, 1, &stage.error), &stage.error);
    const struct weir_streams_options *letters =
        STAGE_OPTIONS(.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER,
                      .dead_letter_topic = "letters");
    struct weir_error error = {0};
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan), letters, &error));
    ck_assert_int_eq(error.code, WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "'letters' is compacted"));
    ck_assert_ptr_nonnull(strstr(error.text, "cleanup.policy to delete"));
    /* Nothing is written to it by a job that skips. */
    stage_start(
        &stage, plan_filter(&plan),
        STAGE_OPTIONS(.on_processing_error = WEIR_ON_ERROR_SKIP, .dead_letter_topic = "letters"));
    stage_stop(&stage);
    policy.value = "delete";
    ck_ok(weir_topic_configure(stage.log, "letters", &policy, 1, &stage.error), &stage.error);
    stage_start(&stage, plan_filter(&plan), letters);
}
END_TEST

/* Each value that no option has is refused by name, with the value and what would be right. */
START_TEST(options_out_of_range_are_named)
{
    const enum weir_on_error odd = (enum weir_on_error)9;
    const enum weir_on_error negative = (enum weir_on_error) - 1;
    static const char one_of[] = "WEIR_ON_ERROR_FAIL, WEIR_ON_ERROR_SKIP or";
    const struct {
        const struct weir_streams_options *options;
        const char *text;
        const char *right;
    } cases[] = {
        {STAGE_OPTIONS(.on_deserialization_error = odd), "on_deserialization_error is 9", one_of},
        {STAGE_OPTIONS(.on_deserialization_error = negative), "on_deserialization_error is -1",
         one_of},
        {STAGE_OPTIONS(.on_processing_error = odd), "on_processing_error is 9", one_of},
        {STAGE_OPTIONS(.on_production_error = odd), "on_production_error is 9", one_of},
        {STAGE_OPTIONS(.on_mismatch = (enum weir_on_mismatch)9), "on_mismatch is 9", "one of"},
        {STAGE_OPTIONS(.processing_guarantee = (enum weir_processing_guarantee) - 1),
         "processing_guarantee is -1", "WEIR_EXACTLY_ONCE"},
        {STAGE_OPTIONS(.num_stream_threads = -1), "num_stream_threads is -1", "1 to 1024"},
        {STAGE_OPTIONS(.num_stream_threads = INT32_MAX), "num_stream_threads is 2147483647",
         "1 to 1024"},
        {STAGE_OPTIONS(.commit_interval_ms = -3), "commit_interval_ms is -3", "0 for the default"},
        {STAGE_OPTIONS(.commit_interval_ms = INT64_MAX),
         "commit_interval_ms is 9223372036854775807", "up to 2147483647"},
    };
    open_stage(0);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_error error = {0};
        ck_assert_msg(stage_try_start(&stage, plan_filter(&plan), cases[i].options, &error) == NULL,
                      "%s", cases[i].text);
        ck_assert_int_eq(error.code, WEIR_INVALID_ARGUMENT);
        ck_assert_msg(strstr(error.text, cases[i].text) && strstr(error.text, cases[i].right), "%s",
                      error.text);
    }
}
END_TEST

/* The next commit is an hour away; the wait is no longer than it is with the default interval. */
START_TEST(a_drain_asks_for_commits)
{
    open_stage(0);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(.commit_interval_ms = 3600000));
    ck_ok(weir_streams_drain(stage.streams, 60000, &stage.error), &stage.error); /* idle */
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    ck_ok(weir_streams_drain(stage.streams, 60000, &stage.error), &stage.error);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 1);
}
END_TEST

/* A drain that has no time says so, and the job goes on. */
START_TEST(a_drain_may_time_out)
{
    open_stage(_i);
    struct weir_error error = {0};
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(.commit_interval_ms = 100000000));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    ck_code(weir_streams_drain(stage.streams, 0, &error), WEIR_TIMED_OUT);
    ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RUNNING);
    stage_stop(&stage);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 1);
}
END_TEST

/* Without auto-create a missing topic is named. */
START_TEST(a_missing_topic_is_named)
{
    open_stage(_i);
    struct weir_error error = {0};
    stage.log->auto_create_topics = false;
    ck_assert_ptr_null(stage_try_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0), &error));
    ck_assert_int_eq(error.code, WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_ptr_nonnull(strstr(error.text, "'in'"));
}
END_TEST

static struct weir_partition_log_state describe(const char *topic)
{
    struct weir_partition_state_request request = {.of = {weir_text(topic), 0}};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_broker_partition_state(weir_embedded_broker(stage.log->embedded), &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &stage.error), &stage.error);
    return request.state;
}

static void assert_knows_damage(const char *topic)
{
    char path[128];
    struct weir_file_stat stat;
    snprintf(path, sizeof path, "%s/log/%s-0/damage",
             weir_broker_path(weir_embedded_broker(stage.log->embedded)), topic);
    ck_assert_int_eq(describe(topic).offline_from, 0);
    ck_ok(weir_stat(stage.env, path, &stat, &stage.error), &stage.error);
}

/* A bit flips in the first batch of `topic`, which the log has not in memory. */
static void damage(const char *topic)
{
    char path[128];
    stage_crash(&stage, WEIR_SIM_KILL); /* opening reads no more than lies above the mark */
    (void)describe(topic);
    snprintf(path, sizeof path, "%s/log/%s-0/00000000000000000000.log",
             weir_broker_path(weir_embedded_broker(stage.log->embedded)), topic);
    ck_assert_int_eq(weir_sim_disk_flip(stage.sim, 0, path, 66, 2), 0);
}

/* The job's input, or the changelog that it restores a store from: the job says where and ends, and the
 * partition is offline from there, in the next life as well. */
START_TEST(damage_that_a_job_reads_is_remembered)
{
    bool is_changelog = _i == 1;
    const char *topic = is_changelog ? "app-counts-changelog" : "in";
    struct weir_error error = {0};
    open_stage(SIMULATED);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_MEMORY);
    if (is_changelog) stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_produce(&stage, "in", 0, "b", "1", 1001);
    if (is_changelog) {
        stage_drain(&stage);
        stage_stop(&stage);
    }
    damage(topic);
    struct weir_streams *streams = stage_try_start(&stage, topology, STAGE_OPTIONS(0), &error);
    if (streams != NULL) ck_code(weir_streams_drain(streams, 60000, &error), WEIR_CORRUPT);
    ck_assert_int_eq(error.code, WEIR_CORRUPT);
    char where[64];
    snprintf(where, sizeof where, "'%s' partition 0: batch at offset 0", topic);
    ck_assert_msg(strstr(error.text, where) != NULL, "%s", error.text);
    snprintf(where, sizeof where, "'weir log repair DIR %s/0'", topic);
    ck_assert_msg(strstr(error.text, where) != NULL, "%s", error.text);
    (void)weir_streams_close(streams, &error); /* its failure has been told */
    assert_knows_damage(topic);
    ck_ok(weir_close(stage.log, &error), &error);
    stage_revive(&stage);
    assert_knows_damage(topic);
}
END_TEST

/* ---- what the job says of its topics ---------------------------------------------------------- */

/* What a topic has of its own under this key; "": nothing. */
static const char *own_setting(const char *topic, const char *key, char to[64])
{
    struct weir_arena arena;
    struct weir_slice name = weir_text(topic);
    struct weir_list_topics_request request = {.arena = &arena,
                                               .names = &name,
                                               .asked_count = 1,
                                               .is_selection = true,
                                               .with_configs = true};
    weir_arena_init(&arena, stage.env->budget, 0);
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_log_list_topics(stage.log, &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &stage.error), &stage.error);
    ck_assert_int_eq(request.topics[0].rc, 0);
    to[0] = '\0';
    for (size_t i = 0; i < request.topics[0].override_count; i++) {
        const struct weir_config_entry *own = &request.topics[0].overrides[i];
        if (strcmp(own->key, key) == 0) (void)snprintf(to, 64, "%s", own->value);
    }
    weir_arena_close(&arena);
    return to;
}

static void expect_formats(const char *topic, const char *key, const char *value)
{
    char found[64];
    ck_assert_str_eq(own_setting(topic, "weir.key.format", found), key);
    ck_assert_str_eq(own_setting(topic, "weir.value.format", found), value);
}

static void set_format(const char *topic, const char *key, const char *value)
{
    struct weir_config config = {key, value};
    ck_ok(weir_topic_configure(stage.log, topic, &config, 1, &stage.error), &stage.error);
}

static struct weir_plan_formats text_to(const char *value)
{
    return (struct weir_plan_formats){.key = {"text", 0}, .value = {value, 0}};
}

static const struct weir_topology *plan_with_formats(void)
{
    (void)plan_count(&plan, WEIR_STORE_MEMORY);
    plan.topics[0].formats = text_to("i32");
    plan.topics[1].formats = text_to("i64");
    plan.topics[1].is_written = true;
    plan.stores[0].formats = text_to("f64");
    return &plan.topology;
}

static void run_once(void)
{
    stage_start(&stage, plan_with_formats(), STAGE_OPTIONS(0));
    stage_drain(&stage);
    stage_stop(&stage);
}

/* Topics that the job makes say what they hold: inputs and outputs that were missing, and its own. */
START_TEST(topics_that_a_job_makes_say_what_they_hold)
{
    open_stage(_i);
    run_once();
    expect_formats("in", "text", "i32");
    expect_formats("counts", "text", "i64");
    expect_formats("app-counts-changelog", "text", "f64");
}
END_TEST

/* Of topics that are there only those get formats that the job writes, and what somebody has said stays. */
START_TEST(what_topics_say_is_not_overwritten)
{
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    run_once();
    expect_formats("in", "", "");
    expect_formats("counts", "text", "i64");
    set_format("counts", "weir.value.format", "u64");
    set_format("app-counts-changelog", "weir.key.format", "");
    set_format("app-counts-changelog", "weir.value.format", NULL);
    run_once();
    expect_formats("counts", "text", "u64");
    expect_formats("app-counts-changelog", "", "");
    set_format("app-counts-changelog", "weir.key.format", NULL);
    run_once();
    expect_formats("app-counts-changelog", "text", "f64");
}
END_TEST

/* How many jobs the log counted whenever an actor was stopped. */
static const struct weir_env_ops *real_ops;
static struct weir_log *watched_log;
static int least_job_count;

static void stop_and_look(struct weir_actor *actor)
{
    int count = atomic_load(&watched_log->job_count);
    if (count < least_job_count) least_job_count = count;
    real_ops->actor_stop(actor);
}

/* As long as anything of a job stands, the log counts it: a weir_close on another thread that saw none
 * would free the engine below it. */
START_TEST(a_job_is_counted_until_it_is_gone)
{
    open_stage(SIMULATED);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    real_ops = stage.env->ops;
    watched_log = stage.log;
    least_job_count = INT_MAX;
    struct weir_env_ops ops = *real_ops;
    ops.actor_stop = stop_and_look;
    stage.env->ops = &ops;
    stage_stop(&stage);
    stage.env->ops = real_ops;
    ck_assert_int_eq(least_job_count, 1);
    ck_assert_int_eq(atomic_load(&stage.log->job_count), 0);
}
END_TEST

static int32_t three_cores(struct weir_env *env)
{
    (void)env;
    return 3;
}

static size_t threads_over(int32_t partitions, int32_t asked)
{
    open_stage(SIMULATED);
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "out", 1);
    struct weir_env_ops ops = *stage.env->ops;
    real_ops = stage.env->ops;
    ops.core_count = three_cores;
    stage.env->ops = &ops;
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(.num_stream_threads = asked));
    stage.env->ops = real_ops;
    const size_t count = stage.streams->thread_count;
    stage_stop(&stage);
    stage_close(&stage);
    return count;
}

/* A job that says nothing has a stream thread for each core that the process may run on, and none that would have
 * no task. */
START_TEST(there_is_a_thread_for_each_core)
{
    ck_assert_uint_eq(threads_over(5, 0), 3);
    ck_assert_uint_eq(threads_over(2, 0), 2);
    ck_assert_uint_eq(threads_over(5, 1), 1);
    ck_assert_uint_eq(threads_over(5, 4), 4);
    open_stage(SIMULATED); /* for the fixture */
}
END_TEST

/* The lines that tell of a difference, and the last of them. */
struct heard {
    int count;
    char line[2048];
};

static void hear(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct heard *heard = context;
    (void)level;
    if (strstr(line, "event=start.format_differs") == NULL) return;
    (void)snprintf(heard->line, sizeof heard->line, "%.*s", (int)size, line);
    heard->count++;
}

/* After a change of serdes: a topic of the job's own follows, an output that says something else is a person's
 * to judge, and one that was told to say nothing does not begin to speak. */
START_TEST(what_topics_say_follows_the_serdes)
{
    struct heard heard = {0};
    stage_open(&stage, 7); /* where no other thread logs while the logger changes */
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    run_once();
    (void)plan_with_formats();
    plan.topics[1].formats.value.text = "struct[mean:f64]";
    plan.stores[0].formats.value.text = "i64";
    stage.env->logger = (struct weir_logger){hear, &heard, WEIR_LOG_INFO};
    stage_start(&stage, &plan.topology, STAGE_OPTIONS(0));
    stage_drain(&stage);
    stage_stop(&stage);
    expect_formats("app-counts-changelog", "text", "i64");
    expect_formats("counts", "text", "i64");
    ck_assert_int_eq(heard.count, 1);
    ck_assert_ptr_nonnull(strstr(heard.line, "topic=counts setting=weir.value.format says=i64 "
                                             "writes=struct[mean:f64] remedy="));
    ck_assert_ptr_nonnull(
        strstr(heard.line, "weir topic alter counts -c 'weir.value.format=struct[mean:f64]'"));
    set_format("counts", "weir.value.format", "struct[mean:f64]");
    set_format("app-counts-changelog", "weir.value.format", "");
    stage_start(&stage, &plan.topology, STAGE_OPTIONS(0));
    stage_drain(&stage);
    stage_stop(&stage);
    expect_formats("app-counts-changelog", "text", "");
    ck_assert_int_eq(heard.count, 1);
    stage.env->logger = (struct weir_logger){0};
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("job");
    tcase_add_checked_fixture(tests, NULL, close_stage);
    tcase_add_loop_test(tests, a_stateless_job_passes_records_on, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, an_input_that_is_read_to_its_end_is_not_waited_for, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, a_counting_job_commits_store_and_offsets, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, threads_share_the_tasks, 0, ENVIRONMENTS);
    tcase_add_test(tests, a_turn_is_bounded_by_rows);
    tcase_add_loop_test(tests, many_tasks_all_have_their_turn, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, a_second_start_is_refused, 0, ENGINES);
    tcase_add_loop_test(tests, a_second_start_with_another_state_directory_is_refused, 0, ENGINES);
    tcase_add_loop_test(tests, a_state_directory_is_one_jobs, 0, ENGINES);
    tcase_add_loop_test(tests, a_consumer_does_not_move_the_job, 0, ENGINES);
    tcase_add_loop_test(tests, a_log_with_a_job_is_not_closed, 0, ENVIRONMENTS);
    tcase_add_test(tests, a_job_is_counted_until_it_is_gone);
    tcase_add_test(tests, there_is_a_thread_for_each_core);
    tcase_add_loop_test(tests, a_second_life_leaves_no_error, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, bad_options_are_refused, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, stores_stay_within_one_bound, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, unequal_partition_counts_are_refused, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, a_failure_stops_the_job_and_loses_nothing, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, dead_letters_have_their_topic, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, a_compacted_topic_for_dead_letters_is_refused, 0, 2);
    tcase_add_test(tests, options_out_of_range_are_named);
    tcase_add_test(tests, a_drain_asks_for_commits);
    tcase_add_loop_test(tests, a_drain_may_time_out, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, a_missing_topic_is_named, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, damage_that_a_job_reads_is_remembered, 0, 2);
    tcase_add_loop_test(tests, topics_that_a_job_makes_say_what_they_hold, 0, ENGINES);
    tcase_add_loop_test(tests, what_topics_say_is_not_overwritten, 0, ENGINES);
    tcase_add_test(tests, what_topics_say_follows_the_serdes);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("job", add);
}
