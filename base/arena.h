#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "weir/types.h"

/**
 * Memory that leaves together: a request's, a batch's, a commit interval's.
 *
 * Blocks are kept over a reset, so a steady state allocates nothing. The first failure sticks:
 * later calls return NULL as well, and whoever built something asks `weir_arena_failed` once.
 */
struct weir_arena_block;

struct weir_arena {
    struct weir_budget *budget;
    struct weir_arena_block *first;   /* in order of use */
    struct weir_arena_block *current; /* where the next bytes come from */
    size_t used;                      /* bytes handed out since the last reset */
    uint64_t resets;                  /* what is noted of an address holds until the next one */
    size_t block_size;                /* of the next block */
    bool failed;
};

/** Cannot fail and allocates nothing yet. `block_size` 0 means 64 KiB. */
void weir_arena_init(struct weir_arena *arena, struct weir_budget *budget, size_t block_size);
void weir_arena_close(struct weir_arena *arena);
/** Forget all that was handed out, keep the blocks, clear the failure. */
void weir_arena_reset(struct weir_arena *arena);

/** 16-aligned, not zeroed; NULL after a failure. */
void *weir_arena_alloc(struct weir_arena *arena, size_t size);
void *weir_arena_alloc_zero(struct weir_arena *arena, size_t size);
/** `count * size` with the product checked. */
void *weir_arena_array(struct weir_arena *arena, size_t count, size_t size);
/**
 * Room for one more behind `count` elements of `size` bytes: `array` as it is, or, where it is full, a copy
 * with twice the capacity (`first` at first); the old one stays in the arena. NULL after a failure, with
 * `capacity` as it was.
 */
void *weir_arena_grow(struct weir_arena *arena, void *array, size_t count, size_t *capacity,
                      size_t first, size_t size);
/** A copy; null stays null, and a failure gives null too (ask weir_arena_failed). */
struct weir_slice weir_arena_copy(struct weir_arena *arena, struct weir_slice slice);
char *weir_arena_printf(struct weir_arena *arena, const char *format, ...) WEIR_PRINTF(2, 3);

static inline bool weir_arena_failed(const struct weir_arena *arena)
{
    return arena->failed;
}

#endif
