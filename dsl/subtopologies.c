/* Sub-topologies: nodes that hang together by edges or by a store they share, numbered in order of
 * their first node. And in each, the topics that must have one partition count, because records of
 * one key have to meet: both sides of a join, and what is merged in front of an aggregate. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "dsl/logical.h"

struct partition {
    struct weir_topology *topology;
    struct weir_plan_node *nodes;
    struct weir_plan_store *stores;
    int32_t *roots; /* union-find over nodes */
    struct weir_plan_subtopology *subtopologies;
    uint64_t *sources; /* by node: the topics it gets records from, a bit each */
    size_t topic_words;
};

/* ---- connected components -------------------------------------------------------------------- */

static int32_t root_of(const int32_t *roots, int32_t node)
{
    while (roots[node] != node)
        node = roots[node];
    return node;
}

/* The smaller root wins, so that a component's root is its first node. */
static void unite(int32_t *roots, int32_t a, int32_t b)
{
    a = root_of(roots, a);
    b = root_of(roots, b);
    if (a < b) {
        roots[b] = a;
    } else {
        roots[a] = b;
    }
}

static int find_components(struct partition *partition)
{
    const struct weir_topology *topology = partition->topology;
    int32_t *users = weir_arena_array(&partition->topology->arena, topology->store_count,
                                      sizeof *users); /* of each store: one node; -1 */
    if (users == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < topology->store_count; i++)
        users[i] = -1;
    for (size_t i = 0; i < topology->node_count; i++)
        partition->roots[i] = (int32_t)i;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct weir_plan_node *node = &partition->nodes[i];
        weir_assert((size_t)node->id == i);
        for (size_t p = 0; p < node->parent_count; p++) {
            unite(partition->roots, node->id, node->parents[p]);
        }
        for (size_t s = 0; s < node->store_count; s++) {
            int32_t *user = &users[node->stores[s]];
            if (*user >= 0) unite(partition->roots, node->id, *user);
            *user = node->id;
        }
    }
    return 0;
}

static void number_components(struct partition *partition)
{
    struct weir_topology *topology = partition->topology;
    for (size_t i = 0; i < topology->node_count; i++) {
        struct weir_plan_node *node = &partition->nodes[i];
        int32_t root = root_of(partition->roots, node->id);
        weir_assert(root <= node->id); /* so it has its number */
        node->subtopology = root == node->id ? (int32_t)topology->subtopology_count++
                                             : partition->nodes[root].subtopology;
        for (size_t s = 0; s < node->store_count; s++) {
            partition->stores[node->stores[s]].subtopology = node->subtopology;
        }
    }
}

/* ---- what each contains ---------------------------------------------------------------------- */

static int fill_subtopology(struct partition *partition, int32_t id)
{
    weir_assert(id >= 0 && (size_t)id < partition->topology->subtopology_count);
    const struct weir_topology *topology = partition->topology;
    struct weir_arena *arena = &partition->topology->arena;
    int32_t *nodes = weir_arena_array(arena, topology->node_count, sizeof *nodes);
    int32_t *sources = weir_arena_array(arena, topology->node_count, sizeof *sources);
    int32_t *stores = weir_arena_array(arena, topology->store_count, sizeof *stores);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    struct weir_plan_subtopology *subtopology = &partition->subtopologies[id];
    *subtopology = (struct weir_plan_subtopology){
        .nodes = nodes,
        .sources = sources,
        .stores = stores,
    };
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct weir_plan_node *node = &partition->nodes[i];
        if (node->subtopology != id) continue;
        nodes[subtopology->node_count++] = node->id;
        if (node->kind == WEIR_PLAN_SOURCE) sources[subtopology->source_count++] = node->id;
    }
    for (size_t i = 0; i < topology->store_count; i++) {
        if (partition->stores[i].subtopology != id) continue;
        stores[subtopology->store_count++] = (int32_t)i;
    }
    return 0;
}

/* ---- co-partitioning ------------------------------------------------------------------------- */

static uint64_t *sources_of(const struct partition *partition, int32_t node)
{
    return partition->sources + (size_t)node * partition->topic_words;
}

static void find_sources(struct partition *partition)
{
    for (size_t i = 0; i < partition->topology->node_count; i++) {
        const struct weir_plan_node *node = &partition->nodes[i];
        uint64_t *sources = sources_of(partition, node->id);
        memset(sources, 0, partition->topic_words * sizeof *sources);
        if (node->kind == WEIR_PLAN_SOURCE) {
            weir_assert(node->topic >= 0);
            sources[node->topic / 64] |= UINT64_C(1) << (node->topic % 64);
        }
        for (size_t p = 0; p < node->parent_count; p++) {
            const uint64_t *parents = sources_of(partition, node->parents[p]);
            for (size_t w = 0; w < partition->topic_words; w++)
                sources[w] |= parents[w];
        }
    }
}

