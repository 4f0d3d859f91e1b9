/* What is closed holds nothing: it may be closed again, and used anew; what is zeroed can be
 * closed. */
#include <string.h>

#include "broker/log/durable_mark.h"
#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"

enum { ROUNDS = 3 };

static struct test_log test;
static struct weir_budget *budget;
static size_t used;

static void set_up(void)
{
    test_log_start(&test, 1);
    ck_ok(weir_make_directory(test.env, "/closed", &test.error), &test.error);
    budget = test.env->budget;
    used = budget->used;
}

static void tear_down(void)
{
    ck_assert_uint_eq(budget->used, used);
    test_log_stop(&test);
}

START_TEST(what_is_zeroed_can_be_closed)
{
    struct weir_producer_state producers;
    struct weir_leader_epochs epochs;
    struct weir_lost_ranges lost;
    struct weir_index_builder index;
    struct weir_tail_cache tail;
    struct weir_durable_mark mark;
    struct weir_segment_scan scan;
    memset(&producers, 0, sizeof producers);
    memset(&epochs, 0, sizeof epochs);
    memset(&lost, 0, sizeof lost);
    memset(&index, 0, sizeof index);
    memset(&tail, 0, sizeof tail);
    memset(&mark, 0, sizeof mark);
    memset(&scan, 0, sizeof scan);
    for (int i = 0; i < 2; i++) {
        weir_producer_state_close(&producers);
        weir_leader_epochs_close(&epochs);
        weir_lost_ranges_close(&lost);
        weir_index_builder_close(&index);
        weir_tail_cache_close(&tail);
        weir_durable_mark_close(&mark);
        weir_segment_scan_close(&scan);
    }
    ck_ok(weir_partition_log_close(NULL, &test.error), &test.error);
    weir_segment_release(NULL);
}
END_TEST

/* With an open transaction, so that each of its lists has somebody. */
START_TEST(producers_that_were_closed_are_nobody)
{
    struct weir_producer_state state;
    weir_producer_state_init(&state, budget);
    for (int round = 0; round < ROUNDS; round++) {
        for (int64_t id = 0; id < 9; id++) {
            const struct weir_batch_header header = {
                .base_offset = id,
                .record_count = 1,
                .producer_id = id,
                .attributes = id % 2 == 0 ? WEIR_BATCH_TRANSACTIONAL : 0};
            struct weir_producer_batch first;
            ck_assert_int_eq(weir_producer_state_admit(&state, &header, NULL, &first, NULL), 0);
            ck_ok(weir_producer_state_reserve(&state, &header), NULL);
            weir_producer_state_add(&state, &header, (struct weir_mono){0});
        }
        ck_assert_int_eq(weir_producer_state_first_unstable(&state), 0);
        weir_producer_state_close(&state);
        weir_producer_state_close(&state);
        weir_producer_state_check(&state);
        ck_assert_int_eq(weir_producer_state_first_unstable(&state), -1);
        ck_assert_uint_eq(weir_map_count(&state.map), 0);
        ck_assert_uint_eq(budget->used, used);
    }
}
END_TEST

START_TEST(an_index_that_was_closed_has_no_entries)
{
    struct weir_index_builder index;
    weir_index_builder_init(&index, test.env, budget, "/closed");
    index.interval_bytes = 10;
    for (int round = 0; round < ROUNDS; round++) {
        for (int64_t i = 0; i < 50; i++) {
            const struct weir_batch_header header = {
                .base_offset = i, .length = 100, .record_count = 1, .max_timestamp_ms = i};
            weir_index_builder_add(&index, &header, i * 112);
        }
        ck_assert_uint_gt(index.tail_count, 0);
        weir_index_builder_close(&index);
        weir_index_builder_close(&index);
        weir_index_builder_check(&index);
        ck_assert_uint_eq(index.tail_count, 0);
        ck_assert_uint_eq(index.tail_capacity, 0);
        ck_assert_uint_eq(budget->used, used);
        weir_index_builder_begin(&index, 0);
    }
}
END_TEST

START_TEST(a_tail_that_was_closed_holds_nothing)
{
    struct weir_tail_cache tail;
    weir_tail_cache_init(&tail, budget, 16384);
    for (int round = 0; round < ROUNDS; round++) {
        for (int64_t i = 0; i < 20; i++) {
            struct weir_shared *bytes = weir_shared_new(budget, 100);
            ck_assert_ptr_nonnull(bytes);
            memset(bytes->data, 0, 100);
            bytes->size = 100;
            const struct weir_log_part part = {.bytes = bytes, .size = 100};
            weir_tail_cache_add(&tail, &part, i, i + 1);
            weir_shared_unref(bytes);
            weir_tail_cache_check(&tail, i + 1);
        }
        ck_assert_uint_gt(tail.count, 0);
        weir_tail_cache_close(&tail);
        weir_tail_cache_close(&tail);
        ck_assert_uint_eq(tail.count, 0);
        ck_assert_uint_eq(tail.bytes, 0);
        ck_assert_uint_eq(budget->used, used);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("ends");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_zeroed_can_be_closed);
    tcase_add_test(tests, producers_that_were_closed_are_nobody);
    tcase_add_test(tests, an_index_that_was_closed_has_no_entries);
    tcase_add_test(tests, a_tail_that_was_closed_holds_nothing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log ends", add);
}
