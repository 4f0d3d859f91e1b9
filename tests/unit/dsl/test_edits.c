/* A program is edited and started again: what its state knows of time finds its node, whatever
 * was put in front of it. In the simulator. */
#include <string.h>

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

/* ---- serdes and windows ---------------------------------------------------------------------- */

struct total {
    int64_t count;
    int64_t sum;
    int64_t last_ms;
};
static const struct weir_field total_fields[] = {
    WEIR_FIELD_INT64(struct total, count),
    WEIR_FIELD_INT64(struct total, sum),
    {"last_ms", WEIR_FIELD_KIND_INT64, offsetof(struct total, last_ms), sizeof(int64_t), 2, NULL},
};
static const struct weir_field swapped_fields[] = {
    WEIR_FIELD_INT64(struct total, sum),
    WEIR_FIELD_INT64(struct total, count),
};
static const struct weir_struct_type total_1 = {"total", sizeof(struct total), 1, total_fields, 2};
static const struct weir_struct_type total_2 = {"total", sizeof(struct total), 2, total_fields, 3};
static const struct weir_struct_type swapped = {"total", sizeof(struct total), 1, swapped_fields,
                                                2};
static const struct weir_serde total_1_serde = WEIR_STRUCT_SERDE(&total_1, struct total);
static const struct weir_serde total_2_serde = WEIR_STRUCT_SERDE(&total_2, struct total);
static const struct weir_serde swapped_serde = WEIR_STRUCT_SERDE(&swapped, struct total);
static int64_t seen_count; /* of the aggregate of the last record */
static int64_t seen_sum;

static int add_up(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct total *total = aggregate;
    (void)call, (void)key, (void)value;
    total->count++;
    total->sum += 10;
    seen_count = total->count;
    seen_sum = total->sum;
    return 0;
}

/* One store, "store", and what is edited about it. */
struct edit {
    const struct weir_serde *key;
    const struct weir_serde *value; /* of an aggregate; NULL: a count */
    int64_t window_ms;              /* 0: none */
    int64_t slices_ms;              /* 0: rows; else they hop by as much, and are of slices */
    bool is_versioned;              /* of an aggregate */
};

static struct weir_topology *build_edit(const struct edit *edit)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_grouped *grouped =
        weir_group_by_key(weir_stream(builder, "in", edit->key, WEIR_STRING));
    if (edit->value != NULL) {
        (void)weir_aggregate(grouped, NULL, add_up, NULL, edit->value,
                             WEIR_STORE(.name = "store", .is_versioned = edit->is_versioned));
    } else if (edit->slices_ms > 0) {
        const struct weir_time_windows windows = {
            WEIR_TIME_WINDOWS_INIT, .size_ms = edit->window_ms, .advance_ms = edit->slices_ms};
        (void)weir_windowed_count(weir_windowed_by_time(grouped, &windows),
                                  WEIR_STORE(.name = "store", .layout = WEIR_LAYOUT_SLICES));
    } else if (edit->window_ms > 0) {
        struct weir_tumbling windows = {.size_ms = edit->window_ms, .grace_ms = 0};
        (void)weir_windowed_count(weir_windowed_by(grouped, windows), WEIR_STORE(.name = "store"));
    } else {
        (void)weir_count(grouped, WEIR_STORE(.name = "store"));
    }
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
    return topology;
}

/* One record more, under the edited program; 0, or what the start says. */
static int run_edit(const struct edit *edit, enum weir_on_mismatch choice, struct weir_error *why)
{
    struct weir_topology *topology = build_edit(edit);
    stage.streams = stage_try_start(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice), why);
    if (stage.streams != NULL) {
        stage_produce(&stage, "in", 0, "eightbyt", "1", 15);
        stage_drain(&stage);
        stage_stop(&stage);
        why->code = 0;
    }
    weir_topology_free(topology);
    return why->code;
}

/* Under its old name a store of other bytes would be restored and misread; a struct that has got a field is
 * what its serde reads. */
