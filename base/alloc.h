#ifndef WEIR_BASE_ALLOC_H
#define WEIR_BASE_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Memory by named budgets.
 *
 * A *heap* is where a node's memory comes from; each environment has one. A *budget* is a name and
 * a bound within it (connection, partition, cache, query); budgets form a tree and a charge to one
 * is a charge to its parents. Every allocation of the library passes through here, so that a test
 * can fail the Nth, a metric can show who holds what, and the simulator can drop a crashed node's
 * memory as a whole (tracked heaps).
 *
 * Thread: any; counters are atomic. A tracked heap belongs to the simulator and one thread.
 */
struct weir_alloc_header;

struct weir_heap {
    /* Fault injection: the allocation with this number fails (1 is the next); 0 never. */
    _Atomic uint64_t fail_at;
    _Atomic uint64_t allocation_count;
    bool fail_all_after; /* from `fail_at` on, every one fails */
    bool is_tracked;     /* live allocations are linked, weir_heap_drop frees them all */
    /* Of the hash tables in it: keys come from outside, and whoever chooses them must not know which
     * meet in one slot. Drawn by the environment; the simulator's comes from its seed. */
    uint64_t hash_seed;
    struct weir_alloc_header *live;
};

struct weir_budget {
    const char *name;
    struct weir_heap *heap;
    struct weir_budget *parent; /* NULL at the root */
    size_t limit;               /* bytes; 0: unbounded here (a parent may still refuse) */
    _Atomic size_t used;
    _Atomic size_t peak;
};

void weir_heap_init(struct weir_heap *heap, bool is_tracked);
/** Free everything that is still live in a tracked heap. Pointers into it die here; budgets keep
 * their figures (they may lie in that memory), so init those that go on. */
void weir_heap_drop(struct weir_heap *heap);

void weir_budget_init(struct weir_budget *budget, const char *name, struct weir_heap *heap,
                      struct weir_budget *parent, size_t limit);

/** Bytes, 16-aligned, not zeroed; NULL when a bound is reached or memory is out. `size > 0`. */
void *weir_alloc(struct weir_budget *budget, size_t size);
/** The same, zeroed. */
void *weir_alloc_zero(struct weir_budget *budget, size_t size);
/** Grow or shrink, within the block's own budget; `memory == NULL` allocates from `budget`; on
 * failure the old block stays. */
void *weir_realloc(struct weir_budget *budget, void *memory, size_t size);
/** NULL is fine; the block knows its budget. */
void weir_free(void *memory);
/** A copy of `size` bytes with a NUL behind them; NULL on failure. */
char *weir_alloc_text(struct weir_budget *budget, const char *text, size_t size);

/** Charge and return bytes that were not allocated here (page-cache buffers, RocksDB). */
bool weir_budget_charge(struct weir_budget *budget, size_t size);
void weir_budget_return(struct weir_budget *budget, size_t size);

#endif
