/* What bad records come to in each operator that works over time: a function that fails, times before
 * and at the end of all time, keys of a megabyte. (Declarations that cannot be: test_mistakes.c; what a
 * changelog cannot take: test_failures.c; stores of another application or schema: test_edits.c and
 * runtime/job/test_restart.c.) */
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"

enum kind {
    PLAIN,
    TUMBLING,
    HOPPING,
    SLIDING,
    SESSION,
    UNLIMITED,
    ON_CLOSE,
    SUPPRESSED,
    COGROUPED,
    STREAM_JOIN,
    TABLE_JOIN,
    KINDS,
};
enum { MODES = 3, SIZE_MS = 10, GRACE_MS = 5 };
static const enum weir_on_error modes[MODES] = {WEIR_ON_ERROR_FAIL, WEIR_ON_ERROR_SKIP,
                                                WEIR_ON_ERROR_DEAD_LETTER};

static struct weir_error error;
static struct weir_topology *topology;
static struct weir_test *test;

/* ---- the topologies: "in" (and "other") to "out" ---------------------------------------------- */

static bool is_bad(const struct weir_slice *value)
{
    return weir_slice_equal(*value, weir_text("bad"));
}

static int add_size(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)key;
    if (is_bad(value)) return weir_call_fail(call, "a bad value");
    *(int64_t *)aggregate += 1;
    return 0;
}

static int add_up(struct weir_call *call, const void *key, const void *other, void *aggregate)
{
    (void)call, (void)key;
    *(int64_t *)aggregate += *(const int64_t *)other;
    return 0;
}

static int count_pair(struct weir_call *call, const void *key, const void *left, const void *right,
                      const void **value_out)
{
    (void)key, (void)right;
    if (is_bad(left)) return weir_call_fail(call, "a bad value");
    *value_out = weir_call_int64(call, 1);
    return 0;
}

static struct weir_windowed_stream *windows_of(struct weir_grouped *grouped, enum kind kind)
{
    const struct weir_time_windows time = {
        WEIR_TIME_WINDOWS_INIT, .size_ms = SIZE_MS, .advance_ms = kind == HOPPING ? SIZE_MS / 2 : 0,
        .grace_ms = GRACE_MS,
        .emit = kind == ON_CLOSE ? WEIR_EMIT_ON_WINDOW_CLOSE : WEIR_EMIT_ON_WINDOW_UPDATE};
    const struct weir_sliding_windows sliding = {WEIR_SLIDING_WINDOWS_INIT,
                                                 .difference_ms = SIZE_MS, .grace_ms = GRACE_MS};
    const struct weir_session_windows session = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = SIZE_MS,
                                                 .grace_ms = GRACE_MS};
    const struct weir_unlimited_windows unlimited = {WEIR_UNLIMITED_WINDOWS_INIT, .start_ms = 0};
    if (kind == SLIDING) return weir_windowed_by_sliding(grouped, &sliding);
    if (kind == SESSION) return weir_windowed_by_session(grouped, &session);
    if (kind == UNLIMITED) return weir_windowed_by_unlimited(grouped, &unlimited);
    return weir_windowed_by_time(grouped, &time);
}

static struct weir_table *aggregate(struct weir_stream *in, enum kind kind)
{
    struct weir_grouped *grouped = weir_group_by_key(in);
    if (kind == PLAIN) return weir_aggregate(grouped, NULL, add_size, NULL, WEIR_INT64, NULL);
    if (kind == COGROUPED) {
        return weir_cogrouped_windowed_aggregate(weir_cogroup(grouped, add_size, NULL),
                                                 windows_of(grouped, kind), NULL, NULL, WEIR_INT64,
                                                 NULL);
    }
    struct weir_table *table = weir_windowed_aggregate_merging(
        windows_of(grouped, kind), NULL, add_size, add_up, NULL, WEIR_INT64, NULL);
    return kind == SUPPRESSED ? weir_suppress(table, NULL) : table;
}

