/* A program is edited and started again: what its state knows of time finds its node, whatever
 * was put in front of it. In the simulator. */
#include "tests/support/support.h"
#include "tests/unit/dsl/user_functions.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static int ticks[2]; /* of the two processors */

static int tick_first(struct weir_process *process, void *state, struct weir_call *call,
                      int64_t time_ms)
{
    (void)process, (void)state, (void)call, (void)time_ms;
    ticks[0]++;
    return 0;
}

static int tick_second(struct weir_process *process, void *state, struct weir_call *call,
                       int64_t time_ms)
{
    (void)process, (void)state, (void)call, (void)time_ms;
    ticks[1]++;
    return 0;
}

static int begin_first(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state, (void)call;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 10, tick_first);
}

static int begin_second(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state, (void)call;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 1000, tick_second);
}

static int ignore(struct weir_process *process, void *state, struct weir_call *call,
                  const void *key, const void *value)
{
    (void)process, (void)state, (void)call, (void)key, (void)value;
    return 0;
}

enum program { PLAIN, FILTERED };

/* Records in windows of 10 ms without grace, and two processors with a timer each; edited: a
 * filter in front that lets everything through. */
static struct weir_topology *build(enum program program)
{
    static const struct weir_processor first = {.init = begin_first, .process = ignore};
    static const struct weir_processor second = {.init = begin_second, .process = ignore};
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    if (program == FILTERED) stream = weir_filter(stream, any, NULL);
    struct weir_tumbling windows = {.size_ms = 10, .grace_ms = 0};
    struct weir_windowed_stream *windowed = weir_windowed_by(weir_group_by_key(stream), windows);
    weir_to(weir_to_stream(weir_windowed_count(windowed, WEIR_STORE(.name = "windows"))), "out");
    (void)weir_process(stream, &first, NULL, NULL);
    (void)weir_process(stream, &second, NULL, NULL);
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
    return topology;
}

/* One record at `time_ms`, in a run of its own; how many records of it were late. */
static int64_t run(enum program program, int64_t time_ms)
{
    struct weir_topology *topology = build(program);
    struct weir_streams_metrics metrics;
    ticks[0] = ticks[1] = 0;
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", time_ms);
    stage_drain(&stage);
    weir_streams_metrics(stage.streams, &metrics);
    stage_stop(&stage);
    weir_topology_free(topology);
    return metrics.records_dropped_late;
}

static void open_stage(void)
{
    stage_open(&stage, 7);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
}

static void close_stage(void)
{
    stage_close(&stage);
}

START_TEST(a_filter_in_front_does_not_let_late_records_in)
{
    ck_assert_int_eq(run(PLAIN, 100), 0);
    ck_assert_int_eq(run(FILTERED, 5), 1);
}
END_TEST

/* 100: both tick, the first is due again at 110, the second at 1000. */
START_TEST(a_filter_in_front_does_not_hand_one_processors_timers_to_another)
{
    (void)run(PLAIN, 100);
    ck_assert_int_eq(ticks[0], 1);
    ck_assert_int_eq(ticks[1], 1);
    (void)run(FILTERED, 115);
    ck_assert_int_eq(ticks[0], 1);
    ck_assert_int_eq(ticks[1], 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("edits");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_filter_in_front_does_not_let_late_records_in);
    tcase_add_test(tests, a_filter_in_front_does_not_hand_one_processors_timers_to_another);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("edits", add);
}
