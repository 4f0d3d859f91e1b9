/** A store's life: new, forgotten, closed. */
#include "base/assert.h"
#include "runtime/state/state_internal.h"

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
    if (weir_store_has_key_rows(store)) {
        weir_key_rows_init(&store->rows_by_key, &state->entry_slabs, &state->value_slabs,
                           weir_key_schema_tail_size(store->schema));
    }
    weir_store_init_segments(store);
}

static void empty_table(struct weir_store *store)
{
    for (size_t slot = 0; slot < store->table.slot_count; slot++) {
        struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry == NULL) continue;
        weir_store_unsettle(store, entry);
        weir_store_free_values(store, entry);
    }
    weir_table_close(&store->table);
    store->last_met = NULL;
    if (weir_store_has_key_rows(store)) weir_key_rows_close(&store->rows_by_key);
    if (store->has_index) weir_skip_list_close(&store->index_by_key);
    weir_assert(store->clean_bytes == 0);
}

void weir_store_close(struct weir_store *store)
{
    empty_table(store);
    weir_version_log_close(&store->log);
    weir_free(store->dirty.entries);
    weir_free(store->unforwarded.entries);
    weir_free(store->loose.entries);
    weir_store_free_queues(store);
    for (size_t i = 0; i < store->retired_count; i++) {
        weir_store_free_value(store, store->retired[i].value, store->retired[i].size);
    }
    weir_free(store->retired);
    weir_free(store->sweep_key);
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
