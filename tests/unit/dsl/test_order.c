/* Paths that part and meet again at a topic: what is written there is in order of the records it came of,
 * and for one record in order of the paths, however many records are processed at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir/test.h"
#include "weir/weir.h"

enum { RECORDS = 40 };

static struct weir_topology *build(struct weir_builder *builder)
{
    struct weir_error error = {0};
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    return topology;
}

/* "7" and the label in the context: "7a". */
static int label(struct weir_call *call, const void *key, const void *value, const void **value_out)
{
    const struct weir_slice *text = value;
    (void)key;
    *value_out = weir_call_printf(call, "%.*s%s", (int)text->size, (const char *)text->data,
                                  (const char *)call->context);
    return 0;
}

static int number_of(const void *value)
{
    const struct weir_slice *text = value;
    char digits[16] = "";
    memcpy(digits, text->data, text->size < sizeof digits ? text->size : sizeof digits - 1);
    return (int)strtol(digits, NULL, 10);
}

/* The context's character is a number: what it divides stays. */
static int divides(struct weir_call *call, const void *key, const void *value)
{
    (void)key;
    return number_of(value) % (*(const char *)call->context - '0') == 0;
}

static int twice(struct weir_call *call, const void *key, const void *value,
                 struct weir_emitter *emitter)
{
    (void)call;
    for (int i = 0; i < 2; i++) {
        int rc = weir_emit(emitter, key, value);
        if (rc < 0) return rc;
    }
    return 0;
}

static int latest(struct weir_call *call, const void *aggregate, const void *value,
                  const void **aggregate_out)
{
    (void)call, (void)aggregate;
    *aggregate_out = value;
    return 0;
}

static void labelled(struct weir_stream *stream, const char *name, const char *topic)
{
    weir_to(weir_map_values(stream, label, (void *)name, WEIR_STRING), topic);
}

/* RECORDS numbered records, all there before the job looks; a commit; then what is in `out`. */
static void run(struct weir_builder *builder, const char *expected)
{
    struct weir_error error = {0};
    char read[2048] = "", text[16];
    struct weir_topology *topology = build(builder);
    struct weir_test *test = weir_test_new(topology, NULL, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
    for (int i = 1; i <= RECORDS; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        const struct weir_record record = {
            .key = weir_text(text), .value = weir_text(text), .timestamp_ms = i};
        ck_ok(weir_test_pipe_bytes(test, "in", 0, &record, false), NULL);
    }
    ck_ok(weir_test_run(test), NULL);
    ck_ok(weir_test_commit(test), NULL);
    struct weir_record record;
    while (weir_test_read(test, "out", &record, NULL) == 0) {
        size_t at = strlen(read);
        (void)snprintf(read + at, sizeof read - at, "%.*s ", (int)record.value.size,
                       (const char *)record.value.data);
    }
    ck_assert_str_eq(read, expected);
    weir_test_free(test);
    weir_topology_free(topology);
}

/* A path and what divides the numbers that take it. */
struct path {
    const char *label;
    int divisor;
};

/* What record-at-a-time processing writes: for each row, `times` of a number, a piece by each path. */
static const char *expect(const struct path *paths, size_t path_count, int times)
{
    static char text[4096];
    text[0] = '\0';
    for (int row = 0; row < RECORDS * times; row++) {
        int number = row / times + 1;
        for (size_t i = 0; i < path_count; i++) {
            if (number % paths[i].divisor != 0) continue;
            size_t at = strlen(text);
            (void)snprintf(text + at, sizeof text - at, "%d%s ", number, paths[i].label);
        }
    }
    return text;
}

static struct weir_stream *input(struct weir_builder *builder)
{
    return weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
}

static void part(struct weir_stream *stream)
{
    labelled(weir_filter(stream, divides, "2"), "a", "out");
    labelled(stream, "other", "elsewhere");
    labelled(stream, "b", "out");
    struct weir_stream *third = weir_filter(stream, divides, "3");
    labelled(third, "c", "out"); /* paths part again on the way */
    labelled(weir_filter(third, divides, "5"), "d", "out");
}
static const struct path parted[] = {{"a", 2}, {"b", 1}, {"c", 3}, {"d", 15}};

START_TEST(what_meets_at_a_topic_is_in_order_of_records)
{
    struct weir_builder *builder = weir_builder_new();
    part(input(builder));
    run(builder, expect(parted, 4, 1));
}
END_TEST

/* Goal: below an operator that makes several rows of one, each of them goes all paths before the next. */
START_TEST(rows_made_of_one_record_are_in_order_too)
{
    struct weir_builder *builder = weir_builder_new();
    part(weir_flat_map(input(builder), twice, NULL, WEIR_STRING, WEIR_STRING));
    run(builder, expect(parted, 4, 2));
}
END_TEST

START_TEST(branches_that_meet_at_a_topic_are_in_order)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_split *split = weir_split(input(builder));
    labelled(weir_branch(split, divides, "2"), "a", "out");
    labelled(weir_branch_default(split), "b", "out");
    static char expected[1024];
    for (int i = 1; i <= RECORDS; i++) {
        size_t at = strlen(expected);
        (void)snprintf(expected + at, sizeof expected - at, "%d%s ", i, i % 2 == 0 ? "a" : "b");
    }
    run(builder, expected);
}
END_TEST

/* Goal: what a table holds back until the commit comes of no record at hand, and is in order as well. */
START_TEST(rows_of_a_flush_are_in_order)
{
    struct weir_builder *builder = weir_builder_new();
    part(weir_to_stream(weir_reduce(weir_group_by_key(input(builder)), latest, NULL, NULL)));
    run(builder, expect(parted, 4, 1));
}
END_TEST

static void add(Suite *suite)
{
    TCase *order = tcase_create("order");
    tcase_add_test(order, what_meets_at_a_topic_is_in_order_of_records);
    tcase_add_test(order, rows_made_of_one_record_are_in_order_too);
    tcase_add_test(order, branches_that_meet_at_a_topic_are_in_order);
    tcase_add_test(order, rows_of_a_flush_are_in_order);
    suite_add_tcase(suite, order);
}

int main(void)
{
    return weir_test_main("dsl order", add);
}
