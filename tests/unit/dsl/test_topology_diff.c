/* What an edit of a program does to what it keeps: told beforehand from two dumps, and then by a start. They say the
 * same. */
#include <stdio.h>
#include <string.h>

#include "runtime/application/topology_diff.h"
#include "tests/unit/runtime/task/stage.h"

/* ---- programs -------------------------------------------------------------------------------- */

struct program {
    const char *store; /* of the counts; NULL: by number */
    bool is_filtered;  /* a filter in front moves the numbers */
    int64_t window_ms; /* 0: no windows */
    const char *other; /* a second store, over `input` of its own or not */
    bool is_other_new_input;
    bool is_regrouped; /* behind a repartition topic */
    bool has_text;     /* the counts' values are texts */
    bool has_timer;    /* a processor in front */
    bool is_versioned; /* the texts of `has_text` */
    bool is_held;      /* a suppress behind the texts */
};

static struct stage stage;

static int all(struct weir_call *call, const void *key, const void *value)
{
    (void)call, (void)key, (void)value;
    return 1;
}

static int keep(struct weir_call *call, const void *key, const void *value, const void **key_out)
{
    (void)call, (void)value;
    *key_out = key;
    return 0;
}

static int last(struct weir_call *call, const void *aggregate, const void *value,
                const void **aggregate_out)
{
    (void)call, (void)aggregate;
    *aggregate_out = value;
    return 0;
}

static int tick(struct weir_process *process, void *state, struct weir_call *call, int64_t time_ms)
{
    (void)process, (void)state, (void)call, (void)time_ms;
    return 0;
}

static int begin_ticking(struct weir_process *process, void *state, struct weir_call *call)
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

static void count(struct weir_stream *in, const struct program *program)
{
    struct weir_materialized named = {WEIR_MATERIALIZED_INIT, .name = program->store};
    struct weir_grouped *grouped = weir_group_by_key(in);
    if (program->window_ms > 0) {
        (void)weir_windowed_count(
            weir_windowed_by(grouped, (struct weir_tumbling){.size_ms = program->window_ms}),
            &named);
    } else if (program->has_text) {
        named.is_versioned = program->is_versioned;
        struct weir_table *table = weir_reduce(grouped, last, NULL, &named);
        const struct weir_suppress_options held = {
            WEIR_SUPPRESS_OPTIONS_INIT,
            .name = "held",
            .until = WEIR_SUPPRESS_UNTIL_TIME_LIMIT,
            .time_limit_ms = 1000,
        };
        if (program->is_held) (void)weir_suppress(table, &held);
    } else {
        (void)weir_count(grouped, &named);
    }
}

static struct weir_topology *build(const struct program *program)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    if (program->is_filtered) in = weir_filter(in, all, NULL);
    if (program->is_regrouped) {
        in = weir_repartition(weir_select_key(in, keep, NULL, WEIR_STRING), "again", 0);
    }
    if (program->has_timer) {
        const struct weir_processor processor = {.init = begin_ticking, .process = pass};
        in = weir_process_values(in, &processor, WEIR_STRING);
    }
    count(in, program);
    if (program->other != NULL) {
        const struct weir_materialized named = {WEIR_MATERIALIZED_INIT, .name = program->other};
        struct weir_stream *of = in;
        if (program->is_other_new_input)
            of = weir_stream(builder, "more", WEIR_STRING, WEIR_STRING);
        (void)weir_count(weir_group_by_key(of), &named);
    }
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
    return topology;
}

/* ---- the diff -------------------------------------------------------------------------------- */

struct diffing {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_topology_diff diff;
};

static void diff_open(struct diffing *diffing, const struct weir_topology *before,
                      const struct weir_topology *after)
{
    struct weir_topology_dump dumps[2];
    struct weir_error error = {0};
    weir_heap_init(&diffing->heap, false);
    weir_budget_init(&diffing->budget, "test", &diffing->heap, NULL, 0);
    weir_arena_init(&diffing->arena, &diffing->budget, 0);
    ck_ok(weir_topology_dump_read(weir_text(weir_topology_dump(before)), &diffing->arena, &dumps[0],
                                  &error),
          &error);
    ck_ok(weir_topology_dump_read(weir_text(weir_topology_dump(after)), &diffing->arena, &dumps[1],
                                  &error),
          &error);
    ck_assert_int_eq(weir_topology_compare(&dumps[0], &dumps[1], &diffing->arena, &diffing->diff),
                     0);
}

