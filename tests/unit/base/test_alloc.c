#include "base/alloc.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget node, partition;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&node, "node", &heap, NULL, 0);
    weir_budget_init(&partition, "partition", &heap, &node, 0);
}

static void set_up_tracked(void)
{
    set_up();
    heap.is_tracked = true;
}

/* In both kinds of heap, blocks are 16-aligned and hold what was written through every size. */
START_TEST(blocks_are_aligned_and_keep_their_bytes)
{
    heap.is_tracked = _i == 1;
    char *blocks[100];
    for (size_t size = 1; size <= 100; size++) {
        char *block = weir_alloc(&partition, size);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 16, 0);
        memset(block, (int)size, size);
        blocks[size - 1] = block;
    }
    for (size_t size = 1; size <= 100; size++) {
        for (size_t i = 0; i < size; i++) {
            ck_assert_int_eq(blocks[size - 1][i], (char)size);
        }
        weir_free(blocks[size - 1]);
    }
    ck_assert_uint_eq(partition.used, 0);
    ck_assert_ptr_null(heap.live);
}
END_TEST

/* A charge to one budget is a charge to its parents, and comes back from all of them. */
START_TEST(charges_reach_the_parents)
{
    void *block = weir_alloc(&partition, 1000);
    void *other = weir_alloc(&node, 10);
    ck_assert_uint_eq(partition.used, 1000);
    ck_assert_uint_eq(node.used, 1010);
    weir_free(block);
    ck_assert_uint_eq(partition.used, 0);
    ck_assert_uint_eq(node.used, 10);
    ck_assert_uint_eq(partition.peak, 1000);
    ck_assert_uint_eq(node.peak, 1010);
    weir_free(other);
}
END_TEST

/* A parent's refusal undoes the child's charge; a full budget still serves what fits. */
START_TEST(a_refusal_charges_nobody)
{
    node.limit = 100;
    void *block = weir_alloc(&partition, 60);
    ck_assert_ptr_nonnull(block);
    ck_assert_ptr_null(weir_alloc(&partition, 41));
    ck_assert_ptr_null(weir_alloc(&partition, SIZE_MAX));
    ck_assert(!weir_budget_charge(&partition, SIZE_MAX));
    ck_assert_uint_eq(partition.used, 60);
    ck_assert_uint_eq(node.used, 60);
    ck_assert(weir_budget_charge(&partition, 40));
    ck_assert_uint_eq(node.used, 100);
    weir_budget_return(&partition, 40);
    weir_free(block);
    ck_assert_uint_eq(node.used, 0);
}
END_TEST

/* Growing and shrinking keep the bytes and the books; a refused growth keeps the block. */
START_TEST(realloc_keeps_bytes_and_books)
{
    heap.is_tracked = _i == 1;
    node.limit = 5000;
    char *before = weir_realloc(&partition, NULL, 8);
    char *block = weir_realloc(&partition, NULL, 8);
    char *after = weir_realloc(&partition, NULL, 8);
    memcpy(block, "1234567", 8);
    block = weir_realloc(&partition, block, 4000);
    ck_assert_str_eq(block, "1234567");
    ck_assert_uint_eq(partition.used, 4016);
    ck_assert_ptr_null(weir_realloc(&partition, block, 5001));
    ck_assert_str_eq(block, "1234567");
    ck_assert_uint_eq(partition.used, 4016);
    block = weir_realloc(&partition, block, 3);
    ck_assert_int_eq(memcmp(block, "123", 3), 0);
    ck_assert_uint_eq(partition.used, 19);
    weir_free(before);
    weir_free(after);
    weir_free(block);
    ck_assert_uint_eq(node.used, 0);
    ck_assert_ptr_null(heap.live);
}
END_TEST

