#include "runtime/topology/plan.h"

#include "base/assert.h"

static bool is_below(int32_t index, size_t count)
{
    return index >= 0 && (size_t)index < count;
}

/* Parents come before a node and children behind it, which is why there are no cycles. */
static bool are_neighbours_sound(const struct weir_topology *topology,
                                 const struct weir_plan_node *node)
{
    bool are_sound = true;
    for (size_t p = 0; p < node->parent_count; p++) {
        are_sound = are_sound && node->parents[p] >= 0 && node->parents[p] < node->id;
    }
    for (size_t c = 0; c < node->child_count; c++) {
        are_sound = are_sound && node->children[c] > node->id &&
                    is_below(node->children[c], topology->node_count);
    }
    return are_sound;
}

static bool are_stores_known(const struct weir_topology *topology,
                             const struct weir_plan_node *node)
{
    bool are_known = true;
    for (size_t s = 0; s < node->store_count; s++) {
        are_known = are_known && is_below(node->stores[s], topology->store_count);
    }
    return are_known;
}

static void check_node(const struct weir_topology *topology, size_t number)
{
    const struct weir_plan_node *node = &topology->nodes[number];
    const bool is_at_topic = node->kind != WEIR_PLAN_OPERATOR;
    weir_assert((size_t)node->id == number);
    weir_assert(node->name != NULL && node->ops != NULL);
    weir_assert(is_below(node->subtopology, topology->subtopology_count));
    weir_assert(is_at_topic ? is_below(node->topic, topology->topic_count) : node->topic == -1);
    weir_assert((node->kind == WEIR_PLAN_SOURCE) == (node->parent_count == 0));
    weir_assert(node->kind != WEIR_PLAN_SINK || node->child_count == 0);
    weir_assert(are_neighbours_sound(topology, node));
    weir_assert(are_stores_known(topology, node));
}

static void check_store(const struct weir_topology *topology, const struct weir_plan_store *store)
{
    weir_assert(store->spec.name != NULL);
    weir_assert(is_below(store->subtopology, topology->subtopology_count));
    weir_assert(store->source_topic == -1 || is_below(store->source_topic, topology->topic_count));
    weir_assert(store->changelog_retention_ms >= 0);
    weir_assert(!store->is_changelog_uncompacted || store->changelog_retention_ms > 0);
    weir_assert(store->changelog_compaction_lag_ms >= 0);
}

static void check_subtopology(const struct weir_topology *topology, size_t number)
{
    const struct weir_plan_subtopology *sub = &topology->subtopologies[number];
    weir_assert(sub->source_count > 0 && sub->source_count <= sub->node_count);
    for (size_t i = 0; i < sub->node_count; i++) {
        weir_assert(is_below(sub->nodes[i], topology->node_count));
        weir_assert((size_t)topology->nodes[sub->nodes[i]].subtopology == number);
    }
    for (size_t i = 0; i < sub->source_count; i++) {
        weir_assert(is_below(sub->sources[i], topology->node_count));
        weir_assert(topology->nodes[sub->sources[i]].kind == WEIR_PLAN_SOURCE);
    }
    for (size_t i = 0; i < sub->store_count; i++) {
        weir_assert(is_below(sub->stores[i], topology->store_count));
        weir_assert((size_t)topology->stores[sub->stores[i]].subtopology == number);
    }
}

void weir_topology_check(const struct weir_topology *topology)
{
    weir_assert(topology->magic == WEIR_TOPOLOGY_MAGIC);
    for (size_t i = 0; i < topology->node_count; i++) {
        check_node(topology, i);
    }
    for (size_t i = 0; i < topology->store_count; i++) {
        check_store(topology, &topology->stores[i]);
    }
    for (size_t i = 0; i < topology->subtopology_count; i++) {
        check_subtopology(topology, i);
    }
}
