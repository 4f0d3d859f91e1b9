/* Windows that emit when they close, on the test stand: each once, whatever happens in between. */
#include "tests/unit/operators/stand.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "operators/window_close.h"

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

/* ---- many at once ---------------------------------------------------------------------------- */

enum { MANY = 2 * WEIR_WINDOW_CLOSE_ROWS + 100 };

/* How many rows have come out, each once, by time and then by key. */
struct taken {
    size_t count;
    size_t batch_max;
    int64_t last_ms;
    char last_key[16];
    size_t headers;
};

static int take_rows(struct weir_node *child, const struct weir_batch *batch)
{
    struct taken *taken = child->state;
    if (batch->count > taken->batch_max) taken->batch_max = batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        const struct weir_windowed_key *window = batch->keys[weir_batch_row(batch, i)];
        const struct weir_slice *key = window->key;
        char name[16] = "";
        memcpy(name, key->data, key->size);
        ck_assert_int_ge(window->start_ms, taken->last_ms);
        ck_assert(window->start_ms > taken->last_ms || strcmp(name, taken->last_key) > 0);
        taken->last_ms = window->start_ms;
        memcpy(taken->last_key, name, sizeof name);
        taken->count++;
        taken->headers += batch->headers != NULL ? batch->headers[i].count : 0;
    }
    return 0;
}

static const struct weir_operator_ops taker_ops = {.name = "taker", .process = take_rows};
static const struct weir_plan_node taker_plan = {.name = "taker", .ops = &taker_ops};

static void feed_many(struct stand *stand, struct taken *taken, const struct weir_operator_ops *ops,
                      const struct weir_aggregate_config *config)
{
    set_up(stand, ops, config);
    *taken = (struct taken){.last_ms = -1};
    stand->children[0].plan = &taker_plan;
    stand->children[0].state = taken;
    for (int i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "k%06d", MANY - i);
        ck_ok(stand_feed(stand, ROWS({name, "x", 5})), NULL);
    }
    ck_assert_uint_eq(taken->count, 0);
}

static void closes_in_pieces(const struct weir_operator_ops *ops,
                             const struct weir_aggregate_config *config)
{
    struct stand stand;
    struct taken taken;
    feed_many(&stand, &taken, ops, config);
    stand.header_count = 2;
    ck_ok(stand_feed(&stand, ROWS({"z", "x", 30})), NULL);
    stand.header_count = 0;
    ck_assert_uint_eq(taken.count, WEIR_WINDOW_CLOSE_ROWS);
    ck_assert_int_eq(stand.node.emitted_ms, -1);
    ck_ok(stand_feed(&stand, ROWS({"z", "x", 31})), NULL);
    ck_assert_uint_eq(taken.count, 2 * WEIR_WINDOW_CLOSE_ROWS);
    ck_ok(stand_feed(&stand, ROWS({"late", "x", 4})), NULL); /* the others are closed, too */
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    ck_assert_uint_eq(taken.count, MANY);
    ck_assert_uint_eq(taken.batch_max, WEIR_WINDOW_CLOSE_ROWS);
    ck_assert_uint_eq(taken.headers, 2 * MANY); /* of the record that closed them */
    ck_assert_int_gt(stand.node.emitted_ms, 0);
    stand_close(&stand);
}

START_TEST(windows_that_close_at_once_go_on_in_pieces)
{
    closes_in_pieces(&weir_hopping_ops, &time_config);
    closes_in_pieces(&weir_session_ops, &session_config);
    closes_in_pieces(&weir_sliding_ops, &sliding_config);
}
END_TEST

/* How far it is would otherwise not be true: nothing is told twice after a restart, or left out. */
START_TEST(commit_waits_for_no_piece)
{
    struct stand stand;
    struct taken taken;
    feed_many(&stand, &taken, &weir_hopping_ops, &time_config);
    ck_ok(stand_feed(&stand, ROWS({"z", "x", 30})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    ck_assert_uint_eq(taken.count, MANY);
    ck_assert_uint_eq(taken.batch_max, WEIR_WINDOW_CLOSE_ROWS);
    ck_assert_int_eq(stand.node.emitted_ms, 25);
    stand_reopen(&stand);
    ck_ok(stand_feed(&stand, ROWS({"z", "x", 31})), NULL);
    ck_assert_uint_eq(taken.count, MANY);
    stand_close(&stand);
}
END_TEST

/* A record that is in time makes a session longer that has closed: that one was told of before. */
START_TEST(session_is_told_of_before_it_grows)
{
    struct stand stand;
    struct taken taken;
    char last[16];
    (void)snprintf(last, sizeof last, "k%06d", MANY);
    struct weir_aggregate_config config = session_config;
    config.retention_ms = 100; /* it is found for longer than it takes records alone */
    feed_many(&stand, &taken, &weir_session_ops, &config);
    ck_ok(stand_feed(&stand, ROWS({"z", "x", 19}, {last, "x", 10})), NULL);
    ck_assert_uint_eq(taken.count, MANY);
    ck_assert_str_eq(taken.last_key, last);
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
    tcase_add_test(tests, windows_that_close_at_once_go_on_in_pieces);
    tcase_add_test(tests, commit_waits_for_no_piece);
    tcase_add_test(tests, session_is_told_of_before_it_grows);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("windows on close", add);
}
