/* The topology test driver keeps what include/weir/test.h says of it. */
#include <stdio.h>

#include "base/bytes.h"
#include "tests/unit/runtime/task/stage.h"
#include "weir/test.h"

static struct plan plan;
static struct weir_test *test;
static struct weir_error error;
static char text[8192];

#define DRIVER(...) (&(struct weir_test_options){WEIR_TEST_OPTIONS_INIT, __VA_ARGS__})
#define JOB(...) (&(struct weir_streams_options){WEIR_STREAMS_OPTIONS_INIT, __VA_ARGS__})

static void start(const struct weir_topology *topology, const struct weir_test_options *options)
{
    test = weir_test_new(topology, options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
}

static void finish(void)
{
    struct weir_error why = {0};
    ck_ok(weir_test_error(test, &why), &why);
    weir_test_free(test);
    test = NULL;
}

static void pipe_run(const char *topic, int32_t partition, const char *key, const char *value,
                     int64_t timestamp_ms, bool run)
{
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_text(value), .timestamp_ms = timestamp_ms};
    ck_ok(weir_test_pipe_bytes(test, topic, partition, &record, run), NULL);
}

static void pipe_text(const char *topic, const char *key, const char *value, int64_t timestamp_ms)
{
    pipe_run(topic, -1, key, value, timestamp_ms, true);
}

/* Everything unread of a topic: "partition:key=value " each. */
static const char *read_all(const char *topic)
{
    size_t at = 0;
    struct weir_record record;
    int32_t partition;
    int rc;
    text[0] = '\0';
    while ((rc = weir_test_read(test, topic, &record, &partition)) == 0) {
        char value[32];
        if (record.value.size == 8) {
            (void)snprintf(value, sizeof value, "%d", (int)weir_load_u64(record.value.data));
        } else {
            (void)snprintf(value, sizeof value, "%.*s", (int)record.value.size,
                           (const char *)record.value.data);
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%d:%.*s=%s ", (int)partition,
                               (int)record.key.size, (const char *)record.key.data, value);
    }
    ck_assert_int_eq(rc, WEIR_END);
    return text;
}

static int64_t stored(const char *store, const char *key)
{
    struct weir_slice value;
    int rc = weir_test_store_get(test, store, weir_text(key), &value);
    if (rc == WEIR_END) return -1;
    ck_ok(rc, NULL);
    ck_assert_uint_eq(value.size, 8);
    return (int64_t)weir_load_u64(value.data);
}

/* A record that is piped has gone through when the call returns. */
START_TEST(pipe_runs_the_record_to_the_end)
{
    start(plan_filter(&plan), NULL);
    pipe_text("in", "a", "1", 1);
    ck_assert_str_eq(read_all("out"), "0:a=1 ");
    pipe_text("in", "b", "x", 2);
    pipe_text("in", "c", "3", 3);
    ck_assert_str_eq(read_all("out"), "0:c=3 ");
    finish();
}
END_TEST

/* With the cache a table forwards on commit only, the last value; without it every update. */
START_TEST(a_commit_makes_caches_forward)
{
    start(plan_count(&plan, WEIR_STORE_MEMORY), NULL);
    pipe_text("in", "a", "1", 1);
    pipe_text("in", "a", "1", 2);
    ck_assert_str_eq(read_all("counts"), "");
    ck_assert_int_eq(stored("counts", "a"), 2);
    ck_ok(weir_test_commit(test), NULL);
    ck_assert_str_eq(read_all("counts"), "0:a=2 ");
    finish();
    start(plan_count(&plan, WEIR_STORE_MEMORY),
          DRIVER(.streams = JOB(.cache_max_bytes = WEIR_CACHE_OFF)));
    pipe_text("in", "a", "1", 1);
    pipe_text("in", "a", "1", 2);
    ck_assert_str_eq(read_all("counts"), "0:a=1 0:a=2 ");
    finish();
}
END_TEST

/* Turning the clock past commit.interval.ms commits; just below it does not. */
START_TEST(commits_fall_due_as_the_clock_is_turned)
{
    start(plan_count(&plan, WEIR_STORE_MEMORY), DRIVER(.streams = JOB(.commit_interval_ms = 1000)));
    pipe_text("in", "a", "1", 1);
    ck_ok(weir_test_advance_ms(test, 999), NULL);
    ck_assert_str_eq(read_all("counts"), "");
    ck_ok(weir_test_advance_ms(test, 1), NULL);
    ck_assert_str_eq(read_all("counts"), "0:a=1 ");
    finish();
}
END_TEST

