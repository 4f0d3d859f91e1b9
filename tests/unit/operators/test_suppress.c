/* Suppression on the test stand: how long an update is held back, and what happens when that is too many. */
#include "tests/unit/operators/stand.h"

#include "base/bytes.h"
#include "operators/buffer_value.h"

static void set_up(struct stand *stand, const struct weir_suppress_config *config)
{
    stand_init(stand, &weir_suppress_ops, config);
    stand->specs[0].is_timestamped = false;
    stand_open(stand, 1);
}

/* The latest value goes, when the first that was held back has waited for as long as the limit. */
START_TEST(update_waits_for_the_limit)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 10};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 0}, {"b", "1", 3}, {"a", "2", 9})), NULL);
    stand_expect(&stand, "");
    ck_ok(stand_feed(&stand, ROWS({"c", "1", 10})), NULL);
    stand_expect(&stand, "a=2@9");
    ck_ok(stand_feed(&stand, ROWS({"a", NULL, 11}, {"c", "2", 30})), NULL);
    stand_expect(&stand, "b=1@3 c=2@30 a=-@11");
    ck_assert_int_eq(stand.node.observed_ms, 30);
    stand_close(&stand);
}
END_TEST

START_TEST(rows_go_by_time_and_then_by_key)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 10};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"c", "1", 1}, {"b", "1", 1}, {"a", "1", 2}, {"z", "1", 0},
                                  {"d", "1", 100})),
          NULL);
    stand_expect(&stand, "z=1@0 b=1@1 c=1@1 a=1@2");
    stand_close(&stand);
}
END_TEST

/* No limit at all: the update itself is due. */
START_TEST(limit_of_nothing_holds_nothing_back)
{
    struct stand stand;
    const struct weir_suppress_config config = {0};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5}, {"b", "2", 5})), NULL);
    stand_expect(&stand, "a=1@5 b=2@5");
    stand_close(&stand);
}
END_TEST

/* While a writer behind a repartition topic is at 12 nothing goes that is due later; when it has moved on the rows go
 * without a record. Until then nobody is told that the operator is further than what it holds. */
START_TEST(writers_that_are_behind_hold_rows_back)
{
    struct stand stand;
    int64_t bound_ms = 12;
    const struct weir_suppress_config config = {.delay_ms = 10};
    set_up(&stand, &config);
    stand.node.seen_ms = -1;
    stand.node.time_bound_ms = &bound_ms;
    ck_assert_int_eq(weir_suppress_ops.holds_from_ms(&stand.node), INT64_MAX);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 1}, {"b", "1", 3}, {"c", "1", 100})), NULL);
    stand_expect(&stand, "a=1@1");
    ck_assert_int_eq(stand.node.observed_ms, 12);
    ck_assert_int_eq(weir_suppress_ops.holds_from_ms(&stand.node), 3);
    bound_ms = 13;
    weir_node_follow_bound(&stand.node);
    ck_code(weir_suppress_ops.time_advanced(&stand.node), 0);
    stand_expect(&stand, "b=1@3");
    ck_assert_int_eq(weir_suppress_ops.holds_from_ms(&stand.node), 100);
    stand_close(&stand);
}
END_TEST

START_TEST(full_buffer_emits_early)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 1000, .records_max = 2};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5}, {"b", "1", 3}, {"a", "2", 6}, {"c", "1", 7})),
          NULL);
    stand_expect(&stand, "b=1@3");
    ck_ok(stand_feed(&stand, ROWS({"d", "1", 1})), NULL);
    stand_expect(&stand, "d=1@1");
    stand_close(&stand);
}
END_TEST

START_TEST(full_buffer_stops_the_job)
{
    struct stand stand;
    const struct weir_suppress_config config = {
        .delay_ms = 1000, .records_max = 1, .stops_when_full = true};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5}, {"a", "2", 6})), NULL);
    ck_code(stand_feed(&stand, ROWS({"b", "1", 5})), WEIR_LIMIT);
    ck_assert_ptr_nonnull(strstr(stand.record_error.text, "the buffer is full: 2 rows of"));
    stand_close(&stand);
}
END_TEST

/* Headers go with the update that they came with. */
START_TEST(headers_are_the_updates_own)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 10};
    set_up(&stand, &config);
    stand.header_count = 3;
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 0})), NULL);
    stand.header_count = 0;
    ck_ok(stand_feed(&stand, ROWS({"b", "1", 10})), NULL);
    stand_expect(&stand, "a=1@0#3");
    stand_close(&stand);
}
END_TEST

