#ifndef WEIR_BROKER_LOG_CLEANER_MAP_H
#define WEIR_BROKER_LOG_CLEANER_MAP_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/siphash.h"

/**
 * Which record of a key is its last one: a table of fixed size from a key's digest to an offset, 24 bytes an entry
 * (Kafka's SkimpyOffsetMap). Keys themselves are not kept: that is what bounds the memory of compaction, whatever the
 * keys' sizes.
 *
 * Two keys of one digest would be one, and the older record would be taken for the other's older value: lost. So the
 * digest is SipHash-2-4 of 128 bits under a key that is drawn for each table: with 2^32 keys two meet with a
 * probability of 2^-65, and nobody can look for two that do without knowing what was drawn. (Kafka's MD5 has known
 * pairs; xxHash, were it of 128 bits, is made against chance only, not against who chooses the keys.)
 *
 * Open addressing; the digest's own bits are the place. Nothing is ever removed. Full at nine tenths.
 * Thread: one at a time.
 */
enum { WEIR_CLEANER_ENTRY_SIZE = 24 };

struct weir_cleaner_entry {
    struct weir_digest digest;
    int64_t offset; /* -1: the entry is free */
};

struct weir_cleaner_map {
    struct weir_siphash_key key;
    struct weir_cleaner_entry *entries;
    size_t capacity;
    size_t count;
    size_t count_max;
};

/** How many keys fit into `bytes`. */
size_t weir_cleaner_map_keys(size_t bytes);
/** For `key_count` keys, but no larger than `bytes_max`. WEIR_NO_MEMORY. */
int weir_cleaner_map_open(struct weir_cleaner_map *map, struct weir_budget *budget,
                          size_t key_count, size_t bytes_max, const struct weir_siphash_key *key);
void weir_cleaner_map_close(struct weir_cleaner_map *map);
/** The key's last record is at `offset`, which is not below any that the key had. False: there is no place for one
 * more key, and nothing was changed. */
bool weir_cleaner_map_put(struct weir_cleaner_map *map, struct weir_slice key, int64_t offset);
/** -1: no record of the key was put. */
int64_t weir_cleaner_map_get(const struct weir_cleaner_map *map, struct weir_slice key);
/** Room for as many more keys, whatever they are? */
static inline bool weir_cleaner_map_has_room(const struct weir_cleaner_map *map, int64_t key_count)
{
    return key_count >= 0 && (uint64_t)key_count <= map->count_max - map->count;
}

#endif
