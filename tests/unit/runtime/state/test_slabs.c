/* Where keys and values live: blocks of a few sizes, and the ordered map that is made of them. */
#include "runtime/state/slabs.h"

#include <string.h>

#include "base/bytes.h"
#include "runtime/state/skip_list.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_slabs slabs;
static struct weir_skip_list list;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_slabs_init(&slabs, &budget);
    weir_skip_list_init(&list, &budget);
}

static void tear_down(void)
{
    weir_slabs_close(&slabs);
    weir_skip_list_close(&list);
    ck_assert_uint_eq(budget.used, 0);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* A block is as large as what was asked for, and wastes little: less than a unit up to 512
 * bytes, less than a quarter up to 8 KiB, less than a KiB beyond. There are as many sizes as
 * there are classes. */
START_TEST(a_block_is_a_little_larger_than_was_asked_for)
{
    size_t last = 0;
    int sizes = 0;
    for (size_t size = 0; size <= 3 * WEIR_SLAB_BLOCK_MAX; size++) {
        size_t block = weir_slabs_block_size(size);
        ck_assert_uint_ge(block, size);
        ck_assert_uint_ge(block, WEIR_SLAB_UNIT);
        ck_assert_uint_eq(block % WEIR_SLAB_UNIT, 0);
        ck_assert_uint_ge(block, last);
        if (size > 0 && size <= 512) ck_assert_uint_lt(block - size, WEIR_SLAB_UNIT);
        if (size > 512 && size <= WEIR_SLAB_BLOCK_MAX) {
            ck_assert_uint_lt((block - size) * 4, size);
        }
        if (size > WEIR_SLAB_BLOCK_MAX) ck_assert_uint_le(block - size, size / 8);
        if (size <= WEIR_SLAB_BLOCK_MAX && block != last) sizes++;
        last = block;
    }
    ck_assert_int_eq(sizes, WEIR_SLAB_CLASSES);
    ck_assert_uint_eq(weir_slabs_block_size(512), 512);
    ck_assert_uint_eq(weir_slabs_block_size(513), 640);
    ck_assert_uint_eq(weir_slabs_block_size(640), 640);
    ck_assert_uint_eq(weir_slabs_block_size(641), 768);
    ck_assert_uint_eq(weir_slabs_block_size(1024), 1024);
    ck_assert_uint_eq(weir_slabs_block_size(1025), 1280);
    ck_assert_uint_eq(weir_slabs_block_size(8192), 8192);
    ck_assert_uint_eq(weir_slabs_block_size(8193), 9216);
    ck_assert_uint_eq(weir_slabs_block_size(9216), 9216);
}
END_TEST

/* ---- blocks ---------------------------------------------------------------------------------- */

enum { BLOCKS = 600 };

static struct block {
    uint8_t *bytes;
    size_t size;
    uint32_t reference;
    uint8_t mark;
} blocks[BLOCKS];

static void take(struct block *block, size_t size, uint8_t mark)
{
    bool has_reference = size <= WEIR_SLAB_BLOCK_MAX;
    *block = (struct block){.size = size, .mark = mark};
    block->bytes = weir_slabs_alloc(&slabs, size, has_reference ? &block->reference : NULL);
    ck_assert_ptr_nonnull(block->bytes);
    ck_assert_uint_eq((uintptr_t)block->bytes % 16, 0);
    if (has_reference) {
        ck_assert_uint_gt(block->reference, 0);
        ck_assert_ptr_eq(weir_slabs_at(&slabs, block->reference), block->bytes);
    }
    memset(block->bytes, mark, weir_slabs_block_size(size)); /* all of it is the caller's */
}

static void expect_marked(const struct block *block)
{
    for (size_t i = 0; i < weir_slabs_block_size(block->size); i++) {
        ck_assert_uint_eq(block->bytes[i], block->mark);
    }
}

static void give_back(struct block *block)
{
    expect_marked(block);
    weir_slabs_free(&slabs, block->bytes, block->size, block->reference);
    block->bytes = NULL;
}

/* Blocks of all sizes, taken and given back at random: each is its owner's alone, by address and
 * by reference. */
START_TEST(a_block_is_its_owners_alone)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    memset(blocks, 0, sizeof blocks);
    for (int i = 0; i < 4000; i++) {
        struct block *block = &blocks[weir_test_random_below(&random, BLOCKS)];
        if (block->bytes != NULL) {
            give_back(block);
            continue;
        }
        size_t bound = (size_t)1 << (4 + weir_test_random_below(&random, 10));
        take(block, weir_test_random_below(&random, bound + 1), (uint8_t)(i % 255 + 1));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].bytes != NULL) give_back(&blocks[i]);
    }
}
END_TEST

