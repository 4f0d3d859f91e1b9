#include "operators/table_rows.h"

#include "operators/rows.h"
#include "runtime/state/key_schema.h"

enum { FLUSH_ROWS_MAX = 1024 };

/* Key bytes to a key object: the inner serde's, inside a windowed key where there is one. */
static int key_object(struct weir_node *node, const struct weir_table_rows *table,
                      struct weir_slice bytes, const void **object_out)
{
    if (table->window_size_ms == 0) {
        return weir_rows_object(node, table->key_serde, true, bytes, object_out);
    }
    struct weir_arena *arena = weir_node_arena(node);
    struct weir_windowed_key *windowed = weir_arena_alloc(arena, sizeof *windowed);
    if (windowed == NULL) return WEIR_NO_MEMORY;
    struct weir_slice inner = weir_key_schema_record_key(&weir_key_schema_window, bytes);
    windowed->start_ms = weir_key_schema_time(&weir_key_schema_window, bytes);
    if (__builtin_add_overflow(windowed->start_ms, table->window_size_ms, &windowed->end_ms)) {
        windowed->end_ms = INT64_MAX;
    }
    *object_out = windowed;
    return weir_rows_object(node, table->key_serde, true, inner, &windowed->key);
}

static int add_entry(struct weir_node *node, const struct weir_table_rows *table,
                     const struct weir_store_entry *entry, struct weir_rows *rows)
{
    int64_t row = weir_rows_add(rows);
    if (row < 0) return WEIR_NO_MEMORY;
    rows->key_bytes[row] = weir_arena_copy(weir_node_arena(node), entry->key);
    rows->timestamps[row] = entry->timestamp_ms;
    if (rows->key_bytes[row].data == NULL) return WEIR_NO_MEMORY;
    int rc = key_object(node, table, rows->key_bytes[row], &rows->keys[row]);
    if (rc < 0) return rc;
    rc = weir_rows_object(node, table->value_serde, false,
                          weir_slice(entry->value, entry->value_size), &rows->values[row]);
    if (rc < 0 || !rows->has_olds) return rc;
    return weir_rows_object(node, table->value_serde, false,
                            weir_slice(entry->old_value, entry->old_size), &rows->olds[row]);
}

int weir_table_rows_flush(struct weir_node *node, const struct weir_table_rows *table)
{
    struct weir_store *store = node->stores[0];
    const struct weir_store_spec *spec = weir_store_spec(store);
    if (!spec->is_cached || !weir_node_caches(node)) return 0;

    struct weir_rows rows;
    weir_rows_init(&rows, weir_node_arena(node), spec->keeps_old, true);
    size_t at = 0;
    struct weir_store_entry *entry;
    while ((entry = weir_store_next_unforwarded(store, &at)) != NULL) {
        int rc = add_entry(node, table, entry, &rows);
        if (rc == 0 && rows.count == FLUSH_ROWS_MAX) rc = weir_rows_forward(&rows, node);
        if (rc < 0) return rc;
    }
    int rc = weir_rows_forward(&rows, node);
    if (rc == 0) weir_store_forwarded(store);
    return rc;
}
