#ifndef WEIR_RUNTIME_STATE_TABLE_H
#define WEIR_RUNTIME_STATE_TABLE_H

#include "base/hash.h"
#include "runtime/state/slabs.h"
#include "runtime/state/state.h"

/**
 * From a serialised key to its entry: open addressing with linear probing, 32 bits of hash beside
 * each reference, so that a probe reads one cache line of slots and one entry.
 *
 * Entries are blocks of the state's entry slabs, the key's bytes behind the struct (a key too long
 * for a block stands elsewhere). They never move, whatever the table does. A removed slot is closed
 * by shifting its followers back, so there are no tombstones and no rebuild but for growth.
 */
struct weir_table_slot {
    uint32_t hash;
    uint32_t reference; /* 0: empty */
};

struct weir_table {
    struct weir_slabs *slabs; /* of entries */
    uint64_t seed;            /* the heap's: see weir_heap.hash_seed */
    struct weir_table_slot *slots;
    size_t slot_count; /* a power of two, 0 at first */
    size_t entry_count;
};

void weir_table_init(struct weir_table *table, struct weir_slabs *slabs);
/** Frees the slots and each entry; the entries' values are the caller's to free first. */
void weir_table_close(struct weir_table *table);
/** What holds between the fields: a power of two of slots, of which a quarter is free. */
void weir_table_check(const struct weir_table *table);
/** Room for `count` more entries: adding them does not fail for want of slots. */
int weir_table_reserve(struct weir_table *table, size_t count);

static inline uint32_t weir_table_hash(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}
/** What the calls below want with a key. */
static inline uint32_t weir_table_hash_key(const struct weir_table *table, struct weir_slice key)
{
    return weir_table_hash(weir_hash_seeded(key, table->seed));
}
/** NULL if it is not there. */
struct weir_store_entry *weir_table_find(const struct weir_table *table, struct weir_slice key,
                                         uint32_t hash);
/** A new entry without a value; the key is copied and not there yet. After weir_table_reserve. NULL
 * when memory is out. */
struct weir_store_entry *weir_table_add(struct weir_table *table, struct weir_slice key,
                                        uint32_t hash);
/** Free an entry found by its key. */
void weir_table_remove(struct weir_table *table, struct weir_store_entry *entry, uint32_t hash);
/** The same, by slot number. The slot may hold another entry afterwards. */
void weir_table_remove_at(struct weir_table *table, size_t slot);

/** The entry of slot `slot`; NULL if it is empty. */
static inline struct weir_store_entry *weir_table_at(const struct weir_table *table, size_t slot)
{
    uint32_t reference = table->slots[slot].reference;
    return reference != 0 ? weir_slabs_at(table->slabs, reference) : NULL;
}

/* The three steps of looking many keys up together, each fetching what the next will read. */
static inline void weir_table_prefetch_slot(const struct weir_table *table, uint32_t hash)
{
    __builtin_prefetch(&table->slots[hash & (table->slot_count - 1)]);
}
/** The first slot with this hash, most likely the key's: its entry comes to the cache. */
void weir_table_prefetch_entry(const struct weir_table *table, uint32_t hash);

#endif
