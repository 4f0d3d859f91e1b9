/* What is dropped as late is said: by operator, how late, and with which grace it would not have
 * been. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/application/late.h"
#include "runtime/application/look.h"
#include "tests/unit/runtime/task/stage.h"

enum { WINDOW_MS = 10, GRACE_MS = 5 };

static struct stage stage;
static struct weir_topology *topology;

/* ---- stage ----------------------------------------------------------------------------------- */

/* Windows of 10 ms, 5 ms of grace or as given, in a store called hours. */
static void build(int64_t grace_ms)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by_key(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING)),
                         (struct weir_tumbling){.size_ms = WINDOW_MS, .grace_ms = grace_ms});
    const struct weir_materialized named = {WEIR_MATERIALIZED_INIT, .name = "hours"};
    weir_to(weir_to_stream(weir_windowed_count(windowed, &named)), "out");
    topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
}

static void open_topics(int32_t partitions)
{
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "out", partitions);
}

static void produce(int32_t partition, int64_t timestamp_ms)
{
    stage_produce(&stage, "in", partition, "k", "v", timestamp_ms);
}

static void run(void)
{
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 2));
    stage_drain(&stage);
}

static void finish(void)
{
    stage_close(&stage);
    weir_topology_free(topology);
}

static struct weir_operator_metrics operator_metrics(void)
{
    struct weir_operator_metrics metrics[4];
    ck_assert_uint_eq(weir_streams_operator_metrics(stage.streams, metrics, 4), 1);
    return metrics[0];
}

/* As committed: what an application's description shows. */
static struct weir_app_late late_of_app(void)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_app_late *late = NULL;
    size_t count = 0;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    struct weir_app app = {.source = weir_app_source_of(stage.log), .arena = &arena, .id = "app"};
    ck_ok(weir_app_look(&app, &stage.error), &stage.error);
    ck_ok(weir_app_find_late(&app, &late, &count, &stage.error), &stage.error);
    struct weir_app_late first = {0};
    if (count > 0) first = late[0];
    ck_assert_uint_le(count, 1);
    if (count > 0) ck_assert_str_eq(first.operator_name, "store:hours");
    first.operator_name = NULL; /* it was in the arena */
    weir_arena_close(&arena);
    return first;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Two partitions, three late records of which one is late the most, and a record that grace lets
 * in. */
START_TEST(late_records_are_counted_by_operator)
{
    stage_open(&stage, 1);
    open_topics(2);
    build(GRACE_MS);
    produce(0, 100), produce(0, 20), produce(0, 99), produce(0, 84);
    produce(1, 50), produce(1, 44), produce(1, 3);
    run();
    struct weir_operator_metrics metrics = operator_metrics();
    ck_assert_ptr_nonnull(strstr(weir_topology_describe(topology), metrics.name));
    ck_assert_int_eq(metrics.records_late, 3);
    ck_assert_int_eq(metrics.late_max_ms, 80);
    ck_assert_int_eq(metrics.grace_enough_ms, 71); /* the window of 20 ends at 30, at 100 */
    struct weir_streams_metrics all;
    weir_streams_metrics(stage.streams, &all);
    ck_assert_int_eq(all.records_dropped_late, 3);
    finish();
}
END_TEST

/* The grace that is said is the smallest that is enough. */
START_TEST(the_grace_that_is_said_is_enough)
{
    for (int64_t grace_ms = 70; grace_ms <= 71; grace_ms++) {
        stage_open(&stage, 1);
        open_topics(1);
        build(grace_ms);
        produce(0, 100), produce(0, 20);
        run();
        struct weir_streams_metrics all;
        weir_streams_metrics(stage.streams, &all);
        ck_assert_int_eq(all.records_dropped_late, grace_ms == 70);
        ck_assert_uint_eq(weir_streams_operator_metrics(stage.streams, NULL, 0), grace_ms == 70);
        finish();
    }
}
END_TEST

/* It is in the commit: a restart goes on counting, and who looks from outside sees it. */
START_TEST(what_was_late_is_committed)
{
    stage_open(&stage, 1);
    open_topics(1);
    build(GRACE_MS);
    produce(0, 100), produce(0, 20);
    run();
    ck_assert_int_eq(late_of_app().records, 1);
    stage_stop(&stage);
    produce(0, 30), produce(0, 40), produce(0, 100);
    run();
    struct weir_operator_metrics metrics = operator_metrics();
    ck_assert_int_eq(metrics.records_late, 2); /* of this run */
    ck_assert_int_eq(metrics.late_max_ms, 80);
    struct weir_app_late late = late_of_app();
    ck_assert_int_eq(late.records, 3);
    ck_assert_int_eq(late.late_max_ms, 80);
    ck_assert_int_eq(late.grace_enough_ms, 71);
    finish();
}
END_TEST

