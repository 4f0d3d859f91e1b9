/* Several streams into one table. Kafka Streams' own answers: tests/vectors. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"

enum { TEXT_SIZE = 1024 };

static struct weir_topology *topology;
static struct weir_test *test;

static int begin(struct weir_call *call, void *aggregate)
{
    *(int64_t *)aggregate = *(const int64_t *)call->context;
    return 0;
}

/* Adds the context, which is its own, not the initializer's. */
static int add(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)key;
    if (weir_slice_equal(*(const struct weir_slice *)value, weir_text("delete"))) {
        return WEIR_DELETE;
    }
    *(int64_t *)aggregate += *(const int64_t *)call->context;
    return 0;
}

static const int64_t hundred = 100;
static const int64_t one = 1;
static const int64_t ten = 10;

static struct weir_cogrouped *two_streams(struct weir_builder *builder)
{
    struct weir_stream *a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    struct weir_stream *b = weir_stream(builder, "b", WEIR_STRING, WEIR_STRING);
    struct weir_cogrouped *both = weir_cogroup(weir_group_by_key(a), add, (void *)(uintptr_t)&one);
    return weir_cogroup_add(both, weir_group_by_key(b), add, (void *)(uintptr_t)&ten);
}

/* Of one more stream, for all. */
static struct weir_windowed_stream *windows(struct weir_builder *builder, int64_t size_ms)
{
    struct weir_stream *a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    return weir_windowed_by(weir_group_by_key(a),
                            (struct weir_tumbling){.size_ms = size_ms, .grace_ms = 5});
}

static void start(struct weir_builder *builder, enum weir_cache cache)
{
    struct weir_error error = {0};
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT, .application_id = "cogroup",
        .cache_max_bytes = cache == WEIR_CACHE_OFF ? WEIR_CACHE_OFF : 0};
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    test = weir_test_new(topology, &options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
}

static void end(void)
{
    weir_test_free(test);
    weir_topology_free(topology);
}

static void feed(const char *topic, const char *key, const char *value, int64_t timestamp_ms)
{
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_text(value), .timestamp_ms = timestamp_ms};
    ck_assert_int_ge(weir_test_pipe_bytes(test, topic, 0, &record, true), 0);
}

/* "k=101@5 ", of a window "k+0=101@5 " with its start. */
static void expect(const char *wanted)
{
    char text[TEXT_SIZE] = "";
    struct weir_record record;
    while (weir_test_read(test, "out", &record, NULL) == 0) {
        size_t size = strlen(text);
        size_t key_size = record.key.size > 8 ? record.key.size - 8 : record.key.size;
        int added = snprintf(text + size, sizeof text - size, "%.*s", (int)key_size,
                             (const char *)record.key.data);
        if (key_size < record.key.size) {
            added += snprintf(text + size + added, sizeof text - size - (size_t)added, "+%" PRIu64,
                              weir_load_u64(record.key.data + key_size));
        }
        size += (size_t)added;
        if (weir_slice_is_null(record.value)) {
            (void)snprintf(text + size, sizeof text - size, "=-@%" PRId64 " ", record.timestamp_ms);
        } else {
            (void)snprintf(text + size, sizeof text - size, "=%" PRIu64 "@%" PRId64 " ",
                           weir_load_u64(record.value.data), record.timestamp_ms);
        }
    }
    ck_assert_str_eq(text, wanted);
}

/* Whichever stream comes first begins the aggregate; each adds in its own way, over one store. */
START_TEST(streams_share_an_aggregate)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_cogrouped_aggregate(
        two_streams(builder), begin, (void *)(uintptr_t)&hundred, WEIR_INT64, NULL);
    weir_to(weir_to_stream(table), "out");
    start(builder, WEIR_CACHE_OFF);
    feed("b", "k", "x", 5);
    feed("a", "k", "x", 3);
    feed("a", "other", "x", 4);
    expect("k=110@5 k=111@5 other=101@4 ");
    ck_assert_int_ge(weir_test_commit(test), 0);
    ck_assert_int_ge(_i == 0 ? weir_test_restart(test) : weir_test_crash(test, true), 0);
    feed("b", "k", "x", 9);
    feed("a", "k", "delete", 10);
    expect("k=121@9 k=-@10 ");
    end();
}
END_TEST