/* What was committed is there after a crash; the rest is processed again and counted once. */
START_TEST(a_crash_keeps_what_was_committed)
{
    start(plan_count(&plan, _i % 2 == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB), NULL);
    pipe_text("in", "a", "1", 1);
    ck_ok(weir_test_commit(test), NULL);
    pipe_text("in", "a", "1", 2);
    pipe_text("in", "b", "1", 3);
    ck_ok(weir_test_crash(test, _i >= 2), NULL);
    ck_assert_int_eq(stored("counts", "a"), 2);
    ck_assert_int_eq(stored("counts", "b"), 1);
    ck_ok(weir_test_commit(test), NULL);
    ck_assert_int_eq(stored("counts", "a"), 2);
    ck_assert_str_eq(read_all("counts"), "0:a=1 0:a=2 0:b=1 ");
    finish();
}
END_TEST

/* Closed in order and opened again: nothing is processed twice. */
START_TEST(a_restart_goes_on_where_it_was)
{
    start(plan_repartition(&plan, WEIR_STORE_ROCKSDB), DRIVER(.partition_count = 3));
    for (int i = 0; i < 9; i++) {
        const char *const keys[] = {"a", "b", "c"};
        pipe_run("in", i % 3, keys[i % 3], "1", i, true);
    }
    ck_ok(weir_test_restart(test), NULL);
    pipe_text("in", "a", "1", 10);
    ck_ok(weir_test_commit(test), NULL);
    ck_assert_int_eq(stored("counts", "a"), 4);
    ck_assert_int_eq(stored("counts", "b"), 3);
    ck_assert_int_eq(stored("counts", "c"), 3);
    struct weir_streams_metrics metrics;
    weir_test_metrics(test, &metrics);
    ck_assert_int_eq(metrics.tasks, 6);
    finish();
}
END_TEST

/* Records produced without a run arrive together: the task chooses among them by timestamp. */
START_TEST(records_without_a_run_arrive_together)
{
    static struct stage_log log;
    log = (struct stage_log){0};
    plan = (struct plan){0};
    int32_t left = plan_topic(&plan, "left", false);
    int32_t right = plan_topic(&plan, "right", false);
    int32_t a = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, left, NULL);
    int32_t b = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, right, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, a, -1, &log);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, b, -1, &log);
    start(plan_done(&plan), NULL);
    pipe_run("left", 0, "a", "", 10, false);
    pipe_run("left", 0, "b", "", 30, false);
    pipe_run("right", 0, "c", "", 5, false);
    pipe_run("right", 0, "d", "", 20, false);
    ck_assert_uint_eq(log.size, 0);
    ck_ok(weir_test_run(test), NULL);
    ck_assert_str_eq(log.text, "c@5 | a@10 | d@20 | b@30 | ");
    finish();
}
END_TEST

static uint64_t hash_of_run(uint64_t seed)
{
    start(plan_repartition(&plan, WEIR_STORE_ROCKSDB), DRIVER(.seed = seed, .partition_count = 2));
    pipe_text("in", "a", "1", 1);
    pipe_text("in", "b", "1", 2);
    ck_ok(weir_test_crash(test, true), NULL);
    pipe_text("in", "a", "1", 3);
    ck_ok(weir_test_commit(test), NULL);
    uint64_t hash = 14695981039346656037u;
    for (const char *at = read_all("counts"); *at != '\0'; at++) {
        hash = (hash ^ (uint64_t)*at) * 1099511628211u;
    }
    finish();
    return hash;
}

/* The same seed gives the same outputs, in the same order. */
START_TEST(the_same_seed_gives_the_same_run)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        ck_assert_uint_eq(hash_of_run(seed), hash_of_run(seed));
    }
}
END_TEST

/* A failure stays: later calls give it again, and weir_test_error says why. */
START_TEST(the_first_failure_is_kept)
{
    start(plan_filter(&plan), NULL);
    const struct weir_record record = {.key = weir_text("a"), .value = weir_text("1")};
    ck_assert_int_lt(weir_test_pipe_bytes(test, "in", 7, &record, true), 0);
    struct weir_error why = {0};
    int rc = weir_test_error(test, &why);
    ck_assert_int_lt(rc, 0);
    ck_assert_ptr_nonnull(strstr(why.text, "in"));
    ck_assert_int_eq(weir_test_run(test), rc);
    weir_test_free(test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("test_driver");
    tcase_add_test(tests, pipe_runs_the_record_to_the_end);
    tcase_add_test(tests, a_commit_makes_caches_forward);
    tcase_add_test(tests, commits_fall_due_as_the_clock_is_turned);
    tcase_add_loop_test(tests, a_crash_keeps_what_was_committed, 0, 4);
    tcase_add_test(tests, a_restart_goes_on_where_it_was);
    tcase_add_test(tests, records_without_a_run_arrive_together);
    tcase_add_test(tests, the_same_seed_gives_the_same_run);
    tcase_add_test(tests, the_first_failure_is_kept);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("test_driver", add);
}
