/* split().branch()…: each row goes to the child of the first predicate that holds. */
#include "base/assert.h"
#include "operators/operators.h"
#include "operators/rows.h"

/* The child for a row; `child_count` if none takes it, negative if a predicate failed. */
static int64_t choose_child(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    const struct weir_branch_config *config = node->plan->config;
    weir_node_call_row(node, batch, row);
    for (size_t i = 0; i < config->count; i++) {
        node->call.context = config->contexts[i];
        int rc = config->predicates[i](&node->call, batch->keys[row], batch->values[row]);
        if (rc != 0) return rc < 0 ? rc : (int64_t)i;
    }
    return (int64_t)config->count; /* the default branch, where there is one */
}

/* Children in order, each with all of its rows. */
static int forward_by_child(struct weir_node *node, const struct weir_batch *batch,
                            const uint32_t *children, uint32_t *selection)
{
    for (size_t child = 0; child < node->plan->child_count; child++) {
        size_t count = 0;
        for (size_t i = 0; i < batch->count; i++) {
            if (children[i] == child) selection[count++] = weir_batch_row(batch, i);
        }
        if (count == 0) continue;
        struct weir_batch selected = *batch;
        selected.rows = selection;
        selected.count = count;
        int rc = weir_node_forward_to(node, child, &selected);
        if (rc < 0) return rc;
        selection += count; /* those below still read theirs */
    }
    return 0;
}

/* The branches meet again further down: a row goes all the way before the next. */
static int forward_by_row(struct weir_node *node, const struct weir_batch *batch,
                          const uint32_t *children)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (children[i] >= node->plan->child_count) continue;
        uint32_t row = weir_batch_row(batch, i);
        struct weir_batch single = *batch;
        single.rows = &row;
        single.count = 1;
        int rc = weir_node_forward_to(node, children[i], &single);
        if (rc < 0) return rc;
    }
    return 0;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_branch_config *config = node->plan->config;
    weir_assert(node->plan->child_count <= config->count + 1);
    uint32_t *children = weir_rows_selection(node, batch);
    uint32_t *selection = weir_rows_selection(node, batch);
    if (children == NULL || selection == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        int64_t child = choose_child(node, batch, row);
        if (child < 0) {
            int rc = weir_node_record_failed(node, batch, row, (int)child);
            if (rc < 0) return rc;
            child = UINT32_MAX;
        }
        children[i] = (uint32_t)child;
    }
    if (weir_node_goes_by_row(node, batch)) return forward_by_row(node, batch, children);
    return forward_by_child(node, batch, children, selection);
}

const struct weir_operator_ops weir_branch_ops = {
    .name = "branch",
    .process = process,
};