/* A cached table forwards each key once at the commit, whichever stream changed it. */
START_TEST(a_cache_forwards_once)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_cogrouped_aggregate(
        two_streams(builder), begin, (void *)(uintptr_t)&hundred, WEIR_INT64, NULL);
    weir_to(weir_to_stream(table), "out");
    start(builder, WEIR_CACHE_DEFAULT);
    feed("a", "k", "x", 1);
    feed("b", "k", "x", 2);
    feed("b", "k", "x", 3);
    expect("");
    ck_assert_int_ge(weir_test_commit(test), 0);
    expect("k=121@3 ");
    end();
}
END_TEST

/* Each stream is late by its own time. */
START_TEST(windows_are_late_by_stream)
{
    struct weir_streams_metrics metrics;
    struct weir_builder *builder = weir_builder_new();
    struct weir_cogrouped *both = two_streams(builder);
    struct weir_table *table = weir_cogrouped_windowed_aggregate(
        both, windows(builder, 10), begin, (void *)(uintptr_t)&hundred, WEIR_INT64, NULL);
    weir_to(weir_to_stream(table), "out");
    start(builder, WEIR_CACHE_OFF);
    feed("a", "k", "x", 1);
    feed("a", "k", "x", 15);
    feed("a", "k", "x", 2); /* a is at 15: too late */
    feed("b", "k", "x", 2); /* b is at 2 */
    expect("k+0=101@1 k+10=101@15 k+0=111@2 ");
    weir_test_metrics(test, &metrics);
    ck_assert_int_eq(metrics.records_dropped_late, 1);
    end();
}
END_TEST

/* Sessions and sliding windows are those of all streams together; after a restart, too. */
static int add_counts(struct weir_call *call, const void *key, const void *other, void *aggregate)
{
    (void)call, (void)key;
    *(int64_t *)aggregate += *(const int64_t *)other;
    return 0;
}

/* The session as the key. */
static int as_text(struct weir_call *call, const void *key, const void *value, const void **key_out,
                   const void **value_out)
{
    const struct weir_windowed_key *session = key;
    *key_out = weir_call_printf(call, "%d..%d", (int)session->start_ms, (int)session->end_ms);
    *value_out = value;
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

START_TEST(sessions_are_of_all_streams)
{
    const struct weir_session_windows sessions = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = 5,
                                                  .grace_ms = 100};
    static const int64_t nothing = 0;
    struct weir_builder *builder = weir_builder_new();
    struct weir_cogrouped *both = two_streams(builder);
    struct weir_stream *a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    struct weir_table *table = weir_cogrouped_windowed_aggregate_merging(
        both, weir_windowed_by_session(weir_group_by_key(a), &sessions), begin, add_counts,
        (void *)(uintptr_t)&nothing, WEIR_INT64, NULL);
    weir_to(weir_map(weir_to_stream(table), as_text, NULL, WEIR_STRING, WEIR_INT64), "out");
    start(builder, WEIR_CACHE_OFF);
    feed("a", "k", "x", 1);
    feed("b", "k", "x", 4);  /* one session of both */
    feed("a", "k", "x", 12); /* another one */
    ck_assert_int_ge(weir_test_commit(test), 0);
    ck_assert_int_ge(weir_test_restart(test), 0);
    feed("b", "k", "x", 8); /* joins the two */
    expect("1..1=1@1 1..1=-@1 1..4=11@4 12..12=1@12 1..4=-@4 12..12=-@12 1..12=22@12 ");
    end();
}
END_TEST

/* What is over for the store, as another stream is further on, is told and counted as late: a store
 * in memory has not taken it. */
START_TEST(sliding_windows_that_the_store_refuses_are_counted)
{
    const struct weir_sliding_windows sliding = {WEIR_SLIDING_WINDOWS_INIT, .difference_ms = 10};
    const struct weir_materialized in_memory = {WEIR_MATERIALIZED_INIT, .store = WEIR_STORE_MEMORY};
    static const int64_t nothing = 0;
    struct weir_streams_metrics metrics;
    struct weir_builder *builder = weir_builder_new();
    struct weir_cogrouped *both = two_streams(builder);
    struct weir_stream *a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    struct weir_table *table = weir_cogrouped_windowed_aggregate(
        both, weir_windowed_by_sliding(weir_group_by_key(a), &sliding), begin,
        (void *)(uintptr_t)&nothing, WEIR_INT64, &in_memory);
    weir_to(weir_map(weir_to_stream(table), as_text, NULL, WEIR_STRING, WEIR_INT64), "out");
    start(builder, WEIR_CACHE_OFF);
    feed("a", "k", "x", 100); /* the store keeps what begins after 70 */
    feed("b", "k", "x", 30);  /* b is at 30 */
    expect("90..100=1@100 20..30=10@30 ");
    weir_test_metrics(test, &metrics);
    ck_assert_int_eq(metrics.records_dropped_late, 1);
    end();
}
END_TEST