/* The one that was given back last is the next of its size, with its reference, whatever size of
 * the same block it is asked for with. */
START_TEST(a_block_is_handed_out_again)
{
    for (size_t size = 1; size <= WEIR_SLAB_BLOCK_MAX; size += 1 + size / 9) {
        take(&blocks[0], size, 1);
        take(&blocks[1], size, 2);
        uint32_t references[2] = {blocks[0].reference, blocks[1].reference};
        size_t used = budget.used;
        give_back(&blocks[0]);
        give_back(&blocks[1]);
        take(&blocks[2], weir_slabs_block_size(size), 3);
        take(&blocks[3], size, 4);
        ck_assert_uint_eq(blocks[2].reference, references[1]);
        ck_assert_uint_eq(blocks[3].reference, references[0]);
        ck_assert_uint_eq(budget.used, used);
    }
    weir_slabs_free(&slabs, NULL, 7, 0);
}
END_TEST

/* A slab is used to its end, but for the first unit of the first, before there is another one. */
START_TEST(a_slab_is_filled_before_the_next)
{
    static const size_t sizes[] = {16, 48, 512, 640, 8192};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tear_down();
        set_up();
        size_t first = (WEIR_SLAB_SIZE - WEIR_SLAB_UNIT) / sizes[i];
        size_t next = WEIR_SLAB_SIZE / sizes[i];
        for (size_t count = 1; count <= first + next + 1; count++) {
            take(&blocks[0], sizes[i], 1);
            size_t wanted = count <= first ? 1 : count <= first + next ? 2 : 3;
            ck_assert_uint_eq(slabs.slab_count, wanted);
        }
    }
}
END_TEST

/* What is too large for a slab comes from the heap, and goes back to it at once. */
START_TEST(a_large_block_is_the_heaps)
{
    take(&blocks[0], WEIR_SLAB_BLOCK_MAX + 1, 1);
    take(&blocks[1], 100000, 2);
    ck_assert_uint_eq(slabs.slab_count, 0);
    give_back(&blocks[0]);
    give_back(&blocks[1]);
    ck_assert_uint_eq(budget.used, 0);
    take(&blocks[0], WEIR_SLAB_BLOCK_MAX, 3);
    ck_assert_uint_eq(slabs.slab_count, 1);
}
END_TEST

/* Without memory there is no block, and all that was handed out stays; a pool that was closed
 * begins anew. */
START_TEST(a_pool_outlives_a_shortage)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            uint32_t reference = 0;
            heap.fail_at = 1;
            void *block = weir_slabs_alloc(&slabs, 1000, &reference);
            ck_assert_ptr_null(heap.fail_at == 0 ? block : NULL);
            heap.fail_at = 0;
            weir_slabs_free(&slabs, block, 1000, reference);
            take(&blocks[i], 1000, (uint8_t)(i % 255 + 1));
        }
        heap.fail_at = 1;
        ck_assert_ptr_null(weir_slabs_alloc(&slabs, 10000, NULL));
        heap.fail_at = 0;
        for (size_t i = 0; i < BLOCKS; i++) {
            expect_marked(&blocks[i]);
        }
        tear_down();
    }
}
END_TEST

/* ---- the map --------------------------------------------------------------------------------- */

enum { KEYS = 300 };

static struct weir_slice key_of(uint32_t number, uint8_t bytes[8])
{
    weir_store_u32(bytes, number);
    memset(bytes + 4, 'k', 4);
    return weir_slice(bytes, 4 + number % 5); /* of several lengths */
}

static int16_t value_sizes[KEYS]; /* -1: the key is not there */

static void fill(uint8_t *bytes, uint32_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(number + i + size);
    }
}

