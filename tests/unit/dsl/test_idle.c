/* Where no record comes windows stay open, unless the job lets the wall clock close them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/runtime/task/stage.h"

enum { WINDOW_MS = 1000, GRACE_MS = 500, IDLE_MS = 5000, LONG_MS = 20000 };

static struct stage stage;
static struct weir_topology *topology;
static int64_t start_ms; /* a multiple of the window, where the clock stood when the test began */

/* ---- stage ----------------------------------------------------------------------------------- */

enum kind { ON_CLOSE, SUPPRESSED, OUTER_JOIN, KINDS };
static enum kind kind;
static bool is_regrouped;
static int32_t partitions;

static int keep(struct weir_call *call, const void *key, const void *value, const void **key_out)
{
    (void)call, (void)value;
    *key_out = key;
    return 0;
}

static int print(struct weir_call *call, const void *key, const void *value, const void **key_out,
                 const void **value_out)
{
    const struct weir_windowed_key *window = key;
    const int64_t *count = value;
    const struct weir_slice *plain = window->key;
    *key_out = weir_call_printf(call, "%.*s", (int)plain->size, (const char *)plain->data);
    *value_out =
        weir_call_printf(call, "%" PRId64 ":%" PRId64, window->start_ms - start_ms, *count);
    return *key_out != NULL && *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int pair(struct weir_call *call, const void *key, const void *left, const void *right,
                const void **value_out)
{
    (void)key;
    *value_out =
        weir_call_printf(call, "0:%s%s", left != NULL ? "1" : "", right != NULL ? "2" : "");
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static struct weir_stream *results(struct weir_builder *builder, struct weir_stream *in)
{
    const struct weir_time_windows windows = {
        WEIR_TIME_WINDOWS_INIT, .size_ms = WINDOW_MS, .grace_ms = GRACE_MS,
        .emit = kind == ON_CLOSE ? WEIR_EMIT_ON_WINDOW_CLOSE : WEIR_EMIT_ON_WINDOW_UPDATE};
    if (kind == OUTER_JOIN) {
        struct weir_stream *other = weir_stream(builder, "other", WEIR_STRING, WEIR_STRING);
        if (is_regrouped) other = weir_select_key(other, keep, NULL, WEIR_STRING);
        return weir_stream_join(in, other, pair, NULL, WEIR_STRING,
                                WEIR_WITHIN(.kind = WEIR_JOIN_OUTER, .before_ms = WINDOW_MS,
                                            .after_ms = WINDOW_MS, .grace_ms = GRACE_MS));
    }
    struct weir_table *counts =
        weir_windowed_count(weir_windowed_by_time(weir_group_by_key(in), &windows), NULL);
    if (kind == SUPPRESSED) counts = weir_suppress(counts, NULL);
    return weir_map(weir_to_stream(counts), print, NULL, WEIR_STRING, WEIR_STRING);
}

static void build(void)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    if (is_regrouped) in = weir_select_key(in, keep, NULL, WEIR_STRING);
    weir_to(results(builder, in), "out");
    topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
}

static void begin(enum kind of, bool regrouped, int32_t partition_count)
{
    kind = of;
    is_regrouped = regrouped;
    partitions = partition_count;
    stage_open(&stage, 1);
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "other", partitions);
    stage_topic(&stage, "out", partitions);
    start_ms = weir_wall_now(stage.env).ms / WINDOW_MS * WINDOW_MS;
    build();
}

static void start(int64_t idle_ms)
{
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 1, .idle_close_ms = idle_ms));
    stage_drain(&stage);
}

static void pass(int64_t ms)
{
    weir_sim_advance_ms(stage.sim, ms);
    stage_drain(&stage);
}

static void finish(void)
{
    stage_close(&stage);
    weir_topology_free(topology);
}