static void diff_close(struct diffing *diffing)
{
    weir_arena_close(&diffing->arena);
}

/* "name:edit " of all, with ! where a start is refused. */
static const char *edits_of(const struct weir_topology_diff *diff)
{
    static char text[512];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < diff->count; i++) {
        const struct weir_topology_edit *edit = &diff->edits[i];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s:%s%s ", edit->item->name,
                               weir_edit_name(edit->edit), edit->is_refused ? "!" : "");
    }
    return text;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static const struct edit_case {
    const char *name;
    struct program before;
    struct program after;
    const char *edits;
    const char *why; /* what a start would be refused with; NULL: it goes on */
} cases[] = {
    {"nothing", {.store = "counts"}, {.store = "counts"}, "in:kept counts:kept ", NULL},
    {"a filter in front of a named store",
     {.store = "counts"},
     {.store = "counts", .is_filtered = true},
     "in:kept counts:kept ",
     NULL},
    {"a filter in front of a numbered store",
     {0},
     {.is_filtered = true},
     "in:kept KSTREAM-AGGREGATE-STATE-STORE-0000000003:renamed! "
     "KSTREAM-AGGREGATE-STATE-STORE-0000000002:dropped ",
     "stores without a name of their own are numbered"},
    {"another name",
     {.store = "counts"},
     {.store = "sums"},
     "in:kept sums:renamed! counts:dropped ",
     "store 'sums' is new, and store 'counts' is not named any more"},
    {"a second store",
     {.store = "counts"},
     {.store = "counts", .other = "others"},
     "in:kept counts:kept others:new! ",
     "store 'others' is new, and the application has processed records that it would miss"},
    {"a second store of an input of its own",
     {.store = "counts"},
     {.store = "counts", .other = "others", .is_other_new_input = true},
     "in:kept more:new counts:kept others:new ",
     NULL},
    {"a store less",
     {.store = "counts", .other = "others"},
     {.store = "counts"},
     "in:kept counts:kept others:dropped ",
     NULL},
    {"values of another type",
     {.store = "counts"},
     {.store = "counts", .has_text = true},
     "in:kept counts:changed! ",
     "the values of store 'counts' were written as i64"},
    {"versions no more",
     {.store = "counts", .has_text = true, .is_versioned = true},
     {.store = "counts", .has_text = true},
     "in:kept counts:changed! store:counts:dropped ",
     "the values of store 'counts' were written as versioned[text]"},
    {"versions",
     {.store = "counts", .has_text = true},
     {.store = "counts", .has_text = true, .is_versioned = true},
     "in:kept counts:changed! store:counts:new ",
     "takes them for versioned[text]"},
    {"a suppress less",
     {.store = "counts", .has_text = true, .is_held = true},
     {.store = "counts", .has_text = true},
     "in:kept counts:kept held-store:dropped! store:held-store:dropped ",
     "store 'held-store' is not named any more, and records that wait in it"},
    {"windows of another size",
     {.store = "counts", .window_ms = 1000},
     {.store = "counts", .window_ms = 2000},
     "in:kept counts:changed! store:counts:kept ",
     "were written as keys of windows of 1000 ms"},
    {"a repartition topic in front",
     {.store = "counts"},
     {.store = "counts", .is_regrouped = true},
     "in:kept again-repartition:new counts:kept ",
     NULL},
    {"a repartition topic less",
     {.store = "counts", .is_regrouped = true},
     {.store = "counts"},
     "in:kept counts:kept again-repartition:dropped ",
     NULL},
    {"a timer less",
     {.store = "counts", .has_timer = true},
     {.store = "counts"},
     "in:kept counts:kept kind:process:dropped ",
     NULL},
    {"a timer behind a filter",
     {.store = "counts", .has_timer = true},
     {.store = "counts", .has_timer = true, .is_filtered = true},
     "in:kept counts:kept kind:process:kept ",
     NULL},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(an_edit_is_told_before_anything_runs)
{
    const struct edit_case *edit = &cases[_i];
    struct weir_topology *before = build(&edit->before);
    struct weir_topology *after = build(&edit->after);
    struct diffing diffing;
    diff_open(&diffing, before, after);
    const char *found = edits_of(&diffing.diff);
    ck_assert_msg(strcmp(found, edit->edits) == 0, "%s: %s", edit->name, found);
    ck_assert_int_eq(diffing.diff.is_refused, edit->why != NULL);
    if (edit->why != NULL) {
        ck_assert_int_eq(diffing.diff.why.code, WEIR_MISMATCH);
        ck_assert_msg(strstr(diffing.diff.why.text, edit->why) != NULL, "%s",
                      diffing.diff.why.text);
        ck_assert_ptr_nonnull(strstr(diffing.diff.why.text, ".on_mismatch"));
        /* The hint to give names is for who has not. */
        ck_assert_int_eq(strstr(diffing.diff.why.text, "give them names") != NULL,
                         strstr(diffing.diff.why.text, "-STATE-STORE-") != NULL);
    }
    diff_close(&diffing);
    weir_topology_free(before);
    weir_topology_free(after);
}
END_TEST

/* The same edits, made of a job that has processed a record and was stopped. */
START_TEST(a_start_says_the_same)
{
    const struct edit_case *edit = &cases[_i];
    struct weir_topology *before = build(&edit->before);
    struct weir_topology *after = build(&edit->after);
    struct weir_error why;
    stage_open(&stage, 1);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "more", 1);
    stage_produce(&stage, "in", 0, "k", "v", 100);
    stage_start(&stage, before, STAGE_OPTIONS(.num_stream_threads = 1));
    stage_drain(&stage);
    stage_stop(&stage);
    if (edit->why != NULL) {
        stage_start_refused(&stage, after, STAGE_OPTIONS(.num_stream_threads = 1), WEIR_MISMATCH,
                            edit->why, &why);
        ck_assert_ptr_nonnull(strstr(why.text, ".on_mismatch"));
    } else {
        stage_start(&stage, after, STAGE_OPTIONS(.num_stream_threads = 1));
        stage_stop(&stage);
    }
    stage_close(&stage);
    weir_topology_free(before);
    weir_topology_free(after);
}
END_TEST

