/* A timestamp far ahead of the wall clock moves stream time on, and makes all that comes behind it late: what a job does
 * about it, by the clock of its environment. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/runtime/task/stage.h"

enum { WINDOW_MS = 1000, LIMIT_MS = 1000, AHEAD_MS = 600000 };

static struct stage stage;
static struct weir_topology *topology;
static int64_t now_ms;

/* ---- stage ----------------------------------------------------------------------------------- */

/* in -> out, and windows of a second without grace; behind a repartition topic, if so. */
static void build(bool is_regrouped)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    if (is_regrouped) in = weir_repartition(in, "again", 0);
    weir_to(in, "out");
    (void)weir_windowed_count(
        weir_windowed_by(weir_group_by_key(in), (struct weir_tumbling){.size_ms = WINDOW_MS}),
        NULL);
    topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
}

static void open_all(void)
{
    stage_open(&stage, 1);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_topic(&stage, "letters", 1);
    now_ms = weir_wall_now(stage.env).ms;
}

static void produce(const char *value, int64_t ahead_ms)
{
    stage_produce(&stage, "in", 0, "k", value, now_ms + ahead_ms);
}

/* What `out` has: values, and how far each is ahead of where the test began. */
static const char *outputs(void)
{
    static char said[512];
    char text[1024];
    size_t at = 0;
    said[0] = '\0';
    stage_read(&stage, "out", 0, text, sizeof text);
    for (char *next = strtok(text, " "); next != NULL; next = strtok(NULL, " ")) {
        char value[16];
        int64_t time_ms;
        ck_assert_int_eq(sscanf(next, "k=%15[^@]@%" SCNd64, value, &time_ms), 2);
        at += (size_t)snprintf(said + at, sizeof said - at, "%s%+" PRId64 " ", value,
                               time_ms - now_ms);
    }
    return said;
}

static struct weir_streams_metrics run(const struct weir_streams_options *options)
{
    struct weir_streams_metrics metrics;
    stage_start(&stage, topology, options);
    stage_drain(&stage);
    weir_streams_metrics(stage.streams, &metrics);
    return metrics;
}

static void finish(void)
{
    stage_close(&stage);
    weir_topology_free(topology);
}

static void produce_all(void)
{
    produce("a", 0), produce("b", LIMIT_MS), produce("far", AHEAD_MS), produce("farther", AHEAD_MS);
    produce("c", LIMIT_MS - 1);
}

#define OPTIONS(...)                                                                               \
    STAGE_OPTIONS(.num_stream_threads = 1, .timestamp_after_max_ms = LIMIT_MS, __VA_ARGS__)

/* ---- tests ----------------------------------------------------------------------------------- */

/* Loop: also through a repartition topic. Without the guard c is late, so the test tells them apart. */
START_TEST(what_is_too_far_ahead_is_skipped)
{
    open_all();
    build(_i == 1);
    produce_all();
    struct weir_streams_metrics metrics = run(OPTIONS(0));
    ck_assert_str_eq(outputs(), "a+0 b+1000 c+999 ");
    ck_assert_int_eq(metrics.records_ahead, 2);
    ck_assert_int_eq(metrics.records_dropped_late, 0);
    ck_assert_int_eq(metrics.records_failed, 0);
    finish();
}
END_TEST

START_TEST(without_a_bound_all_else_is_late)
{
    open_all();
    build(_i == 1);
    produce_all();
    struct weir_streams_metrics metrics = run(STAGE_OPTIONS(.num_stream_threads = 1));
    ck_assert_str_eq(outputs(), "a+0 b+1000 far+600000 farther+600000 c+999 ");
    ck_assert_int_eq(metrics.records_ahead, 0);
    ck_assert_int_eq(metrics.records_dropped_late, 1);
    finish();
}
END_TEST

