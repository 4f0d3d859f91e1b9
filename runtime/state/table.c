#include "runtime/state/table.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { SLOTS_MIN = 64, KEY_INLINE_MAX = 4096 };

_Static_assert(sizeof(struct weir_store_entry) == 64, "an entry is a cache line");

void weir_table_init(struct weir_table *table, struct weir_slabs *slabs)
{
    *table = (struct weir_table){.slabs = slabs, .seed = slabs->budget->heap->hash_seed};
}

static size_t entry_size(size_t key_size)
{
    return sizeof(struct weir_store_entry) + (key_size <= KEY_INLINE_MAX ? key_size : 0);
}

static void entry_free(struct weir_table *table, uint32_t reference)
{
    struct weir_store_entry *entry = weir_slabs_at(table->slabs, reference);
    size_t key_size = entry->key.size;
    if (key_size > KEY_INLINE_MAX) weir_free((void *)entry->key.data);
    weir_slabs_free(table->slabs, entry, entry_size(key_size), reference);
}

void weir_table_close(struct weir_table *table)
{
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].reference != 0) entry_free(table, table->slots[i].reference);
    }
    weir_free(table->slots);
    *table = (struct weir_table){.slabs = table->slabs, .seed = table->seed};
}

void weir_table_check(const struct weir_table *table)
{
    weir_assert((table->slots != NULL) == (table->slot_count > 0));
    weir_assert((table->slot_count & (table->slot_count - 1)) == 0);
    weir_assert(table->entry_count <= table->slot_count / 4 * 3);
}

static void place(struct weir_table_slot *slots, size_t mask, struct weir_table_slot slot)
{
    size_t at = slot.hash & mask;
    while (slots[at].reference != 0) {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

static int grow_to(struct weir_table *table, size_t slot_count)
{
    struct weir_table_slot *grown =
        weir_alloc_zero(table->slabs->budget, slot_count * sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].reference != 0) place(grown, slot_count - 1, table->slots[i]);
    }
    weir_free(table->slots);
    table->slots = grown;
    table->slot_count = slot_count;
    return WEIR_OK;
}

/* At most three quarters full: a miss reads 8 slots on average then, one cache line. */
int weir_table_reserve(struct weir_table *table, size_t count)
{
    size_t needed = table->entry_count + count;
    size_t slot_count = table->slot_count != 0 ? table->slot_count : SLOTS_MIN;
    while (needed > slot_count / 4 * 3) {
        slot_count *= 2;
    }
    return slot_count != table->slot_count ? grow_to(table, slot_count) : WEIR_OK;
}

struct weir_store_entry *weir_table_find(const struct weir_table *table, struct weir_slice key,
                                         uint32_t hash)
{
    if (table->slot_count == 0) return NULL;
    const size_t mask = table->slot_count - 1;
    for (size_t at = hash & mask; table->slots[at].reference != 0; at = (at + 1) & mask) {
        if (table->slots[at].hash != hash) continue;
        struct weir_store_entry *entry = weir_slabs_at(table->slabs, table->slots[at].reference);
        if (entry->key.size == key.size && memcmp(entry->key.data, key.data, key.size) == 0) {
            return entry;
        }
    }
    return NULL;
}

void weir_table_prefetch_entry(const struct weir_table *table, uint32_t hash)
{
    const size_t mask = table->slot_count - 1;
    for (size_t at = hash & mask; table->slots[at].reference != 0; at = (at + 1) & mask) {
        if (table->slots[at].hash != hash) continue;
        const char *entry = weir_slabs_at(table->slabs, table->slots[at].reference);
        __builtin_prefetch(entry);
        __builtin_prefetch(entry + sizeof(struct weir_store_entry));
        return;
    }
}

/* Where the key's bytes go: behind the entry, or into memory of their own; NULL when that is out. */
static uint8_t *key_place(struct weir_table *table, struct weir_store_entry *entry, size_t size)
{
    if (size <= KEY_INLINE_MAX) return (uint8_t *)(entry + 1);
    return weir_alloc(table->slabs->budget, size);
}

struct weir_store_entry *weir_table_add(struct weir_table *table, struct weir_slice key,
                                        uint32_t hash)
{
    weir_assert(table->entry_count < table->slot_count / 4 * 3);
    uint32_t reference;
    struct weir_store_entry *entry =
        weir_slabs_alloc(table->slabs, entry_size(key.size), &reference);
    if (entry == NULL) return NULL;

    uint8_t *bytes = key_place(table, entry, key.size);
    if (bytes == NULL) {
        weir_slabs_free(table->slabs, entry, entry_size(key.size), reference);
        return NULL;
    }
    weir_copy(bytes, key.data, key.size);
    *entry = (struct weir_store_entry){.key = weir_slice(bytes, key.size), .timestamp_ms = -1};
    place(table->slots, table->slot_count - 1, (struct weir_table_slot){hash, reference});
    table->entry_count++;
    return entry;
}

/* Close the hole at `hole`: each follower that would not be found any more moves into it. */
static void shift_back(struct weir_table *table, size_t hole)
{
    const size_t mask = table->slot_count - 1;
    for (size_t at = (hole + 1) & mask; table->slots[at].reference != 0; at = (at + 1) & mask) {
        size_t home = table->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        table->slots[hole] = table->slots[at];
        hole = at;
    }
    table->slots[hole] = (struct weir_table_slot){0};
}

void weir_table_remove_at(struct weir_table *table, size_t slot)
{
    weir_assert(table->slots[slot].reference != 0);
    weir_assert(table->entry_count > 0);
    entry_free(table, table->slots[slot].reference);
    shift_back(table, slot);
    table->entry_count--;
}

void weir_table_remove(struct weir_table *table, struct weir_store_entry *entry, uint32_t hash)
{
    const size_t mask = table->slot_count - 1;
    size_t at = hash & mask;
    while (weir_table_at(table, at) != entry) {
        weir_assert(table->slots[at].reference != 0);
        at = (at + 1) & mask;
    }
    weir_table_remove_at(table, at);
}
