/* Joins of two streams on the test driver: what is emitted when, what a restart keeps, and what becomes of
 * bad input. Random joins against a naive interpreter: test_reference.c; Kafka Streams' own answers:
 * tests/vectors. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/topology/plan.h"
#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"

enum { TEXT_SIZE = 4096 };

static struct weir_topology *topology;
static struct weir_test *test;

/* left|right; "-" for nobody. Fails on the left value "bad". */
static int beside(struct weir_call *call, const void *key, const void *left, const void *right,
                  const void **value_out)
{
    static const struct weir_slice nobody = {(const uint8_t *)"-", 1};
    const struct weir_slice *l = left != NULL ? left : &nobody;
    const struct weir_slice *r = right != NULL ? right : &nobody;
    (void)key;
    if (weir_slice_equal(*l, weir_text("bad"))) return weir_call_fail(call, "a bad one");
    *value_out = weir_call_printf(call, "%.*s|%.*s", (int)l->size, (const char *)l->data,
                                  (int)r->size, (const char *)r->data);
    return 0;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static struct weir_builder *declare(const struct weir_stream_join_options *options)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    struct weir_stream *right = weir_stream(builder, "right", WEIR_STRING, WEIR_STRING);
    weir_to(weir_stream_join(left, right, beside, NULL, WEIR_STRING, options), "out");
    return builder;
}

static struct weir_topology *build(struct weir_builder *builder)
{
    struct weir_error error = {0};
    struct weir_topology *built = weir_build(builder, &error);
    ck_assert_msg(built != NULL, "%s", error.text);
    weir_builder_free(builder);
    return built;
}

static void start_builder(struct weir_builder *builder, enum weir_on_error on_error)
{
    struct weir_error error = {0};
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT, .application_id = "joins", .on_processing_error = on_error};
    const struct weir_test_options test_options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    topology = build(builder);
    test = weir_test_new(topology, &test_options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
}

static void start(const struct weir_stream_join_options *options, enum weir_on_error on_error)
{
    start_builder(declare(options), on_error);
}

static void start_with_itself(const struct weir_stream_join_options *options)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    weir_to(weir_stream_join(left, left, beside, NULL, WEIR_STRING, options), "out");
    start_builder(builder, WEIR_ON_ERROR_FAIL);
}

static void end(void)
{
    weir_test_free(test);
    weir_topology_free(topology);
}

static int pipe_bytes(const char *topic, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms, const char *header)
{
    const struct weir_header headers[] = {{weir_text("h"), weir_text(header)}};
    const struct weir_record record = {
        .key = key,
        .value = value,
        .timestamp_ms = timestamp_ms,
        .headers = headers,
        .header_count = header[0] != '\0',
    };
    return weir_test_pipe_bytes(test, topic, 0, &record, true);
}

static void feed(const char *topic, const char *key, const char *value, int64_t timestamp_ms)
{
    struct weir_slice bytes = value != NULL ? weir_text(value) : weir_null();
    int rc = pipe_bytes(topic, weir_text(key), bytes, timestamp_ms, "");
    ck_assert_int_ge(rc, 0);
}

/* What has come out since the last time: "a=x|p@100 ". */
static void expect(const char *wanted)
{
    char text[TEXT_SIZE] = "";
    struct weir_record record;
    int rc;
    while ((rc = weir_test_read(test, "out", &record, NULL)) == 0) {
        size_t size = strlen(text);
        (void)snprintf(text + size, sizeof text - size, "%.*s=%.*s@%" PRId64 " ",
                       (int)record.key.size, (const char *)record.key.data, (int)record.value.size,
                       (const char *)record.value.data, record.timestamp_ms);
    }
    ck_assert_int_eq(rc, WEIR_END);
    ck_assert_str_eq(text, wanted);
}

static struct weir_streams_metrics metrics(void)
{
    struct weir_streams_metrics now;
    weir_test_metrics(test, &now);
    return now;
}

/* ---- what is emitted when -------------------------------------------------------------------- */

