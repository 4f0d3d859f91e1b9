/* filter and filterNot: the same columns, fewer rows. */
#include "operators/operators.h"
#include "operators/rows.h"

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_filter_config *config = node->plan->config;
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;

    size_t kept = 0;
    node->call.context = config->context;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        weir_node_call_row(node, batch, row);
        int rc = config->predicate(&node->call, batch->keys[row], batch->values[row]);
        if (rc < 0) {
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
        } else if ((rc != 0) != config->is_negated) {
            selection[kept++] = row;
        }
    }
    return weir_rows_forward_selected(node, batch, selection, kept);
}

const struct weir_operator_ops weir_filter_ops = {
    .name = "filter",
    .process = process,
};

static int process_null_keys(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_batch keyed;
    int rc = weir_rows_without_nulls(node, batch, false, false, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    return weir_node_forward(node, &keyed);
}

const struct weir_operator_ops weir_filter_null_keys_ops = {
    .name = "filter-null-keys",
    .process = process_null_keys,
};