START_TEST(nothing_is_said_where_nothing_is_late)
{
    stage_open(&stage, 1);
    open_topics(1);
    build(GRACE_MS);
    produce(0, 100), produce(0, 99);
    run();
    ck_assert_uint_eq(weir_streams_operator_metrics(stage.streams, NULL, 0), 0);
    ck_assert_int_eq(late_of_app().records, 0);
    finish();
}
END_TEST

/* Nobody has given a function for the log's lines: a warning goes to stderr, and what is no warning
 * nowhere. */
START_TEST(a_warning_goes_to_stderr_by_default)
{
    char text[8192] = "";
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int kept = dup(STDERR_FILENO);
    ck_assert_int_ge(kept, 0);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    stage_open_real(&stage);
    open_topics(1);
    build(GRACE_MS);
    produce(0, 100), produce(0, 20);
    run();
    finish();
    ck_assert_int_ge(dup2(kept, STDERR_FILENO), 0);
    (void)close(kept);
    rewind(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    ck_assert_msg(strstr(text, "level=warn event=records.late task=0_0 operator=KSTREAM-") != NULL,
                  "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "count=1 total=1 late_max_ms=80 grace_enough_ms=71\n"));
    ck_assert_ptr_null(strstr(text, "level=info"));
}
END_TEST

/* ---- the topic for late records -------------------------------------------------------------- */

enum kind {
    TUMBLING,
    HOPPING,
    SLIDING,
    SESSION,
    TUMBLING_CLOSING,
    SLIDING_CLOSING,
    SESSION_CLOSING,
    JOIN,
    KINDS
};

static int concat(struct weir_call *call, const void *key, const void *left, const void *right,
                  const void **value_out)
{
    (void)call, (void)key, (void)right;
    *value_out = left;
    return 0;
}

static struct weir_windowed_stream *cut(struct weir_grouped *grouped, enum kind kind)
{
    const enum weir_emit emit =
        kind >= TUMBLING_CLOSING ? WEIR_EMIT_ON_WINDOW_CLOSE : WEIR_EMIT_ON_WINDOW_UPDATE;
    const struct weir_sliding_windows sliding = {
        WEIR_SLIDING_WINDOWS_INIT, .difference_ms = WINDOW_MS, .grace_ms = GRACE_MS, .emit = emit};
    const struct weir_session_windows session = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = WINDOW_MS,
                                                 .grace_ms = GRACE_MS, .emit = emit};
    const struct weir_time_windows time = {WEIR_TIME_WINDOWS_INIT, .size_ms = WINDOW_MS,
                                           .advance_ms = kind == HOPPING ? WINDOW_MS / 2 : 0,
                                           .grace_ms = GRACE_MS, .emit = emit};
    if (kind == SLIDING || kind == SLIDING_CLOSING)
        return weir_windowed_by_sliding(grouped, &sliding);
    if (kind == SESSION || kind == SESSION_CLOSING)
        return weir_windowed_by_session(grouped, &session);
    return weir_windowed_by_time(grouped, &time);
}

static void build_kind(enum kind kind)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    if (kind == JOIN) {
        struct weir_stream *other = weir_stream(builder, "other", WEIR_STRING, WEIR_STRING);
        weir_to(weir_stream_join(in, other, concat, NULL, WEIR_STRING,
                                 WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .before_ms = WINDOW_MS,
                                             .after_ms = WINDOW_MS, .grace_ms = GRACE_MS)),
                "out");
    } else {
        weir_to(weir_to_stream(weir_windowed_count(cut(weir_group_by_key(in), kind), NULL)), "out");
    }
    topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
}

static const struct weir_streams_options with_late = {
    WEIR_STREAMS_OPTIONS_INIT, .application_id = "app", .num_stream_threads = 1,
    .late_topic = "late"};

static void open_late(enum kind kind)
{
    stage_open(&stage, 1);
    open_topics(1);
    stage_topic(&stage, "late", 1);
    if (kind == JOIN) stage_topic(&stage, "other", 1);
    build_kind(kind);
}

/* Two that come in time, here or far ahead, and one that is late, with a header of its own. */
static void produce_late(int64_t ahead_ms)
{
    const struct weir_header own = {weir_text("own"), weir_text("1")};
    const struct weir_record late = {.key = weir_text("k"),
                                     .value = weir_text("w"),
                                     .timestamp_ms = 20,
                                     .headers = &own,
                                     .header_count = 1};
    produce(0, ahead_ms + 100), produce(0, ahead_ms + 99);
    stage_produce_record(&stage, "in", 0, &late);
}