static const struct {
    struct edit before;
    struct edit after;
    const char *says; /* NULL: it goes on */
} edits[] = {
    {{WEIR_STRING, NULL, 0, 0, false},
     {WEIR_INT64, NULL, 0, 0, false},
     "the keys of store 'store' were written as text"},
    {{WEIR_STRING, NULL, 10, 0, false},
     {WEIR_STRING, NULL, 20, 0, false},
     "as keys of windows of 10 ms"},
    {{WEIR_STRING, NULL, 0, 0, false},
     {WEIR_STRING, NULL, 10, 0, false},
     "as keys without a window"},
    {{WEIR_STRING, NULL, 10, 0, false},
     {WEIR_STRING, NULL, 10, 2, false},
     "as keys of windows of 10 ms"},
    {{WEIR_STRING, NULL, 10, 2, false},
     {WEIR_STRING, NULL, 10, 0, false},
     "as keys of windows of 2 ms"},
    {{WEIR_STRING, NULL, 10, 2, false},
     {WEIR_STRING, NULL, 20, 2, false},
     "written as sliced10[text], and"},
    {{WEIR_BYTES, NULL, 10, 2, false},
     {WEIR_BYTES, NULL, 20, 2, false},
     "written as sliced10, and"},
    {{WEIR_BYTES, NULL, 10, 0, false},
     {WEIR_BYTES, NULL, 10, 2, false},
     "as keys of windows of 10 ms"},
    {{WEIR_STRING, NULL, 0, 0, false},
     {WEIR_STRING, &total_1_serde, 0, 0, false},
     "written as i64, and the program takes"},
    {{WEIR_STRING, &total_1_serde, 0, 0, true},
     {WEIR_STRING, &total_1_serde, 0, 0, false},
     "written as versioned[struct["},
    {{WEIR_STRING, &total_1_serde, 0, 0, false},
     {WEIR_STRING, &total_1_serde, 0, 0, true},
     "takes them for versioned[struct["},
    {{WEIR_STRING, &total_1_serde, 0, 0, true}, {WEIR_STRING, &total_2_serde, 0, 0, true}, NULL},
    {{WEIR_STRING, &total_1_serde, 0, 0, false},
     {WEIR_STRING, &swapped_serde, 0, 0, false},
     "(field 'count')"},
    {{WEIR_STRING, &total_2_serde, 0, 0, false},
     {WEIR_STRING, &total_1_serde, 0, 0, false},
     "of version 2, and"},
    {{WEIR_STRING, &total_1_serde, 0, 0, false}, {WEIR_STRING, &total_2_serde, 0, 0, false}, NULL},
};
enum { EDITS = sizeof edits / sizeof edits[0] };

START_TEST(a_store_that_an_edit_would_misread_is_refused)
{
    struct weir_error why = {0};
    ck_assert_int_eq(run_edit(&edits[_i].before, WEIR_ON_MISMATCH_REFUSE, &why), 0);
    for (int again = 0; again < 2; again++) { /* what was refused has changed nothing */
        int rc = run_edit(&edits[_i].after, WEIR_ON_MISMATCH_REFUSE, &why);
        ck_assert_msg(rc == (edits[_i].says != NULL ? WEIR_MISMATCH : 0), "%s", why.text);
        if (edits[_i].says == NULL) continue;
        ck_assert_msg(strstr(why.text, edits[_i].says) != NULL, "%s", why.text);
        ck_assert_ptr_nonnull(strstr(why.text, "WEIR_ON_MISMATCH_REBUILD"));
    }
    if (edits[_i].says == NULL) {
        ck_assert_int_eq(seen_count, 3);
        ck_assert_int_eq(seen_sum, 30);
    } else {
        ck_assert_int_eq(run_edit(&edits[_i].before, WEIR_ON_MISMATCH_REFUSE, &why), 0);
    }
}
END_TEST

START_TEST(a_store_of_other_bytes_is_rebuilt_or_starts_empty)
{
    const struct edit before = {WEIR_STRING, NULL, 0, 0, false};
    const struct edit after = {WEIR_STRING, &total_1_serde, 0, 0, false};
    struct weir_error why = {0};
    bool is_rebuilt = _i == 0;
    ck_assert_int_eq(run_edit(&before, WEIR_ON_MISMATCH_REFUSE, &why), 0);
    ck_assert_int_eq(run_edit(&after,
                              is_rebuilt ? WEIR_ON_MISMATCH_REBUILD : WEIR_ON_MISMATCH_START_EMPTY,
                              &why),
                     0);
    ck_assert_int_eq(seen_count, is_rebuilt ? 2 : 1);
    ck_assert_int_eq(run_edit(&after, WEIR_ON_MISMATCH_REFUSE, &why), 0);
    ck_assert_int_eq(seen_count, is_rebuilt ? 3 : 2);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("edits");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_filter_in_front_does_not_let_late_records_in);
    tcase_add_test(tests, a_filter_in_front_does_not_hand_one_processors_timers_to_another);
    tcase_add_loop_test(tests, a_store_that_an_edit_would_misread_is_refused, 0, EDITS);
    tcase_add_loop_test(tests, a_store_of_other_bytes_is_rebuilt_or_starts_empty, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("edits", add);
}
