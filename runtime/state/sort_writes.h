#ifndef WEIR_RUNTIME_STATE_SORT_WRITES_H
#define WEIR_RUNTIME_STATE_SORT_WRITES_H

#include "base/alloc.h"
#include "runtime/state/backend.h"

/** What a sort works in, kept from one to the next: zeroed at first. */
struct weir_sort_memory {
    struct weir_sort_item *items;
    size_t capacity;
};
void weir_sort_memory_close(struct weir_sort_memory *memory);

/**
 * Put writes in order of the bytes of their keys, of which no two are equal. `memory` grows to 24 bytes
 * for each of them, from `budget`; where there is none left it takes longer.
 */
void weir_sort_writes(struct weir_sort_memory *memory, struct weir_budget *budget,
                      struct weir_backend_write *writes, size_t count);

#endif
