#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "weir/types.h"

/**
 * A hash table from bytes to a pointer, for control structures (topics, groups, producers). Open
 * addressing, keys borrowed from the value (the value must outlive its entry), iteration in order
 * of insertion, so that nothing ever depends on an address or a hash.
 */
struct weir_map_entry {
    struct weir_slice key;
    uint64_t hash;
    void *value; /* NULL: removed */
};

struct weir_map {
    struct weir_budget *budget;
    uint64_t seed;                  /* the heap's: see weir_heap.hash_seed */
    struct weir_map_entry *entries; /* dense, in order of insertion */
    uint32_t *table;                /* entry number + 1; 0 empty, UINT32_MAX removed */
    size_t entry_count;             /* with removed ones */
    size_t live_count;
    size_t entry_capacity;
    size_t table_size;   /* a power of two, 0 at first */
    uint64_t move_count; /* how often entries have changed places */
};

/** A walk that is left and gone on with while the map changes. Zeroed: at the beginning. */
struct weir_map_walk {
    size_t at;
    uint64_t move_count; /* the map's, when it was there last */
};

void weir_map_init(struct weir_map *map, struct weir_budget *budget);
void weir_map_close(struct weir_map *map);
void *weir_map_get(const struct weir_map *map, struct weir_slice key);
/** WEIR_EXISTS if the key is there, WEIR_NO_MEMORY; the map is unchanged then. Neither the key nor
 * `value` is NULL. Not while walking: entries may move. */
int weir_map_add(struct weir_map *map, struct weir_slice key, void *value);
/** The removed value, NULL if there was none. */
void *weir_map_remove(struct weir_map *map, struct weir_slice key);
/** How many slots a get of this key looks at: what chosen keys would drive up. For tests. */
size_t weir_map_probes(const struct weir_map *map, struct weir_slice key);
/** Walk: start with `*at = 0`; NULL at the end. Removing the current entry meanwhile is fine. */
void *weir_map_next(const struct weir_map *map, size_t *at);
/** The next entry of such a walk, NULL at the end. Where entries have changed places since the last one it begins
 * anew: it may show an entry twice, and misses none. */
void *weir_map_walk_next(const struct weir_map *map, struct weir_map_walk *walk);

static inline size_t weir_map_count(const struct weir_map *map)
{
    return map->live_count;
}

#endif
