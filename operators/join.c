/* Stream-table join. Only the stream triggers; the result has the stream record's timestamp. The
 * keys of a batch are looked up together; rows without a match are dropped (inner) or joined with
 * null (left, which also keeps null keys). A null value has nothing to join and is dropped and
 * counted. A table that keeps versions is read as of the row's time; with grace: grace_join.c. */
#include "base/assert.h"
#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "operators/versioned.h"

/* Rows that can be joined at all. */
static int select_joinable(struct weir_node *node, const struct weir_batch *batch,
                           struct weir_batch *batch_out)
{
    const struct weir_join_config *config = node->plan->config;
    weir_assert(batch->keys != NULL && batch->values != NULL);
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (batch->values[row] == NULL) continue;
        if (batch->keys[row] == NULL && !config->is_left) continue;
        selection[kept++] = row;
    }
    if (kept < batch->count) {
        weir_node_dropped(node, WEIR_DROP_NULL, (int64_t)(batch->count - kept));
    }
    *batch_out = *batch;
    batch_out->rows = selection;
    batch_out->count = kept;
    return 0;
}

/* Each row moves the time on, and finds what is not over by then. */
static void leave_out_over(struct weir_node *node, const struct weir_batch *batch,
                           struct weir_slice *found, const int64_t *found_ms)
{
    size_t key = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        if (batch->key_bytes[row].data == NULL) continue;
        weir_node_observe(node, batch->timestamps[row]);
        weir_node_advance_lives(node);
        if (weir_store_is_row_over(node->stores[0], found_ms[key])) found[key] = weir_null();
        key++;
    }
}

/* What the table was at each row's time. */
static int look_up_versions(struct weir_node *node, const struct weir_batch *batch,
                            const void ***values_out)
{
    const struct weir_join_config *config = node->plan->config;
    const void **values = weir_arena_array(weir_node_arena(node), batch->count, sizeof *values);
    if (values == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        struct weir_version version;
        values[i] = NULL;
        if (batch->key_bytes[row].data == NULL) continue;
        int rc = weir_store_get_version(node->stores[0], batch->key_bytes[row],
                                        batch->timestamps[row], &version, node->call.error);
        if (rc >= 0) {
            rc =
                weir_rows_object(node, config->table_value_serde, false, version.value, &values[i]);
        }
        if (rc < 0) return rc;
    }
    *values_out = values;
    return 0;
}

/* The table's values for the selected rows, in order, as objects; NULL where there is none. */
static int look_up(struct weir_node *node, const struct weir_batch *batch, const void ***values_out)
{
    const struct weir_join_config *config = node->plan->config;
    struct weir_arena *arena = weir_node_arena(node);
    struct weir_slice *keys = weir_arena_array(arena, batch->count, sizeof *keys);
    weir_assert(batch->key_bytes != NULL);
    struct weir_slice *found = weir_arena_array(arena, batch->count, sizeof *found);
    int64_t *found_ms = weir_arena_array(arena, batch->count, sizeof *found_ms);
    const void **values = weir_arena_array(arena, batch->count, sizeof *values);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;

    size_t key_count = 0; /* null keys have nothing to find */
    for (size_t i = 0; i < batch->count; i++) {
        struct weir_slice key = batch->key_bytes[weir_batch_row(batch, i)];
        if (key.data != NULL) keys[key_count++] = key;
    }
    int rc = key_count == 0 ? 0
                            : weir_store_get_many(node->stores[0], keys, key_count, found, found_ms,
                                                  node->call.error);
    if (rc == 0 && weir_node_has_lives(node)) leave_out_over(node, batch, found, found_ms);
    for (size_t i = 0; rc == 0 && i < key_count; i++) {
        if (found[i].data == NULL) continue;
        found[i] = weir_arena_copy(arena, found[i]); /* results may outlive the store's entry */
        if (found[i].data == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc == 0 && key_count > 0) {
        rc =
            weir_node_deserialize(node, config->table_value_serde, false, found, key_count, values);
    }
    if (rc < 0) return rc;

    /* Spread over the rows, from the back: a row's place is never before its key's. */
    size_t key = key_count;
    for (size_t i = batch->count; i-- > 0;) {
        bool has_key = batch->key_bytes[weir_batch_row(batch, i)].data != NULL;
        values[i] = has_key ? values[--key] : NULL;
    }
    weir_assert(key == 0);
    *values_out = values;
    return 0;
}

static int join_rows(struct weir_node *node, const struct weir_batch *batch,
                     const void *const *table_values)
{
    const struct weir_join_config *config = node->plan->config;
    const void **joined = weir_rows_column(node, batch, sizeof *joined);
    uint32_t *selection = weir_rows_selection(node, batch);
    if (joined == NULL || selection == NULL) return WEIR_NO_MEMORY;
    struct weir_object_check check;
    weir_object_check_init(&check, node);
    weir_object_check_also(&check, config->table_value_serde, "the table's value");
    size_t kept = 0;
    node->call.context = config->context;
    for (size_t i = 0; i < batch->count; i++) {
        if (table_values[i] == NULL && !config->is_left) continue;
        uint32_t row = weir_batch_row(batch, i);
        joined[row] = NULL;
        weir_node_call_row(node, batch, row);
        int rc = config->join(&node->call, batch->keys[row], batch->values[row], table_values[i],
                              &joined[row]);
        weir_object_check_row(&check, batch->keys[row], batch->values[row]);
        weir_object_check_also_row(&check, table_values[i]);
        if (rc >= 0) rc = weir_object_check_value(&check, joined[row]);
        if (rc < 0) {
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
            continue;
        }
        selection[kept++] = row;
    }
    struct weir_batch out = *batch;
    out.values = joined;
    out.value_bytes = NULL;
    out.olds = NULL;
    return weir_rows_forward_selected(node, &out, selection, kept);
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_join_config *config = node->plan->config;
    struct weir_batch joinable = {0};
    struct weir_batch rows = {0};
    weir_assert(node->plan->store_count == 1);
    int rc = select_joinable(node, batch, &joinable);
    if (rc < 0 || joinable.count == 0) return rc;
    rc = weir_node_key_bytes(node, &joinable, config->key_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    const void **table_values;
    rc = weir_store_keeps_versions(node->stores[0]) ? look_up_versions(node, &rows, &table_values)
                                                    : look_up(node, &rows, &table_values);
    return rc < 0 ? rc : join_rows(node, &rows, table_values);
}

const struct weir_operator_ops weir_join_ops = {
    .name = "join",
    .traits = {.is_value_changing = true, .store_use = WEIR_READS_STORES, .meets_by_key = true},
    .process = process,
};