/* The table of Kafka Streams' guide: windows of 15 s, 5 s of grace, times in seconds. */
static const struct story {
    const char *topic;
    const char *value; /* NULL: null */
    int64_t time_s;
    const char *inner;
    const char *left;
    const char *outer;
} story[] = {
    {"left", NULL, 1, "", "", ""},
    {"right", NULL, 2, "", "", ""},
    {"left", "A", 3, "", "", ""},
    {"right", "a", 4, "A|a@4", "A|a@4", "A|a@4"},
    {"left", "B", 5, "B|a@5", "B|a@5", "B|a@5"},
    {"right", "b", 6, "A|b@6 B|b@6", "A|b@6 B|b@6", "A|b@6 B|b@6"},
    {"left", NULL, 7, "", "", ""},
    {"right", NULL, 8, "", "", ""},
    {"left", "C", 9, "C|a@9 C|b@9", "C|a@9 C|b@9", "C|a@9 C|b@9"},
    {"right", "c", 10, "A|c@10 B|c@10 C|c@10", "A|c@10 B|c@10 C|c@10", "A|c@10 B|c@10 C|c@10"},
    {"right", NULL, 11, "", "", ""},
    {"left", NULL, 12, "", "", ""},
    {"right", NULL, 13, "", "", ""},
    {"right", "d", 14, "A|d@14 B|d@14 C|d@14", "A|d@14 B|d@14 C|d@14", "A|d@14 B|d@14 C|d@14"},
    {"left", "D", 15, "D|a@15 D|b@15 D|c@15 D|d@15", "D|a@15 D|b@15 D|c@15 D|d@15",
     "D|a@15 D|b@15 D|c@15 D|d@15"},
    {"right", "e", 40, "", "", ""},
    {"left", "F", 60, "", "", ""},
    {"right", "f", 80, "", "", "-|e@40"},
    {"right", "g", 100, "", "F|-@60", "F|-@60"},
};
enum { STORY = sizeof story / sizeof story[0] };

/* "A|a@4 B|a@5" as the records say it: "k=A|a@4000 k=B|a@5000 ". */
static void expect_seconds(const char *wanted)
{
    char text[TEXT_SIZE] = "";
    char copy[TEXT_SIZE];
    char *rest = NULL;
    (void)snprintf(copy, sizeof copy, "%s", wanted);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        size_t size = strlen(text);
        (void)snprintf(text + size, sizeof text - size, "k=%s000 ", word);
    }
    expect(text);
}

START_TEST(the_documented_table)
{
    const enum weir_join_kind kind = (enum weir_join_kind)_i;
    start(WEIR_WITHIN(.kind = kind, .before_ms = 15000, .after_ms = 15000, .grace_ms = 5000),
          WEIR_ON_ERROR_FAIL);
    for (size_t i = 0; i < STORY; i++) {
        feed(story[i].topic, "k", story[i].value, story[i].time_s * 1000);
        expect_seconds(kind == WEIR_JOIN_INNER  ? story[i].inner
                       : kind == WEIR_JOIN_LEFT ? story[i].left
                                                : story[i].outer);
    }
    ck_assert_int_eq(metrics().records_dropped_null, 7);
    end();
}
END_TEST

/* A result that waited has the time of its record, and the headers of the one that closed its window. */
START_TEST(a_late_result_has_the_headers_of_its_cause)
{
    struct weir_record record;
    start(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .after_ms = 10), WEIR_ON_ERROR_FAIL);
    ck_assert_int_ge(pipe_bytes("left", weir_text("a"), weir_text("x"), 100, "own"), 0);
    ck_assert_int_ge(pipe_bytes("right", weir_text("b"), weir_text("p"), 500, "cause"), 0);
    ck_assert_int_eq(weir_test_read(test, "out", &record, NULL), 0);
    ck_assert_int_eq(record.timestamp_ms, 100);
    ck_assert_uint_eq(record.header_count, 1);
    ck_assert(weir_slice_equal(record.headers[0].value, weir_text("cause")));
    end();
}
END_TEST

/* By the wall clock looks are apart, if that is asked for; what has closed meanwhile comes then. */
START_TEST(looks_are_an_interval_apart)
{
    start(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .after_ms = 10, .emit_interval_ms = 1000),
          WEIR_ON_ERROR_FAIL);
    feed("left", "a", "x", 100);
    feed("left", "b", "y", 200);
    expect("");
    ck_assert_int_ge(weir_test_advance_ms(test, 1000), 0);
    feed("left", "c", "z", 300);
    expect("a=x|-@100 b=y|-@200 ");
    end();
}
END_TEST

/* ---- restarts -------------------------------------------------------------------------------- */

enum { RESTARTED, KILLED, WITHOUT_POWER, ENDINGS };

static void end_and_begin(int how)
{
    ck_assert_int_ge(weir_test_commit(test), 0);
    int rc =
        how == RESTARTED ? weir_test_restart(test) : weir_test_crash(test, how == WITHOUT_POWER);
    ck_assert_int_ge(rc, 0);
}

