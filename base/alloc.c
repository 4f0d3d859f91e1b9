#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/*
 * A block in memory, addresses growing to the right:
 *
 *     [ link, in tracked heaps only ][ header ][ the caller's bytes ]
 *
 * Link and header are 16 bytes each, so the caller's bytes are as aligned as malloc's. A block of a
 * tracked heap is freed by free() itself when the heap is dropped: the address sanitizer then sees
 * whoever holds a pointer into a crashed node.
 */
struct weir_alloc_header {
    struct weir_budget *budget;
    size_t size;
};

struct alloc_link {
    struct weir_alloc_header *next;
    struct weir_alloc_header *previous; /* NULL: the heap's `live` points here */
};

_Static_assert(sizeof(struct weir_alloc_header) == 16, "keeps the caller's bytes 16-aligned");
_Static_assert(sizeof(struct alloc_link) == 16, "keeps the header 16-aligned");

/* Sizes above this are mistakes or attacks; below it, sums with our overhead cannot wrap. */
#define ALLOC_SIZE_MAX ((size_t)PTRDIFF_MAX / 2)

static size_t prefix_size(const struct weir_heap *heap)
{
    return sizeof(struct weir_alloc_header) + (heap->is_tracked ? sizeof(struct alloc_link) : 0);
}

static struct weir_alloc_header *header_of(void *memory)
{
    return (struct weir_alloc_header *)memory - 1;
}

static struct alloc_link *link_of(struct weir_alloc_header *header)
{
    return (struct alloc_link *)header - 1;
}

/* What malloc gave. */
static void *block_of(const struct weir_heap *heap, struct weir_alloc_header *header)
{
    return heap->is_tracked ? (void *)link_of(header) : (void *)header;
}

static void heap_link(struct weir_heap *heap, struct weir_alloc_header *header)
{
    if (!heap->is_tracked) return;
    *link_of(header) = (struct alloc_link){.next = heap->live};
    if (heap->live != NULL) link_of(heap->live)->previous = header;
    heap->live = header;
}

static void heap_unlink(struct weir_heap *heap, struct weir_alloc_header *header)
{
    if (!heap->is_tracked) return;
    struct alloc_link *link = link_of(header);
    if (link->next != NULL) link_of(link->next)->previous = link->previous;
    if (link->previous != NULL) {
        link_of(link->previous)->next = link->next;
    } else {
        weir_assert(heap->live == header);
        heap->live = link->next;
    }
}

/* Count one allocation, and say whether it is one that a test wants to fail. */
static bool heap_refuses(struct weir_heap *heap)
{
    atomic_fetch_add_explicit(&heap->allocation_count, 1, memory_order_relaxed);

    uint64_t countdown = atomic_load_explicit(&heap->fail_at, memory_order_relaxed);
    for (;;) {
        if (countdown == 0) return false;
        if (countdown == 1 && heap->fail_all_after) return true;
        if (atomic_compare_exchange_weak(&heap->fail_at, &countdown, countdown - 1)) {
            return countdown == 1;
        }
    }
}

void weir_heap_init(struct weir_heap *heap, bool is_tracked)
{
    memset(heap, 0, sizeof *heap);
    heap->is_tracked = is_tracked;
}

/* Budgets are not touched: they may lie in the memory that goes. */
void weir_heap_drop(struct weir_heap *heap)
{
    weir_assert(heap->is_tracked);
    while (heap->live != NULL) {
        struct weir_alloc_header *header = heap->live;
        heap->live = link_of(header)->next;
        free(link_of(header));
    }
}

void weir_budget_init(struct weir_budget *budget, const char *name, struct weir_heap *heap,
                      struct weir_budget *parent, size_t limit)
{
    weir_assert(heap != NULL);
    weir_assert(parent == NULL || parent->heap == heap);
    memset(budget, 0, sizeof *budget);
    budget->name = name;
    budget->heap = heap;
    budget->parent = parent;
    budget->limit = limit;
}

static void budget_raise_peak(struct weir_budget *budget, size_t used)
{
    size_t peak = atomic_load_explicit(&budget->peak, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak(&budget->peak, &peak, used)) {
    }
}

/* Compare and swap rather than add and undo: a charge that fails never makes another one fail. */
static bool budget_charge_one(struct weir_budget *budget, size_t size)
{
    const size_t limit = budget->limit != 0 ? budget->limit : SIZE_MAX;
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        if (size > limit || used > limit - size) return false;
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used + size));
    budget_raise_peak(budget, used + size);
    return true;
}

