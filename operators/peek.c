/* peek and foreach: a look at each row. And what passes batches on as they are: merge. */
#include "operators/operators.h"
#include "operators/rows.h"

static int process_peek(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_peek_config *config = node->plan->config;
    return weir_rows_forward_where(node, batch, config->visit, config->context, WEIR_ROWS_ALL);
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
