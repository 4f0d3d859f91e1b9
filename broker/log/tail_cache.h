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
    size_t chunk_size;         /* of the latest chunk; it doubles from one to the next */
    struct weir_shared *spare; /* a chunk that was dropped and nobody reads, for the next one */
    bool has_room;             /* the newest run is a chunk that goes on */
};

void weir_tail_cache_init(struct weir_tail_cache *cache, struct weir_budget *budget,
                          size_t bytes_max);
void weir_tail_cache_close(struct weir_tail_cache *cache);
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
