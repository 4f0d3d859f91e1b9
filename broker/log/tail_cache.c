#include "broker/log/tail_cache.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"

enum {
    RUNS_AT_FIRST = 8,
    RUNS_MAX = 1024,
    SMALL_SIZE_MAX = 2048, /* of what is copied into a chunk */
    CHUNK_SIZE_MIN = 1024,
    CHUNK_SIZE_MAX = 32768,
    CHUNKS_MIN = 8, /* that the cache has room for */
};

void weir_tail_cache_init(struct weir_tail_cache *cache, struct weir_budget *budget,
                          size_t bytes_max)
{
    *cache = (struct weir_tail_cache){.budget = budget, .bytes_max = bytes_max};
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* Its list holds each cache once, from the oldest to the newest and back, and what they hold is counted. */
static bool is_list(const struct weir_tail_pool *pool)
{
    size_t bytes = 0;
    const struct weir_tail_cache *older = NULL;
    for (const struct weir_tail_cache *cache = pool->oldest; cache != NULL; cache = cache->newer) {
        if (!cache->is_listed || cache->pool != pool || cache->older != older) return false;
        bytes += cache->bytes;
        older = cache;
    }
    return older == pool->newest && bytes == pool->bytes;
}

void weir_tail_pool_check(const struct weir_tail_pool *pool)
{
    weir_assert(pool->bytes <= pool->bytes_max);
    weir_assert((pool->oldest == NULL) == (pool->newest == NULL));
    weir_assert(pool->oldest != NULL || pool->bytes == 0);
    weir_assert_slow(is_list(pool));
}

static void unlist(struct weir_tail_cache *cache)
{
    struct weir_tail_pool *pool = cache->pool;
    if (!cache->is_listed) return;
    *(cache->older != NULL ? &cache->older->newer : &pool->oldest) = cache->newer;
    *(cache->newer != NULL ? &cache->newer->older : &pool->newest) = cache->older;
    cache->older = NULL;
    cache->newer = NULL;
    cache->is_listed = false;
}

/* It is added to. */
static void list_newest(struct weir_tail_cache *cache)
{
    struct weir_tail_pool *pool = cache->pool;
    if (pool == NULL || pool->newest == cache) return;
    unlist(cache);
    cache->older = pool->newest;
    *(pool->newest != NULL ? &pool->newest->newer : &pool->oldest) = cache;
    pool->newest = cache;
    cache->is_listed = true;
}

static void list_oldest(struct weir_tail_cache *cache)
{
    struct weir_tail_pool *pool = cache->pool;
    weir_assert(!cache->is_listed);
    cache->newer = pool->oldest;
    *(pool->oldest != NULL ? &pool->oldest->older : &pool->newest) = cache;
    pool->oldest = cache;
    cache->is_listed = true;
}

static void count_more(struct weir_tail_cache *cache, size_t bytes)
{
    cache->bytes += bytes;
    if (cache->pool != NULL) cache->pool->bytes += bytes;
}

static void count_less(struct weir_tail_cache *cache, size_t bytes)
{
    cache->bytes -= bytes;
    if (cache->pool != NULL) cache->pool->bytes -= bytes;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static struct weir_tail_run *run_at(const struct weir_tail_cache *cache, size_t index)
{
    return &cache->runs[(cache->first + index) & (cache->capacity - 1)];
}

/* Runs follow one another, and what they hold is what is counted. */
static bool is_consecutive(const struct weir_tail_cache *cache)
{
    size_t bytes = 0;
    for (size_t i = 0; i < cache->count; i++) {
        const struct weir_tail_run *run = run_at(cache, i);
        if (run->part.size == 0 || run->base_offset >= run->end_offset) return false;
        if (i > 0 && run_at(cache, i - 1)->end_offset != run->base_offset) return false;
        bytes += run->part.bytes->capacity;
    }
    return bytes == cache->bytes;
}

void weir_tail_cache_check(const struct weir_tail_cache *cache, int64_t end_offset)
{
    weir_assert((cache->capacity & (cache->capacity - 1)) == 0);
    weir_assert(cache->count <= cache->capacity);
    weir_assert(cache->first < cache->capacity || cache->first == 0);
    weir_assert(cache->bytes <= cache->bytes_max);
    weir_assert((cache->count == 0) == (cache->bytes == 0));
    weir_assert(!cache->has_room || cache->count > 0);
    weir_assert(cache->count == 0 || run_at(cache, cache->count - 1)->end_offset == end_offset);
    weir_assert_slow(is_consecutive(cache));
    weir_assert(cache->is_listed ? cache->pool != NULL : cache->pool == NULL || cache->bytes == 0);
    if (cache->pool != NULL) weir_tail_pool_check(cache->pool);
}

static void drop(struct weir_tail_cache *cache, struct weir_tail_run *run)
{
    count_less(cache, run->part.bytes->capacity);
    weir_shared_unref(run->part.bytes);
}

/* Only the log's owner gives references of it to readers, so alone it stays alone. */
static bool take_as_spare(struct weir_tail_cache *cache, struct weir_shared *chunk)
{
    bool is_alone = atomic_load_explicit(&chunk->references, memory_order_acquire) == 1;
    if (!is_alone || cache->spare != NULL || chunk->capacity != cache->chunk_size) return false;
    count_less(cache, chunk->capacity);
    cache->spare = chunk;
    return true;
}

static void drop_oldest(struct weir_tail_cache *cache)
{
    struct weir_tail_run *run = run_at(cache, 0);
    if (!take_as_spare(cache, run->part.bytes)) drop(cache, run);
    cache->first = (cache->first + 1) & (cache->capacity - 1);
    cache->count--;
}

static void drop_newest(struct weir_tail_cache *cache)
{
    drop(cache, run_at(cache, cache->count - 1));
    cache->count--;
    cache->has_room = false;
}

static void drop_spare(struct weir_tail_cache *cache)
{
    weir_shared_unref(cache->spare);
    cache->spare = NULL;
}

static void drop_all(struct weir_tail_cache *cache)
{
    while (cache->count > 0) {
        drop_oldest(cache);
    }
    drop_spare(cache);
    cache->has_room = false;
}

/* The pool's memory is short: nothing of it is kept for the next one. */
static void give_oldest(struct weir_tail_cache *cache)
{
    drop_spare(cache);
    drop(cache, run_at(cache, 0));
    cache->first = (cache->first + 1) & (cache->capacity - 1);
    cache->count--;
    if (cache->count == 0) cache->has_room = false;
}

static void make_room_in_pool(struct weir_tail_pool *pool, size_t cost)
{
    while (pool->oldest != NULL && pool->bytes + cost > pool->bytes_max) {
        struct weir_tail_cache *cache = pool->oldest;
        if (cache->count > 0) give_oldest(cache);
        if (cache->count == 0) unlist(cache);
    }
}

void weir_tail_cache_share(struct weir_tail_cache *cache, struct weir_tail_pool *pool)
{
    if (cache->pool == pool) return;
    if (cache->pool != NULL) {
        unlist(cache);
        cache->pool->bytes -= cache->bytes;
    }
    cache->pool = NULL;
    if (pool == NULL) return;
    if (cache->bytes > pool->bytes_max) drop_all(cache);
    make_room_in_pool(pool, cache->bytes);
    cache->pool = pool;
    pool->bytes += cache->bytes;
    if (cache->count > 0) list_oldest(cache); /* nothing was added to it */
}

void weir_tail_cache_close(struct weir_tail_cache *cache)
{
    weir_assert(cache->pool == NULL && !cache->is_listed);
    drop_all(cache);
    weir_free(cache->runs);
    cache->runs = NULL;
    cache->capacity = 0;
}

static void grow(struct weir_tail_cache *cache)
{
    size_t capacity = weir_grown(cache->capacity, RUNS_AT_FIRST);
    struct weir_tail_run *runs = weir_alloc(cache->budget, capacity * sizeof *runs);
    if (runs == NULL) return;
    for (size_t i = 0; i < cache->count; i++) {
        runs[i] = *run_at(cache, i);
    }
    weir_free(cache->runs);
    cache->runs = runs;
    cache->capacity = capacity;
    cache->first = 0;
}

static bool is_small_part(const struct weir_log_part *part)
{
    return part->size < part->bytes->capacity / 2;
}

/* A reference of the cache's own, or a copy where the reference would pin too much. */
static struct weir_log_part keep(const struct weir_tail_cache *cache,
                                 const struct weir_log_part *part)
{
    struct weir_log_part kept = *part;
    if (!is_small_part(part)) {
        kept.bytes = weir_shared_ref(part->bytes);
        return kept;
    }
    kept.from = 0;
    kept.bytes = weir_shared_new(cache->budget, part->size);
    if (kept.bytes == NULL) return kept;
    memcpy(kept.bytes->data, part->bytes->data + part->from, part->size);
    kept.bytes->size = part->size;
    return kept;
}

static bool add_to_chunk(struct weir_tail_cache *cache, const struct weir_log_part *part,
                         int64_t end_offset)
{
    if (!cache->has_room) return false;
    struct weir_tail_run *run = run_at(cache, cache->count - 1);
    struct weir_shared *chunk = run->part.bytes;
    cache->has_room = chunk->capacity - run->part.size >= part->size;
    if (!cache->has_room) return false;
    memcpy(chunk->data + run->part.size, part->bytes->data + part->from, part->size);
    run->part.size += part->size;
    run->end_offset = end_offset;
    return true;
}

/* The size of a chunk that begins with the part; 0: none, it is kept by itself. An idle log should
 * not hold a large one for its few batches. */
static size_t next_chunk_size(const struct weir_tail_cache *cache, const struct weir_log_part *part)
{
    size_t size = cache->chunk_size * 2;
    if (part->size > SMALL_SIZE_MAX) return 0;
    if (size < CHUNK_SIZE_MIN) size = CHUNK_SIZE_MIN;
    while (size < part->size * 2) {
        size *= 2;
    }
    if (size > CHUNK_SIZE_MAX) size = CHUNK_SIZE_MAX;
    if (size > cache->bytes_max / CHUNKS_MIN) size = cache->bytes_max / CHUNKS_MIN;
    return size >= part->size * 2 ? size : 0;
}

static struct weir_shared *take_chunk(struct weir_tail_cache *cache, size_t size)
{
    struct weir_shared *chunk = cache->spare;
    if (chunk == NULL || chunk->capacity != size) return weir_shared_new(cache->budget, size);
    cache->spare = NULL;
    return chunk;
}

static struct weir_log_part begin_chunk(struct weir_tail_cache *cache,
                                        const struct weir_log_part *part, size_t size)
{
    struct weir_log_part kept = {.bytes = take_chunk(cache, size), .size = part->size};
    if (kept.bytes == NULL) return kept;
    memcpy(kept.bytes->data, part->bytes->data + part->from, part->size);
    kept.bytes->size = size; /* set once: readers may look at it while the chunk is filled */
    cache->chunk_size = size;
    return kept;
}

/* False: there is none for so much, and what was held is not at the log's end any more. */
static bool make_room(struct weir_tail_cache *cache, size_t cost)
{
    struct weir_tail_pool *pool = cache->pool;
    if (cost > cache->bytes_max || (pool != NULL && cost > pool->bytes_max)) {
        drop_all(cache);
        return false;
    }
    if (cache->count == cache->capacity && cache->capacity < RUNS_MAX) grow(cache);
    while (cache->count > 0 &&
           (cache->count == cache->capacity || cache->bytes + cost > cache->bytes_max)) {
        drop_oldest(cache);
    }
    if (pool != NULL) make_room_in_pool(pool, cost);
    return cache->capacity > 0;
}

void weir_tail_cache_add(struct weir_tail_cache *cache, const struct weir_log_part *part,
                         int64_t base_offset, int64_t end_offset)
{
    weir_assert(cache->count == 0 || run_at(cache, cache->count - 1)->end_offset == base_offset);
    list_newest(cache);
    if (part->size <= SMALL_SIZE_MAX && add_to_chunk(cache, part, end_offset)) return;
    size_t chunk_size = next_chunk_size(cache, part);
    size_t cost = is_small_part(part) ? part->size : part->bytes->capacity;
    if (chunk_size > 0) cost = chunk_size;
    bool has_room = make_room(cache, cost);
    list_newest(cache); /* what it held may have had to go, and it with that */
    cache->has_room = false;
    if (!has_room) return;
    struct weir_log_part kept =
        chunk_size > 0 ? begin_chunk(cache, part, chunk_size) : keep(cache, part);
    if (kept.bytes == NULL) {
        drop_all(cache); /* runs are consecutive, and this one is missing */
        return;
    }
    count_more(cache, kept.bytes->capacity);
    cache->count++;
    *run_at(cache, cache->count - 1) = (struct weir_tail_run){kept, base_offset, end_offset};
    cache->has_room = chunk_size > 0;
}

static size_t batch_size_at(const uint8_t *batch)
{
    return (size_t)weir_load_u32(batch + 8) + WEIR_BATCH_OVERHEAD;
}

static int64_t batch_end_at(const uint8_t *batch)
{
    return (int64_t)weir_load_u64(batch) + (int32_t)weir_load_u32(batch + 23) + 1;
}

/* A run that a cut goes through keeps its batches below; readers may hold what was behind. */
static void shorten(struct weir_tail_run *run, int64_t offset)
{
    const uint8_t *bytes = run->part.bytes->data + run->part.from;
    int64_t end_offset = run->base_offset;
    size_t size = 0;
    while (size < run->part.size && batch_end_at(bytes + size) <= offset) {
        end_offset = batch_end_at(bytes + size);
        size += batch_size_at(bytes + size);
    }
    run->part.size = size;
    run->end_offset = end_offset;
}

void weir_tail_cache_cut(struct weir_tail_cache *cache, int64_t offset)
{
    cache->has_room = false;
    while (cache->count > 0 && run_at(cache, cache->count - 1)->base_offset >= offset) {
        drop_newest(cache);
    }
    if (cache->count > 0) shorten(run_at(cache, cache->count - 1), offset);
}

/* The run that holds `offset`; they are consecutive, so a binary search by base offset. */
static size_t find_run(const struct weir_tail_cache *cache, int64_t offset)
{
    size_t low = 0;
    size_t high = cache->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (run_at(cache, middle)->base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The whole batches of one run that end after the asked offset, while they fit. These bytes were
 * checked when they were appended. False when the walk ended before the run did. */
static bool add_part(const struct weir_tail_run *run, struct weir_log_read *read,
                     int64_t offset_max)
{
    const uint8_t *bytes = run->part.bytes->data + run->part.from;
    size_t from = 0;
    while (run->base_offset < read->offset && batch_end_at(bytes + from) <= read->offset) {
        from += batch_size_at(bytes + from);
    }
    size_t to = from;
    while (to < run->part.size) {
        size_t size = batch_size_at(bytes + to);
        bool is_first = read->size == 0;
        if (batch_end_at(bytes + to) > offset_max) break;
        if (!is_first && (size > read->size_max || read->size > read->size_max - size)) break;
        read->size += size;
        to += size;
    }
    if (to > from) {
        read->batches.parts[read->batches.part_count++] = (struct weir_log_part){
            .bytes = weir_shared_ref(run->part.bytes),
            .from = run->part.from + from,
            .size = to - from,
        };
    }
    return to == run->part.size;
}

bool weir_tail_cache_read(const struct weir_tail_cache *cache, struct weir_log_read *read,
                          int64_t offset_max)
{
    if (cache->count == 0 || read->offset < run_at(cache, 0)->base_offset) return false;
    weir_assert(read->offset < run_at(cache, cache->count - 1)->end_offset);
    for (size_t i = find_run(cache, read->offset); i < cache->count; i++) {
        if (read->batches.part_count == WEIR_LOG_PARTS_MAX) break;
        if (!add_part(run_at(cache, i), read, offset_max)) break;
    }
    return true;
}
