/* What is needed of what was declared, and what it is called:
 *
 *   - sources of one topic become one node: the first, which gets the children of all;
 *   - a table over a topic is kept in a store only if somebody looks into it or gave it a name;
 *   - nodes get their final names, repartitions those of their topics;
 *   - a repartition drops null keys, unless a left join further down still wants them (KIP-962).
 *
 * Repartitions are placed where they are declared to be needed: in front of a stateful operator
 * whose stream is marked (grouped.c, table.c), and nowhere else.
 */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "dsl/logical.h"

static void merge_sources(struct weir_builder *builder)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        struct weir_logical_node *node = builder->nodes[i];
        node->merged_into = node->id;
        if (node->ops->kind != WEIR_PLAN_SOURCE || node->topic == NULL) continue;
        for (size_t j = 0; j < i; j++) {
            const struct weir_logical_node *earlier = builder->nodes[j];
            if (earlier->ops->kind != WEIR_PLAN_SOURCE || earlier->topic == NULL) continue;
            if (strcmp(earlier->topic, node->topic) != 0) continue;
            node->merged_into = earlier->merged_into;
            weir_assert(node->merged_into <= earlier->id); /* the first of its topic */
            break;
        }
    }
}

static void find_needed_stores(struct weir_builder *builder)
{
    for (size_t i = 0; i < builder->store_count; i++) {
        struct weir_logical_store *store = builder->stores[i];
        store->is_needed =
            store->is_named || store->is_declared || store->table_node < 0 || store->spec.keeps_old;
    }
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        for (size_t j = 0; j < node->store_count; j++) {
            weir_assert((size_t)node->stores[j] < builder->store_count);
            struct weir_logical_store *store = builder->stores[node->stores[j]];
            if (store->table_node != node->id) store->is_needed = true;
        }
    }
}

/* From the last node to the first: a left join tells its parents, a repartition's source its
 * filter. */
static int find_kept_null_keys(struct weir_builder *builder)
{
    bool *wanted = weir_arena_alloc_zero(&builder->arena, builder->node_count * sizeof *wanted);
    if (wanted == NULL) return WEIR_NO_MEMORY;
    for (size_t i = builder->node_count; i-- > 0;) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->ops->kind == WEIR_PLAN_SOURCE && node->repartition != NULL) {
            weir_assert(i >= 2 && builder->nodes[i - 2]->repartition == node->repartition);
            node->repartition->keeps_null_keys = wanted[i];
            wanted[i - 2] |= wanted[i]; /* its filter: the three are appended together */
        }
        if (!wanted[i] && !node->is_left_join) continue;
        for (size_t p = 0; p < node->parent_count; p++)
            wanted[node->parents[p]] = true;
    }
    return 0;
}

/* Nodes of a repartition are called after its topic, unless that is called after a node or store
 * that has no name of its own. */
static const char *repartition_name(struct weir_arena *arena, const struct weir_logical_node *node,
                                    const char *prefix)
{
    weir_assert(node->repartition->topic != NULL);
    if (weir_name_is_automatic(prefix)) return node->auto_name;
    static const char *const roles[] = {
        [WEIR_PLAN_OPERATOR] = "filter",
        [WEIR_PLAN_SOURCE] = "source",
        [WEIR_PLAN_SINK] = "sink",
    };
    return weir_arena_printf(arena, "%s-%s", node->repartition->topic, roles[node->ops->kind]);
}

static const char *repartition_topic(struct weir_arena *arena, const char *prefix)
{
    static const char suffix[] = "-repartition";
    size_t size = strlen(prefix);
    size_t suffix_size = sizeof suffix - 1;
    if (size >= suffix_size && strcmp(prefix + size - suffix_size, suffix) == 0) return prefix;
    return weir_arena_printf(arena, "%s%s", prefix, suffix);
}

static int name_nodes(struct weir_builder *builder)
{
    struct weir_arena *arena = &builder->arena;
    for (size_t i = 0; i < builder->node_count; i++) {
        struct weir_logical_node *node = builder->nodes[i];
        struct weir_logical_repartition *repartition = node->repartition;
        if (repartition == NULL) {
            node->name = node->given_name != NULL ? node->given_name : node->auto_name;
            continue;
        }
        weir_assert((size_t)repartition->prefix_node < i); /* it has its name */
        const char *prefix = repartition->prefix != NULL
                                 ? repartition->prefix
                                 : builder->nodes[repartition->prefix_node]->name;
        repartition->topic = repartition_topic(arena, prefix);
        if (repartition->topic != NULL) node->name = repartition_name(arena, node, prefix);
        if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    }
    return 0;
}

int weir_optimize(struct weir_builder *builder, struct weir_error *error)
{
    merge_sources(builder);
    find_needed_stores(builder);
    int rc = find_kept_null_keys(builder);
    if (rc == 0) rc = name_nodes(builder);
    return rc < 0 ? weir_error_set(error, WEIR_NO_MEMORY, "no memory to build") : 0;
}
