/* The bound that the tails of many logs share. */
#include "base/bytes.h"
#include "broker/log/log_internal.h"
#include "broker/log/tail_cache.h"
#include "tests/support/broken.h"
#include "tests/unit/broker/log/log_support.h"

enum { LOGS = 5, RUN = 4096, OWN_MAX = 16 * RUN, POOL_MAX = 10 * RUN };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_tail_pool pool;
static struct tail {
    struct weir_tail_cache cache;
    int64_t end; /* each batch has one offset */
} tails[LOGS];

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    pool = (struct weir_tail_pool){.bytes_max = POOL_MAX};
    for (size_t i = 0; i < LOGS; i++) {
        tails[i] = (struct tail){0};
        weir_tail_cache_init(&tails[i].cache, &budget, OWN_MAX);
        weir_tail_cache_share(&tails[i].cache, &pool);
    }
}

static void tear_down(void)
{
    for (size_t i = 0; i < LOGS; i++) {
        weir_tail_cache_share(&tails[i].cache, NULL);
        weir_tail_cache_close(&tails[i].cache);
    }
    ck_assert_uint_eq(pool.bytes, 0);
    weir_tail_pool_check(&pool);
    ck_assert_uint_eq(budget.used, 0);
}

/* A batch of `size` bytes at the end of log `number`. */
static void append(size_t number, size_t size)
{
    struct tail *tail = &tails[number];
    struct weir_shared *bytes = weir_shared_new(&budget, size);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes->data, 0, size);
    weir_batch_store_empty(bytes->data, tail->end, 0, 0);
    weir_store_u32(bytes->data + 8, (uint32_t)size - WEIR_BATCH_OVERHEAD);
    bytes->size = size;
    const struct weir_log_part part = {.bytes = bytes, .size = size};
    weir_tail_cache_add(&tail->cache, &part, tail->end, tail->end + 1);
    tail->end++;
    weir_shared_unref(bytes);
    weir_tail_cache_check(&tail->cache, tail->end);
}

/* The first offset that is in memory; the log's end: none is. */
static int64_t first_held(size_t number)
{
    const struct tail *tail = &tails[number];
    for (int64_t offset = 0; offset < tail->end; offset++) {
        struct weir_log_read read = {.offset = offset, .size_max = 1 << 20};
        if (!weir_tail_cache_read(&tail->cache, &read, tail->end)) continue;
        ck_assert_uint_gt(read.batches.part_count, 0);
        ck_assert_int_eq((int64_t)weir_load_u64(weir_log_part_bytes(&read.batches.parts[0]).data),
                         offset);
        weir_log_batches_release(&read.batches);
        return offset;
    }
    return tail->end;
}

START_TEST(one_busy_log_has_its_own_bound_or_the_shared_one)
{
    for (int i = 0; i < 40; i++) {
        append(0, RUN);
    }
    ck_assert_int_eq(first_held(0), 30);
    ck_assert_uint_eq(pool.bytes, POOL_MAX);
    weir_tail_cache_share(&tails[0].cache, NULL);
    for (int i = 0; i < 40; i++) {
        append(0, RUN);
    }
    ck_assert_int_eq(first_held(0), 80 - 16);
}
END_TEST

START_TEST(logs_that_were_added_to_longest_ago_give_way_first)
{
    for (size_t number = 0; number < LOGS; number++) {
        append(number, RUN);
        append(number, RUN);
    }
    ck_assert_uint_eq(pool.bytes, POOL_MAX);
    append(0, RUN); /* it was the oldest; now it is log 1 */
    ck_assert_int_eq(first_held(0), 0);
    ck_assert_int_eq(first_held(1), 1);
    append(0, RUN);
    append(0, RUN);
    ck_assert_int_eq(first_held(1), tails[1].end);
    ck_assert_int_eq(first_held(2), 1);
    ck_assert_int_eq(first_held(3), 0);
    ck_assert_int_eq(first_held(4), 0);
}
END_TEST

/* A small batch that goes into a chunk makes a log the newest too. */
START_TEST(a_small_batch_counts_as_well)
{
    append(0, 100);
    for (size_t number = 1; number < LOGS; number++) {
        append(number, RUN);
        append(number, RUN);
    }
    append(0, 100);
    for (int i = 0; i < 4; i++) {
        append(4, RUN);
    }
    ck_assert_int_eq(first_held(0), 0);
    ck_assert_int_eq(first_held(1), tails[1].end);
}
END_TEST

START_TEST(a_batch_beyond_the_bound_takes_nothing_from_others)
{
    append(0, RUN);
    append(1, RUN);
    append(1, POOL_MAX + 1);
    ck_assert_int_eq(first_held(1), 2);
    ck_assert_int_eq(first_held(0), 0);
    append(1, RUN);
    ck_assert_int_eq(first_held(1), 2);
}
END_TEST

