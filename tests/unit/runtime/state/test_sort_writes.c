#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "runtime/state/sort_writes.h"
#include "tests/support/support.h"

/* Writes are in order of the bytes of their keys, each with its own value, whatever the keys look like. */

enum { WRITES_MAX = 600, KEY_MAX = 700 };

struct writes {
    struct weir_backend_write writes[WRITES_MAX];
    uint8_t keys[WRITES_MAX][KEY_MAX];
    size_t count;
};

static struct weir_heap heap;
static struct weir_budget budget;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
}

/* No two keys are equal. Its value is the key, so that one can tell that they came along. */
static void add_key(struct writes *writes, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < writes->count; i++) {
        if (weir_slice_equal(writes->writes[i].key, weir_slice(bytes, size))) return;
    }
    ck_assert_uint_lt(writes->count, WRITES_MAX);
    uint8_t *key = writes->keys[writes->count];
    weir_copy(key, bytes, size);
    writes->writes[writes->count++] =
        (struct weir_backend_write){weir_slice(key, size), weir_slice(key, size)};
}

static int compare(const void *a, const void *b)
{
    const struct weir_backend_write *left = a;
    const struct weir_backend_write *right = b;
    return weir_slice_compare(left->key, right->key);
}

static void expect_sorted(struct writes *writes)
{
    static struct weir_backend_write expected[WRITES_MAX];
    memcpy(expected, writes->writes, sizeof expected);
    qsort(expected, writes->count, sizeof *expected, compare);
    struct weir_sort_memory memory = {0};
    weir_sort_writes(&memory, &budget, writes->writes, writes->count);
    weir_sort_memory_close(&memory);
    for (size_t i = 0; i < writes->count; i++) {
        ck_assert_ptr_eq(writes->writes[i].key.data, expected[i].key.data);
        ck_assert_uint_eq(writes->writes[i].key.size, expected[i].key.size);
        ck_assert_ptr_eq(writes->writes[i].value.data, expected[i].value.data);
    }
    ck_assert_uint_eq(budget.used, 0);
}

/* Goal: keys of a few different bytes, zeros among them, behind prefixes of many sizes: ends, chunks and
 * runs fall everywhere. */
START_TEST(random_keys_are_in_order)
{
    static struct writes writes;
    struct weir_test_random random = {(uint64_t)_i + 1};
    uint8_t bytes[64];
    writes.count = 0;
    const size_t prefix = weir_test_random_below(&random, 20);
    const size_t size_max = 1 + weir_test_random_below(&random, 40);
    const size_t letters = 2 + weir_test_random_below(&random, 3);
    const size_t count = weir_test_random_below(&random, WRITES_MAX);
    memset(bytes, 0, sizeof bytes);
    for (size_t i = 0; i < count; i++) {
        const size_t size = weir_test_random_below(&random, size_max);
        for (size_t j = 0; j < size; j++) {
            bytes[prefix + j] = (uint8_t)weir_test_random_below(&random, letters);
        }
        add_key(&writes, bytes, prefix + size);
    }
    if (_i % 4 == 0) atomic_store(&heap.fail_at, 1);
    expect_sorted(&writes);
}
END_TEST

/* Goal: each key is the one before and a chunk more, further than rounds go. */
START_TEST(keys_that_go_on_from_each_other_are_in_order)
{
    static struct writes writes;
    uint8_t bytes[KEY_MAX];
    writes.count = 0;
    memset(bytes, 'k', sizeof bytes);
    for (size_t size = KEY_MAX; size >= 8; size -= 4) {
        add_key(&writes, bytes, size);
    }
    expect_sorted(&writes);
}
END_TEST

static void add(Suite *suite)
{
    TCase *sort = tcase_create("sort");
    tcase_add_checked_fixture(sort, set_up, NULL);
    tcase_add_loop_test(sort, random_keys_are_in_order, 0, 200);
    tcase_add_test(sort, keys_that_go_on_from_each_other_are_in_order);
    suite_add_tcase(suite, sort);
}

int main(void)
{
    return weir_test_main("sort writes", add);
}
