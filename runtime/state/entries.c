#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * What the table's entries are made of, and a store's life: lists of entries, values, coming and going.
 * Who goes, and when: eviction.c.
 */

int weir_entry_list_reserve(struct weir_entry_list *list, struct weir_budget *budget, size_t count)
{
    size_t wanted = list->count + count;
    if (wanted <= list->capacity) return WEIR_OK;
    size_t capacity = weir_grown_to(list->capacity, wanted, 64);
    struct weir_store_entry **grown = weir_realloc(budget, list->entries, capacity * sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    list->entries = grown;
    list->capacity = capacity;
    return WEIR_OK;
}

/* ---- values ------------------------------------------------------------------------------------- */

int weir_store_load_value(struct weir_store *store, struct weir_store_entry *entry,
                          struct weir_slice value, int64_t timestamp_ms)
{
    weir_assert(entry->value == NULL);
    if (weir_slice_is_null(value)) return WEIR_OK;
    if (value.size > UINT32_MAX) return WEIR_TOO_LARGE;
    uint8_t *bytes = weir_slabs_alloc(&store->state->value_slabs, value.size, NULL);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_copy(bytes, value.data, value.size);
    entry->value = bytes;
    entry->value_size = (uint32_t)value.size;
    entry->timestamp_ms = timestamp_ms;
    return WEIR_OK;
}

void weir_store_free_value(struct weir_store *store, uint8_t *value, size_t size)
{
    weir_slabs_free(&store->state->value_slabs, value, size, 0);
}

static void free_values(struct weir_store *store, struct weir_store_entry *entry)
{
    weir_store_free_value(store, entry->value, entry->value_size);
    weir_store_free_value(store, entry->old_value, entry->old_size);
}

/* ---- coming and going ---------------------------------------------------------------------------- */

struct weir_store_entry *weir_store_add_entry(struct weir_store *store, struct weir_slice key,
                                              uint32_t hash)
{
    struct weir_store_entry *entry = weir_table_add(&store->table, key, hash);
    if (entry == NULL || !store->has_index) return entry;
    struct weir_slice address = weir_slice(&entry, sizeof entry);
    if (weir_skip_list_put(&store->index_by_key, entry->key, address) < 0) {
        weir_table_remove(&store->table, entry, hash);
        return NULL;
    }
    return entry;
}

void weir_store_remove_entry(struct weir_store *store, struct weir_store_entry *entry)
{
    uint32_t hash = weir_table_hash_key(&store->table, entry->key);
    free_values(store, entry);
    if (store->has_index) weir_skip_list_remove(&store->index_by_key, entry->key);
    weir_table_remove(&store->table, entry, hash);
}

/* ---- what holds --------------------------------------------------------------------------------- */

void weir_store_check(const struct weir_store *store)
{
    weir_assert(store->schema != NULL);
    weir_assert(weir_store_is_segmented(store) == (store->segment_interval_ms > 0));
    weir_assert(store->given_count <= store->given_end);
    weir_assert(store->given_end <= store->unforwarded.count);
    weir_assert(store->retired_count <= store->retired_capacity);
    weir_assert(store->clean_bytes <= store->state->clean_bytes);
    weir_assert(!store->is_resident || store->clean_bytes == 0);
    /* The first live segment comes to be known here before it is known below. */
    weir_assert(store->expired_segment <= store->stored_segment);
    weir_assert(store->stored_segment <= store->sealed_segment);
    weir_assert(store->sealed_segment <= store->live_segment);
    weir_assert(store->swept_segment <= store->live_segment);
    weir_table_check(&store->table);
}

/* ---- a store's life ------------------------------------------------------------------------------ */

void weir_store_init(struct weir_store *store, struct weir_state *state, size_t index)
{
    weir_assert(index < state->options.store_count);
    const struct weir_store_spec *spec = state->options.specs[index];
    *store = (struct weir_store){
        .state = state,
        .spec = spec,
        .schema = weir_store_spec_schema(spec),
        .index = index,
        .is_resident = spec->kind == WEIR_STORE_MEMORY,
        .is_complete = true,
    };
    weir_table_init(&store->table, &state->entry_slabs);
    weir_store_init_segments(store);
}

static void empty_table(struct weir_store *store)
{
    for (size_t slot = 0; slot < store->table.slot_count; slot++) {
        struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry == NULL) continue;
        weir_store_unsettle(store, entry);
        free_values(store, entry);
    }
    weir_table_close(&store->table);
    if (store->has_index) weir_skip_list_close(&store->index_by_key);
    weir_assert(store->clean_bytes == 0);
}

void weir_store_close(struct weir_store *store)
{
    empty_table(store);
    weir_free(store->dirty.entries);
    weir_free(store->unforwarded.entries);
    weir_free(store->loose.entries);
    weir_store_free_queues(store);
    for (size_t i = 0; i < store->retired_count; i++) {
        weir_store_free_value(store, store->retired[i].value, store->retired[i].size);
    }
    weir_free(store->retired);
}

/* Made anew rather than field by field: what a store comes to know later is forgotten here too. */
void weir_store_forget(struct weir_store *store)
{
    weir_assert(store->dirty.count == 0 && store->unforwarded.count == 0);
    const uint16_t prefix = store->prefix;
    weir_store_close(store);
    weir_store_init(store, store->state, store->index);
    store->prefix = prefix;
}