/* fail_at counts down to one failure, or to all from there on; failures charge nothing. */
START_TEST(the_nth_allocation_fails)
{
    heap.fail_at = 2;
    void *first = weir_alloc(&partition, 1);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(weir_alloc(&partition, 1));
    ck_assert_ptr_nonnull(first = weir_realloc(&partition, first, 2));
    heap.fail_all_after = true;
    heap.fail_at = 2;
    ck_assert_ptr_nonnull(first = weir_realloc(&partition, first, 3));
    ck_assert_ptr_null(weir_realloc(&partition, first, 4));
    ck_assert_ptr_null(weir_alloc_zero(&partition, 1));
    ck_assert_ptr_null(weir_alloc_text(&partition, "x", 1));
    ck_assert_uint_eq(partition.used, 3);
    ck_assert_uint_eq(heap.allocation_count, 7);
    weir_free(first);
}
END_TEST

/* Zeroed bytes are zero, texts are copied and ended, NULL may be freed. */
START_TEST(zero_and_text_do_what_they_say)
{
    static const char zeroes[300];
    char *block = weir_alloc_zero(&partition, sizeof zeroes);
    ck_assert_mem_eq(block, zeroes, sizeof zeroes);
    char *text = weir_alloc_text(&partition, "abcdef", 3);
    ck_assert_str_eq(text, "abc");
    char *empty = weir_alloc_text(&partition, NULL, 0);
    ck_assert_str_eq(empty, "");
    weir_free(text);
    weir_free(empty);
    weir_free(block);
    weir_free(NULL);
    ck_assert_uint_eq(partition.used, 0);
}
END_TEST

/* Dropping a heap frees what random holders still hold (the leak checker is the witness). */
START_TEST(a_dropped_heap_frees_all)
{
    struct weir_test_random random = {11};
    void *blocks[64] = {NULL};
    for (int round = 0; round < 2000; round++) {
        void **block = &blocks[weir_test_random_below(&random, 64)];
        size_t size = 1 + weir_test_random_below(&random, 500);
        if (weir_test_random_below(&random, 3) == 0) {
            weir_free(*block);
            *block = NULL;
        } else {
            *block = weir_realloc(&partition, *block, size);
        }
    }
    ck_assert_ptr_nonnull(heap.live);
    weir_heap_drop(&heap);
    ck_assert_ptr_null(heap.live);
    set_up_tracked();
    void *block = weir_alloc(&partition, 1);
    ck_assert_ptr_nonnull(block);
    weir_free(block);
}
END_TEST

enum { SHARED_LIMIT = 4096 };

static void *take_and_give(void *context)
{
    void *block = NULL;
    for (size_t i = 0; i < 20000; i++) {
        void *resized = weir_realloc(context, block, 1 + i * 7 % 2000);
        if (resized != NULL) block = resized;
    }
    weir_free(block);
    return NULL;
}

/* Threads that fight for one budget never pass its bound, and the books are even at the end. */
START_TEST(threads_share_a_budget)
{
    node.limit = SHARED_LIMIT;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &partition), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(partition.used, 0);
    ck_assert_uint_eq(node.used, 0);
    ck_assert_uint_le(node.peak, SHARED_LIMIT);
    ck_assert_uint_eq(heap.allocation_count, 4 * 20000);
}
END_TEST

/* Giving back more than was charged is our own mistake. */
START_TEST(returning_too_much_aborts)
{
    weir_budget_return(&partition, 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("alloc");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_loop_test(tests, blocks_are_aligned_and_keep_their_bytes, 0, 2);
    tcase_add_test(tests, charges_reach_the_parents);
    tcase_add_test(tests, a_refusal_charges_nobody);
    tcase_add_loop_test(tests, realloc_keeps_bytes_and_books, 0, 2);
    tcase_add_test(tests, the_nth_allocation_fails);
    tcase_add_test(tests, zero_and_text_do_what_they_say);
    tcase_add_test(tests, threads_share_a_budget);
    if (weir_test_forks()) tcase_add_test_raise_signal(tests, returning_too_much_aborts, SIGABRT);
    suite_add_tcase(suite, tests);

    TCase *tracked = tcase_create("tracked");
    tcase_add_checked_fixture(tracked, set_up_tracked, NULL);
    tcase_add_test(tracked, a_dropped_heap_frees_all);
    suite_add_tcase(suite, tracked);
}

int main(void)
{
    return weir_test_main("base/alloc", add);
}
