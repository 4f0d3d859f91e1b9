/* The reference interpreter's timers, on a graph by hand: where it and the engine disagree, one of the
 * two has to be known to be right. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/support.h"
#include "tests/unit/dsl/reference.h"

enum { SLOW_MS = 100, FAST_MS = 30, SLOW_SALT = 1, FAST_SALT = 2 };

/* Two processors behind one input, the slow one declared first, and one topic that both write. */
struct fixture {
    struct reference *reference;
    int in;
    int out;
};

static int add_processor(struct fixture *fixture, int source, int salt, int64_t timer_ms)
{
    const struct ref_node node = {
        .kind = REF_PROCESS,
        .salt = salt,
        .store = fixture->reference->store_count++,
        .topic = -1,
        .timer_ms = timer_ms,
    };
    return ref_add(fixture->reference, node, source);
}

static void open_fixture(struct fixture *fixture)
{
    fixture->reference = malloc(sizeof *fixture->reference);
    ck_assert_ptr_nonnull(fixture->reference);
    ref_init(fixture->reference, false);
    fixture->in = ref_topic(fixture->reference, "in", false, 1);
    fixture->out = ref_topic(fixture->reference, "out", false, 1);
    const struct ref_node source = {.kind = REF_SOURCE, .store = -1, .topic = fixture->in};
    const struct ref_node sink = {.kind = REF_SINK, .store = -1, .topic = fixture->out};
    int from = ref_add(fixture->reference, source, -1);
    int slow = add_processor(fixture, from, SLOW_SALT, SLOW_MS);
    int fast = add_processor(fixture, from, FAST_SALT, FAST_MS);
    ref_connect(fixture->reference, slow, ref_add(fixture->reference, sink, fast));
    ref_finish(fixture->reference);
}

static void close_fixture(struct fixture *fixture)
{
    ref_close(fixture->reference);
    free(fixture->reference);
}

/* Pipe a record of this time, and say which timers it makes fire: their salts, in order. */
static struct text ticks_at(struct fixture *fixture, int64_t timestamp_ms)
{
    const struct ref_log *out = &fixture->reference->topics[fixture->out].logs[0];
    const struct ref_record record = {
        .key = text_of("k"), .value = text_of("v"), .timestamp_ms = timestamp_ms};
    struct text ticks = text_of("");
    int from = out->count;
    ref_pipe(fixture->reference, fixture->in, 0, &record);
    ref_run(fixture->reference);
    for (int i = from; i < out->count; i++) {
        int salt = 0;
        if (out->records[i].key.is_null) continue;
        if (sscanf(out->records[i].key.bytes, "tick%d", &salt) != 1) continue;
        ticks = text_printf("%s%d ", ticks.bytes, salt);
        ck_assert_int_eq(out->records[i].timestamp_ms, timestamp_ms);
    }
    return ticks;
}

START_TEST(timers_due_at_once_fire_in_order_of_declaration)
{
    struct fixture fixture;
    open_fixture(&fixture);
    ck_assert_str_eq(ticks_at(&fixture, 0).bytes, "1 2 ");
    (void)ticks_at(&fixture, 599);
    ck_assert_str_eq(ticks_at(&fixture, 600).bytes, "1 2 ");
    close_fixture(&fixture);
}
END_TEST

/* A record that lets several timers fall due fires the one first that has been due for the longest. */
START_TEST(timers_fire_in_order_of_when_they_fell_due)
{
    struct fixture fixture;
    open_fixture(&fixture);
    (void)ticks_at(&fixture, 0);
    ck_assert_str_eq(ticks_at(&fixture, 95).bytes, "2 ");
    ck_assert_str_eq(ticks_at(&fixture, 130).bytes, "1 2 "); /* since 100, since 120 */
    ck_assert_str_eq(ticks_at(&fixture, 205).bytes, "2 1 "); /* since 150, since 200 */
    ck_assert_str_eq(ticks_at(&fixture, 206).bytes, "");
    close_fixture(&fixture);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("timers");
    tcase_add_test(tests, timers_due_at_once_fire_in_order_of_declaration);
    tcase_add_test(tests, timers_fire_in_order_of_when_they_fell_due);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("reference timers", add);
}