/* The order is made again of the store. */
START_TEST(rows_are_held_back_over_a_restart)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 10, .records_max = 3};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 4}, {"b", "1", 2}, {"c", "1", 3})), NULL);
    stand_reopen(&stand);
    ck_ok(stand_feed(&stand, ROWS({"d", "1", 5})), NULL);
    stand_expect(&stand, "b=1@2"); /* it is counted, too */
    ck_ok(stand_feed(&stand, ROWS({"a", "2", 14})), NULL);
    stand_expect(&stand, "c=1@3 a=2@14");
    stand_close(&stand);
}
END_TEST

START_TEST(null_keys_are_dropped)
{
    struct stand stand;
    const struct weir_suppress_config config = {0};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({NULL, "1", 5})), NULL);
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 1);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

START_TEST(times_at_the_end_do_not_wrap)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = INT64_MAX};
    set_up(&stand, &config);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 0}, {"b", "1", INT64_MAX})), NULL);
    stand_expect(&stand, "a=1@0");
    stand_close(&stand);
}
END_TEST

/* Bytes of the buffer's rows: written and read back; cut anywhere they are refused. */
START_TEST(buffer_values_are_read_back)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    const struct weir_header headers[] = {{weir_text("h"), weir_text("1")},
                                          {weir_text("n"), weir_null()}};
    const struct weir_buffer_value value = {
        .time_ms = 100,
        .timestamp_ms = 90,
        .offset = 5,
        .topic = weir_text("in"),
        .partition = 2,
        .headers = {headers, 2},
        .prior = weir_text("before"),
        .old = weir_text("before"),
        .value = weir_text("now"),
    };
    struct weir_buffer_value read;
    struct weir_slice bytes = weir_buffer_value_write(&value, &arena);
    ck_ok(weir_buffer_value_read(bytes, &arena, &read), NULL);
    ck_assert_int_eq(read.time_ms, 100);
    ck_assert_int_eq(read.offset, 5);
    ck_assert_int_eq(read.partition, 2);
    ck_assert_uint_eq(read.headers.count, 2);
    ck_assert(weir_slice_is_null(read.headers.headers[1].value));
    ck_assert(weir_slice_equal(read.prior, weir_text("before")));
    ck_assert(weir_slice_equal(read.old, weir_text("before")));
    ck_assert(weir_slice_equal(read.value, weir_text("now")));
    /* 8 + key; prior and old once; value; 8 + 8 + 4 + topic; headers. */
    ck_assert_int_eq(weir_buffer_value_size(&value, 1), 9 + 6 + 3 + 22 + 3);
    for (size_t size = 0; size < bytes.size; size++) {
        ck_code(weir_buffer_value_read(weir_slice(bytes.data, size), &arena, &read), WEIR_CORRUPT);
    }
    weir_arena_close(&arena);
}
END_TEST

/* What a timer makes has no offset, as what a cache forwards at its flush; but nothing comes behind it. */
START_TEST(rows_of_a_timer_move_time_at_once)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 10};
    set_up(&stand, &config);
    stand.feeds_no_origin = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 0}, {"b", "1", 10})), NULL);
    stand_expect(&stand, "a=1@0");
    stand.caches = true; /* though the table above has none */
    ck_ok(stand_feed(&stand, ROWS({"c", "1", 20})), NULL);
    stand_expect(&stand, "b=1@10");
    stand_close(&stand);
}
END_TEST

/* Of a cached table they are in no order: all of them come first. */
START_TEST(rows_of_a_flush_wait_for_its_end)
{
    struct stand stand;
    const struct weir_suppress_config config = {.delay_ms = 10, .comes_by_flush = true};
    set_up(&stand, &config);
    stand.feeds_no_origin = true;
    stand.caches = true;
    ck_ok(stand_feed(&stand, ROWS({"b", "1", 10}, {"a", "1", 0}, {"c", "1", 15})), NULL);
    stand_expect(&stand, "");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "a=1@0");
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("suppress");
    tcase_add_test(tests, update_waits_for_the_limit);
    tcase_add_test(tests, rows_go_by_time_and_then_by_key);
    tcase_add_test(tests, limit_of_nothing_holds_nothing_back);
    tcase_add_test(tests, writers_that_are_behind_hold_rows_back);
    tcase_add_test(tests, full_buffer_emits_early);
    tcase_add_test(tests, full_buffer_stops_the_job);
    tcase_add_test(tests, headers_are_the_updates_own);
    tcase_add_test(tests, rows_are_held_back_over_a_restart);
    tcase_add_test(tests, null_keys_are_dropped);
    tcase_add_test(tests, times_at_the_end_do_not_wrap);
    tcase_add_test(tests, buffer_values_are_read_back);
    tcase_add_test(tests, rows_of_a_timer_move_time_at_once);
    tcase_add_test(tests, rows_of_a_flush_wait_for_its_end);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("suppress", add);
}
