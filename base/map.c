#include "base/map.h"

#include <string.h>

#include "base/assert.h"
#include "base/grow.h"
#include "base/hash.h"
#include "weir/error.h"

/*
 * `entries` holds the map in order of insertion; `table` finds them: linear probing over entry
 * numbers. Every slot that is not empty belongs to one entry, live or removed, and there are twice
 * as many slots as entries, so a probe always meets an empty slot. Removed entries keep their place
 * (walks stay valid) until the entries are full; then the live ones move up or to a larger map.
 */
enum { MAP_ENTRY_CAPACITY_MIN = 8 };

static const uint32_t slot_empty = 0;
static const uint32_t slot_removed = UINT32_MAX;

void weir_map_init(struct weir_map *map, struct weir_budget *budget)
{
    *map = (struct weir_map){.budget = budget, .seed = budget->heap->hash_seed};
}

void weir_map_close(struct weir_map *map)
{
    weir_free(map->entries);
    weir_free(map->table);
    *map = (struct weir_map){.budget = map->budget, .seed = map->seed};
}

static uint64_t map_hash(const struct weir_map *map, struct weir_slice key)
{
    return weir_hash_seeded(key, map->seed);
}

/* The slot of `key`, or of the empty slot that ends its probe. The table is not empty. */
static size_t map_find(const struct weir_map *map, struct weir_slice key, uint64_t hash)
{
    const size_t mask = map->table_size - 1;
    for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
        uint32_t number = map->table[slot];
        if (number == slot_empty) return slot;
        if (number == slot_removed) continue;
        const struct weir_map_entry *entry = &map->entries[number - 1];
        if (entry->hash == hash && weir_slice_equal(entry->key, key)) return slot;
    }
}

static void map_insert_number(struct weir_map *map, uint64_t hash, uint32_t number)
{
    const size_t mask = map->table_size - 1;
    size_t slot = hash & mask;
    while (map->table[slot] != slot_empty) {
        slot = (slot + 1) & mask;
    }
    map->table[slot] = number;
}

/* Move the live entries, in their order, to `to` (may be the same array), and index them anew. */
static void map_compact(struct weir_map *map, struct weir_map_entry *to)
{
    size_t count = 0;
    memset(map->table, 0, map->table_size * sizeof map->table[0]);
    for (size_t i = 0; i < map->entry_count; i++) {
        if (map->entries[i].value == NULL) continue;
        to[count] = map->entries[i];
        map_insert_number(map, to[count].hash, (uint32_t)(count + 1));
        count++;
    }
    weir_assert(count == map->live_count);
    map->entry_count = count;
    map->move_count++;
}

static int map_grow(struct weir_map *map)
{
    size_t capacity = weir_grown(map->entry_capacity, MAP_ENTRY_CAPACITY_MIN);
    if (capacity > UINT32_MAX / 4) return WEIR_NO_MEMORY;

    struct weir_map_entry *entries = weir_alloc(map->budget, capacity * sizeof *entries);
    uint32_t *table = weir_alloc(map->budget, capacity * 2 * sizeof *table);
    if (entries == NULL || table == NULL) {
        weir_free(entries);
        weir_free(table);
        return WEIR_NO_MEMORY;
    }

    struct weir_map_entry *old_entries = map->entries;
    weir_free(map->table);
    map->table = table;
    map->table_size = capacity * 2;
    map_compact(map, entries);
    map->entries = entries;
    map->entry_capacity = capacity;
    weir_free(old_entries);
    return 0;
}

/* Room for one more entry. With half of them removed, moving up is enough and cannot fail. */
static int map_make_room(struct weir_map *map)
{
    if (map->entry_count < map->entry_capacity) return 0;
    if (map->entry_capacity > 0 && map->live_count <= map->entry_capacity / 2) {
        map_compact(map, map->entries);
        return 0;
    }
    return map_grow(map);
}

void *weir_map_get(const struct weir_map *map, struct weir_slice key)
{
    if (map->live_count == 0) return NULL;
    uint32_t number = map->table[map_find(map, key, map_hash(map, key))];
    return number != slot_empty ? map->entries[number - 1].value : NULL;
}

int weir_map_add(struct weir_map *map, struct weir_slice key, void *value)
{
    weir_assert(value != NULL);
    weir_assert(!weir_slice_is_null(key));
    if (weir_map_get(map, key) != NULL) return WEIR_EXISTS;
    int rc = map_make_room(map);
    if (rc < 0) return rc;

    uint64_t hash = map_hash(map, key);
    map->entries[map->entry_count++] = (struct weir_map_entry){
        .key = key,
        .hash = hash,
        .value = value,
    };
    map->live_count++;
    map_insert_number(map, hash, (uint32_t)map->entry_count);
    return 0;
}

void *weir_map_remove(struct weir_map *map, struct weir_slice key)
{
    if (map->live_count == 0) return NULL;
    size_t slot = map_find(map, key, map_hash(map, key));
    if (map->table[slot] == slot_empty) return NULL;

    struct weir_map_entry *entry = &map->entries[map->table[slot] - 1];
    void *value = entry->value;
    *entry = (struct weir_map_entry){.key = weir_null()};
    map->table[slot] = slot_removed;
    map->live_count--;
    return value;
}

size_t weir_map_probes(const struct weir_map *map, struct weir_slice key)
{
    if (map->live_count == 0) return 0;
    uint64_t hash = map_hash(map, key);
    size_t mask = map->table_size - 1;
    return ((map_find(map, key, hash) - (size_t)hash) & mask) + 1;
}

void *weir_map_next(const struct weir_map *map, size_t *at)
{
    while (*at < map->entry_count) {
        void *value = map->entries[(*at)++].value;
        if (value != NULL) return value;
    }
    return NULL;
}

void *weir_map_walk_next(const struct weir_map *map, struct weir_map_walk *walk)
{
    if (walk->move_count != map->move_count) {
        *walk = (struct weir_map_walk){.move_count = map->move_count};
    }
    return weir_map_next(map, &walk->at);
}
