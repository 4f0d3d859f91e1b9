#include "operators/shared_rows.h"

#include "base/assert.h"
#include "operators/operators.h"

struct weir_shared_rows *weir_shared_rows_of(struct weir_node *node, struct weir_shared_rows *own)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (!config->is_cogrouped) return own;
    weir_assert(node->plan->child_count == 1);
    weir_assert(node->children[0]->plan->ops == &weir_cogroup_merge_ops);
    return node->children[0]->state;
}

bool weir_shared_rows_open(struct weir_shared_rows *shared, struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const bool is_first = !shared->is_open;
    if (is_first) {
        shared->is_open = true;
        shared->store_ms = -1;
        shared->observed_ms = -1;
        weir_live_rows_init(&shared->live, weir_node_budget(node), config->live_bytes_max);
    }
    weir_shared_rows_observe(shared, node);
    return is_first;
}

void weir_shared_rows_close(struct weir_shared_rows *shared)
{
    if (shared->is_open) weir_live_rows_close(&shared->live);
    shared->is_open = false;
}

/* ---- the merge behind the inputs of a cogroup ------------------------------------------------ */

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    return weir_node_forward(node, batch);
}

static void close_merge(struct weir_node *node)
{
    weir_shared_rows_close(node->state);
}

const struct weir_operator_ops weir_cogroup_merge_ops = {
    .name = "pass", /* as it was before it kept anything: of marks it has none */
    .state_size = sizeof(struct weir_shared_rows),
    .process = process,
    .close = close_merge,
};
