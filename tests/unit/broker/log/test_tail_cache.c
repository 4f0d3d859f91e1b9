#include "broker/log/tail_cache.h"

#include <string.h>

#include "tests/support/support.h"

/* What the newest bytes of a log may cost: each bound from both sides. */
enum { BYTES_MAX = 16384 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_tail_cache cache;
static int64_t end_offset;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_tail_cache_init(&cache, &budget, BYTES_MAX);
    end_offset = 0;
}

static void tear_down(void)
{
    weir_tail_cache_close(&cache);
    ck_assert_uint_eq(budget.used, 0);
}

/* One record of `size` bytes in a buffer of its own with `capacity`. */
static void add(size_t size, size_t capacity)
{
    struct weir_shared *bytes = weir_shared_new(&budget, capacity);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes->data, 0, capacity);
    bytes->size = size;
    struct weir_log_part part = {.bytes = bytes, .size = size};
    weir_tail_cache_add(&cache, &part, end_offset, end_offset + 1);
    end_offset++;
    weir_shared_unref(bytes);
    ck_assert_uint_le(cache.bytes, BYTES_MAX);
    weir_tail_cache_check(&cache, end_offset);
}

/* A buffer that is all the cache may hold is held, alone; one more byte and nothing is, for runs are
 * consecutive. */
START_TEST(a_run_may_be_as_large_as_the_bound)
{
    add(3000, 3000);
    ck_assert_uint_eq(cache.count, 1);
    add(BYTES_MAX, BYTES_MAX);
    ck_assert_uint_eq(cache.count, 1);
    ck_assert_uint_eq(cache.bytes, BYTES_MAX);
    add(3000, 3000);
    ck_assert_uint_eq(cache.count, 1);
    ck_assert_uint_eq(cache.bytes, 3000);
    add(BYTES_MAX + 1, BYTES_MAX + 1);
    ck_assert_uint_eq(cache.count, 0);
    ck_assert_uint_eq(cache.bytes, 0);
}
END_TEST

/* Runs that fill the bound exactly are all held, and the oldest goes for the next. */
START_TEST(runs_may_fill_the_bound)
{
    for (int i = 0; i < 4; i++) {
        add(BYTES_MAX / 4, BYTES_MAX / 4);
        ck_assert_uint_eq(cache.count, (size_t)i + 1);
    }
    ck_assert_uint_eq(cache.bytes, BYTES_MAX);
    add(2100, 2100);
    ck_assert_uint_eq(cache.count, 4);
    ck_assert_uint_eq(cache.bytes, BYTES_MAX / 4 * 3 + 2100);
}
END_TEST

/* A part that fills less than half of its buffer is copied and costs what it is; another one pins all of
 * it, and costs that. Small parts share a chunk until one finds no room in it. */
START_TEST(a_part_costs_what_it_pins)
{
    add(2500, 5002);
    ck_assert_uint_eq(cache.bytes, 2500);
    add(2501, 5000);
    ck_assert_uint_eq(cache.bytes, 2500 + 5000);
    for (int i = 0; i < 4; i++)
        add(250, 8000);
    ck_assert_uint_eq(cache.count, 3);
    ck_assert_uint_eq(cache.bytes, 2500 + 5000 + 1024);
    add(24, 8000); /* to its last byte */
    ck_assert_uint_eq(cache.count, 3);
    add(1, 8000);
    ck_assert_uint_eq(cache.count, 4);
    ck_assert_uint_eq(cache.bytes, 2500 + 5000 + 1024 + 2048);
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("tail cache");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_run_may_be_as_large_as_the_bound);
    tcase_add_test(tests, runs_may_fill_the_bound);
    tcase_add_test(tests, a_part_costs_what_it_pins);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("tail cache", add_tests);
}