/* Loop: every operator with windows. */
START_TEST(a_late_record_goes_to_its_topic_as_it_was_read)
{
    char text[1024];
    char wanted[256];
    const int ahead_ms = _i == JOIN ? 200000 : 0; /* a join's store has segments of a minute */
    open_late((enum kind)_i);
    produce_late(ahead_ms);
    stage_start(&stage, topology, &with_late);
    stage_drain(&stage);
    const struct weir_operator_metrics metrics = operator_metrics();
    stage_read_headers(&stage, "late", 0, text, sizeof text);
    (void)snprintf(wanted, sizeof wanted,
                   "k=w@20 own:1 __streams.late.operator:%s __streams.late.ms:%d "
                   "__streams.late.windows:%d __streams.late.topic:in "
                   "__streams.late.partition:0 __streams.late.offset:2 ",
                   metrics.name, ahead_ms + 80, (int)metrics.records_late);
    ck_assert_str_eq(text, wanted);
    ck_assert_int_eq(metrics.records_late, _i == HOPPING ? 2 : 1);
    finish();
}
END_TEST

static bool has_read_all(void *context)
{
    struct weir_streams_metrics metrics;
    (void)context;
    weir_streams_metrics(stage.streams, &metrics);
    return metrics.records_in == 3;
}

/* It is an output like any other: what a crash takes before the commit is not there twice. */
START_TEST(a_late_record_is_written_exactly_once)
{
    open_late(TUMBLING);
    produce_late(0);
    stage_start(&stage, topology,
                STAGE_OPTIONS(.num_stream_threads = 1, .late_topic = "late",
                              .commit_interval_ms = 3600000));
    (void)weir_sim_run(stage.sim, has_read_all, NULL, INT64_MAX);
    ck_assert(has_read_all(NULL));
    ck_assert_int_eq(stage_count_records(&stage, "late", 0), 0); /* not committed */
    stage_crash(&stage, _i == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    stage_start(&stage, topology, &with_late);
    stage_drain(&stage);
    ck_assert_int_eq(stage_count_records(&stage, "late", 0), 1);
    stage_stop(&stage);
    stage_start(&stage, topology, &with_late);
    stage_drain(&stage);
    ck_assert_int_eq(stage_count_records(&stage, "late", 0), 1);
    finish();
}
END_TEST

/* Loop: the topic of the job's outputs and that of its dead letters. */
START_TEST(the_topic_may_have_another_use)
{
    open_late(TUMBLING);
    produce_late(0);
    stage_start(&stage, topology,
                STAGE_OPTIONS(.num_stream_threads = 1, .late_topic = _i == 0 ? "out" : "late",
                              .dead_letter_topic = "late",
                              .on_processing_error = WEIR_ON_ERROR_DEAD_LETTER));
    stage_drain(&stage);
    ck_assert_int_eq(stage_count_records(&stage, _i == 0 ? "out" : "late", 0), _i == 0 ? 3 : 1);
    finish();
}
END_TEST

/* It would come again there, be late again, and so on. Loop: the input, and the store's changelog. */
START_TEST(a_topic_that_the_job_reads_is_refused)
{
    static const char *const topics[] = {"in", "app-hours-changelog"};
    static const char *const roles[] = {"late_topic 'in' is an input of the job",
                                        "late_topic 'app-hours-changelog' is a changelog of"};
    stage_open(&stage, 1);
    open_topics(1);
    build(GRACE_MS);
    produce_late(0);
    stage_start_refused(&stage, topology, STAGE_OPTIONS(.late_topic = topics[_i]),
                        WEIR_INVALID_ARGUMENT, roles[_i], &stage.error);
    ck_assert_int_eq(stage_count_records(&stage, "in", 0), 3);
    finish();
}
END_TEST

START_TEST(a_compacted_topic_for_late_records_is_refused)
{
    const struct weir_config compacted[] = {{"cleanup.policy", "compact"}};
    stage_open(&stage, 1);
    open_topics(1);
    ck_ok(weir_topic_create(stage.log, "late", 1, compacted, 1, &stage.error), &stage.error);
    build(GRACE_MS);
    stage_start_refused(&stage, topology, &with_late, WEIR_INVALID_ARGUMENT,
                        "late_topic 'late' is compacted", &stage.error);
    finish();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("late");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, late_records_are_counted_by_operator);
    tcase_add_test(tests, the_grace_that_is_said_is_enough);
    tcase_add_test(tests, what_was_late_is_committed);
    tcase_add_test(tests, nothing_is_said_where_nothing_is_late);
    tcase_add_test(tests, a_warning_goes_to_stderr_by_default);
    tcase_add_loop_test(tests, a_late_record_goes_to_its_topic_as_it_was_read, 0, KINDS);
    tcase_add_loop_test(tests, a_late_record_is_written_exactly_once, 0, 2);
    tcase_add_loop_test(tests, the_topic_may_have_another_use, 0, 2);
    tcase_add_loop_test(tests, a_topic_that_the_job_reads_is_refused, 0, 2);
    tcase_add_test(tests, a_compacted_topic_for_late_records_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("late records", add);
}