static void start(enum kind kind, enum weir_on_error mode)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_stream *out;
    if (kind == STREAM_JOIN) {
        out = weir_stream_join(
            in, weir_stream(builder, "other", WEIR_STRING, WEIR_STRING), count_pair, NULL,
            WEIR_INT64,
            WEIR_WITHIN(.before_ms = SIZE_MS, .after_ms = SIZE_MS, .grace_ms = GRACE_MS));
    } else if (kind == TABLE_JOIN) {
        out = weir_join(in, weir_table(builder, "other", WEIR_STRING, WEIR_STRING, NULL),
                        count_pair, NULL, WEIR_INT64);
    } else {
        out = weir_to_stream(aggregate(in, kind));
    }
    weir_to(out, "out");
    topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    const bool has_letters = mode == WEIR_ON_ERROR_DEAD_LETTER;
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT,         .application_id = "test",
        .cache_max_bytes = WEIR_CACHE_OFF, .window_emit_interval_ms = WEIR_EMIT_AT_ONCE,
        .on_deserialization_error = mode,  .on_processing_error = mode,
        .on_production_error = mode,       .dead_letter_topic = has_letters ? "letters" : NULL,
    };
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    test = weir_test_new(topology, &options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
}

static void finish(void)
{
    weir_test_free(test);
    weir_topology_free(topology);
}

static int pipe_key(const char *topic, struct weir_slice key, const char *value,
                    int64_t timestamp_ms)
{
    const struct weir_record record = {
        .key = key, .value = weir_text(value), .timestamp_ms = timestamp_ms};
    return weir_test_pipe_bytes(test, topic, 0, &record, true);
}

/* On both sides of a join, the other one first. */
static int pipe_both(enum kind kind, struct weir_slice key, const char *value, int64_t timestamp_ms)
{
    int rc = 0;
    if (kind == STREAM_JOIN || kind == TABLE_JOIN)
        rc = pipe_key("other", key, "fine", timestamp_ms);
    return rc < 0 ? rc : pipe_key("in", key, value, timestamp_ms);
}

static void pipe(enum kind kind, const char *value, int64_t timestamp_ms)
{
    int rc = pipe_both(kind, weir_text("k"), value, timestamp_ms);
    if (rc < 0) (void)weir_test_error(test, &error);
    ck_ok(rc, &error);
}

/* The largest number that has come out since the last look; 0: none. */
static int64_t largest(void)
{
    struct weir_record record;
    int64_t most = 0;
    while (weir_test_read(test, "out", &record, NULL) == 0) {
        int64_t number = 0;
        if (weir_slice_is_null(record.value)) continue;
        ck_ok(weir_deserialize(WEIR_INT64, record.value, &number, &error), &error);
        if (number > most) most = number;
    }
    return most;
}

static int letters(void)
{
    struct weir_record record;
    int count = 0;
    while (weir_test_read(test, "letters", &record, NULL) == 0) {
        ck_assert(weir_slice_equal(record.key, weir_text("k")));
        count++;
    }
    return count;
}

static struct weir_streams_metrics metrics_now(void)
{
    struct weir_streams_metrics metrics;
    weir_test_metrics(test, &metrics);
    return metrics;
}

/* A mode's outcome of one bad record, of which the call said `rc`. */
static void expect_failed(enum weir_on_error mode, int rc, enum weir_code code)
{
    if (mode == WEIR_ON_ERROR_FAIL) {
        ck_assert_int_lt(rc, 0);
        ck_code(weir_test_error(test, &error), code);
        return;
    }
    ck_assert_int_ge(rc, 0);
    ck_assert_int_eq(metrics_now().records_failed, 1);
    if (mode == WEIR_ON_ERROR_DEAD_LETTER) ck_assert_int_eq(letters(), 1);
}