/* Take `size` back from `budget` and its parents, up to `end` (not included). */
static void budget_return_until(struct weir_budget *budget, const struct weir_budget *end,
                                size_t size)
{
    for (; budget != end; budget = budget->parent) {
        size_t used = atomic_fetch_sub(&budget->used, size);
        weir_assert(used >= size);
    }
}

bool weir_budget_charge(struct weir_budget *budget, size_t size)
{
    for (struct weir_budget *at = budget; at != NULL; at = at->parent) {
        if (!budget_charge_one(at, size)) {
            budget_return_until(budget, at, size);
            return false;
        }
    }
    return true;
}

void weir_budget_return(struct weir_budget *budget, size_t size)
{
    budget_return_until(budget, NULL, size);
}

static void *alloc_block(struct weir_budget *budget, size_t size, bool is_zeroed)
{
    struct weir_heap *heap = budget->heap;
    weir_assert(size > 0);
    if (heap_refuses(heap) || size > ALLOC_SIZE_MAX) return NULL;
    if (!weir_budget_charge(budget, size)) return NULL;

    size_t prefix = prefix_size(heap);
    uint8_t *block = is_zeroed ? calloc(1, prefix + size) : malloc(prefix + size);
    if (block == NULL) {
        weir_budget_return(budget, size);
        return NULL;
    }
    struct weir_alloc_header *header = header_of(block + prefix);
    *header = (struct weir_alloc_header){.budget = budget, .size = size};
    heap_link(heap, header);
    return header + 1;
}

void *weir_alloc(struct weir_budget *budget, size_t size)
{
    return alloc_block(budget, size, false);
}

void *weir_alloc_zero(struct weir_budget *budget, size_t size)
{
    return alloc_block(budget, size, true);
}

/* The block may move, so it leaves the heap's list meanwhile; on failure it goes back unmoved. */
static struct weir_alloc_header *resize_block(struct weir_heap *heap,
                                              struct weir_alloc_header *header, size_t size)
{
    size_t prefix = prefix_size(heap);
    heap_unlink(heap, header);
    uint8_t *block = realloc(block_of(heap, header), prefix + size);
    if (block == NULL) {
        heap_link(heap, header);
        return NULL;
    }
    header = header_of(block + prefix);
    header->size = size;
    heap_link(heap, header);
    return header;
}

void *weir_realloc(struct weir_budget *budget, void *memory, size_t size)
{
    if (memory == NULL) return weir_alloc(budget, size);

    struct weir_alloc_header *header = header_of(memory);
    budget = header->budget;
    size_t old_size = header->size;
    size_t growth = size > old_size ? size - old_size : 0;
    weir_assert(size > 0);
    if (heap_refuses(budget->heap) || size > ALLOC_SIZE_MAX) return NULL;
    if (!weir_budget_charge(budget, growth)) return NULL;

    header = resize_block(budget->heap, header, size);
    if (header == NULL) {
        weir_budget_return(budget, growth);
        return NULL;
    }
    if (size < old_size) weir_budget_return(budget, old_size - size);
    return header + 1;
}

void weir_free(void *memory)
{
    if (memory == NULL) return;
    struct weir_alloc_header *header = header_of(memory);
    struct weir_budget *budget = header->budget;

    heap_unlink(budget->heap, header);
    size_t size = header->size;
    free(block_of(budget->heap, header));
    weir_budget_return(budget, size);
}

char *weir_alloc_text(struct weir_budget *budget, const char *text, size_t size)
{
    if (size >= ALLOC_SIZE_MAX) return NULL;
    char *copy = weir_alloc(budget, size + 1);
    if (copy == NULL) return NULL;
    if (size > 0) memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}
