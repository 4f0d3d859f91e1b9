#include "broker/log/cleaner_map.h"

#include <assert.h>

#include "base/assert.h"
#include "weir/error.h"

enum { LOAD_TENTHS_MAX = 9, FREE = -1 };

static_assert(sizeof(struct weir_cleaner_entry) == WEIR_CLEANER_ENTRY_SIZE, "what a key costs");

size_t weir_cleaner_map_keys(size_t bytes)
{
    return bytes / WEIR_CLEANER_ENTRY_SIZE / 10 * LOAD_TENTHS_MAX;
}

int weir_cleaner_map_open(struct weir_cleaner_map *map, struct weir_budget *budget,
                          size_t key_count, size_t bytes_max, const struct weir_siphash_key *key)
{
    size_t capacity = bytes_max / WEIR_CLEANER_ENTRY_SIZE;
    size_t wanted = key_count / LOAD_TENTHS_MAX * 10 + 20;
    if (wanted < key_count) wanted = capacity; /* more than a size can say */
    if (wanted < capacity) capacity = wanted;
    if (capacity < 10) capacity = 10;
    struct weir_cleaner_entry *entries = weir_alloc(budget, capacity * sizeof *entries);
    if (entries == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < capacity; i++) {
        entries[i].offset = FREE;
    }
    *map = (struct weir_cleaner_map){
        .key = *key,
        .entries = entries,
        .capacity = capacity,
        .count_max = capacity / 10 * LOAD_TENTHS_MAX,
    };
    return 0;
}

void weir_cleaner_map_close(struct weir_cleaner_map *map)
{
    weir_free(map->entries);
    *map = (struct weir_cleaner_map){0};
}

/* The entry of the digest, or the free one that it would take. */
static struct weir_cleaner_entry *find(const struct weir_cleaner_map *map,
                                       const struct weir_digest *digest)
{
    /* The digest is even over all its values, so the upper half of a product is, too: no division. */
    size_t at = (size_t)((unsigned __int128)digest->words[0] * map->capacity >> 64);
    for (;;) {
        struct weir_cleaner_entry *entry = &map->entries[at];
        if (entry->offset == FREE) return entry;
        if (entry->digest.words[0] == digest->words[0] &&
            entry->digest.words[1] == digest->words[1]) {
            return entry;
        }
        if (++at == map->capacity) at = 0;
    }
}

bool weir_cleaner_map_put(struct weir_cleaner_map *map, struct weir_slice key, int64_t offset)
{
    weir_assert(offset >= 0);
    struct weir_digest digest = weir_siphash_128(&map->key, key);
    struct weir_cleaner_entry *entry = find(map, &digest);
    if (entry->offset == FREE) {
        if (map->count == map->count_max) return false;
        map->count++;
        entry->digest = digest;
    }
    weir_assert(offset >= entry->offset);
    entry->offset = offset;
    return true;
}

int64_t weir_cleaner_map_get(const struct weir_cleaner_map *map, struct weir_slice key)
{
    struct weir_digest digest = weir_siphash_128(&map->key, key);
    return find(map, &digest)->offset;
}
