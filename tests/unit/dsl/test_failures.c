/* Records that fail on the way: what a changelog cannot take, timers, letters that do not fit. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"

static struct weir_error error;
static struct weir_builder *builder;
static struct weir_topology *topology;
static struct weir_test *test;

enum { LARGE = 400 * 1000 }; /* three of them are over the default max.message.bytes */

static void start(enum weir_on_error policy)
{
    topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "test",
        .on_processing_error = policy,
        .dead_letter_topic = policy == WEIR_ON_ERROR_DEAD_LETTER ? "letters" : NULL,
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

static int pipe_value(const char *key, struct weir_slice value, int64_t timestamp_ms)
{
    const struct weir_record record = {
        .key = weir_text(key), .value = value, .timestamp_ms = timestamp_ms};
    return weir_test_pipe_bytes(test, "in", -1, &record, true);
}

static void pipe(const char *key, struct weir_slice value, int64_t timestamp_ms)
{
    int rc = pipe_value(key, value, timestamp_ms);
    if (rc < 0) (void)weir_test_error(test, &error);
    ck_ok(rc, &error);
}

static struct weir_slice large(void)
{
    static uint8_t bytes[LARGE];
    memset(bytes, 'l', sizeof bytes);
    return weir_slice(bytes, sizeof bytes);
}

static size_t stored_size(const char *key)
{
    struct weir_slice value;
    int rc = weir_test_store_get(test, "lists", weir_text(key), &value);
    ck_ok(rc, NULL);
    return rc == WEIR_END ? 0 : value.size;
}

static int64_t failed_count(void)
{
    struct weir_streams_metrics metrics;
    weir_test_metrics(test, &metrics);
    return metrics.records_failed;
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static int joined(struct weir_call *call, const struct weir_slice *old,
                  const struct weir_slice *more, struct weir_slice *joined_out)
{
    uint8_t *bytes = weir_scope_alloc(call->scope, old->size + more->size + 1);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    if (old->size > 0) memcpy(bytes, old->data, old->size);
    memcpy(bytes + old->size, more->data, more->size);
    *joined_out = weir_slice(bytes, old->size + more->size);
    return 0;
}

static int add_to_list(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)key;
    return joined(call, aggregate, value, aggregate);
}

static int reduce_lists(struct weir_call *call, const void *old, const void *more,
                        const void **result_out)
{
    struct weir_slice *result = WEIR_NEW(call, struct weir_slice);
    if (result == NULL) return WEIR_NO_MEMORY;
    *result_out = result;
    return joined(call, old, more, result);
}

enum { AGGREGATE, REDUCE, PUT, KINDS };

static int append_to_list(struct weir_process *process, void *state, struct weir_call *call,
                          const void *key, const void *value)
{
    (void)state;
    static const struct weir_slice empty = {(const uint8_t *)"", 0};
    struct weir_store *store = weir_process_store(process, "lists");
    const void *old = NULL;
    struct weir_slice all;
    int rc = weir_store_get(process, store, key, &old);
    if (rc == 0) rc = joined(call, old != NULL ? old : &empty, value, &all);
    return rc == 0 ? weir_store_put(process, store, key, &all) : rc;
}

/* "in" -> a list of all values of a key in store "lists" */
static void build_lists(int kind)
{
    static const char *const stores[] = {"lists", NULL};
    builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_BYTES);
    if (kind == AGGREGATE) {
        struct weir_table *table = weir_aggregate(weir_group_by_key(in), NULL, add_to_list, NULL,
                                                  WEIR_BYTES, WEIR_STORE(.name = "lists"));
        weir_to(weir_to_stream(table), "out");
    } else if (kind == REDUCE) {
        struct weir_table *table =
            weir_reduce(weir_group_by_key(in), reduce_lists, NULL, WEIR_STORE(.name = "lists"));
        weir_to(weir_to_stream(table), "out");
    } else {
        weir_add_store(builder, "lists", WEIR_STRING, WEIR_BYTES, NULL);
        const struct weir_processor processor = {.process = append_to_list, .stores = stores};
        weir_to(weir_process_values(in, &processor, WEIR_BYTES), "out");
    }
}

