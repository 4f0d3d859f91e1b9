/* A sink makes bytes of objects, unless they are still there, and hands rows to its topic. */
#include "base/assert.h"
#include "operators/operators.h"

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_batch with_keys = {0};
    struct weir_batch out = {0};
    weir_assert(node->plan->kind == WEIR_PLAN_SINK);
    int rc = weir_node_key_bytes(node, batch, node->plan->key_serde, &with_keys);
    if (rc < 0 || with_keys.count == 0) return rc;
    rc = weir_node_value_bytes(node, &with_keys, node->plan->value_serde, &out);
    if (rc < 0 || out.count == 0) return rc;
    return weir_node_send(node, &out);
}

const struct weir_operator_ops weir_sink_ops = {
    .name = "sink",
    .kind = WEIR_PLAN_SINK,
    .process = process,
};
