#ifndef WEIR_RUNTIME_STATE_SKIP_LIST_H
#define WEIR_RUNTIME_STATE_SKIP_LIST_H

#include "runtime/state/slabs.h"
#include "weir/types.h"

/**
 * An ordered map in memory, from bytes to bytes, both copied: the simulator's stand-in for RocksDB
 * and the index of memory stores that are scanned. A skip list (Pugh, 1990), one in four a level up;
 * heights come from the list's own generator, so equal histories give equal lists.
 */
enum { WEIR_SKIP_LIST_LEVELS = 14 };

struct weir_skip_node {
    struct weir_slice key;   /* behind the links */
    struct weir_slice value; /* a block of the slabs */
    uint32_t level_count;
    struct weir_skip_node *next[]; /* by level */
};

struct weir_skip_list {
    struct weir_slabs slabs;
    uint64_t random;
    size_t count;
    struct weir_skip_node *first[WEIR_SKIP_LIST_LEVELS];
};

void weir_skip_list_init(struct weir_skip_list *list, struct weir_budget *budget);
void weir_skip_list_close(struct weir_skip_list *list);
/** Add or replace; WEIR_NO_MEMORY changes nothing. */
int weir_skip_list_put(struct weir_skip_list *list, struct weir_slice key, struct weir_slice value);
/** True if it was there. */
bool weir_skip_list_remove(struct weir_skip_list *list, struct weir_slice key);
/** The first node at or after `key`, in order of bytes; NULL at the end. Further by `next[0]`. */
struct weir_skip_node *weir_skip_list_seek(const struct weir_skip_list *list,
                                           struct weir_slice key);

#endif