/* The clock does not stand still while the job starts: what is clamped lies at the bound of then. */
START_TEST(what_is_too_far_ahead_is_clamped)
{
    open_all();
    build(_i == 1);
    produce_all();
    struct weir_streams_metrics metrics =
        run(OPTIONS(.on_timestamp_after_max = WEIR_TIMESTAMP_CLAMP));
    int64_t far_ms = 0;
    int64_t farther_ms = 0;
    ck_assert_int_eq(sscanf(outputs(), "a+0 b+1000 far+%" SCNd64 " farther+%" SCNd64 " c+999",
                            &far_ms, &farther_ms),
                     2);
    ck_assert_int_eq(far_ms, farther_ms);
    ck_assert_int_ge(far_ms, LIMIT_MS);
    ck_assert_int_le(far_ms, weir_wall_now(stage.env).ms - now_ms + LIMIT_MS);
    ck_assert_int_eq(metrics.records_ahead, 2);
    finish();
}
END_TEST

START_TEST(what_is_too_far_ahead_is_a_dead_letter)
{
    char text[2048];
    open_all();
    build(_i == 1);
    produce_all();
    struct weir_streams_metrics metrics =
        run(OPTIONS(.on_timestamp_after_max = WEIR_TIMESTAMP_DEAD_LETTER,
                    .dead_letter_topic = "letters"));
    ck_assert_str_eq(outputs(), "a+0 b+1000 c+999 ");
    ck_assert_int_eq(metrics.records_ahead, 2);
    stage_read_headers(&stage, "letters", 0, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "k=far@"));
    ck_assert_ptr_nonnull(strstr(text, "__streams.errors.exception:INVALID_TIMESTAMP"));
    ck_assert_ptr_nonnull(
        strstr(text, "ms ahead of the wall clock; timestamp_after_max_ms is 1000"));
    ck_assert_ptr_nonnull(strstr(text, "__streams.errors.offset:2"));
    finish();
}
END_TEST

/* It is the environment's clock, and the clock of when the record is read: later it is not ahead any more. */
START_TEST(time_passes)
{
    open_all();
    build(false);
    produce("a", 0), produce("far", AHEAD_MS);
    weir_sim_advance_ms(stage.sim, AHEAD_MS);
    struct weir_streams_metrics metrics = run(OPTIONS(0));
    ck_assert_str_eq(outputs(), "a+0 far+600000 ");
    ck_assert_int_eq(metrics.records_ahead, 0);
    finish();
}
END_TEST

/* What was skipped is behind the job: a restart does not meet it again. */
START_TEST(a_skipped_record_is_committed)
{
    open_all();
    build(false);
    produce("a", 0), produce("far", AHEAD_MS);
    (void)run(OPTIONS(0));
    stage_stop(&stage);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 2);
    weir_sim_advance_ms(stage.sim, AHEAD_MS);
    struct weir_streams_metrics metrics = run(OPTIONS(0));
    ck_assert_str_eq(outputs(), "a+0 ");
    ck_assert_int_eq(metrics.records_ahead, 0);
    finish();
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    const struct {
        const struct weir_streams_options *options;
        const char *why;
    } cases[] = {
        {STAGE_OPTIONS(.timestamp_after_max_ms = -1), "timestamp_after_max_ms is -1"},
        {OPTIONS(.on_timestamp_after_max = 3), "on_timestamp_after_max 3"},
        {OPTIONS(.on_timestamp_after_max = WEIR_TIMESTAMP_DEAD_LETTER),
         "WEIR_TIMESTAMP_DEAD_LETTER needs dead_letter_topic"},
    };
    open_all();
    build(false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stage_start_refused(&stage, topology, cases[i].options, WEIR_INVALID_ARGUMENT, cases[i].why,
                            &stage.error);
    }
    finish();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("ahead");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, what_is_too_far_ahead_is_skipped, 0, 2);
    tcase_add_loop_test(tests, without_a_bound_all_else_is_late, 0, 2);
    tcase_add_loop_test(tests, what_is_too_far_ahead_is_clamped, 0, 2);
    tcase_add_loop_test(tests, what_is_too_far_ahead_is_a_dead_letter, 0, 2);
    tcase_add_test(tests, time_passes);
    tcase_add_test(tests, a_skipped_record_is_committed);
    tcase_add_test(tests, options_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("timestamps ahead of the clock", add);
}
