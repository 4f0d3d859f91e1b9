#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "runtime/state/skip_list.h"
#include "runtime/state/table.h"
#include "tests/support/support.h"

/* The containers below the stores: blocks, hash table, skip list. */

static struct weir_heap heap;
static struct weir_budget budget;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
}

static void check_nothing_left(void)
{
    ck_assert_uint_eq(budget.used, 0);
}

/* ---- slabs --------------------------------------------------------------------------------------- */

/* Goal: a block holds what was asked for, sizes grow without gaps, a class wastes a quarter at most. */
START_TEST(block_is_large_enough_and_not_much_larger)
{
    size_t last = 0;
    for (size_t size = 0; size <= 20000; size++) {
        size_t block = weir_slabs_block_size(size);
        ck_assert_uint_ge(block, size);
        ck_assert_uint_ge(block, last);
        ck_assert_uint_eq(block % WEIR_SLAB_UNIT, 0);
        ck_assert_uint_eq(weir_slabs_block_size(block), block);
        if (size > 64) ck_assert_uint_le(block, size + size / 4);
        last = block;
    }
}
END_TEST

/* Goal: blocks never overlap, keep their bytes, and are found by their references. */
START_TEST(blocks_keep_their_bytes_and_references)
{
    enum { COUNT = 3000 };
    struct weir_slabs slabs;
    struct weir_test_random random = {4};
    static struct {
        uint8_t *bytes;
        size_t size;
        uint32_t reference;
        uint8_t fill;
    } blocks[COUNT];
    memset(blocks, 0, sizeof blocks);
    weir_slabs_init(&slabs, &budget);
    for (int step = 0; step < 20000; step++) {
        size_t i = weir_test_random_below(&random, COUNT);
        if (blocks[i].bytes != NULL) {
            ck_assert_ptr_eq(weir_slabs_at(&slabs, blocks[i].reference), blocks[i].bytes);
            for (size_t at = 0; at < blocks[i].size; at++) {
                ck_assert_uint_eq(blocks[i].bytes[at], blocks[i].fill);
            }
            weir_slabs_free(&slabs, blocks[i].bytes, blocks[i].size, blocks[i].reference);
        }
        size_t bound = weir_test_random_below(&random, 20) == 0 ? WEIR_SLAB_BLOCK_MAX : 300;
        blocks[i].size = weir_test_random_below(&random, bound + 1);
        blocks[i].fill = (uint8_t)step;
        blocks[i].bytes = weir_slabs_alloc(&slabs, blocks[i].size, &blocks[i].reference);
        ck_assert_ptr_nonnull(blocks[i].bytes);
        ck_assert_uint_ne(blocks[i].reference, 0);
        memset(blocks[i].bytes, blocks[i].fill, blocks[i].size);
    }
    weir_slabs_close(&slabs);
    check_nothing_left();
}
END_TEST

/* Goal: a large block is the heap's and goes back to it at once. */
START_TEST(large_block_goes_back_at_once)
{
    struct weir_slabs slabs;
    weir_slabs_init(&slabs, &budget);
    void *block = weir_slabs_alloc(&slabs, WEIR_SLAB_BLOCK_MAX + 1, NULL);
    ck_assert_ptr_nonnull(block);
    weir_slabs_free(&slabs, block, WEIR_SLAB_BLOCK_MAX + 1, 0);
    check_nothing_left();
    weir_slabs_close(&slabs);
}
END_TEST

/* ---- table --------------------------------------------------------------------------------------- */

enum { TABLE_KEYS = 2000 };

static struct weir_slice numbered(char to[64], size_t number)
{
    int size = snprintf(to, 64, "%zu-%.*s", number, (int)(number % 30),
                        "abcdefghijklmnopqrstuvwxyz0123456789");
    return weir_slice(to, (size_t)size);
}

/* Few hashes: probes run into each other and round the end of the slots. */
static uint32_t hash_of(struct weir_slice key)
{
    return weir_table_hash(weir_hash(key)) % 61 + UINT32_MAX - 30;
}

static void check_table(const struct weir_table *table, struct weir_store_entry *const *entries)
{
    size_t count = 0;
    for (size_t i = 0; i < TABLE_KEYS; i++) {
        char bytes[64];
        struct weir_slice key = numbered(bytes, i);
        ck_assert_ptr_eq(weir_table_find(table, key, hash_of(key)), entries[i]);
        count += entries[i] != NULL;
    }
    ck_assert_uint_eq(table->entry_count, count);
}

