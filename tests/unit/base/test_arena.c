#include "base/arena.h"

#include <string.h>

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 1024);
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    weir_arena_close(&arena);
    ck_assert_uint_eq(budget.used, 0);
}

/* One request's worth of pieces, small and large; each filled, so that overlaps would show. */
static void run_request(uint64_t seed, int piece_count)
{
    struct weir_test_random random = {seed};
    uint8_t *pieces[200];
    size_t sizes[200];
    for (int i = 0; i < piece_count; i++) {
        bool is_large = weir_test_random_below(&random, 8) == 0;
        sizes[i] = weir_test_random_below(&random, is_large ? 5000 : 100);
        pieces[i] = weir_arena_alloc(&arena, sizes[i]);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i, sizes[i]);
    }
    for (int i = 0; i < piece_count; i++) {
        uint8_t expected[5000];
        memset(expected, i, sizes[i]);
        ck_assert_mem_eq(pieces[i], expected, sizes[i]);
    }
}

/* A request that comes again finds its blocks: nothing is allocated after the first time. */
START_TEST(a_steady_state_allocates_nothing)
{
    run_request(1, 200);
    uint64_t count = heap.allocation_count;
    size_t used = arena.used;
    for (int i = 0; i < 10; i++) {
        weir_arena_reset(&arena);
        ck_assert_uint_eq(arena.used, 0);
        run_request(1, 200);
        ck_assert_uint_eq(arena.used, used);
    }
    ck_assert_uint_eq(heap.allocation_count, count);
}
END_TEST

/* Requests of differing shapes settle as well: in the end, any of them allocates nothing. */
START_TEST(mixed_requests_settle)
{
    for (uint64_t i = 0; i < 300; i++) {
        weir_arena_reset(&arena);
        run_request(i % 7, 100);
    }
    uint64_t count = heap.allocation_count;
    for (uint64_t i = 0; i < 70; i++) {
        weir_arena_reset(&arena);
        run_request(i % 7, 100);
    }
    ck_assert_uint_eq(heap.allocation_count, count);
}
END_TEST

/* The first failure sticks until the reset, and what was handed out stays readable. */
/* As the record of a group that one member after the other joins. */
START_TEST(a_size_that_grows_leaves_no_trail)
{
    enum { STEPS = 500 };
    size_t size = 0;
    for (size_t i = 1; i <= STEPS; i++) {
        weir_arena_reset(&arena);
        size = 2000 + i * 100;
        ck_assert_ptr_nonnull(weir_arena_alloc(&arena, 100));
        ck_assert_ptr_nonnull(weir_arena_alloc(&arena, size));
        ck_assert_ptr_nonnull(weir_arena_alloc(&arena, size));
    }
    ck_assert_uint_lt(budget.used, 3 * size);
}
END_TEST

START_TEST(a_failure_sticks_until_reset)
{
    char *kept = weir_arena_printf(&arena, "%s-%d", "kept", 1);
    budget.limit = budget.used;
    ck_assert_ptr_null(weir_arena_alloc(&arena, 5000));
    ck_assert(weir_arena_failed(&arena));
    ck_assert_ptr_null(weir_arena_alloc(&arena, 1));
    ck_assert_ptr_null(weir_arena_printf(&arena, "x"));
    ck_assert(weir_slice_is_null(weir_arena_copy(&arena, weir_text("x"))));
    ck_assert_str_eq(kept, "kept-1");
    weir_arena_reset(&arena);
    ck_assert(!weir_arena_failed(&arena));
    ck_assert_ptr_nonnull(weir_arena_alloc(&arena, 1));
}
END_TEST

/* A product or a size that wraps is a failure, not a short block. */
START_TEST(sizes_that_wrap_are_refused)
{
    ck_assert_ptr_null(weir_arena_array(&arena, SIZE_MAX / 8 + 2, 8));
    ck_assert(weir_arena_failed(&arena));
    weir_arena_reset(&arena);
    ck_assert_ptr_null(weir_arena_alloc(&arena, SIZE_MAX));
    ck_assert(weir_arena_failed(&arena));
    weir_arena_reset(&arena);
    ck_assert_ptr_nonnull(weir_arena_array(&arena, 10, 8));
}
END_TEST

