/* flatMap: any number of rows for each; they have the timestamp and headers of theirs. */
#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"

struct weir_emitter {
    struct weir_rows rows;
    const struct weir_batch *batch;
    uint32_t row; /* the one at hand */
    struct weir_object_check check;
    int rc; /* of a result of the wrong kind: whatever the function makes of it, its record fails */
};

int weir_emit(struct weir_emitter *emitter, const void *key, const void *value)
{
    if (emitter == NULL) return WEIR_INVALID_ARGUMENT;
    int rc = weir_object_check_key(&emitter->check, key);
    if (rc >= 0) rc = weir_object_check_value(&emitter->check, value);
    if (rc < 0) {
        emitter->rc = rc;
        return rc;
    }
    int64_t row = weir_rows_add(&emitter->rows);
    if (row < 0) return WEIR_NO_MEMORY;
    emitter->rows.keys[row] = key;
    emitter->rows.values[row] = value;
    emitter->rows.timestamps[row] = emitter->batch->timestamps[emitter->row];
    weir_rows_set_origin(&emitter->rows, row, emitter->batch, emitter->row);
    return 0;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_flat_map_config *config = node->plan->config;
    struct weir_emitter emitter = {.batch = batch};
    weir_rows_init(&emitter.rows, weir_node_arena(node), false, false);
    weir_object_check_init(&emitter.check, node);
    node->call.context = config->context;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        size_t before = emitter.rows.count;
        emitter.row = row;
        emitter.rc = 0;
        weir_object_check_row(&emitter.check, batch->keys[row], batch->values[row]);
        weir_node_call_row(node, batch, row);
        int rc = config->map(&node->call, batch->keys[row], batch->values[row], &emitter);
        if (emitter.rows.failed) return WEIR_NO_MEMORY;
        if (rc >= 0) rc = emitter.rc;
        if (rc < 0) {
            emitter.rows.count = before; /* all of a record's rows or none */
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
        }
    }
    return weir_rows_forward(&emitter.rows, node);
}

const struct weir_operator_ops weir_flat_map_ops = {
    .name = "flat-map",
    .traits = {.is_key_changing = true, .is_value_changing = true, .makes_rows = true},
    .process = process,
};
