#include "runtime/state/slabs.h"

#include <string.h>

#include "base/assert.h"
#include "base/grow.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

/*
 * Classes: multiples of 16 up to 512 (32 of them), then four to each doubling up to 8192 (16 more). Blocks
 * of the heap have eight sizes to each doubling: what grows by a little each time is moved as seldom.
 * A reference counts units of 16 bytes over all slabs; the first unit of the first slab is left out,
 * so that 0 can mean "none". The address sanitizer is told which blocks are free, as malloc would.
 */
enum {
    FINE_MAX = 512,
    FINE_CLASSES = FINE_MAX / WEIR_SLAB_UNIT,
    UNITS_PER_SLAB = WEIR_SLAB_SIZE / WEIR_SLAB_UNIT,
    SLABS_MAX = UINT32_MAX / UNITS_PER_SLAB,
};

struct weir_slab_block {
    struct weir_slab_block *next;
    uint32_t reference;
};

_Static_assert(sizeof(struct weir_slab_block) <= WEIR_SLAB_UNIT, "the smallest block holds it");

void weir_slabs_init(struct weir_slabs *slabs, struct weir_budget *budget)
{
    *slabs = (struct weir_slabs){.budget = budget};
}

void weir_slabs_close(struct weir_slabs *slabs)
{
    for (size_t i = 0; i < slabs->slab_count; i++) {
        weir_free(slabs->slabs[i]);
    }
    weir_free(slabs->slabs);
    *slabs = (struct weir_slabs){.budget = slabs->budget};
}

static unsigned class_of(size_t size)
{
    if (size <= FINE_MAX) return size == 0 ? 0 : (unsigned)((size - 1) / WEIR_SLAB_UNIT);
    /* 2^doubling < size <= 2^(doubling + 1); quarters of that range. */
    unsigned doubling = 63 - (unsigned)__builtin_clzll(size - 1);
    unsigned quarter = (unsigned)((size - 1) >> (doubling - 2)) & 3;
    return FINE_CLASSES + (doubling - 9) * 4 + quarter;
}

static size_t class_size(unsigned class)
{
    if (class < FINE_CLASSES) return (size_t)(class + 1) * WEIR_SLAB_UNIT;
    unsigned doubling = 9 + (class - FINE_CLASSES) / 4;
    unsigned quarter = (class - FINE_CLASSES) % 4;
    return ((size_t)1 << doubling) + (size_t)(quarter + 1) * ((size_t)1 << (doubling - 2));
}

size_t weir_slabs_block_size(size_t size)
{
    if (size <= FINE_MAX) {
        return size == 0 ? WEIR_SLAB_UNIT : (size + WEIR_SLAB_UNIT - 1) & -(size_t)WEIR_SLAB_UNIT;
    }
    if (size <= WEIR_SLAB_BLOCK_MAX) return class_size(class_of(size));
    const size_t step = (size_t)1 << (63 - (unsigned)__builtin_clzll(size - 1) - 3);
    return (size + step - 1) & -step;
}

static bool reserve_slab_pointer(struct weir_slabs *slabs)
{
    if (slabs->slab_count < slabs->slab_capacity) return true;
    size_t capacity = weir_grown(slabs->slab_capacity, 16);
    uint8_t **grown = weir_realloc(slabs->budget, slabs->slabs, capacity * sizeof *grown);
    if (grown == NULL) return false;
    slabs->slabs = grown;
    slabs->slab_capacity = capacity;
    return true;
}

/* A new slab for `class`. Its pages are not touched until blocks are handed out. */
static bool add_slab(struct weir_slabs *slabs, unsigned class)
{
    if (slabs->slab_count == SLABS_MAX || !reserve_slab_pointer(slabs)) return false;
    uint8_t *slab = weir_alloc(slabs->budget, WEIR_SLAB_SIZE);
    if (slab == NULL) return false;

    uint32_t skipped = slabs->slab_count == 0 ? 1 : 0;
    slabs->classes[class].fresh = (uint32_t)slabs->slab_count * UNITS_PER_SLAB + skipped;
    slabs->classes[class].fresh_count =
        (uint32_t)((WEIR_SLAB_SIZE - skipped * WEIR_SLAB_UNIT) / class_size(class));
    slabs->slabs[slabs->slab_count++] = slab;
    return true;
}

static void *take_fresh(struct weir_slabs *slabs, unsigned class, uint32_t *reference_out)
{
    struct weir_slab_class *from = &slabs->classes[class];
    if (from->fresh_count == 0 && !add_slab(slabs, class)) return NULL;
    *reference_out = from->fresh;
    from->fresh += (uint32_t)(class_size(class) / WEIR_SLAB_UNIT);
    from->fresh_count--;
    return weir_slabs_at(slabs, *reference_out);
}

void *weir_slabs_alloc(struct weir_slabs *slabs, size_t size, uint32_t *reference_out)
{
    if (size > WEIR_SLAB_BLOCK_MAX) {
        weir_assert(reference_out == NULL);
        return weir_alloc(slabs->budget, weir_slabs_block_size(size));
    }
    unsigned class = class_of(size);
    struct weir_slab_block *block = slabs->classes[class].free;
    uint32_t reference = 0;
    if (block != NULL) {
        slabs->classes[class].free = block->next;
        reference = block->reference;
        ASAN_UNPOISON_MEMORY_REGION(block, class_size(class));
    } else {
        block = take_fresh(slabs, class, &reference);
        if (block == NULL) return NULL;
    }
    if (reference_out != NULL) *reference_out = reference;
    return block;
}

void weir_slabs_free(struct weir_slabs *slabs, void *memory, size_t size, uint32_t reference)
{
    if (memory == NULL) return;
    if (size > WEIR_SLAB_BLOCK_MAX) {
        weir_free(memory);
        return;
    }
    weir_assert(reference == 0 || weir_slabs_at(slabs, reference) == memory);
    unsigned class = class_of(size);
    struct weir_slab_class *to = &slabs->classes[class];
    struct weir_slab_block *block = memory;
    *block = (struct weir_slab_block){.next = to->free, .reference = reference};
    to->free = block;
    ASAN_POISON_MEMORY_REGION(block + 1, class_size(class) - sizeof *block);
}
