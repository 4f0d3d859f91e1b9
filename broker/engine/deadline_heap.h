#ifndef WEIR_BROKER_ENGINE_DEADLINE_HEAP_H
#define WEIR_BROKER_ENGINE_DEADLINE_HEAP_H

#include "base/env/env.h"

/**
 * Things that wait, the earliest deadline first: a binary heap of pointers. Each thing remembers
 * its place in a `size_t` of its own, so that it can leave from the middle. Thread: its owner.
 */
struct weir_deadline {
    struct weir_mono at;
    void *item;
    size_t *index; /* the item's place, kept up to date; starts at 1, 0 is "not in the heap" */
};

struct weir_deadline_heap {
    struct weir_budget *budget;
    struct weir_deadline *entries;
    size_t count;
    size_t capacity;
};

void weir_deadline_heap_init(struct weir_deadline_heap *heap, struct weir_budget *budget);
void weir_deadline_heap_close(struct weir_deadline_heap *heap);
/** Its invariants; the order of all only where assertions may be slow. */
void weir_deadline_heap_check(const struct weir_deadline_heap *heap);
/** WEIR_NO_MEMORY. */
int weir_deadline_heap_add(struct weir_deadline_heap *heap, struct weir_deadline deadline);
void weir_deadline_heap_remove(struct weir_deadline_heap *heap, size_t *index);
/** The item that is due first, if it is due; NULL otherwise. It stays in the heap. */
void *weir_deadline_heap_due(const struct weir_deadline_heap *heap, struct weir_mono now);
/** WEIR_MONO_NEVER when it is empty. */
struct weir_mono weir_deadline_heap_first(const struct weir_deadline_heap *heap);

#endif
