#ifndef WEIR_RUNTIME_STATE_MEMORY_H
#define WEIR_RUNTIME_STATE_MEMORY_H

#include <stddef.h>

#include "weir/error.h"

/**
 * One bound for what the stores of a job take in memory, divided among its tasks.
 *
 *   bytes_max ─┬─ cache_bytes    clean rows of the tables (statestore.cache.max.bytes)
 *              └─ the rest ─┬─ a quarter    one cache of blocks, indexes and filters for all databases
 *                           └─ the others ── by task, in parts of one size U:
 *                                open 1 · gathering 1 · being written 1 · its write batch 1 ·
 *                                two write buffers, each with a batch that goes beyond it: 6
 *
 * RocksDB's own way to bound the write buffers of many databases, a WriteBufferManager, is not in its C API (7.8), and has
 * only the one that writes flush: buffers at rest keep what they have. Shares of a size hold whoever writes. What is read
 * is shared: the cache goes to those who read.
 *
 * Not in it: rows of memory stores, which are the data, and what a batch adds before its commit is asked for.
 */
enum { WEIR_STATE_UNIT_MIN = 64 << 10, WEIR_STATE_UNITS = 10 };

struct weir_state_shares {
    size_t block_cache_bytes; /* of all */
    /* Of each, as weir_state_options has them. */
    size_t open_bytes_max;
    size_t sealed_bytes_max;
    size_t write_down_bytes;
    size_t write_buffer_bytes;
};

/** Among `count` tasks, at least one. WEIR_INVALID_ARGUMENT: that is too little for so many; the text says how much is
 * enough. Pure. */
int weir_state_divide(size_t bytes_max, size_t cache_bytes, size_t count,
                      struct weir_state_shares *shares_out, struct weir_error *error);

#endif
