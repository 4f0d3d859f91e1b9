#include "runtime/task/timed_topics.h"

#include "runtime/state/key_schema.h"
#include "runtime/task/node.h"

static bool observes_time(const struct weir_topology *topology, const struct weir_plan_node *node)
{
    const struct weir_operator_traits *traits = &node->ops->traits;
    if (traits->has_timers || traits->observes_time) return true;
    for (size_t i = 0; i < node->store_count; i++) {
        const struct weir_store_spec *spec = &topology->stores[node->stores[i]].spec;
        if (weir_key_schema_has_time(weir_store_spec_schema(spec))) return true;
    }
    return false;
}

/* Whether stream time decides anything behind the topic, in whoever reads it or behind the topics
 * that these write. The graph of sub-topologies has no circles: `depth` is a bound all the same. */
static bool is_time_wanted(const struct weir_topology *topology, int32_t topic, size_t depth);

static bool is_time_wanted_in(const struct weir_topology *topology, int32_t subtopology,
                              size_t depth)
{
    const struct weir_plan_subtopology *plan = &topology->subtopologies[subtopology];
    for (size_t i = 0; i < plan->node_count; i++) {
        const struct weir_plan_node *node = &topology->nodes[plan->nodes[i]];
        if (observes_time(topology, node)) return true;
        bool is_sink = node->kind == WEIR_PLAN_SINK;
        if (is_sink && is_time_wanted(topology, node->topic, depth)) return true;
    }
    return false;
}

static bool is_time_wanted(const struct weir_topology *topology, int32_t topic, size_t depth)
{
    if (!topology->topics[topic].is_repartition || depth == 0) return false;
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct weir_plan_node *node = &topology->nodes[i];
        bool is_reader = node->kind == WEIR_PLAN_SOURCE && node->topic == topic;
        if (is_reader && is_time_wanted_in(topology, node->subtopology, depth - 1)) return true;
    }
    return false;
}

bool weir_writes_topic(const struct weir_topology *topology, size_t subtopology, size_t topic)
{
    const struct weir_plan_subtopology *plan = &topology->subtopologies[subtopology];
    for (size_t i = 0; i < plan->node_count; i++) {
        const struct weir_plan_node *node = &topology->nodes[plan->nodes[i]];
        if (node->kind == WEIR_PLAN_SINK && (size_t)node->topic == topic) return true;
    }
    return false;
}

static bool reads(const struct weir_topology *topology, size_t subtopology, size_t topic)
{
    const struct weir_plan_subtopology *plan = &topology->subtopologies[subtopology];
    for (size_t i = 0; i < plan->source_count; i++) {
        if ((size_t)topology->nodes[plan->sources[i]].topic == topic) return true;
    }
    return false;
}

/* Its writers may be apart: there are several tasks of them, or they read what others wrote who may
 * be. */
static bool has_writers_apart(const struct weir_topology *topology, const int32_t *task_counts,
                              const bool *are_apart, size_t topic)
{
    int64_t count = 0;
    bool is_behind = false;
    for (size_t s = 0; s < topology->subtopology_count; s++) {
        if (!weir_writes_topic(topology, s, topic)) continue;
        count += task_counts[s];
        const struct weir_plan_subtopology *plan = &topology->subtopologies[s];
        for (size_t i = 0; i < plan->source_count; i++) {
            is_behind |= are_apart[topology->nodes[plan->sources[i]].topic];
        }
    }
    return count > 1 || is_behind;
}

/* Whether those behind the topic may be apart: `are_apart` says so of a topic that one of its
 * readers writes, or of one further on. */
static bool leads_apart(const struct weir_topology *topology, const bool *are_apart, size_t topic,
                        size_t depth)
{
    if (depth == 0) return false;
    for (size_t t = 0; t < topology->topic_count; t++) {
        if (!topology->topics[t].is_repartition) continue;
        for (size_t s = 0; s < topology->subtopology_count; s++) {
            if (!reads(topology, s, topic) || !weir_writes_topic(topology, s, t)) continue;
            if (are_apart[t] || leads_apart(topology, are_apart, t, depth - 1)) return true;
        }
    }
    return false;
}

int weir_find_timed_topics(const struct weir_topology *topology, const int32_t *task_counts,
                           struct weir_arena *arena, struct weir_job_topic *topics)
{
    const size_t count = topology->topic_count;
    const size_t depth = topology->subtopology_count;
    bool *are_apart = weir_arena_alloc_zero(arena, (count + 1) * sizeof *are_apart);
    if (are_apart == NULL) return WEIR_NO_MEMORY;
    /* A round for each topic of the longest chain. */
    for (size_t round = 0; round < count; round++) {
        for (size_t t = 0; t < count; t++) {
            are_apart[t] = topology->topics[t].is_repartition &&
                           has_writers_apart(topology, task_counts, are_apart, t);
        }
    }
    for (size_t t = 0; t < count; t++) {
        bool is_wanted = is_time_wanted(topology, (int32_t)t, depth);
        topics[t].bounds_time = is_wanted && are_apart[t];
        topics[t].is_timed =
            is_wanted && (are_apart[t] || leads_apart(topology, are_apart, t, depth));
    }
    return 0;
}
