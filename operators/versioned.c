/* Tables whose store keeps versions (KIP-889, KIP-914): of a topic, and of a stream's aggregates.
 *
 * Each row is a version as of its timestamp, whenever it comes, and goes on as an update; it is the latest of its
 * key or lies between others. One whose time lies behind the history is dropped as late, and does not go on. The
 * time that decides is this operator's own, and part of a commit. Such a table has no cache: two updates of a
 * key are two versions. Nobody below asks it for old values: what suppresses it is refused (dsl/suppress.c).
 */
#include "operators/versioned.h"

#include "base/assert.h"
#include "base/saturate.h"
#include "operators/row_fold.h"
#include "operators/rows.h"
#include "runtime/state/key_schema.h"

bool weir_store_keeps_versions(const struct weir_store *store)
{
    return weir_store_spec(store)->schema == &weir_key_schema_versioned;
}

void weir_versions_advance(const struct weir_node *node, struct weir_store *store)
{
    /* No version is of the end of time (runtime/state/versions.c). */
    const int64_t time_ms = node->observed_ms < INT64_MAX ? node->observed_ms : INT64_MAX - 1;
    weir_store_advance(store, time_ms);
}

int weir_versions_put(struct weir_node *node, struct weir_store *store, struct weir_slice key,
                      struct weir_slice value, int64_t timestamp_ms, int64_t *to_ms_out)
{
    weir_node_observe(node, timestamp_ms);
    weir_versions_advance(node, store);
    int rc = weir_store_put_version(store, key, value, timestamp_ms, to_ms_out, node->call.error);
    if (rc < 0) return rc;
    if (*to_ms_out != WEIR_VERSION_IS_OVER) return 1;
    weir_node_note_late(node, timestamp_ms, weir_saturating_sub(node->observed_ms, timestamp_ms));
    weir_node_dropped(node, WEIR_DROP_LATE, 1);
    return 0;
}

static int open_table(struct weir_node *node, struct weir_error *error)
{
    (void)error;
    weir_versions_advance(node, node->stores[0]);
    return 0;
}

static int time_advanced(struct weir_node *node)
{
    weir_versions_advance(node, node->stores[0]);
    return 0;
}

/* ---- of a topic ------------------------------------------------------------------------------ */

static int put_row(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                   struct weir_rows *updates)
{
    const struct weir_slice key = batch->key_bytes[row];
    int64_t to_ms;
    weir_node_call_row(node, batch, row);
    int rc = weir_versions_put(node, node->stores[0], key, batch->value_bytes[row],
                               batch->timestamps[row], &to_ms);
    if (rc < 0) return weir_node_record_failed(node, batch, row, rc);
    if (rc == 0 || updates == NULL) return 0;
    const int64_t added = weir_rows_add(updates);
    if (added < 0) return WEIR_NO_MEMORY;
    updates->keys[added] = batch->keys[row];
    updates->key_bytes[added] = key;
    updates->values[added] = batch->values[row];
    updates->timestamps[added] = batch->timestamps[row];
    weir_rows_set_origin(updates, added, batch, row);
    return 0;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_table_config *config = node->plan->config;
    struct weir_batch keyed = {0};
    struct weir_batch rows;
    weir_assert(node->plan->store_count == 1);
    int rc = weir_rows_without_nulls(node, batch, false, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_rows_bytes(node, &keyed, config->key_serde, config->value_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    struct weir_rows updates;
    const bool forwards = node->plan->child_count > 0;
    weir_rows_init(&updates, weir_node_arena(node), false, true);
    for (size_t i = 0; i < rows.count && rc >= 0; i++) {
        rc = put_row(node, &rows, weir_batch_row(&rows, i), forwards ? &updates : NULL);
    }
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}

const struct weir_operator_ops weir_versioned_table_ops = {
    .name = "table",
    .traits = {.store_use = WEIR_CHANGES_STORES, .fills_table = true},
    .open = open_table,
    .process = process,
    .time_advanced = time_advanced,
};

/* ---- of aggregates --------------------------------------------------------------------------- */

static int add_update(const struct weir_row_fold *fold, const struct weir_batch *batch,
                      uint32_t row, int64_t timestamp_ms, struct weir_rows *updates)
{
    const int64_t added = weir_rows_add(updates);
    if (added < 0) return WEIR_NO_MEMORY;
    updates->keys[added] = batch->keys[row];
    updates->key_bytes[added] = batch->key_bytes[row];
    updates->values[added] = fold->object;
    updates->timestamps[added] = timestamp_ms;
    weir_rows_set_origin(updates, added, batch, row);
    return 0;
}

static int fold_row(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                    struct weir_rows *updates)
{
    struct weir_node *node = fold->node;
    const struct weir_slice key = batch->key_bytes[row];
    struct weir_version old;
    int64_t to_ms;
    int64_t timestamp_ms = batch->timestamps[row];
    weir_node_call_row(node, batch, row);
    int rc = weir_store_get_version(node->stores[0], key, INT64_MAX, &old, node->call.error);
    if (rc < 0) return rc;
    old.value = weir_arena_copy(weir_node_arena(node), old.value);
    if (weir_arena_failed(weir_node_arena(node))) return WEIR_NO_MEMORY;
    if (!weir_slice_is_null(old.value) && old.from_ms > timestamp_ms) timestamp_ms = old.from_ms;
    rc = weir_fold_row(fold, batch, row, old.value);
    if (rc >= 0) {
        rc = weir_versions_put(node, node->stores[0], key, fold->bytes, timestamp_ms, &to_ms);
    }
    if (rc < 0) return weir_node_record_failed(node, batch, row, rc);
    return rc == 0 || updates == NULL ? 0 : add_update(fold, batch, row, timestamp_ms, updates);
}

int weir_versions_fold(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_row_fold fold;
    struct weir_rows updates;
    const bool forwards = weir_row_fold_forwards(node);
    int rc = 0;
    weir_row_fold_init(&fold, node, forwards);
    weir_rows_init(&updates, weir_node_arena(node), false, true);
    for (size_t i = 0; i < batch->count && rc >= 0; i++) {
        rc = fold_row(&fold, batch, weir_batch_row(batch, i), forwards ? &updates : NULL);
    }
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}
