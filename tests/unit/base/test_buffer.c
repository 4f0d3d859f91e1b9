#include "base/buffer.h"

#include <pthread.h>
#include <string.h>

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_buffer buffer;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_buffer_init(&buffer, &budget, 0);
}

static void tear_down(void)
{
    weir_buffer_close(&buffer);
    weir_buffer_close(&buffer);
    ck_assert_uint_eq(budget.used, 0);
}

/* Many small appends give their concatenation, in few allocations; a reset keeps the memory. */
START_TEST(appends_add_up)
{
    for (uint32_t i = 0; i < 100000; i++) {
        weir_buffer_append(&buffer, &i, sizeof i);
    }
    ck_assert(!buffer.failed);
    ck_assert_uint_eq(buffer.size, 400000);
    for (uint32_t i = 0; i < 100000; i++) {
        ck_assert_mem_eq(buffer.data + i * sizeof i, &i, sizeof i);
    }
    ck_assert_uint_lt(heap.allocation_count, 20);
    uint64_t count = heap.allocation_count;
    weir_buffer_reset(&buffer);
    ck_assert_ptr_nonnull(weir_buffer_extend(&buffer, 400000));
    ck_assert_uint_eq(heap.allocation_count, count);
}
END_TEST

/* The bound is reached exactly; one byte more fails, sticks, and leaves what was there. */
START_TEST(the_bound_holds_and_sticks)
{
    buffer.size_max = 1000;
    ck_assert_ptr_nonnull(weir_buffer_extend(&buffer, 999));
    weir_buffer_append(&buffer, "x", 1);
    ck_assert(!buffer.failed);
    ck_assert_ptr_nonnull(weir_buffer_extend(&buffer, 0));
    ck_assert_uint_le(buffer.capacity, 1000);
    weir_buffer_append(&buffer, "y", 1);
    ck_assert(buffer.failed);
    ck_assert_uint_eq(buffer.size, 1000);
    ck_assert_uint_eq(buffer.data[999], 'x');
    ck_assert(!weir_buffer_reserve(&buffer, 0));
    weir_buffer_reset(&buffer);
    weir_buffer_append(&buffer, "z", 1);
    ck_assert_uint_eq(buffer.size, 1);
}
END_TEST

/* Missing memory and absurd sizes fail the same way, without touching the bytes. */
START_TEST(missing_memory_fails)
{
    weir_buffer_append(&buffer, "abc", 3);
    heap.fail_at = 1;
    ck_assert_ptr_null(weir_buffer_extend(&buffer, 10000));
    ck_assert(buffer.failed);
    ck_assert_mem_eq(buffer.data, "abc", 3);
    weir_buffer_reset(&buffer);
    ck_assert(!weir_buffer_reserve(&buffer, SIZE_MAX));
    ck_assert(buffer.failed);
}
END_TEST

/* A buffer without a byte is empty, which is not null: null would be a tombstone. */
START_TEST(an_empty_buffer_is_not_null)
{
    ck_assert(weir_slice_equal(weir_buffer_slice(&buffer), weir_text("")));
    weir_buffer_append(&buffer, "abc", 3);
    ck_assert(weir_slice_equal(weir_buffer_slice(&buffer), weir_text("abc")));
}
END_TEST

/* Nothing is an extension, too, and has an address. */
START_TEST(an_empty_extension_is_no_failure)
{
    ck_assert_ptr_nonnull(weir_buffer_extend(&buffer, 0));
    weir_buffer_append(&buffer, NULL, 0);
    ck_assert(!buffer.failed);
    ck_assert_uint_eq(buffer.size, 0);
}
END_TEST

static void *take_and_give(void *shared)
{
    for (int i = 0; i < 10000; i++) {
        weir_shared_unref(weir_shared_ref(shared));
    }
    weir_shared_unref(shared);
    return NULL;
}

/* Holders come and go on four threads; the last one out frees. */
START_TEST(the_last_holder_frees)
{
    struct weir_shared *shared = weir_shared_new(&budget, 100);
    ck_assert_uint_eq((uintptr_t)shared->data % 16, 0);
    ck_assert_uint_eq(shared->capacity, 100);
    ck_assert_uint_eq(shared->size, 0);
    memset(shared->data, 7, 100);

    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        weir_shared_ref(shared);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, shared), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_gt(budget.used, 0);
    weir_shared_unref(shared);
    ck_assert_uint_eq(budget.used, 0);
    weir_shared_unref(NULL);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("buffer");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, appends_add_up);
    tcase_add_test(tests, the_bound_holds_and_sticks);
    tcase_add_test(tests, missing_memory_fails);
    tcase_add_test(tests, an_empty_buffer_is_not_null);
    tcase_add_test(tests, an_empty_extension_is_no_failure);
    tcase_add_test(tests, the_last_holder_frees);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/buffer", add);
}
