/* filter and filterNot: the same columns, fewer rows. */
#include "operators/operators.h"
#include "operators/rows.h"

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_filter_config *config = node->plan->config;
    return weir_rows_forward_where(node, batch, config->predicate, config->context,
                                   config->is_negated ? WEIR_ROWS_WHERE_FALSE
                                                      : WEIR_ROWS_WHERE_TRUE);
}

const struct weir_operator_ops weir_filter_ops = {
    .name = "filter",
    .process = process,
};

static int process_null_keys(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_batch keyed = {0};
    int rc = weir_rows_without_nulls(node, batch, false, false, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    return weir_node_forward(node, &keyed);
}

const struct weir_operator_ops weir_filter_null_keys_ops = {
    .name = "filter-null-keys",
    .traits = {.drops_null_keys = true},
    .process = process_null_keys,
};