/* Two streams with new keys have a repartition each. */
static int value_as_key(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    (void)call, (void)key;
    *key_out = value;
    return 0;
}

START_TEST(new_keys_are_repartitioned)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    struct weir_stream *b = weir_stream(builder, "b", WEIR_STRING, WEIR_STRING);
    struct weir_cogrouped *both = weir_cogroup(weir_group_by(a, value_as_key, NULL, WEIR_STRING),
                                               add, (void *)(uintptr_t)&one);
    weir_cogroup_add(both, weir_group_by(b, value_as_key, NULL, WEIR_STRING), add,
                     (void *)(uintptr_t)&ten);
    struct weir_table *table = weir_cogrouped_aggregate(both, begin, (void *)(uintptr_t)&hundred,
                                                        WEIR_INT64, WEIR_STORE(.name = "both"));
    weir_to(weir_to_stream(table), "out");
    start(builder, WEIR_CACHE_OFF);
    const char *text = weir_topology_describe(topology);
    ck_assert_ptr_nonnull(strstr(text, "(topic: both-repartition)"));
    ck_assert_ptr_nonnull(strstr(text, "(topic: both-1-repartition)"));
    feed("a", "x", "k", 1);
    feed("b", "y", "k", 2);
    expect("k=101@1 k=111@2 ");
    end();
}
END_TEST

static void refuse(struct weir_builder *builder, const char *wanted)
{
    struct weir_error error = {0};
    ck_assert_ptr_null(weir_build(builder, &error));
    ck_assert_str_eq(error.text, wanted);
    weir_builder_free(builder);
}

START_TEST(mistakes_are_told)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    struct weir_stream *b = weir_stream(builder, "b", WEIR_INT64, WEIR_STRING);
    struct weir_cogrouped *both = weir_cogroup(weir_group_by_key(a), add, NULL);
    (void)weir_cogroup_add(both, weir_group_by_key(b), add, NULL);
    (void)weir_cogrouped_aggregate(both, begin, NULL, WEIR_INT64, NULL); /* harmless */
    refuse(builder, "weir_cogroup: the grouped streams have different key serdes, string and "
                    "int64: group by keys of one kind");

    builder = weir_builder_new();
    a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    (void)weir_cogroup(weir_group_by_key(a), NULL, NULL);
    refuse(builder, "weir_cogroup: the aggregator is NULL: pass a function");

    builder = weir_builder_new();
    (void)weir_cogrouped_aggregate(two_streams(builder), begin, NULL, NULL, NULL);
    refuse(builder, "weir_cogrouped_aggregate: the aggregate has no serde, and the table needs "
                    "one: pass it");

    builder = weir_builder_new();
    (void)weir_cogrouped_windowed_aggregate(two_streams(builder), windows(builder, 0), begin, NULL,
                                            WEIR_INT64, NULL);
    refuse(builder, "weir_windowed_by: the window's size is 0 ms: at least 1");

    builder = weir_builder_new();
    a = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    const struct weir_session_windows sessions = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = 5};
    (void)weir_cogrouped_windowed_aggregate(
        two_streams(builder), weir_windowed_by_session(weir_group_by_key(a), &sessions), begin,
        NULL, WEIR_INT64, NULL);
    refuse(builder,
           "weir_cogrouped_aggregate: sessions become one, and there is no merger: pass one "
           "to weir_cogrouped_windowed_aggregate_merging");
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("cogroup");
    tcase_add_loop_test(tests, streams_share_an_aggregate, 0, 2);
    tcase_add_test(tests, a_cache_forwards_once);
    tcase_add_test(tests, windows_are_late_by_stream);
    tcase_add_test(tests, sessions_are_of_all_streams);
    tcase_add_test(tests, sliding_windows_that_the_store_refuses_are_counted);
    tcase_add_test(tests, new_keys_are_repartitioned);
    tcase_add_test(tests, mistakes_are_told);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("cogroup", add_tests);
}