/* Goal: the record that would make an aggregate outgrow its changelog fails, as the policy says; the
 * aggregate keeps its value, takes smaller ones, is committed and outlives the job. */
START_TEST(an_aggregate_that_outgrows_its_changelog_keeps_its_value)
{
    const enum weir_on_error policies[] = {WEIR_ON_ERROR_SKIP, WEIR_ON_ERROR_DEAD_LETTER};
    const enum weir_on_error policy = policies[_i / KINDS];
    build_lists(_i % KINDS);
    start(policy);
    for (int i = 0; i < 2; i++)
        pipe("k", large(), i);
    ck_ok(weir_test_commit(test), NULL);
    pipe("k", large(), 2);
    ck_assert_int_eq(failed_count(), 1);
    ck_assert_uint_eq(stored_size("k"), 2 * LARGE);
    pipe("k", weir_text("small"), 3);
    pipe("other", large(), 4);
    ck_ok(weir_test_commit(test), NULL);
    ck_ok(weir_test_restart(test), NULL);
    ck_assert_uint_eq(stored_size("k"), 2 * LARGE + 5);
    ck_assert_uint_eq(stored_size("other"), LARGE);
    if (policy == WEIR_ON_ERROR_DEAD_LETTER) {
        struct weir_record letter;
        ck_assert_int_eq(weir_test_read(test, "letters", &letter, NULL), 0);
        ck_assert(weir_slice_equal(letter.value, large()));
        ck_assert_int_eq(weir_test_read(test, "letters", &letter, NULL), WEIR_END);
    }
    finish();
}
END_TEST

/* Goal: without a policy the job stops at that record, with an error that names store and remedy, and
 * what was committed stays. */
START_TEST(an_aggregate_that_outgrows_its_changelog_stops_the_job)
{
    build_lists(_i);
    start(WEIR_ON_ERROR_FAIL);
    for (int i = 0; i < 2; i++)
        pipe("k", large(), i);
    ck_ok(weir_test_commit(test), NULL);
    ck_assert_int_lt(pipe_value("k", large(), 2), 0);
    ck_assert_int_lt(weir_test_error(test, &error), 0);
    ck_assert_int_eq(error.code, WEIR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(error.text, "'lists'"));
    ck_assert_ptr_nonnull(strstr(error.text, "max.message.bytes"));
    ck_assert_ptr_nonnull(strstr(error.text, "offset 2"));
    finish();
}
END_TEST

/* ---- timers ---------------------------------------------------------------------------------- */

static int tick(struct weir_process *process, void *state, struct weir_call *call, int64_t time_ms)
{
    (void)state;
    int rc = weir_process_forward(process, weir_call_printf(call, "tick"),
                                  weir_call_printf(call, "%d", (int)time_ms), -1);
    return rc == 0 && time_ms == 10 ? weir_call_fail(call, "bad time") : rc;
}

static int schedule(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state, (void)call;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 10, tick);
}

static int pass(struct weir_process *process, void *state, struct weir_call *call, const void *key,
                const void *value)
{
    (void)state, (void)call;
    return weir_process_forward(process, key, value, -1);
}

static void build_timer(void)
{
    builder = weir_builder_new();
    const struct weir_processor processor = {.init = schedule, .process = pass};
    weir_to(
        weir_process(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING), &processor, NULL, NULL),
        "out");
}

static bool header_is(const struct weir_record *record, const char *key, const char *value)
{
    for (size_t i = 0; i < record->header_count; i++) {
        if (!weir_slice_equal(record->headers[i].key, weir_text(key))) continue;
        return weir_slice_equal(record->headers[i].value, weir_text(value));
    }
    return false;
}

/* Goal: a timer that fails is counted, and the job and the timer go on; its letter has no key, value,
 * topic and place, and the timer's time (STREAMS.md section 4). */
