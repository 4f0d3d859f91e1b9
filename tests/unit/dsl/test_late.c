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

static void add(Suite *suite)
{
    TCase *tests = tcase_create("late");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, late_records_are_counted_by_operator);
    tcase_add_test(tests, the_grace_that_is_said_is_enough);
    tcase_add_test(tests, what_was_late_is_committed);
    tcase_add_test(tests, nothing_is_said_where_nothing_is_late);
    tcase_add_test(tests, a_warning_goes_to_stderr_by_default);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("late records", add);
}