/* Rows of one key and moment from two lives lie side by side: the number goes on. */
START_TEST(rows_of_two_lives_are_both_met)
{
    const enum weir_store_kind store = _i % 2 == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY;
    start(WEIR_WITHIN(.before_ms = 10, .after_ms = 10, .grace_ms = 100, .store = store),
          WEIR_ON_ERROR_FAIL);
    feed("left", "a", "x", 100);
    feed("left", "b", "other", 100);
    end_and_begin(_i / 2);
    feed("left", "a", "y", 100);
    feed("left", "a", "earlier", 95);
    feed("right", "a", "p", 100);
    expect("a=earlier|p@100 a=x|p@100 a=y|p@100 ");
    end();
}
END_TEST

/* What waits for a match is there after a restart, and goes on when its window has closed. */
START_TEST(what_waits_survives)
{
    const enum weir_store_kind store = _i % 2 == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY;
    start(WEIR_WITHIN(.kind = WEIR_JOIN_OUTER, .before_ms = 10, .after_ms = 10, .grace_ms = 5,
                      .store = store),
          WEIR_ON_ERROR_FAIL);
    feed("left", "a", "x", 100);
    feed("right", "b", "q", 101);
    feed("left", "c", "z", 102);
    end_and_begin(_i / 2);
    expect("");
    feed("right", "a", "p", 109);
    expect("a=x|p@109 ");
    end_and_begin(_i / 2);
    feed("left", "d", "w", 500);
    expect("b=-|q@101 c=z|-@102 ");
    end();
}
END_TEST

/* What was late before a restart is late after it. */
START_TEST(stream_time_survives)
{
    start(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .before_ms = 10, .after_ms = 10), WEIR_ON_ERROR_FAIL);
    feed("right", "b", "far", 1000);
    end_and_begin(_i);
    feed("left", "a", "late", 100);
    expect("a=late|-@100 "); /* at once: its window lies behind */
    end();
}
END_TEST

/* Over one store a row meets itself unless its time is over, and to a store in memory a row without a value
 * has told the time too. */
START_TEST(a_late_row_does_not_meet_itself)
{
    start_with_itself(WEIR_WITHIN(.before_ms = 10, .after_ms = 10, .store = WEIR_STORE_MEMORY,
                                  .is_single_store = true));
    feed("left", "a", "x", 100);
    expect("a=x|x@100 ");
    feed("left", "a", NULL, 1000);
    feed("left", "a", "late", 980);
    expect("");
    feed("left", "a", "early", 981);
    expect("a=early|early@981 ");
    end();
}
END_TEST

/* Over one store a row stops to meet itself a millisecond before the store forgets it; others still do. */
START_TEST(a_row_of_the_last_millisecond_meets_others_only)
{
    start_with_itself(WEIR_WITHIN(.before_ms = 20, .after_ms = 40, .grace_ms = 50,
                                  .store = _i == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
                                  .is_single_store = true));
    feed("left", "z", "time", 1190);
    expect("z=time|time@1190 ");
    feed("left", "q", "edge", 1081);
    expect("");
    feed("left", "q", "inside", 1082);
    expect("q=inside|edge@1082 q=edge|inside@1082 q=inside|inside@1082 ");
    end();
}
END_TEST

/* ---- bad input ------------------------------------------------------------------------------- */

START_TEST(a_key_of_a_megabyte_fails_its_record)
{
    enum { SIZE = 1 << 20 };
    uint8_t *key = malloc(SIZE);
    ck_assert_ptr_nonnull(key);
    memset(key, 'k', SIZE);
    start(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .after_ms = 10), WEIR_ON_ERROR_SKIP);
    /* The input takes it only without much of a value, and a window's key is longer. */
    const size_t size = SIZE - 200;
    ck_assert_int_ge(pipe_bytes("left", weir_slice(key, size), weir_text("x"), 100, ""), 0);
    feed("left", "a", "x", 100);
    feed("right", "a", "p", 101);
    expect("a=x|p@101 ");
    ck_assert_int_le(metrics().records_failed, 1);
    ck_assert_int_ge(weir_test_commit(test), 0); /* whatever was kept fits into its changelog */
    end();
    free(key);
}
END_TEST

/* A list of waiting rows that its changelog could not take fails the row that makes it so. */
START_TEST(too_many_rows_of_one_moment_fail_one_by_one)
{
    enum { VALUE = 100 * 1000, ROWS = 15 };
    char *value = malloc(VALUE + 1);
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', VALUE);
    value[VALUE] = '\0';
    start(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .after_ms = 10), WEIR_ON_ERROR_SKIP);
    for (int i = 0; i < ROWS; i++)
        feed("left", "a", value, 100);
    ck_assert_int_gt(metrics().records_failed, 0);
    ck_assert_int_lt(metrics().records_failed, ROWS);
    ck_assert_int_ge(weir_test_commit(test), 0);
    end();
    free(value);
}
END_TEST