START_TEST(a_failing_timer_is_counted_and_the_job_goes_on)
{
    const bool has_letters = _i == 1;
    build_timer();
    start(has_letters ? WEIR_ON_ERROR_DEAD_LETTER : WEIR_ON_ERROR_SKIP);
    for (int i = 0; i < 3; i++)
        pipe("k", weir_text("v"), 10 * i);
    ck_assert_int_eq(failed_count(), 1);
    struct weir_record record;
    int ticks = 0;
    while (weir_test_read(test, "out", &record, NULL) == 0)
        ticks += weir_slice_equal(record.key, weir_text("tick"));
    ck_assert_int_eq(ticks, 3); /* what it forwarded before it failed is on its way */
    if (has_letters) {
        ck_assert_int_eq(weir_test_read(test, "letters", &record, NULL), 0);
        ck_assert(weir_slice_is_null(record.key) && weir_slice_is_null(record.value));
        ck_assert_int_eq(record.timestamp_ms, 10);
        ck_assert(header_is(&record, "__streams.errors.message", "bad time"));
        ck_assert(header_is(&record, "__streams.errors.topic", NULL));
        ck_assert(header_is(&record, "__streams.errors.partition", "-1"));
        ck_assert(header_is(&record, "__streams.errors.offset", "-1"));
        ck_assert_int_eq(weir_test_read(test, "letters", &record, NULL), WEIR_END);
    }
    finish();
}
END_TEST

START_TEST(a_failing_timer_stops_the_job_without_a_policy)
{
    build_timer();
    start(WEIR_ON_ERROR_FAIL);
    pipe("k", weir_text("v"), 0);
    ck_assert_int_lt(pipe_value("k", weir_text("v"), 10), 0);
    ck_assert_int_lt(weir_test_error(test, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.text, "bad time"));
    finish();
}
END_TEST

/* ---- suppress -------------------------------------------------------------------------------- */

/* A full buffer is not the fault of the record that came last, and the buffer has taken it already: the job
 * stops, whatever is done with records that fail. */
START_TEST(a_full_buffer_stops_the_job_whatever_the_policy)
{
    static const enum weir_on_error policies[] = {WEIR_ON_ERROR_FAIL, WEIR_ON_ERROR_SKIP,
                                                  WEIR_ON_ERROR_DEAD_LETTER};
    const struct weir_tumbling window = {.size_ms = 100};
    const struct weir_suppress_options options = {WEIR_SUPPRESS_OPTIONS_INIT, .records_max = 2};
    builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    const bool is_cached = _i >= 3; /* then a commit tells what has changed */
    struct weir_table *counts =
        weir_windowed_count(weir_windowed_by(weir_group_by_key(in), window),
                            WEIR_STORE(.cache = is_cached ? WEIR_CACHE_DEFAULT : WEIR_CACHE_OFF));
    weir_to(weir_to_stream(weir_suppress(counts, &options)), "out");
    start(policies[_i % 3]);
    pipe("a", weir_text("v"), 0);
    pipe("b", weir_text("v"), 1);
    int rc = pipe_value("c", weir_text("v"), 2);
    if (is_cached) {
        ck_ok(rc, &error);
        rc = weir_test_commit(test);
    }
    ck_assert_int_eq(rc, WEIR_LIMIT);
    ck_assert_int_eq(weir_test_error(test, &error), WEIR_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.text, "the buffer is full: 3 rows of"));
    ck_assert_int_eq(failed_count(), 0);
    finish();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("failures");
    tcase_add_loop_test(tests, an_aggregate_that_outgrows_its_changelog_keeps_its_value, 0,
                        2 * KINDS);
    tcase_add_loop_test(tests, an_aggregate_that_outgrows_its_changelog_stops_the_job, 0, KINDS);
    tcase_add_loop_test(tests, a_failing_timer_is_counted_and_the_job_goes_on, 0, 2);
    tcase_add_test(tests, a_failing_timer_stops_the_job_without_a_policy);
    tcase_add_loop_test(tests, a_full_buffer_stops_the_job_whatever_the_policy, 0, 6);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("failures", add);
}
