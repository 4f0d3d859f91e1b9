#ifndef WEIR_BROKER_LOG_TAIL_CACHE_H
#define WEIR_BROKER_LOG_TAIL_CACHE_H

#include "broker/log/partition_log.h"

/**
 * The newest runs of a log, held by reference, so that a reader at the tail costs no disk read. A
 * ring of consecutive runs; the oldest goes when the bound of bytes or of runs is reached. Memory
 * is whoever's budget the runs came from; here the ring is allocated, and copies of runs that fill
 * less than half of the buffer they lie in: a small part must not pin a large frame.
 *
 * Small batches are copied one behind the other into a chunk, which is one run: a reader is given
 * few parts with many batches. What a reader has of a chunk is never written again.
 */
struct weir_tail_cache;

/**
 * What the caches of one owner's logs may hold together. Each has a bound of its own, too, which is for
 * one busy log; with many of them this one counts. Room is made by the cache that was added to longest
 * ago, its oldest run first: logs that nobody writes to any more go before those that are written to.
 *
 * Thread: the owner's, as that of the caches that share in it.
 */
struct weir_tail_pool {
    size_t bytes; /* of all that are in the list */
    size_t bytes_max;
    struct weir_tail_cache *oldest; /* in the order in which they were added to last */
    struct weir_tail_cache *newest;
};

struct weir_tail_run {
    struct weir_log_part part;
    int64_t base_offset;
    int64_t end_offset; /* exclusive; the next run's base */
};

struct weir_tail_cache {
    struct weir_budget *budget;
    struct weir_tail_run *runs; /* a ring */
    size_t first;
    size_t count;
    size_t capacity; /* a power of two, or 0 */
    size_t bytes;
    size_t bytes_max;
    size_t chunk_size;             /* of the latest chunk; it doubles from one to the next */
    struct weir_shared *spare;     /* a chunk that was dropped and nobody reads, for the next one */
    bool has_room;                 /* the newest run is a chunk that goes on */
    struct weir_tail_pool *pool;   /* NULL: its own bound alone counts */
    struct weir_tail_cache *older; /* in the pool's list */
    struct weir_tail_cache *newer;
    bool is_listed;
};

void weir_tail_cache_init(struct weir_tail_cache *cache, struct weir_budget *budget,
                          size_t bytes_max);
/** It shares in no pool. */
void weir_tail_cache_close(struct weir_tail_cache *cache);
/** Share in a pool that outlives it, or, with NULL, in none: by the pool's owner, before another thread has the
 * cache. What it holds goes with it. */
void weir_tail_cache_share(struct weir_tail_cache *cache, struct weir_tail_pool *pool);
/** The invariants of a pool; those of its list only where assertions may be slow. */
void weir_tail_pool_check(const struct weir_tail_pool *pool);
/** Its invariants, where the log ends at `end_offset`; those of each run only where assertions may be slow. */
void weir_tail_cache_check(const struct weir_tail_cache *cache, int64_t end_offset);
/** Keep a run that was appended at the end. Cannot fail: without memory it is just not kept. */
void weir_tail_cache_add(struct weir_tail_cache *cache, const struct weir_log_part *part,
                         int64_t base_offset, int64_t end_offset);
/** Forget what reaches beyond `offset`. */
void weir_tail_cache_cut(struct weir_tail_cache *cache, int64_t offset);
/** Fill the read's parts; false if its offset is not here. */
bool weir_tail_cache_read(const struct weir_tail_cache *cache, struct weir_log_read *read,
                          int64_t offset_max);

#endif
