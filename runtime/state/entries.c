#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * What the table's entries are made of: lists of entries, values, coming and going. Who goes, and when:
 * eviction.c.
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

void weir_store_free_values(struct weir_store *store, struct weir_store_entry *entry)
{
    weir_store_free_value(store, entry->value, entry->value_size);
    weir_store_free_value(store, entry->old_value, entry->old_size);
}

/* ---- coming and going ---------------------------------------------------------------------------- */

/* Where else an entry is found than in the table. */
static int index_entry(struct weir_store *store, struct weir_store_entry *entry)
{
    struct weir_slice address = weir_slice(&entry, sizeof entry);
    int rc = WEIR_OK;
    if (store->has_index) rc = weir_skip_list_put(&store->index_by_key, entry->key, address);
    if (rc < 0 || !weir_store_has_key_rows(store)) return rc;
    rc = weir_key_rows_add(&store->rows_by_key, entry);
    if (rc < 0 && store->has_index) weir_skip_list_remove(&store->index_by_key, entry->key);
    return rc;
}

struct weir_store_entry *weir_store_add_entry(struct weir_store *store, struct weir_slice key,
                                              uint32_t hash)
{
    struct weir_store_entry *entry = weir_table_add(&store->table, key, hash);
    if (entry == NULL || index_entry(store, entry) >= 0) return entry;
    weir_table_remove(&store->table, entry, hash);
    return NULL;
}

void weir_store_remove_entry(struct weir_store *store, struct weir_store_entry *entry)
{
    uint32_t hash = weir_table_hash_key(&store->table, entry->key);
    if (store->last_met == entry) store->last_met = NULL;
    weir_store_free_values(store, entry);
    if (store->has_index) weir_skip_list_remove(&store->index_by_key, entry->key);
    if (weir_store_has_key_rows(store)) weir_key_rows_remove(&store->rows_by_key, entry);
    weir_table_remove(&store->table, entry, hash);
}