/* At both ends of time nothing wraps: what is near in time meets, the rest waits for ever. */
START_TEST(the_ends_of_time)
{
    start(WEIR_WITHIN(.kind = WEIR_JOIN_OUTER, .before_ms = 10, .after_ms = 10, .grace_ms = 10),
          WEIR_ON_ERROR_FAIL);
    feed("left", "a", "first", 0);
    feed("right", "a", "p", 3);
    expect("a=first|p@3 ");
    feed("left", "b", "x", INT64_MAX - 1);
    feed("right", "b", "q", INT64_MAX);
    expect("b=x|q@9223372036854775807 ");
    feed("left", "c", "y", INT64_MAX);
    expect("");
    end();
}
END_TEST

/* A negative time is refused before the join sees it. */
START_TEST(a_negative_time_fails)
{
    start(WEIR_WITHIN(.after_ms = 10), WEIR_ON_ERROR_FAIL);
    ck_assert_int_lt(pipe_bytes("left", weir_text("a"), weir_text("x"), -2, ""), 0);
    end();
}
END_TEST

/* A buffered row whose joiner fails is gone, and what caused the look goes its way. */
START_TEST(a_failure_of_a_late_result_is_its_own)
{
    start(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .before_ms = 10, .after_ms = 10), WEIR_ON_ERROR_SKIP);
    feed("left", "a", "bad", 100);
    feed("left", "b", "good", 101);
    feed("left", "c", "x", 500);
    feed("right", "c", "p", 501);
    expect("b=good|-@101 c=x|p@501 ");
    ck_assert_int_eq(metrics().records_failed, 1);
    end();
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

static void refuse(struct weir_builder *builder, const char *wanted)
{
    struct weir_error error = {0};
    ck_assert_ptr_null(weir_build(builder, &error));
    ck_assert_str_eq(error.text, wanted);
    weir_builder_free(builder);
}

START_TEST(times_that_make_no_window)
{
    refuse(declare(WEIR_WITHIN(.before_ms = -11, .after_ms = 10)),
           "weir_stream_join: before_ms and after_ms, -11 and 10, leave no time between them: "
           "together at least 0");
    refuse(declare(WEIR_WITHIN(.after_ms = 10, .grace_ms = -1)),
           "weir_stream_join: grace_ms is -1: at least 0");
    refuse(declare(WEIR_WITHIN(.before_ms = INT64_MAX, .after_ms = 1)),
           "weir_stream_join: before_ms, after_ms and grace_ms, 9223372036854775807, 1 and 0 ms, "
           "are longer than time: choose less");
    refuse(declare(WEIR_WITHIN(.emit_interval_ms = -1)),
           "weir_stream_join: emit_interval_ms is -1: at least 0, which is at once");
    refuse(declare(WEIR_WITHIN(.kind = (enum weir_join_kind)7)),
           "weir_stream_join: there is no join of kind 7: WEIR_JOIN_INNER, WEIR_JOIN_LEFT or "
           "WEIR_JOIN_OUTER");
    refuse(declare(&(struct weir_stream_join_options){.after_ms = 10}),
           "weir_stream_join: the join's options have size 0: begin them with "
           "WEIR_STREAM_JOIN_OPTIONS_INIT, or use WEIR_WITHIN(…)");
}
END_TEST

START_TEST(streams_that_cannot_meet)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    struct weir_stream *right = weir_stream(builder, "right", WEIR_INT64, WEIR_STRING);
    (void)weir_stream_join(left, right, beside, NULL, WEIR_STRING, NULL);
    refuse(builder, "weir_stream_join: the streams have different key serdes, string and int64: "
                    "select a key of one kind for both first");

    builder = weir_builder_new();
    left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    (void)weir_stream_join(left, left, NULL, NULL, WEIR_STRING, NULL);
    refuse(builder, "weir_stream_join: the joiner is NULL: pass a function");

    builder = weir_builder_new();
    left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    (void)weir_stream_join(left, NULL, beside, NULL, WEIR_STRING, NULL);
    refuse(builder, "weir_stream_join: the right stream is NULL: pass a stream");

    refuse(declare(WEIR_WITHIN(.is_single_store = true)),
           "weir_stream_join: is_single_store is for a stream that is joined with itself: pass the "
           "same stream twice, or leave it out");
}
END_TEST

