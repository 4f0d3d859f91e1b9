/* peek and foreach: a look at each row. And what passes batches on as they are: merge. */
#include "operators/operators.h"
#include "operators/rows.h"

static int process_peek(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_peek_config *config = node->plan->config;
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;

    size_t kept = 0;
    node->call.context = config->context;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        weir_node_call_row(node, batch, row);
        int rc = config->visit(&node->call, batch->keys[row], batch->values[row]);
        if (rc < 0) {
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
            continue;
        }
        selection[kept++] = row;
    }
    return weir_rows_forward_selected(node, batch, selection, kept);
}

const struct weir_operator_ops weir_peek_ops = {
    .name = "peek",
    .process = process_peek,
};

static int process_pass(struct weir_node *node, const struct weir_batch *batch)
{
    return weir_node_forward(node, batch);
}

const struct weir_operator_ops weir_pass_ops = {
    .name = "pass",
    .process = process_pass,
};
