/* table(topic): the latest value per key, by offset. A null key is dropped, a null value deletes. A
 * table that nobody looks into has no store: its updates pass through. */
#include "base/assert.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "operators/table_rows.h"

/* One row's change as an output row; the old value is read before the entry changes. */
static int add_update(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                      const struct weir_store_entry *entry, struct weir_rows *rows)
{
    const struct weir_table_config *config = node->plan->config;
    int64_t added = weir_rows_add(rows);
    if (added < 0) return WEIR_NO_MEMORY;
    rows->keys[added] = batch->keys[row];
    rows->key_bytes[added] = batch->key_bytes[row];
    rows->values[added] = batch->values[row];
    rows->timestamps[added] = batch->timestamps[row];
    weir_rows_set_origin(rows, added, batch, row);
    if (!rows->has_olds) return 0;
    return weir_rows_object(node, config->value_serde, false,
                            weir_slice(entry->value, entry->value_size), &rows->olds[added]);
}

static int store_rows(struct weir_node *node, const struct weir_batch *batch,
                      struct weir_rows *updates)
{
    struct weir_arena *arena = weir_node_arena(node);
    weir_assert(batch->key_bytes != NULL && batch->value_bytes != NULL);
    struct weir_slice *keys = weir_arena_array(arena, batch->count, sizeof *keys);
    struct weir_store_entry **entries = weir_arena_array(arena, batch->count, sizeof *entries);
    if (keys == NULL || entries == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        keys[i] = batch->key_bytes[weir_batch_row(batch, i)];
    }
    const bool has_lives = weir_node_has_lives(node);
    int rc = weir_store_touch(node->stores[0], keys, batch->count, entries, node->call.error);
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (has_lives) {
            weir_node_observe(node, batch->timestamps[row]);
            weir_node_advance_lives(node);
        }
        struct weir_slice value = batch->value_bytes[row];
        rc = weir_store_check_change(node->stores[0], keys[i], value, node->call.error);
        if (rc < 0) { /* the table keeps the key's old value */
            rc = weir_node_record_failed(node, batch, row, rc);
            continue;
        }
        if (updates != NULL) rc = add_update(node, batch, row, entries[i], updates);
        if (rc < 0) break;
        rc = weir_store_set(node->stores[0], entries[i], value, batch->timestamps[row],
                            node->call.error);
    }
    return rc;
}

static int process_keyed(struct weir_node *node, const struct weir_batch *batch)
{
    weir_assert(node->plan->store_count == 1);
    const struct weir_table_config *config = node->plan->config;
    const struct weir_store_spec *spec = weir_store_spec(node->stores[0]);
    struct weir_batch rows;
    int rc = weir_rows_bytes(node, batch, config->key_serde, config->value_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;

    bool is_held_back = spec->is_cached && weir_node_caches(node);
    bool forwards = node->plan->child_count > 0 && !is_held_back;
    if (!forwards) return store_rows(node, &rows, NULL);
    struct weir_rows updates;
    weir_rows_init(&updates, weir_node_arena(node), spec->keeps_old, true);
    rc = store_rows(node, &rows, &updates);
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_batch keyed = {0};
    int rc = weir_rows_without_nulls(node, batch, false, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    return node->plan->store_count == 0 ? weir_node_forward(node, &keyed)
                                        : process_keyed(node, &keyed);
}

static int flush(struct weir_node *node)
{
    if (node->plan->store_count == 0) return 0;
    const struct weir_table_config *config = node->plan->config;
    const struct weir_table_rows table = {
        .key_serde = config->key_serde,
        .value_serde = config->value_serde,
    };
    return weir_table_rows_flush(node, &table);
}

const struct weir_operator_ops weir_table_ops = {
    .name = "table",
    .traits =
        {
            .store_use = WEIR_CHANGES_STORES,
            .fills_table = true,
            .forwards_on_flush = true,
        },
    .process = process,
    .flush = flush,
};
