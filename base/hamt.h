#ifndef WEIR_BASE_HAMT_H
#define WEIR_BASE_HAMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "weir/types.h"

/**
 * A map from bytes to counted values of which a copy costs nothing: the copy stays as it was while the
 * map goes on, and both share whatever has not changed since. A hash array mapped trie (Bagwell, "Ideal
 * Hash Trees", 2001; hamt.c says how): an entry is a few nodes from the root, and a change after a copy
 * makes those few anew, whatever the map's size.
 *
 * Thread: a map has one owner. A shared copy is never changed and may be read, and closed, anywhere.
 */
struct weir_hamt_ops {
    /** Of a value: the same for as long as it is in a map. */
    struct weir_slice (*key)(const void *value);
    void (*ref)(void *value);
    /** Any thread that closes a copy. */
    void (*unref)(void *value);
    /** weir_hash_seeded; a test's own may be a bad one. */
    uint64_t (*hash)(struct weir_slice key, uint64_t seed);
};

struct weir_hamt_node;

struct weir_hamt {
    struct weir_budget *budget;
    const struct weir_hamt_ops *ops;
    struct weir_hamt_node *root; /* counted; NULL: no entries */
    size_t count;
    uint64_t seed;    /* the heap's: see weir_heap.hash_seed */
    uint64_t edition; /* since the last share; 0: this is a shared copy */
};

/** Borrows `ops` for as long as it and its copies live. */
void weir_hamt_init(struct weir_hamt *map, struct weir_budget *budget,
                    const struct weir_hamt_ops *ops);
/** Drops its references. A zeroed one is fine. */
void weir_hamt_close(struct weir_hamt *map);
/** `*copy_out` has what `map` has now. It is closed by whoever has it, before or after the map. */
void weir_hamt_share(struct weir_hamt *map, struct weir_hamt *copy_out);

/** NULL if there is none. */
void *weir_hamt_get(const struct weir_hamt *map, struct weir_slice key);
/** Add, or put into the place of what has this key. The map takes a reference of its own.
 * WEIR_NO_MEMORY: nothing has changed. */
int weir_hamt_put(struct weir_hamt *map, void *value);
/** 1, or 0 if there was none. WEIR_NO_MEMORY: nothing has changed. */
int weir_hamt_remove(struct weir_hamt *map, struct weir_slice key);
/** Nothing changes, but until the next share a put or remove of this key, which is there, cannot
 * fail. WEIR_NO_MEMORY. */
int weir_hamt_prepare(struct weir_hamt *map, struct weir_slice key);

static inline size_t weir_hamt_count(const struct weir_hamt *map)
{
    return map->count;
}

/**
 * A walk over all values, each once: in the order of their hashes, whatever came first. It holds as long as
 * the map is not changed.
 */
enum { WEIR_HAMT_DEPTH_MAX = 24 }; /* two hashes of 60 bits are used up */
struct weir_hamt_walk {
    const struct weir_hamt_node *nodes[WEIR_HAMT_DEPTH_MAX];
    unsigned next[WEIR_HAMT_DEPTH_MAX]; /* slot of each */
    int depth;                          /* of the node that it is in; -1: at the end */
};
void weir_hamt_walk_begin(struct weir_hamt_walk *walk, const struct weir_hamt *map);
/** NULL at the end. */
void *weir_hamt_walk_next(struct weir_hamt_walk *walk);

/** Its invariants; looks at every node. */
void weir_hamt_check(const struct weir_hamt *map);

#endif