static void expect_node(const struct weir_skip_node *node, uint32_t number)
{
    uint8_t key[8];
    uint8_t value[400];
    size_t size = (size_t)value_sizes[number];
    ck_assert_ptr_nonnull(node);
    ck_assert(weir_slice_equal(node->key, key_of(number, key)));
    fill(value, number, size);
    ck_assert_uint_eq(node->value.size, size);
    ck_assert_mem_eq(node->value.data, value, size);
}

/* From any place on the list gives what the model has, in order, and no more. */
static void expect_list(uint32_t from)
{
    uint8_t key[8];
    size_t count = 0;
    const struct weir_skip_node *node = weir_skip_list_seek(&list, key_of(from, key));
    for (uint32_t number = 0; number < KEYS; number++) {
        if (value_sizes[number] < 0) continue;
        count++;
        if (number < from) continue;
        expect_node(node, number);
        node = node->next[0];
    }
    ck_assert_ptr_null(node);
    ck_assert_uint_eq(list.count, count);
}

/* Keys put, replaced by values of other sizes, and removed at random, with memory that fails now
 * and then. */
START_TEST(the_map_is_its_model)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    uint8_t key[8];
    uint8_t value[400];
    memset(value_sizes, -1, sizeof value_sizes);
    for (int i = 0; i < 3000; i++) {
        uint32_t number = (uint32_t)weir_test_random_below(&random, KEYS);
        if (weir_test_random_below(&random, 3) == 0) {
            bool was_there = value_sizes[number] >= 0;
            ck_assert(weir_skip_list_remove(&list, key_of(number, key)) == was_there);
            value_sizes[number] = -1;
        } else {
            size_t size = weir_test_random_below(&random, sizeof value);
            fill(value, number, size);
            heap.fail_at = weir_test_random_below(&random, 4);
            int rc = weir_skip_list_put(&list, key_of(number, key), weir_slice(value, size));
            heap.fail_at = 0;
            ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
            if (rc == 0) value_sizes[number] = (int16_t)size;
        }
        if (i % 20 == 0) expect_list((uint32_t)weir_test_random_below(&random, KEYS));
    }
    expect_list(0);
}
END_TEST

/* One in four goes a level up: a search does not walk the list. Equal histories give equal
 * lists. */
START_TEST(a_few_nodes_stand_higher)
{
    uint8_t key[8];
    size_t levels[WEIR_SKIP_LIST_LEVELS + 1] = {0};
    struct weir_skip_list twin;
    weir_skip_list_init(&twin, &budget);
    for (uint32_t number = 0; number < 20000; number++) {
        ck_ok(weir_skip_list_put(&list, key_of(number, key), weir_text("v")), NULL);
        ck_ok(weir_skip_list_put(&twin, key_of(number, key), weir_text("v")), NULL);
    }
    const struct weir_skip_node *other = twin.first[0];
    for (const struct weir_skip_node *node = list.first[0]; node != NULL; node = node->next[0]) {
        ck_assert_uint_ge(node->level_count, 1);
        ck_assert_uint_le(node->level_count, WEIR_SKIP_LIST_LEVELS);
        ck_assert_uint_eq(node->level_count, other->level_count);
        for (size_t level = 0; level < node->level_count; level++) {
            levels[level]++;
        }
        other = other->next[0];
    }
    for (size_t level = 1; level < 5; level++) {
        ck_assert_uint_gt(levels[level], levels[level - 1] / 6);
        ck_assert_uint_lt(levels[level], levels[level - 1] / 3 + 10);
    }
    weir_skip_list_close(&twin);
    weir_skip_list_close(&list);
    ck_assert_uint_eq(list.count, 0);
    ck_assert_ptr_null(weir_skip_list_seek(&list, weir_text("")));
    ck_ok(weir_skip_list_put(&list, weir_text("again"), weir_text("v")), NULL);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("slabs");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_block_is_a_little_larger_than_was_asked_for);
    tcase_add_loop_test(tests, a_block_is_its_owners_alone, 0, 5);
    tcase_add_test(tests, a_block_is_handed_out_again);
    tcase_add_test(tests, a_slab_is_filled_before_the_next);
    tcase_add_test(tests, a_large_block_is_the_heaps);
    tcase_add_test(tests, a_pool_outlives_a_shortage);
    tcase_add_loop_test(tests, the_map_is_its_model, 0, 5);
    tcase_add_test(tests, a_few_nodes_stand_higher);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("slabs", add);
}