START_TEST(sides_with_different_partition_counts)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    struct weir_stream *right = weir_stream(builder, "right", WEIR_STRING, WEIR_STRING);
    left = weir_repartition(left, "two", 2);
    right = weir_repartition(right, "three", 3);
    weir_to(weir_stream_join(left, right, beside, NULL, WEIR_STRING, WEIR_WITHIN(.name = "meet")),
            "out");
    refuse(builder, "meet-merge: 'two-repartition' has 2 partitions and 'three-repartition' has 3: "
                    "records of one key meet here, so give both the same number");
}
END_TEST

/* ---- the topology ---------------------------------------------------------------------------- */

START_TEST(a_named_join_is_described_as_in_kafka_streams)
{
    topology = build(declare(WEIR_WITHIN(.kind = WEIR_JOIN_OUTER, .after_ms = 5, .grace_ms = 3,
                                         .name = "both", .store_name = "kept")));
    ck_assert_str_eq(weir_topology_describe(topology),
                     "Topologies:\n"
                     "   Sub-topology: 0\n"
                     "    Source: KSTREAM-SOURCE-0000000000 (topics: [left])\n"
                     "      --> both-this-windowed\n"
                     "    Source: KSTREAM-SOURCE-0000000001 (topics: [right])\n"
                     "      --> both-other-windowed\n"
                     "    Processor: both-other-windowed (stores: [kept-outer-other-join-store])\n"
                     "      --> both-outer-other-join\n"
                     "      <-- KSTREAM-SOURCE-0000000001\n"
                     "    Processor: both-this-windowed (stores: [kept-outer-this-join-store])\n"
                     "      --> both-outer-this-join\n"
                     "      <-- KSTREAM-SOURCE-0000000000\n"
                     "    Processor: both-outer-other-join (stores: "
                     "[kept-outer-shared-join-store, kept-outer-this-join-store])\n"
                     "      --> both-merge\n"
                     "      <-- both-other-windowed\n"
                     "    Processor: both-outer-this-join (stores: [kept-outer-other-join-store, "
                     "kept-outer-shared-join-store])\n"
                     "      --> both-merge\n"
                     "      <-- both-this-windowed\n"
                     "    Processor: both-merge (stores: [])\n"
                     "      --> KSTREAM-SINK-0000000007\n"
                     "      <-- both-outer-other-join, both-outer-this-join\n"
                     "    Sink: KSTREAM-SINK-0000000007 (topic: out)\n"
                     "      <-- both-merge\n"
                     "\n");
    weir_topology_free(topology);
}
END_TEST

/* Rows of a side have a key each: their changelog is deleted from, and never compacted. The buffer's is. */
START_TEST(changelogs_of_sides_are_not_compacted)
{
    topology = build(declare(WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .after_ms = 5, .grace_ms = 3)));
    ck_assert_uint_eq(topology->store_count, 3);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(topology->stores[i].is_changelog_uncompacted);
        ck_assert_int_eq(topology->stores[i].changelog_retention_ms, 86400000 + 8);
    }
    ck_assert(!topology->stores[2].is_changelog_uncompacted);
    ck_assert_int_eq(topology->stores[2].changelog_retention_ms, 0);
    weir_topology_free(topology);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("stream joins");
    tcase_add_loop_test(tests, the_documented_table, WEIR_JOIN_INNER, WEIR_JOIN_OUTER + 1);
    tcase_add_test(tests, a_late_result_has_the_headers_of_its_cause);
    tcase_add_test(tests, looks_are_an_interval_apart);
    tcase_add_loop_test(tests, rows_of_two_lives_are_both_met, 0, 2 * ENDINGS);
    tcase_add_loop_test(tests, what_waits_survives, 0, 2 * ENDINGS);
    tcase_add_loop_test(tests, stream_time_survives, 0, ENDINGS);
    tcase_add_test(tests, a_key_of_a_megabyte_fails_its_record);
    tcase_add_test(tests, too_many_rows_of_one_moment_fail_one_by_one);
    tcase_add_test(tests, a_late_row_does_not_meet_itself);
    tcase_add_loop_test(tests, a_row_of_the_last_millisecond_meets_others_only, 0, 2);
    tcase_add_test(tests, the_ends_of_time);
    tcase_add_test(tests, a_negative_time_fails);
    tcase_add_test(tests, a_failure_of_a_late_result_is_its_own);
    tcase_add_test(tests, times_that_make_no_window);
    tcase_add_test(tests, streams_that_cannot_meet);
    tcase_add_test(tests, sides_with_different_partition_counts);
    tcase_add_test(tests, a_named_join_is_described_as_in_kafka_streams);
    tcase_add_test(tests, changelogs_of_sides_are_not_compacted);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("stream joins", add);
}
