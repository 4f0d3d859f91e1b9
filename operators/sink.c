/* A sink makes bytes of objects, unless they are still there, and hands rows to its topic. */
#include "base/assert.h"
#include "operators/operators.h"
#include "operators/rows.h"

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_plan_node *plan = node->plan;
    struct weir_batch out;
    weir_assert(plan->kind == WEIR_PLAN_SINK);
    int rc = weir_rows_bytes(node, batch, plan->key_serde, plan->value_serde, &out);
    if (rc < 0 || out.count == 0) return rc;
    return weir_node_send(node, &out);
}

const struct weir_operator_ops weir_sink_ops = {
    .name = "sink",
    .kind = WEIR_PLAN_SINK,
    .process = process,
};