/* What has been counted by now, of windows that close: when a later record has closed them. */
static int64_t counted(enum kind kind)
{
    if (kind == ON_CLOSE || kind == SUPPRESSED) pipe(kind, "fine", 1000);
    return largest();
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* Two good records and a bad one between them: the bad one changes nothing. */
START_TEST(a_failing_function_is_dealt_with_as_asked)
{
    const enum kind kind = (enum kind)(_i % KINDS);
    const enum weir_on_error mode = modes[_i / KINDS];
    const bool is_join = kind == STREAM_JOIN || kind == TABLE_JOIN;
    start(kind, mode);
    pipe(kind, "fine", 100);
    expect_failed(mode, pipe_key("in", weir_text("k"), "bad", 101), WEIR_USER_FUNCTION);
    if (mode != WEIR_ON_ERROR_FAIL) {
        ck_ok(pipe_key("in", weir_text("k"), "fine", 102), NULL);
        ck_assert_int_eq(counted(kind), is_join ? 1 : 2);
    } else {
        ck_assert_ptr_nonnull(strstr(error.text, "a bad value"));
    }
    finish();
}
END_TEST

/* A record from before 1970 does not come in: nothing is counted, no time moves. */
START_TEST(a_negative_timestamp_is_dealt_with_as_asked)
{
    const enum kind kind = (enum kind)(_i % KINDS);
    const enum weir_on_error mode = modes[_i / KINDS];
    start(kind, mode);
    pipe(kind, "fine", 100);
    expect_failed(mode, pipe_key("in", weir_text("k"), "fine", -5), WEIR_INVALID_TIMESTAMP);
    if (mode != WEIR_ON_ERROR_FAIL) ck_assert_int_eq(counted(kind), 1);
    finish();
}
END_TEST

/* 292278994-08-17, the last moment that there is: it is taken, and nothing wraps. All windows are over then
 * (also one without an end, which ends with time, as in Kafka Streams), which is said; what has none goes
 * on. */
START_TEST(the_end_of_time_is_taken)
{
    const enum kind kind = (enum kind)_i;
    const bool has_windows = kind != PLAIN && kind != TABLE_JOIN && kind != STREAM_JOIN;
    start(kind, WEIR_ON_ERROR_FAIL);
    pipe(kind, "fine", 100);
    pipe(kind, "fine", INT64_MAX);
    pipe(kind, "fine", INT64_MAX);
    (void)largest();
    pipe(kind, "fine", 101);
    if (has_windows) ck_assert_int_ge(metrics_now().records_dropped_late, 1);
    if (!has_windows) ck_assert_int_eq(largest(), kind == PLAIN ? 4 : kind == TABLE_JOIN);
    ck_ok(weir_test_restart(test), NULL);
    pipe(kind, "fine", INT64_MAX - 1);
    ck_ok(weir_test_commit(test), NULL);
    if (kind == PLAIN) ck_assert_int_eq(largest(), 5);
    finish();
}
END_TEST

/* With a key as long as a record may be there is no room for it in the changelog, with what stands beside
 * it there: the record fails, by name. A little shorter, and it counts as any other. */
START_TEST(a_key_of_a_megabyte)
{
    enum { FITS = 1000000, BARELY = 1048500 };
    const enum kind kind = (enum kind)(_i % KINDS);
    const bool is_large = _i / KINDS > 0;
    uint8_t *bytes = malloc(BARELY);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'k', BARELY);
    start(kind, WEIR_ON_ERROR_FAIL);
    const struct weir_slice key = weir_slice(bytes, is_large ? BARELY : FITS);
    int rc = pipe_both(kind, key, "fine", 100);
    if (is_large) {
        ck_assert_int_lt(rc, 0);
        ck_code(weir_test_error(test, &error), WEIR_TOO_LARGE);
        ck_assert_ptr_nonnull(strstr(error.text, "more than the"));
    } else {
        ck_ok(rc, NULL);
        if (kind == ON_CLOSE || kind == SUPPRESSED) pipe(kind, "fine", 1000);
        ck_ok(weir_test_commit(test), NULL);
        ck_assert_int_eq(largest(), 1);
    }
    free(bytes);
    finish();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("bad_input");
    tcase_add_loop_test(tests, a_failing_function_is_dealt_with_as_asked, 0, MODES * KINDS);
    tcase_add_loop_test(tests, a_negative_timestamp_is_dealt_with_as_asked, 0, MODES * KINDS);
    tcase_add_loop_test(tests, the_end_of_time_is_taken, 0, KINDS);
    tcase_add_loop_test(tests, a_key_of_a_megabyte, 0, 2 * KINDS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("bad_input", add);
}
