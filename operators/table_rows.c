#include "operators/table_rows.h"

#include "base/assert.h"
#include "runtime/state/key_schema.h"

/*
 * Entries become a batch without a copy of their bytes: what is given to be forwarded stays where
 * it is until weir_store_forwarded, also if somebody below changes it meanwhile. Keys, values and
 * old values are each made of a column of slices in one call of their serde.
 */
enum { FLUSH_ROWS_MAX = 1024 };

/* A run of entries, by column; the arrays have FLUSH_ROWS_MAX places. */
struct columns {
    size_t count;
    struct weir_slice *keys; /* as the store has them */
    struct weir_slice *values;
    struct weir_slice *olds;
    int64_t *timestamps;
};

static int init_columns(struct columns *columns, struct weir_arena *arena)
{
    *columns = (struct columns){
        .keys = weir_arena_array(arena, FLUSH_ROWS_MAX, sizeof *columns->keys),
        .values = weir_arena_array(arena, FLUSH_ROWS_MAX, sizeof *columns->values),
        .olds = weir_arena_array(arena, FLUSH_ROWS_MAX, sizeof *columns->olds),
        .timestamps = weir_arena_array(arena, FLUSH_ROWS_MAX, sizeof *columns->timestamps),
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

/* The next entries that are to be forwarded; none at the end. The batch before is through by
 * then. */
static void fill_columns(struct columns *columns, struct weir_store *store, size_t *at)
{
    const bool is_session = weir_store_spec(store)->schema == &weir_key_schema_session;
    struct weir_store_entry *entry;
    columns->count = 0;
    while (columns->count < FLUSH_ROWS_MAX &&
           (entry = weir_store_next_unforwarded(store, at)) != NULL) {
        /* It came and went since the last flush: nobody below has heard of it. */
        if (weir_store_came_and_went(entry)) continue;
        const size_t row = columns->count++;
        columns->keys[row] = entry->key;
        columns->values[row] = weir_slice(entry->value, entry->value_size);
        columns->olds[row] = weir_slice(entry->old_value, entry->old_size);
        columns->timestamps[row] = is_session
                                       ? weir_key_schema_time(&weir_key_schema_session, entry->key)
                                       : entry->timestamp_ms;
    }
}

/* ---- objects --------------------------------------------------------------------------------- */

static const void **read_objects(struct weir_node *node, const struct weir_serde *serde,
                                 bool is_key, const struct weir_slice *bytes, size_t count, int *rc)
{
    weir_assert(count > 0 && count <= FLUSH_ROWS_MAX);
    const void **objects = weir_arena_array(weir_node_arena(node), count, sizeof *objects);
    if (objects == NULL) *rc = WEIR_NO_MEMORY;
    if (*rc < 0) return NULL;
    *rc = weir_node_deserialize(node, serde, is_key, bytes, count, objects);
    return objects;
}

struct weir_windowed_key weir_windowed_key_of(const struct weir_key_schema *schema,
                                              struct weir_slice key, int64_t window_size_ms)
{
    const int64_t time_ms = weir_key_schema_time(schema, key);
    if (schema == &weir_key_schema_session) {
        return (struct weir_windowed_key){.start_ms = weir_session_key_start(key),
                                          .end_ms = time_ms};
    }
    return (struct weir_windowed_key){.start_ms = time_ms,
                                      .end_ms = weir_window_end(time_ms, window_size_ms)};
}

/* The inner serde's keys, each in a windowed one. */
static const void **read_windowed_keys(struct weir_node *node, const struct weir_table_rows *table,
                                       const struct columns *columns, int *rc)
{
    const struct weir_key_schema *schema = weir_store_spec_schema(weir_store_spec(node->stores[0]));
    struct weir_arena *arena = weir_node_arena(node);
    struct weir_slice *inner = weir_arena_array(arena, columns->count, sizeof *inner);
    struct weir_windowed_key *windowed = weir_arena_array(arena, columns->count, sizeof *windowed);
    if (weir_arena_failed(arena)) *rc = WEIR_NO_MEMORY;
    if (*rc < 0) return NULL;
    for (size_t i = 0; i < columns->count; i++) {
        const struct weir_slice key = columns->keys[i];
        inner[i] = weir_key_schema_record_key(schema, key);
        windowed[i] = weir_windowed_key_of(schema, key, table->window_size_ms);
    }
    const void **keys = read_objects(node, table->key_serde, true, inner, columns->count, rc);
    for (size_t i = 0; *rc >= 0 && i < columns->count; i++) {
        windowed[i].key = keys[i];
        keys[i] = &windowed[i];
    }
    return keys;
}

static int forward_columns(struct weir_node *node, const struct weir_table_rows *table,
                           const struct columns *columns, bool has_olds)
{
    const struct weir_serde *serde = table->value_serde;
    const size_t count = columns->count;
    int rc = 0;
    const bool is_windowed =
        weir_key_schema_has_time(weir_store_spec_schema(weir_store_spec(node->stores[0])));
    const void **keys = is_windowed
                            ? read_windowed_keys(node, table, columns, &rc)
                            : read_objects(node, table->key_serde, true, columns->keys, count, &rc);
    const void **values = read_objects(node, serde, false, columns->values, count, &rc);
    const void **olds =
        has_olds ? read_objects(node, serde, false, columns->olds, count, &rc) : NULL;
    if (rc < 0) return rc;
    const struct weir_batch batch = {
        .count = count,
        .keys = keys,
        .values = values,
        .olds = olds,
        .key_bytes = columns->keys,
        .timestamps = columns->timestamps,
    };
    return weir_node_forward(node, &batch);
}

int weir_table_rows_flush(struct weir_node *node, const struct weir_table_rows *table)
{
    weir_assert(node->plan->store_count > 0);
    struct weir_store *store = node->stores[0];
    const struct weir_store_spec *spec = weir_store_spec(store);
    if (!spec->is_cached || !weir_node_caches(node)) return 0;

    const bool is_heard = node->plan->child_count > 0;
    struct columns columns;
    size_t at = 0;
    int rc = init_columns(&columns, weir_node_arena(node));
    while (rc >= 0) {
        fill_columns(&columns, store, &at);
        if (columns.count == 0) break;
        if (is_heard) rc = forward_columns(node, table, &columns, spec->keeps_old);
    }
    if (rc >= 0) weir_store_forwarded(store);
    return rc;
}