/* ---- reading --------------------------------------------------------------------------------- */

static const struct text_case {
    const char *text;
    int code;
} texts[] = {
    {"weir-topology\t1\n", 0},
    {"weir-topology\t1\ninput\tin\nnode\tname:a\ttime\n", 0},
    {"weir-topology\t1\nstore\ts\tlocal\t0\t-\t0\t-\t0\t-\n", 0},
    {"weir-topology\t1\nrepartition\tr\t0\t-\t0\ti64\t255\n", 0},
    {"", WEIR_CORRUPT},
    {"weir-topology\n", WEIR_CORRUPT},
    {"weir-topology\t2\n", WEIR_UNSUPPORTED_VERSION},
    {"weir-topology\t1\n\n", WEIR_CORRUPT},
    {"weir-topology\t1\nstore\ts\n", WEIR_CORRUPT},
    {"weir-topology\t1\nstore\ts\tlost\t0\t-\t0\t-\t0\t-\n", WEIR_CORRUPT},
    {"weir-topology\t1\nstore\ts\tlocal\t-1\t-\t0\t-\t0\t-\n", WEIR_CORRUPT},
    {"weir-topology\t1\nstore\ts\tlocal\t99999999999999999999\t-\t0\t-\t0\t-\n", WEIR_CORRUPT},
    {"weir-topology\t1\nrepartition\tr\t0\t-\t256\ti64\t0\n", WEIR_CORRUPT},
    {"weir-topology\t1\nnode\tname:a\tnever\n", WEIR_CORRUPT},
    {"weir-topology\t1\na\tb\tc\td\te\tf\tg\th\ti\tj\tk\n", WEIR_CORRUPT},
};
enum { TEXTS = sizeof texts / sizeof *texts };

START_TEST(what_is_no_dump_is_refused)
{
    struct diffing diffing = {0};
    struct weir_topology_dump dump;
    struct weir_error error = {0};
    weir_heap_init(&diffing.heap, false);
    weir_budget_init(&diffing.budget, "test", &diffing.heap, NULL, 0);
    weir_arena_init(&diffing.arena, &diffing.budget, 0);
    ck_assert_int_eq(
        weir_topology_dump_read(weir_text(texts[_i].text), &diffing.arena, &dump, &error),
        texts[_i].code);
    ck_assert_int_eq(error.text[0] != '\0', texts[_i].code < 0);
    diff_close(&diffing);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topology_diff");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, an_edit_is_told_before_anything_runs, 0, CASES);
    tcase_add_loop_test(tests, a_start_says_the_same, 0, CASES);
    tcase_add_loop_test(tests, what_is_no_dump_is_refused, 0, TEXTS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topology diff", add);
}
