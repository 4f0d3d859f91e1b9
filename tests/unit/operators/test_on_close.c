/* Windows that emit when they close, on the test stand: each once, whatever happens in between. */
#include "tests/unit/operators/stand.h"

#include "base/bytes.h"

static const struct weir_aggregate_config time_config = {
    .kind = WEIR_AGGREGATE_COUNT,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
    .window_size_ms = 10,
    .grace_ms = 5,
    .retention_ms = 15,
    .emits_on_close = true,
};
static const struct weir_aggregate_config session_config = {
    .kind = WEIR_AGGREGATE_COUNT,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
    .session_gap_ms = 5,
    .grace_ms = 5,
    .retention_ms = 10,
    .emits_on_close = true,
};
static const struct weir_aggregate_config sliding_config = {
    .kind = WEIR_AGGREGATE_COUNT,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
    .window_size_ms = 5,
    .grace_ms = 5,
    .retention_ms = 15,
    .emits_on_close = true,
};

static void set_up(struct stand *stand, const struct weir_operator_ops *ops,
                   const struct weir_aggregate_config *config)
{
    stand_init(stand, ops, config);
    stand->output = STAND_INTEGERS;
    stand->specs[0].schema =
        ops == &weir_session_ops ? &weir_key_schema_session : &weir_key_schema_window;
    stand->specs[0].window_size_ms = config->window_size_ms;
    stand->specs[0].retention_ms = config->retention_ms;
    stand->specs[0].is_timestamped = ops != &weir_session_ops;
    stand_open(stand, 1);
}

/* W4: when its end is at or before observed - grace; by time, then by key; with the closing headers. */
START_TEST(windows_close_on_the_dot_and_in_order)
{
    struct stand stand;
    set_up(&stand, &weir_hopping_ops, &time_config);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 1}, {"a", "x", 2}, {"a", "x", 14})), NULL);
    stand_expect(&stand, "");
    stand.header_count = 2;
    ck_ok(stand_feed(&stand, ROWS({"c", "x", 15})), NULL);
    stand_expect(&stand, "[a 0..10]=1@2#2 [b 0..10]=1@1#2");
    ck_ok(stand_feed(&stand, ROWS({"c", "x", 15}, {"late", "x", 9})), NULL);
    stand_expect(&stand, "");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    ck_assert_int_eq(stand.node.emitted_ms, 10);
    stand_close(&stand);
}
END_TEST

/* Kafka Streams loses them: the record that closes them also has them expire. */
START_TEST(windows_are_emitted_when_time_jumps)
{
    struct stand stand;
    set_up(&stand, &weir_hopping_ops, &time_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 12}, {"b", "x", 1000000})), NULL);
    stand_expect(&stand, "[a 0..10]=1@1 [a 10..20]=1@12");
    stand_close(&stand);
    set_up(&stand, &weir_session_ops, &session_config);
    ck_ok(
        stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 4}, {"a", "x", 12}, {"b", "x", 1000000})),
        NULL);
    stand_expect(&stand, "[a 1..4]=2@4 [a 12..12]=1@12");
    stand_close(&stand);
    set_up(&stand, &weir_sliding_ops, &sliding_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "x", 12}, {"b", "x", 1000000})), NULL);
    stand_expect(&stand, "[a 5..10]=1@10 [a 7..12]=2@12 [a 11..16]=1@12");
    stand_close(&stand);
}
END_TEST

/* W4: sessions and sliding windows, whose ends are inclusive, when they end before the close time. */
START_TEST(inclusive_ends_close_one_later)
{
    struct stand stand;
    set_up(&stand, &weir_session_ops, &session_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 100}, {"b", "x", 110})), NULL);
    stand_expect(&stand, "");
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 111})), NULL);
    stand_expect(&stand, "[a 100..100]=1@100");
    stand_close(&stand);
    set_up(&stand, &weir_sliding_ops, &sliding_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 100}, {"b", "x", 105})), NULL);
    stand_expect(&stand, "");
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 106})), NULL);
    stand_expect(&stand, "[a 95..100]=1@100");
    stand_close(&stand);
}
END_TEST

/* Within the interval nobody looks; what has closed meanwhile goes with the first look after it. */
START_TEST(windows_wait_for_the_interval)
{
    struct stand stand;
    set_up(&stand, &weir_hopping_ops, &time_config);
    stand.wall_ms = 5000;
    stand.emit_interval_ms = 1000;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 15}, {"a", "x", 100000})), NULL);
    stand_expect(&stand, "");
    stand.wall_ms = 5999;
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 100001})), NULL);
    stand_expect(&stand, "");
    stand.wall_ms = 6000;
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 100002})), NULL);
    stand_expect(&stand, "[a 0..10]=1@1 [a 10..20]=1@15");
    stand_close(&stand);
}
END_TEST

/* How far it was is state: a window is not emitted again, and none is left out. */
START_TEST(windows_go_on_after_a_restart)
{
    struct stand stand;
    set_up(&stand, &weir_hopping_ops, &time_config);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 11}, {"a", "x", 16})), NULL);
    stand_expect(&stand, "[a 0..10]=1@1");
    stand_reopen(&stand);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 16})), NULL);
    stand_expect(&stand, "");
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 2000})), NULL);
    stand_expect(&stand, "[a 10..20]=2@16 [b 10..20]=1@16");
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("on_close");
    tcase_add_test(tests, windows_close_on_the_dot_and_in_order);
    tcase_add_test(tests, windows_are_emitted_when_time_jumps);
    tcase_add_test(tests, inclusive_ends_close_one_later);
    tcase_add_test(tests, windows_wait_for_the_interval);
    tcase_add_test(tests, windows_go_on_after_a_restart);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("windows on close", add);
}
