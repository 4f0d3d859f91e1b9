#include <string.h>

#include "tests/unit/broker/log/log_support.h"

/**
 * The Nth allocation fails, for every N: a clean error, nothing lost, nothing leaked, and the same
 * call works when memory is back.
 */
static struct test_log test;
static int hits; /* of a test: one without has tested nothing */

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 600;
}

static void tear_down(void)
{
    hits = 0;
    test_log_stop(&test);
}

static void fail_at(uint64_t number)
{
    test.env->heap->fail_at = number; /* counts down to 0 */
}

static bool was_hit(void)
{
    bool hit = test.env->heap->fail_at == 0;
    fail_at(0);
    hits += hit;
    return hit;
}

static size_t used(void)
{
    return test.env->budget->used;
}

/* Opening a log with a tail to recover fails cleanly or works. */
START_TEST(open_survives_every_failed_allocation)
{
    ck_ok(test_log_open(&test), &test.error);
    for (int i = 0; i < 30; i++) {
        ck_ok(test_log_append(&test, &(struct test_append){.has_producer = true, .producer_id = i},
                              NULL),
              &test.error);
    }
    test_log_crash(&test, WEIR_SIM_KILL);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
    for (uint64_t number = 1;; number++) {
        weir_sim_disk_copy(test.sim, 1, 0);
        test.env = weir_sim_node(test.sim, 0);
        size_t before = used();
        fail_at(number);
        int rc = test_log_open(&test);
        bool hit = was_hit();
        if (rc < 0) {
            ck_assert(hit);
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            ck_assert_uint_eq(used(), before);
            ck_ok(test_log_open(&test), &test.error);
        }
        ck_assert_int_eq(weir_partition_log_state(test.log).offline_from, -1);
        test_log_expect_all(&test);
        ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, 30);
        ck_ok(test_log_close(&test), &test.error);
        ck_assert_uint_eq(used(), before);
        if (!hit) break;
    }
    ck_assert_int_gt(hits, 3);
}
END_TEST

/* An append that found no memory changed nothing; it works the next time. */
START_TEST(append_survives_every_failed_allocation)
{
    ck_ok(test_log_open(&test), &test.error);
    int64_t next = 0;
    for (uint64_t number = 1; number < 40; number++) {
        for (int i = 0; i < 5; i++) { /* often enough to meet a roll */
            struct test_append what = {.has_producer = true, .producer_id = next, .value_size = 90};
            fail_at(number);
            int rc = test_log_append(&test, &what, NULL);
            (void)was_hit();
            ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
            if (rc < 0) {
                ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, next);
                ck_ok(test_log_append(&test, &what, NULL), &test.error);
            }
            next++;
            ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, next);
        }
    }
    ck_assert_int_gt(hits, 20);
    test_log_expect_all(&test);
    ck_ok(test_log_sync(&test), &test.error);
    test_log_crash(&test, WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, next);
    test_log_expect_all(&test);
}
END_TEST

/* A read that found no memory says so, and damages nothing. */
START_TEST(read_survives_every_failed_allocation)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 20);
    for (uint64_t number = 1;; number++) {
        bool hit = false;
        for (size_t range_min = 0; range_min <= 300; range_min += 300) {
            struct weir_log_read read = {
                .offset = 3, .offset_max = INT64_MAX, .size_max = 400, .range_min = range_min};
            size_t before = used();
            fail_at(number);
            int rc = test_log_read(&test, &read);
            hit = was_hit() || hit;
            ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
            weir_log_read_release(&read);
            ck_assert_uint_eq(used(), before);
            ck_assert(!weir_partition_log_state(test.log).is_offline);
        }
        if (!hit) break;
    }
    ck_assert_int_gt(hits, 3);
    test_log_expect_all(&test);
}
END_TEST

/* Syncs, cuts and closes: an error or success, and what was acknowledged is there afterwards. */
START_TEST(sync_cut_and_close_survive_every_failed_allocation)
{
    for (uint64_t number = 1; number < 60; number++) {
        ck_ok(test_log_open(&test), &test.error);
        test_log_fill(&test, 12);
        int64_t end = weir_partition_log_state(test.log).end_offset;
        fail_at(number);
        int rc = test_log_sync(&test);
        (void)was_hit();
        ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
        int64_t cut = test.batches[test.batch_count - 3].base_offset;
        fail_at(number);
        rc = weir_partition_log_truncate(test.log, cut, &test.error);
        (void)was_hit();
        ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
        if (rc == 0) {
            test_log_forget(&test, cut);
            end = cut;
        }
        ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
        test_log_expect_all(&test);
        fail_at(number);
        rc = test_log_close(&test);
        (void)was_hit();
        ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
        test_log_expect_all(&test);
        ck_ok(test_log_close(&test), &test.error);
        ck_assert_uint_eq(used(), 0);
    }
    ck_assert_int_gt(hits, 20);
}
END_TEST

/* In a steady state appends allocate nothing: not for index entries, producers, the cache. (Writing
 * 256 index entries out opens two files; here there are fewer.) */
START_TEST(append_allocates_nothing_in_a_steady_state)
{
    test.options.config.segment_bytes = 1 << 30;
    test.options.config.index_interval_bytes = 4096;
    test.options.tail_cache_bytes = 4096;
    ck_ok(test_log_open(&test), &test.error);
    for (int i = 0; i < 3500; i++) { /* the index grows to 128 entries */
        ck_ok(test_log_append(
                  &test,
                  &(struct test_append){.has_producer = true, .producer_id = 1, .sequence = i},
                  NULL),
              &test.error);
    }
    struct weir_shared *batch = weir_shared_new(test.env->budget, test.batches[0].size);
    ck_assert_ptr_nonnull(batch);
    memcpy(batch->data, test.batches[0].bytes, test.batches[0].size);
    batch->size = test.batches[0].size;
    uint64_t before = test.env->heap->allocation_count;
    struct weir_append_result result;
    uint8_t *sequence = batch->data + 53; /* under the crc, which the log leaves to others */
    for (int i = 3500; i < 4500; i++) {
        sequence[2] = (uint8_t)(i >> 8);
        sequence[3] = (uint8_t)i;
        ck_ok(weir_partition_log_append(
                  test.log, &(struct weir_append){.batches = batch, .now = weir_wall_now(test.env)},
                  &result, &test.error),
              &test.error);
    }
    ck_assert_uint_eq(test.env->heap->allocation_count, before);
    weir_shared_unref(batch);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, open_survives_every_failed_allocation);
    tcase_add_test(tests, append_survives_every_failed_allocation);
    tcase_add_test(tests, read_survives_every_failed_allocation);
    tcase_add_test(tests, sync_cut_and_close_survive_every_failed_allocation);
    tcase_add_test(tests, append_allocates_nothing_in_a_steady_state);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log memory", add);
}