/* Goal: entries are found until removed and never move, though all of them collide. */
START_TEST(entry_is_found_until_it_is_removed)
{
    struct weir_slabs slabs;
    struct weir_table table;
    struct weir_test_random random = {9};
    static struct weir_store_entry *entries[TABLE_KEYS];
    memset(entries, 0, sizeof entries);
    weir_slabs_init(&slabs, &budget);
    weir_table_init(&table, &slabs);
    for (int step = 0; step < 3000; step++) {
        char bytes[64];
        size_t i = weir_test_random_below(&random, TABLE_KEYS);
        struct weir_slice key = numbered(bytes, i);
        if (entries[i] != NULL) {
            weir_table_remove(&table, entries[i], hash_of(key));
            entries[i] = NULL;
        } else {
            ck_assert_int_eq(weir_table_reserve(&table, 1), WEIR_OK);
            entries[i] = weir_table_add(&table, key, hash_of(key));
            ck_assert_ptr_nonnull(entries[i]);
            ck_assert(weir_slice_equal(entries[i]->key, key));
            ck_assert_ptr_null(entries[i]->value);
            ck_assert_ptr_null(entries[i]->old_value);
            ck_assert_int_eq(entries[i]->timestamp_ms, -1); /* 0 would be a time */
        }
        if (step % 300 == 0) check_table(&table, entries);
    }
    check_table(&table, entries);
    weir_table_close(&table);
    weir_slabs_close(&slabs);
    check_nothing_left();
}
END_TEST

/* Goal: a key of any length is kept, on either side of the one from which it has memory of its own, and so
 * are its neighbours; none leaves anything. */
START_TEST(key_of_any_length_is_kept)
{
    enum { SIZES = 9, LONGEST = 100000 };
    static const size_t sizes[SIZES] = {0, 1, 4094, 4095, 4096, 4097, 4098, 5000, LONGEST};
    struct weir_slabs slabs;
    struct weir_table table;
    static uint8_t bytes[SIZES][LONGEST];
    struct weir_slice keys[SIZES];
    weir_slabs_init(&slabs, &budget);
    weir_table_init(&table, &slabs);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(weir_table_reserve(&table, SIZES), WEIR_OK);
        for (size_t i = 0; i < SIZES; i++) {
            memset(bytes[i], (int)(i + 1), sizeof bytes[i]);
            keys[i] = weir_slice(bytes[i], sizes[i]);
            ck_assert_ptr_nonnull(weir_table_add(&table, keys[i], 5));
        }
        for (size_t i = 0; i < SIZES; i++) {
            struct weir_store_entry *entry = weir_table_find(&table, keys[i], 5);
            ck_assert_ptr_nonnull(entry);
            ck_assert(weir_slice_equal(entry->key, keys[i]));
        }
        for (size_t i = 0; i < SIZES && round == 0; i++)
            weir_table_remove(&table, weir_table_find(&table, keys[i], 5), 5);
    }
    weir_table_close(&table);
    weir_slabs_close(&slabs);
    check_nothing_left();
}
END_TEST

/* ---- skip list ----------------------------------------------------------------------------------- */

/* Goal: a skip list is the sorted map that an array says it is. */
START_TEST(skip_list_equals_a_sorted_array)
{
    enum { KEYS = 300 };
    struct weir_skip_list list;
    struct weir_test_random random = {2};
    size_t sizes[KEYS]; /* of the value; SIZE_MAX: absent */
    uint8_t value[128] = {0};
    memset(sizes, 0xff, sizeof sizes);
    weir_skip_list_init(&list, &budget);
    for (int step = 0; step < 5000; step++) {
        char bytes[16];
        size_t i = weir_test_random_below(&random, KEYS);
        snprintf(bytes, sizeof bytes, "%04zu", i);
        if (weir_test_random_below(&random, 2) == 0) {
            ck_assert_int_eq(weir_skip_list_remove(&list, weir_text(bytes)), sizes[i] != SIZE_MAX);
            sizes[i] = SIZE_MAX;
        } else {
            sizes[i] = weir_test_random_below(&random, sizeof value);
            memset(value, (int)i, sizeof value);
            struct weir_slice slice = weir_slice(value, sizes[i]);
            ck_assert_int_eq(weir_skip_list_put(&list, weir_text(bytes), slice), WEIR_OK);
        }
    }
    const struct weir_skip_node *node = weir_skip_list_seek(&list, weir_text("0010"));
    for (size_t i = 10; i < KEYS; i++) {
        char bytes[16];
        if (sizes[i] == SIZE_MAX) continue;
        snprintf(bytes, sizeof bytes, "%04zu", i);
        ck_assert_ptr_nonnull(node);
        ck_assert(weir_slice_equal(node->key, weir_text(bytes)));
        ck_assert_uint_eq(node->value.size, sizes[i]);
        if (sizes[i] > 0) ck_assert_uint_eq(node->value.data[sizes[i] - 1], (uint8_t)i);
        node = node->next[0];
    }
    ck_assert_ptr_null(node);
    weir_skip_list_close(&list);
    check_nothing_left();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("containers");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, block_is_large_enough_and_not_much_larger);
    tcase_add_test(tests, blocks_keep_their_bytes_and_references);
    tcase_add_test(tests, large_block_goes_back_at_once);
    tcase_add_test(tests, entry_is_found_until_it_is_removed);
    tcase_add_test(tests, key_of_any_length_is_kept);
    tcase_add_test(tests, skip_list_equals_a_sorted_array);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("state containers", add);
}
