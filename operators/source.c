/* A source makes objects of bytes. What cannot be read goes to the handler, row by row; the rest of
 * the batch goes on. */
#include "base/assert.h"
#include "operators/operators.h"
#include "operators/rows.h"

/* One side of the batch. `failed` is set for rows that the handler took. */
static int deserialize_column(struct weir_node *node, const struct weir_batch *batch, bool is_key,
                              const void **objects, bool *failed, size_t *failed_count)
{
    const struct weir_serde *serde = is_key ? node->plan->key_serde : node->plan->value_serde;
    const struct weir_slice *bytes = is_key ? batch->key_bytes : batch->value_bytes;
    struct weir_serde_call call = {
        .topic = batch->source->topic,
        .is_key = is_key,
        .scope = weir_node_scope(node),
        .error = node->call.error,
    };
    size_t done = 0;
    while (done < batch->count) {
        done += serde->deserialize(serde, &call, bytes + done, batch->count - done, objects + done);
        if (done == batch->count) break;
        if (weir_arena_failed(weir_node_arena(node))) return WEIR_NO_MEMORY;
        objects[done] = NULL;
        if (!failed[done]) {
            failed[done] = true;
            *failed_count += 1;
            weir_node_call_row(node, batch, (uint32_t)done);
            int rc = weir_node_record_failed(node, batch, (uint32_t)done, WEIR_SERDE);
            if (rc < 0) return rc;
        }
        done += 1;
    }
    return 0;
}

/* Sources are given whole batches: all rows, both columns of bytes, no objects. */
static int process(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_arena *arena = weir_node_arena(node);
    weir_assert(batch->rows == NULL && batch->source != NULL);
    weir_assert(batch->key_bytes != NULL && batch->value_bytes != NULL);
    const void **keys = weir_arena_array(arena, batch->count, sizeof *keys);
    const void **values = weir_arena_array(arena, batch->count, sizeof *values);
    bool *failed = weir_arena_alloc_zero(arena, batch->count * sizeof *failed);
    if (keys == NULL || values == NULL || failed == NULL) return WEIR_NO_MEMORY;

    size_t failed_count = 0;
    int rc = deserialize_column(node, batch, true, keys, failed, &failed_count);
    if (rc == 0) rc = deserialize_column(node, batch, false, values, failed, &failed_count);
    if (rc < 0) return rc;

    struct weir_batch out = *batch;
    out.keys = keys;
    out.values = values;
    if (failed_count == 0) return weir_node_forward(node, &out);

    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (!failed[i]) selection[kept++] = (uint32_t)i;
    }
    return weir_rows_forward_selected(node, &out, selection, kept);
}

const struct weir_operator_ops weir_source_ops = {
    .name = "source",
    .kind = WEIR_PLAN_SOURCE,
    .process = process,
};
