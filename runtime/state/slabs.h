#ifndef WEIR_RUNTIME_STATE_SLABS_H
#define WEIR_RUNTIME_STATE_SLABS_H

#include "base/alloc.h"

/**
 * Blocks of a few sizes, cut from slabs of 64 KiB: where keys and values live.
 *
 * A block that is freed is the next of its size to be handed out, so updates with values of equal
 * size allocate nothing. Blocks up to 8 KiB have a *reference* of four bytes beside their address;
 * larger ones come straight from the heap and have none. A pool's user works with references or does
 * without: whoever frees without one would rob the next of his. Slabs go back to the heap at close only:
 * memory follows the peak of each size, and the cache bounds of the state keep that peak low.
 */
struct weir_slab_block; /* a free block */

enum {
    WEIR_SLAB_SIZE = 64 * 1024,
    WEIR_SLAB_UNIT = 16,
    WEIR_SLAB_BLOCK_MAX = 8192,
    WEIR_SLAB_CLASSES = 48,
};

struct weir_slab_class {
    struct weir_slab_block *free; /* newest first */
    uint32_t fresh;               /* reference of the next block never used; 0: no slab has room */
    uint32_t fresh_count;         /* how many such blocks follow it in their slab */
};

struct weir_slabs {
    struct weir_budget *budget;
    uint8_t **slabs;
    size_t slab_count;
    size_t slab_capacity;
    struct weir_slab_class classes[WEIR_SLAB_CLASSES];
};

void weir_slabs_init(struct weir_slabs *slabs, struct weir_budget *budget);
void weir_slabs_close(struct weir_slabs *slabs);

/** How many bytes a block asked for with `size` really has. */
size_t weir_slabs_block_size(size_t size);
/** NULL when memory is out. `reference_out` may be NULL, and must be for more than 8 KiB. */
void *weir_slabs_alloc(struct weir_slabs *slabs, size_t size, uint32_t *reference_out);
/** `size` as it was asked for, or any other with the same block size; `reference` as it was given, 0
 * in a pool used without. NULL is fine. */
void weir_slabs_free(struct weir_slabs *slabs, void *memory, size_t size, uint32_t reference);

/** The block behind a reference; references are never 0. */
static inline void *weir_slabs_at(const struct weir_slabs *slabs, uint32_t reference)
{
    enum { UNITS = WEIR_SLAB_SIZE / WEIR_SLAB_UNIT };
    return slabs->slabs[reference / UNITS] + (size_t)(reference % UNITS) * WEIR_SLAB_UNIT;
}

#endif