/* An array that is full moves, with its elements and twice the room; one that is not stays. */
START_TEST(an_array_grows_by_doubling)
{
    uint32_t *numbers = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 9; i++) {
        uint32_t *before = numbers;
        bool is_full = i == capacity;
        numbers = weir_arena_grow(&arena, numbers, i, &capacity, 4, sizeof *numbers);
        ck_assert_ptr_nonnull(numbers);
        ck_assert((numbers != before) == is_full);
        numbers[i] = i;
    }
    ck_assert_uint_eq(capacity, 16);
    for (uint32_t i = 0; i < 9; i++)
        ck_assert_uint_eq(numbers[i], i);
    size_t too_large = SIZE_MAX / 8;
    ck_assert_ptr_null(weir_arena_grow(&arena, numbers, 16, &capacity, 4, too_large));
    ck_assert_uint_eq(capacity, 16);
}
END_TEST

/* Null stays null and empty stays empty; copies are copies. */
START_TEST(copies_tell_null_from_empty)
{
    ck_assert(weir_slice_is_null(weir_arena_copy(&arena, weir_null())));
    struct weir_slice empty = weir_arena_copy(&arena, weir_text(""));
    ck_assert(!weir_slice_is_null(empty));
    ck_assert_uint_eq(empty.size, 0);
    char text[] = "bytes";
    struct weir_slice copy = weir_arena_copy(&arena, weir_text(text));
    text[0] = 'X';
    ck_assert(weir_slice_equal(copy, weir_text("bytes")));
    static const char zeroes[64];
    memset(weir_arena_alloc(&arena, 64), 1, 64);
    weir_arena_reset(&arena);
    ck_assert_mem_eq(weir_arena_alloc_zero(&arena, 64), zeroes, 64);
}
END_TEST

#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

/* Nothing but what was handed out may be touched: not a byte behind an allocation though its block goes
 * on, not the next one's red zone, and after a reset nothing at all. */
START_TEST(behind_each_allocation_is_a_red_zone)
{
    uint8_t *last = NULL;
    for (size_t size = 0; size <= 3000; size += size < 100 ? 1 : 97) {
        uint8_t *bytes = weir_arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(bytes);
        if (size > 0) ck_assert_ptr_null(__asan_region_is_poisoned(bytes, size));
        for (size_t i = size; i < (size + 15) / 16 * 16 + 16; i++) {
            ck_assert(__asan_address_is_poisoned(bytes + i));
        }
        last = bytes;
    }
    weir_arena_reset(&arena);
    ck_assert(__asan_address_is_poisoned(last));
    ck_assert_ptr_null(__asan_region_is_poisoned(weir_arena_alloc(&arena, 10), 10));
    weir_arena_close(&arena); /* and free gives back what malloc may use */
    ck_assert_uint_eq(budget.used, 0);
}
END_TEST

/* The program ends at the write. */
START_TEST(a_write_past_an_allocation_is_caught)
{
    volatile uint8_t *bytes = weir_arena_alloc(&arena, 20);
    ck_assert_ptr_nonnull(weir_arena_alloc(&arena, 20));
    bytes[20] = 1;
}
END_TEST

static void add_red_zones(TCase *tests)
{
    tcase_add_test(tests, behind_each_allocation_is_a_red_zone);
    if (weir_test_forks()) tcase_add_exit_test(tests, a_write_past_an_allocation_is_caught, 1);
}
#else
static void add_red_zones(TCase *tests)
{
    (void)tests; /* there are none without the sanitizer */
}
#endif

static void add(Suite *suite)
{
    TCase *tests = tcase_create("arena");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_steady_state_allocates_nothing);
    tcase_add_test(tests, mixed_requests_settle);
    tcase_add_test(tests, a_size_that_grows_leaves_no_trail);
    tcase_add_test(tests, a_failure_sticks_until_reset);
    tcase_add_test(tests, sizes_that_wrap_are_refused);
    tcase_add_test(tests, an_array_grows_by_doubling);
    tcase_add_test(tests, copies_tell_null_from_empty);
    add_red_zones(tests);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/arena", add);
}