static const char *outputs(void)
{
    static char text[1024];
    size_t at = 0;
    text[0] = '\0';
    for (int32_t p = 0; p < partitions; p++) {
        stage_read(&stage, "out", p, text + at, sizeof text - at);
        at = strlen(text);
    }
    for (char *time = strchr(text, '@'); time != NULL; time = strchr(time, '@')) {
        const size_t size = strcspn(time, " "); /* when is the operators' */
        memmove(time, time + size, strlen(time + size) + 1);
    }
    return text;
}

static int64_t late(void)
{
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    return metrics.records_dropped_late;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Loop: all that waits for time; of the input itself, and behind a repartition topic of one writer, and of two. */
START_TEST(the_last_window_closes_by_the_wall_clock)
{
    begin((enum kind)(_i % KINDS), _i / KINDS > 0, _i / KINDS > 1 ? 2 : 1);
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 100);
    start(IDLE_MS);
    ck_assert_str_eq(outputs(), "");
    pass(LONG_MS);
    ck_assert_str_eq(outputs(), "k=0:1 ");
    pass(LONG_MS);
    ck_assert_str_eq(outputs(), "k=0:1 ");
    finish();
}
END_TEST

START_TEST(without_it_windows_stay_open)
{
    begin((enum kind)(_i % KINDS), _i / KINDS > 0, _i / KINDS > 1 ? 2 : 1);
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 100);
    start(0);
    pass(LONG_MS);
    ck_assert_str_eq(outputs(), "");
    finish();
}
END_TEST

/* Not before it has stood for so long, and then as far behind the clock. */
START_TEST(an_input_that_is_written_to_is_not_idle)
{
    begin(ON_CLOSE, _i > 0, _i > 1 ? 2 : 1);
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 100);
    start(IDLE_MS);
    for (int i = 0; i < 10; i++) {
        pass(IDLE_MS - 1000);
        stage_produce(&stage, "in", 0, "k", "v", start_ms + 200);
        stage_drain(&stage);
    }
    ck_assert_str_eq(outputs(), "");
    ck_assert_int_eq(late(), 0);
    pass(LONG_MS);
    ck_assert_str_eq(outputs(), "k=0:11 ");
    finish();
}
END_TEST

START_TEST(what_then_comes_is_late)
{
    begin(ON_CLOSE, _i > 0, _i > 1 ? 2 : 1);
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 100);
    start(IDLE_MS);
    pass(LONG_MS);
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 200);
    stage_drain(&stage);
    ck_assert_int_eq(late(), 1);
    stage_stop(&stage);
    start(IDLE_MS); /* and stays so */
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 300);
    stage_drain(&stage);
    ck_assert_int_eq(late(), 1);
    ck_assert_str_eq(outputs(), "k=0:1 ");
    finish();
}
END_TEST

/* Who has seen nothing has nothing to close: a history that is written to a job that stood idle is not late. */
START_TEST(a_first_record_is_never_late)
{
    begin(ON_CLOSE, _i > 0, _i > 1 ? 2 : 1);
    start(IDLE_MS);
    pass(LONG_MS);
    stage_produce(&stage, "in", 0, "k", "v", start_ms + 100);
    stage_drain(&stage);
    ck_assert_int_eq(late(), 0);
    pass(LONG_MS);
    ck_assert_str_eq(outputs(), "k=0:1 ");
    finish();
}
END_TEST

START_TEST(a_negative_time_is_refused)
{
    begin(ON_CLOSE, false, 1);
    stage_start_refused(&stage, topology, STAGE_OPTIONS(.idle_close_ms = -1), WEIR_INVALID_ARGUMENT,
                        "idle_close_ms is -1", &stage.error);
    finish();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("idle");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_last_window_closes_by_the_wall_clock, 0, 3 * KINDS);
    tcase_add_loop_test(tests, without_it_windows_stay_open, 0, 3 * KINDS);
    tcase_add_loop_test(tests, an_input_that_is_written_to_is_not_idle, 0, 3);
    tcase_add_loop_test(tests, what_then_comes_is_late, 0, 3);
    tcase_add_loop_test(tests, a_first_record_is_never_late, 0, 3);
    tcase_add_test(tests, a_negative_time_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("idle inputs", add);
}
