/* What only shows when the whole graph is there: doubled names, missing serdes, stores that nobody
 * uses, topics read in two ways. What is wrong with one call was said by that call. */
#include <string.h>

#include "base/error.h"
#include "dsl/logical.h"

#define FAIL(error, ...) weir_error_set((error), WEIR_INVALID_TOPOLOGY, __VA_ARGS__)

static int check_not_empty(const struct weir_builder *builder, struct weir_error *error)
{
    if (builder->node_count > 0) return 0;
    return FAIL(error, "the graph is empty: begin with weir_stream or weir_table");
}

static int check_names(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        for (size_t j = 0; j < i; j++) {
            const struct weir_logical_node *earlier = builder->nodes[j];
            if (strcmp(node->name, earlier->name) != 0) continue;
            if (node->repartition != NULL) {
                return FAIL(error,
                            "%s: there are two repartitions through '%s': each has a name of its "
                            "own",
                            node->name, node->repartition->topic);
            }
            return FAIL(error, "%s: there are two nodes of this name: each has its own",
                        node->name);
        }
    }
    return 0;
}

static int check_sinks(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->kind != WEIR_LOGICAL_SINK) continue;
        if (node->key_serde != NULL && node->value_serde != NULL) continue;
        const char *side = node->key_serde == NULL ? "key" : "value";
        const char *topic = node->repartition != NULL ? node->repartition->topic : node->topic;
        return FAIL(error,
                    "%s: the %s has no serde, and topic '%s' needs one: pass it where the %s is "
                    "made",
                    node->name, side, topic, side);
    }
    return 0;
}

static int check_merged_sources(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->merged_into == node->id) continue;
        const struct weir_logical_node *first = builder->nodes[node->merged_into];
        bool keys_equal = weir_serde_equal(node->key_serde, first->key_serde);
        if (keys_equal && weir_serde_equal(node->value_serde, first->value_serde)) continue;
        return FAIL(error,
                    "%s: topic '%s' is read with another %s serde by %s: read it once and map it",
                    node->name, node->topic, keys_equal ? "value" : "key", first->name);
    }
    return 0;
}

static bool is_used(const struct weir_builder *builder, int32_t store)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        for (size_t j = 0; j < node->store_count; j++) {
            if (node->stores[j] == store) return true;
        }
    }
    return false;
}

static int check_stores(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->store_count; i++) {
        const struct weir_logical_store *store = builder->stores[i];
        if (!store->is_declared || is_used(builder, (int32_t)i)) continue;
        return FAIL(error,
                    "%s: no processor is connected to this store: name it in weir_processor.stores "
                    "or leave it out",
                    store->name);
    }
    return 0;
}

static int check_splits(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->kind != WEIR_LOGICAL_BRANCH) continue;
        const struct weir_branch_config *config = node->config;
        if (config->count > 0) continue;
        return FAIL(error, "%s: a split without a branch: add one with weir_branch", node->name);
    }
    return 0;
}

int weir_validate(struct weir_builder *builder, struct weir_error *error)
{
    int rc = check_not_empty(builder, error);
    if (rc == 0) rc = check_names(builder, error);
    if (rc == 0) rc = check_sinks(builder, error);
    if (rc == 0) rc = check_merged_sources(builder, error);
    if (rc == 0) rc = check_stores(builder, error);
    if (rc == 0) rc = check_splits(builder, error);
    return rc;
}
