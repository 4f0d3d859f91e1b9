#include "runtime/state/sort_writes.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"

/*
 * Keys of a generation begin alike (the store's prefix, a segment, "user-0000..."), and lie all over its
 * memory: comparing two of them reads two lines that are not in the cache, to find the same bytes at
 * first. So each key is read once a round, and what is compared is eight of its bytes as a number:
 *
 *     common prefix     chunk       rest
 *     00 01 k e y - 0 | 00001234  | a       one run: sorted by chunk, then by how much of it is key
 *     00 01 k e y - 0 | 00001234  | b       equal chunks, and more behind: a run of their own,
 *     00 01 k e y - 0 | 00009999  | a       whose common prefix is longer
 *
 * That is multikey quicksort (Bentley and Sedgewick, 1997) with eight bytes for a character, which are
 * kept beside the pointer (Ng and Kakehi, 2007). Most keys differ within the first chunk; what is still
 * alike after ROUNDS_MAX is compared as it is.
 *
 * The chunks themselves are sorted by their bytes, from the first on, in place (American flag sort:
 * McIlroy, Bostic and McIlroy, 1993): a count of each byte says where its items go, each is put there, and
 * what shares a byte is sorted by the next one. Few items are inserted one by one.
 */
enum { CHUNK_SIZE = 8, CHUNK_BITS = 64, ROUNDS_MAX = 32, FEW = 32 };

struct weir_sort_item {
    uint64_t chunk;
    uint32_t size; /* of the chunk's bytes, or CHUNK_SIZE + 1 if the key goes on behind them */
    uint32_t index;
    const struct weir_slice *key; /* its write's, while nothing has moved */
};

/* How many bytes behind the first `depth`, which are equal, all keys of the run have in common. */
static size_t common_size(const struct weir_sort_item *items, size_t count, size_t depth)
{
    const struct weir_slice first = *items[0].key;
    size_t common = first.size - depth;
    for (size_t i = 1; i < count && common > 0; i++) {
        const struct weir_slice key = *items[i].key;
        common = weir_smaller(common, key.size - depth);
        if (memcmp(key.data + depth, first.data + depth, common) == 0) continue;
        size_t equal = 0;
        while (key.data[depth + equal] == first.data[depth + equal]) {
            equal++;
        }
        common = equal;
    }
    return common;
}

/* The chunk at `depth`, filled up with zeros. */
static void load_chunk(struct weir_sort_item *item, size_t depth)
{
    const struct weir_slice key = *item->key;
    const size_t left = key.size - depth;
    uint8_t bytes[CHUNK_SIZE] = {0};
    memcpy(bytes, key.data + depth, weir_smaller(left, CHUNK_SIZE));
    item->chunk = weir_load_u64(bytes);
    item->size = (uint32_t)weir_smaller(left, CHUNK_SIZE + 1);
}

/* Of two keys whose chunks are equal with the zeros, the shorter one comes first. */
static int compare_items(const struct weir_sort_item *left, const struct weir_sort_item *right)
{
    if (left->chunk != right->chunk) return left->chunk < right->chunk ? -1 : 1;
    return left->size < right->size ? -1 : left->size > right->size;
}

static void insert_each(struct weir_sort_item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct weir_sort_item item = items[i];
        size_t at = i;
        for (; at > 0 && compare_items(&item, &items[at - 1]) < 0; at--) {
            items[at] = items[at - 1];
        }
        items[at] = item;
    }
}

/* Where the items of each value of a byte begin, and where they end. */
struct buckets {
    size_t begin[256];
    size_t end[256];
};

static uint8_t byte_of(const struct weir_sort_item *item, int shift)
{
    return (uint8_t)(item->chunk >> shift);
}

static void count_bytes(const struct weir_sort_item *items, size_t count, int shift,
                        struct buckets *buckets)
{
    memset(buckets->end, 0, sizeof buckets->end);
    for (size_t i = 0; i < count; i++) {
        buckets->end[byte_of(&items[i], shift)]++;
    }
    size_t begin = 0;
    for (size_t b = 0; b < 256; b++) {
        buckets->begin[b] = begin;
        begin = buckets->end[b] += begin;
    }
}