/* A worker has the log meanwhile: its batches are its own, and come back with it. */
START_TEST(a_tail_is_taken_out_and_given_back)
{
    for (int i = 0; i < 4; i++) {
        append(0, RUN);
        append(1, RUN);
    }
    weir_tail_cache_share(&tails[0].cache, NULL);
    ck_assert_uint_eq(pool.bytes, 4 * RUN);
    for (int i = 0; i < 10; i++) {
        append(1, RUN);
    }
    weir_tail_cache_cut(&tails[0].cache, 3);
    tails[0].end = 3;
    ck_assert_int_eq(first_held(0), 0);
    ck_assert_int_eq(first_held(1), 4);
    weir_tail_cache_share(&tails[0].cache, &pool);
    ck_assert_uint_eq(pool.bytes, POOL_MAX);
    ck_assert_int_eq(first_held(0), 0);
    ck_assert_int_eq(first_held(1), 7);
    weir_tail_pool_check(&pool);
}
END_TEST

START_TEST(a_tail_larger_than_the_bound_comes_back_empty)
{
    weir_tail_cache_share(&tails[0].cache, NULL);
    for (int i = 0; i < 12; i++) {
        append(0, RUN);
    }
    append(1, RUN);
    weir_tail_cache_share(&tails[0].cache, &pool);
    ck_assert_int_eq(first_held(0), 12);
    ck_assert_int_eq(first_held(1), 0);
}
END_TEST

/* Whatever happens in whatever order, the bound holds, and what is held is the end of each log. */
START_TEST(the_bound_holds_whatever_happens)
{
    uint64_t state = 88172645463325252u + (uint64_t)_i;
    for (int i = 0; i < 3000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        struct tail *tail = &tails[state % LOGS];
        size_t size = 70 + (state >> 8) % 9000;
        switch ((state >> 32) % 8) {
        case 0:
            weir_tail_cache_share(&tail->cache, tail->cache.pool == NULL ? &pool : NULL);
            break;
        case 1:
            tail->end -= tail->end > 2 ? 2 : 0;
            weir_tail_cache_cut(&tail->cache, tail->end);
            break;
        default:
            append(state % LOGS, size);
        }
        weir_tail_pool_check(&pool);
        weir_tail_cache_check(&tail->cache, tail->end);
        if (i % 100 == 0) (void)first_held(state % LOGS);
    }
}
END_TEST

/* ---- its invariants -------------------------------------------------------------------------- */

static void two_listed(void)
{
    set_up();
    append(0, RUN);
    append(1, RUN);
}

BREAKS(pool_bound, pool.bytes = POOL_MAX + 1)
BREAKS(pool_ends, pool.oldest = NULL)
BREAKS(pool_empty, pool.oldest = pool.newest = NULL)
BREAKS(unlisted, tails[0].cache.is_listed = false)
BREAKS(listed_nowhere, tails[0].cache.pool = NULL)

static void (*const broken[])(void) = {pool_bound, pool_ends, pool_empty, unlisted, listed_nowhere};

START_TEST(a_broken_field_ends_the_program)
{
    broken[_i]();
    for (size_t i = 0; i < LOGS; i++) {
        weir_tail_cache_check(&tails[i].cache, tails[i].end);
    }
}
END_TEST

#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(counted, pool.bytes--)
BREAKS(order, tails[1].cache.older = NULL)

static void (*const broken_deep[])(void) = {counted, order};

START_TEST(a_broken_list_ends_the_program)
{
    broken_deep[_i]();
    weir_tail_pool_check(&pool);
}
END_TEST
#endif

static void add(Suite *suite)
{
    TCase *tests = tcase_create("shared bound");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, one_busy_log_has_its_own_bound_or_the_shared_one);
    tcase_add_test(tests, logs_that_were_added_to_longest_ago_give_way_first);
    tcase_add_test(tests, a_small_batch_counts_as_well);
    tcase_add_test(tests, a_batch_beyond_the_bound_takes_nothing_from_others);
    tcase_add_test(tests, a_tail_is_taken_out_and_given_back);
    tcase_add_test(tests, a_tail_larger_than_the_bound_comes_back_empty);
    tcase_add_loop_test(tests, the_bound_holds_whatever_happens, 0, 5);
    suite_add_tcase(suite, tests);

    TCase *checks = tcase_create("checks");
    tcase_add_checked_fixture(checks, two_listed, NULL);
    ADD_BROKEN(checks, a_broken_field_ends_the_program, broken);
#ifdef WEIR_SLOW_ASSERTIONS
    ADD_BROKEN(checks, a_broken_list_ends_the_program, broken_deep);
#endif
    suite_add_tcase(suite, checks);
}

int main(void)
{
    return weir_test_main("log tail pool", add);
}