/* A join looks into the store of a table, which has sources of its own. */
static void add_table_sources(const struct partition *partition, const struct weir_plan_node *join,
                              uint64_t *group)
{
    weir_assert(join->store_count > 0);
    for (size_t i = 0; i < partition->topology->node_count; i++) {
        const struct weir_plan_node *node = &partition->nodes[i];
        if (!node->ops->traits.fills_table || node->store_count == 0) continue;
        if (node->stores[0] != join->stores[0]) continue;
        const uint64_t *sources = sources_of(partition, node->id);
        for (size_t w = 0; w < partition->topic_words; w++)
            group[w] |= sources[w];
    }
}

/* Counts that are fixed already have to be equal; those of the users' topics show at the start. */
static int check_counts(const struct partition *partition, const struct weir_plan_node *node,
                        const uint64_t *group, struct weir_error *error)
{
    const struct weir_topology *topology = partition->topology;
    const struct weir_plan_topic *first = NULL;
    for (size_t i = 0; i < topology->topic_count; i++) {
        const struct weir_plan_topic *topic = &topology->topics[i];
        if ((group[i / 64] >> (i % 64) & 1) == 0 || topic->partition_count == 0) continue;
        if (first == NULL) first = topic;
        if (topic->partition_count == first->partition_count) continue;
        return weir_error_set(error, WEIR_INVALID_TOPOLOGY,
                              "%s: '%s' has %d partitions and '%s' has %d: records of one key meet "
                              "here, so give both the same number",
                              node->name, first->name, (int)first->partition_count, topic->name,
                              (int)topic->partition_count);
    }
    return 0;
}

/* Append a group of two topics or more. */
static size_t append_group(const struct partition *partition, const uint64_t *group, int32_t *to)
{
    size_t count = 0;
    for (size_t i = 0; i < partition->topology->topic_count; i++) {
        if ((group[i / 64] >> (i % 64) & 1) != 0) to[count++] = (int32_t)i;
    }
    if (count < 2) return 0;
    to[count++] = -1;
    return count;
}

static int fill_copartitions(struct partition *partition, int32_t id, struct weir_error *error)
{
    const struct weir_topology *topology = partition->topology;
    struct weir_arena *arena = &partition->topology->arena;
    size_t needing = 0;
    for (size_t i = 0; i < topology->node_count; i++) {
        needing +=
            partition->nodes[i].subtopology == id && partition->nodes[i].ops->traits.meets_by_key;
    }
    size_t size_max = needing * (topology->topic_count + 1) + 1;
    int32_t *groups = weir_arena_array(arena, size_max, sizeof *groups);
    uint64_t *group = weir_arena_array(arena, partition->topic_words, sizeof *group);
    if (weir_arena_failed(arena))
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
    size_t size = 0;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct weir_plan_node *node = &partition->nodes[i];
        if (node->subtopology != id || !node->ops->traits.meets_by_key) continue;
        memcpy(group, sources_of(partition, node->id), partition->topic_words * sizeof *group);
        if (node->ops->traits.store_use == WEIR_READS_STORES) {
            add_table_sources(partition, node, group);
        }
        int rc = check_counts(partition, node, group, error);
        if (rc < 0) return rc;
        size += append_group(partition, group, groups + size);
    }
    weir_assert(size < size_max);
    groups[size] = -2;
    partition->subtopologies[id].copartitioned = groups;
    return 0;
}

/* ---- the door -------------------------------------------------------------------------------- */

int weir_partition(struct weir_topology *topology, struct weir_plan_node *nodes,
                   struct weir_plan_store *stores, struct weir_error *error)
{
    struct weir_arena *arena = &topology->arena;
    size_t words = (topology->topic_count + 63) / 64;
    struct partition partition = {
        .topology = topology,
        .nodes = nodes,
        .stores = stores,
        .roots = weir_arena_array(arena, topology->node_count, sizeof(int32_t)),
        .subtopologies =
            weir_arena_array(arena, topology->node_count, sizeof(struct weir_plan_subtopology)),
        .sources = weir_arena_array(arena, topology->node_count * words, sizeof(uint64_t)),
        .topic_words = words,
    };
    if (weir_arena_failed(arena) || find_components(&partition) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
    }
    number_components(&partition);
    find_sources(&partition);
    topology->subtopologies = partition.subtopologies;
    for (size_t i = 0; i < topology->subtopology_count; i++) {
        if (fill_subtopology(&partition, (int32_t)i) < 0) {
            return weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
        }
        int rc = fill_copartitions(&partition, (int32_t)i, error);
        if (rc < 0) return rc;
    }
    return 0;
}