/* Each item to the next place of its bucket, and on with the one that was there. */
static void deal(struct weir_sort_item *items, int shift, struct buckets *buckets)
{
    for (size_t b = 0; b < 256; b++) {
        while (buckets->begin[b] < buckets->end[b]) {
            struct weir_sort_item item = items[buckets->begin[b]];
            for (uint8_t to = byte_of(&item, shift); to != b; to = byte_of(&item, shift)) {
                const struct weir_sort_item next = items[buckets->begin[to]];
                items[buckets->begin[to]++] = item;
                item = next;
            }
            items[buckets->begin[b]++] = item;
        }
    }
}

/* By the byte at `shift` and all behind it; those before are equal. What is left where all are is at most one
 * item of each size, and any number that goes on. */
static void sort_chunks(struct weir_sort_item *items, size_t count, int shift)
{
    struct buckets buckets;
    if (count <= FEW || shift < 0) {
        insert_each(items, count);
        return;
    }
    count_bytes(items, count, shift, &buckets);
    deal(items, shift, &buckets);
    size_t from = 0;
    for (size_t b = 0; b < 256; b++) {
        const size_t size = buckets.end[b] - from;
        if (size > 1) sort_chunks(items + from, size, shift - 8);
        from = buckets.end[b];
    }
}

static size_t run_size(const struct weir_sort_item *items, size_t count)
{
    size_t size = 1;
    while (size < count && compare_items(&items[0], &items[size]) == 0) {
        size++;
    }
    return size;
}

static int compare_keys(const void *a, const void *b)
{
    const struct weir_sort_item *left = a;
    const struct weir_sort_item *right = b;
    return weir_slice_compare(*left->key, *right->key);
}

/* Sort a run of keys whose first `depth` bytes are equal. */
static void sort_run(struct weir_sort_item *items, size_t count, size_t depth, int rounds)
{
    if (rounds == ROUNDS_MAX) {
        qsort(items, count, sizeof *items, compare_keys);
        return;
    }
    depth += common_size(items, count, depth);
    for (size_t i = 0; i < count; i++) {
        load_chunk(&items[i], depth);
    }
    sort_chunks(items, count, CHUNK_BITS - 8);
    for (size_t at = 0; at < count;) {
        size_t size = run_size(items + at, count - at);
        weir_assert(size == 1 || items[at].size > CHUNK_SIZE);
        if (size > 1) sort_run(items + at, size, depth + CHUNK_SIZE, rounds + 1);
        at += size;
    }
}

/* Each write goes where its item stands, cycle by cycle; an item that is done points to itself. */
static void permute(struct weir_backend_write *writes, struct weir_sort_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct weir_backend_write first = writes[i];
        size_t to = i;
        while (items[to].index != i) {
            const size_t from = items[to].index;
            writes[to] = writes[from];
            items[to].index = (uint32_t)to;
            to = from;
        }
        writes[to] = first;
        items[to].index = (uint32_t)to;
    }
}

static int compare_writes(const void *a, const void *b)
{
    const struct weir_backend_write *left = a;
    const struct weir_backend_write *right = b;
    return weir_slice_compare(left->key, right->key);
}

static bool reserve(struct weir_sort_memory *memory, struct weir_budget *budget, size_t count)
{
    enum { ITEMS_FIRST = 1024 };
    if (count <= memory->capacity) return true;
    const size_t capacity = weir_grown_to(memory->capacity, count, ITEMS_FIRST);
    weir_free(memory->items);
    *memory = (struct weir_sort_memory){0};
    struct weir_sort_item *items = weir_alloc(budget, capacity * sizeof *items);
    if (items == NULL) return false;
    *memory = (struct weir_sort_memory){.items = items, .capacity = capacity};
    return true;
}

void weir_sort_memory_close(struct weir_sort_memory *memory)
{
    weir_free(memory->items);
    *memory = (struct weir_sort_memory){0};
}

void weir_sort_writes(struct weir_sort_memory *memory, struct weir_budget *budget,
                      struct weir_backend_write *writes, size_t count)
{
    weir_assert(count < UINT32_MAX);
    if (count < 2) return;
    if (!reserve(memory, budget, count)) {
        qsort(writes, count, sizeof *writes, compare_writes);
        return;
    }
    struct weir_sort_item *items = memory->items;
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct weir_sort_item){.index = (uint32_t)i, .key = &writes[i].key};
    }
    sort_run(items, count, 0, 0);
    permute(writes, items, count);
}
