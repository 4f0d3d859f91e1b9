/* Sliding windows on the test stand: which windows a record makes, joins and is late for. */
#include "tests/unit/operators/stand.h"

#include "base/bytes.h"

static int append(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct weir_slice *text = aggregate;
    const struct weir_slice *added = value;
    (void)key;
    if (weir_slice_equal(*added, weir_text("bad"))) return weir_call_fail(call, "bad");
    *text = *weir_call_printf(call, "%.*s%.*s", (int)text->size, (const char *)text->data,
                              (int)added->size, (const char *)added->data);
    return 0;
}

static const struct weir_aggregate_config fold_config = {
    .kind = WEIR_AGGREGATE_FOLD,
    .aggregate = append,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_string,
    .window_size_ms = 5,
    .grace_ms = 20,
    .retention_ms = 30,
};

static void set_up(struct stand *stand, const struct weir_aggregate_config *config)
{
    stand_init(stand, &weir_sliding_ops, config);
    stand->specs[0].schema = &weir_key_schema_window;
    stand->specs[0].window_size_ms = config->window_size_ms;
    stand->specs[0].retention_ms = config->retention_ms;
    stand_open(stand, 1);
}

/* The record's own window, and the one behind the record before it, which it is the first in. */
START_TEST(record_makes_two_windows)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 13})), NULL);
    stand_expect(&stand, "[a 5..10]=x@10 [a 11..16]=y@13 [a 8..13]=xy@13");
    stand_close(&stand);
}
END_TEST

/* Both ends are inclusive: the difference apart is together. */
START_TEST(records_at_the_difference_are_together)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 15}, {"b", "x", 10}, {"b", "y", 16})),
          NULL);
    stand_expect(&stand, "[a 5..10]=x@10 [a 11..16]=y@15 [a 10..15]=xy@15 [b 5..10]=x@10 "
                         "[b 11..16]=y@16");
    stand_close(&stand);
}
END_TEST

/* An earlier record gets a right window: a copy of what lies there. */
START_TEST(record_out_of_order_copies_its_right_window)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 20}, {"a", "y", 17})), NULL);
    stand_expect(&stand, "[a 15..20]=x@20 [a 15..20]=xy@20 [a 12..17]=y@17 [a 18..23]=x@20");
    stand_close(&stand);
}
END_TEST

START_TEST(records_before_the_difference_share_a_window)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "y", 3}, {"a", "z", 0})), NULL);
    stand_expect(&stand, "[a 0..5]=x@1 [a 2..7]=y@3 [a 0..5]=xy@3 [a 1..6]=xy@3 [a 0..5]=xyz@3");
    stand_close(&stand);
}
END_TEST

/* W2: dropped as a whole when its right window is closed too; else window by window. */
START_TEST(record_is_late_by_window)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand,
                     ROWS({"b", "x", 100}, {"a", "in", 80}, {"a", "no", 79}, {"a", "out", 74})),
          NULL);
    /* [74, 79] is closed at 80; [80, 85] of the record behind it is not. */
    stand_expect(&stand, "[b 95..100]=x@100 [a 75..80]=in@80 [a 75..80]=inno@80 [a 80..85]=in@80");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 2);
    stand_close(&stand);
}
END_TEST

START_TEST(null_keys_and_values_are_dropped)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({NULL, "x", 99}, {"a", NULL, 99}, {"a", "x", 10})), NULL);
    stand_expect(&stand, "[a 5..10]=x@10");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 2);
    ck_assert_int_eq(stand.node.observed_ms, 10);
    stand_close(&stand);
}
END_TEST

START_TEST(failed_record_does_nothing_more)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "bad", 12}, {"a", "y", 13})), NULL);
    stand_expect(&stand, "[a 5..10]=x@10 [a 11..16]=y@13 [a 8..13]=xy@13");
    ck_assert_int_eq(stand.failed, 1);
    stand_close(&stand);
}
END_TEST

START_TEST(windows_are_found_again_after_a_restart)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 13})), NULL);
    stand_expect(&stand, "[a 5..10]=x@10 [a 11..16]=y@13 [a 8..13]=xy@13");
    stand_reopen(&stand);
    ck_ok(stand_feed(&stand, ROWS({"a", "z", 12})), NULL);
    stand_expect(&stand, "[a 11..16]=yz@13 [a 8..13]=xyz@13 [a 7..12]=xz@12 [a 13..18]=y@13");
    stand_close(&stand);
}
END_TEST

START_TEST(windows_at_the_end_of_time_saturate)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", INT64_MAX}, {"a", "y", INT64_MAX}, {"a", "z", 0})),
          NULL);
    stand_expect(&stand, "[a 9223372036854775802..9223372036854775807]=x@9223372036854775807 "
                         "[a 9223372036854775802..9223372036854775807]=xy@9223372036854775807");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("sliding");
    tcase_add_test(tests, record_makes_two_windows);
    tcase_add_test(tests, records_at_the_difference_are_together);
    tcase_add_test(tests, record_out_of_order_copies_its_right_window);
    tcase_add_test(tests, records_before_the_difference_share_a_window);
    tcase_add_test(tests, record_is_late_by_window);
    tcase_add_test(tests, null_keys_and_values_are_dropped);
    tcase_add_test(tests, failed_record_does_nothing_more);
    tcase_add_test(tests, windows_are_found_again_after_a_restart);
    tcase_add_test(tests, windows_at_the_end_of_time_saturate);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("sliding windows", add);
}
