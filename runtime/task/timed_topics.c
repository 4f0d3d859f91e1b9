#include "runtime/task/timed_topics.h"

#include "runtime/state/key_schema.h"
#include "runtime/task/node.h"

bool weir_observes_time(const struct weir_topology *topology, const struct weir_plan_node *node)
{
    const struct weir_operator_traits *traits = &node->ops->traits;
    if (traits->has_timers || traits->observes_time) return true;
    for (size_t i = 0; i < node->store_count; i++) {
        const struct weir_store_spec *spec = &topology->stores[node->stores[i]].spec;
        if (weir_key_schema_has_time(weir_store_spec_schema(spec))) return true;
        if (spec->ttl_ms > 0) return true;
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

bool weir_reads_topic(const struct weir_topology *topology, size_t subtopology, size_t topic)
{
    const struct weir_plan_subtopology *plan = &topology->subtopologies[subtopology];
    for (size_t i = 0; i < plan->source_count; i++) {
        if ((size_t)topology->nodes[plan->sources[i]].topic == topic) return true;
    }
    return false;
}

/* Which repartition topics lead to which: `leads[a * count + b]` where what is read from a is written to b, by its readers
 * or further on. A topic may lead to itself: a stream that is joined with a table of its own is in one sub-topology with
 * what it is repartitioned by. */
static void find_leads(const struct weir_topology *topology, bool *leads)
{
    const size_t count = topology->topic_count;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            if (!topology->topics[a].is_repartition || !topology->topics[b].is_repartition)
                continue;
            for (size_t s = 0; s < topology->subtopology_count; s++) {
                leads[a * count + b] |=
                    weir_reads_topic(topology, s, a) && weir_writes_topic(topology, s, b);
            }
        }
    }
    for (size_t middle = 0; middle < count; middle++) {
        for (size_t a = 0; a < count; a++) {
            if (!leads[a * count + middle]) continue;
            for (size_t b = 0; b < count; b++)
                leads[a * count + b] |= leads[middle * count + b];
        }
    }
}

/* Whether stream time decides anything in those that read the topic. */
static bool is_time_observed(const struct weir_topology *topology, size_t topic)
{
    for (size_t i = 0; i < topology->node_count; i++) {
        const struct weir_plan_node *node = &topology->nodes[i];
        if (weir_observes_time(topology, node) &&
            weir_reads_topic(topology, (size_t)node->subtopology, topic))
            return true;
    }
    return false;
}

/* Its writers may be apart: there are several tasks of them, or they read what others wrote who may be. */
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

int weir_find_timed_topics(const struct weir_topology *topology, const int32_t *task_counts,
                           struct weir_arena *arena, struct weir_job_topic *topics)
{
    const size_t count = topology->topic_count;
    bool *are_apart = weir_arena_alloc_zero(arena, (count + 1) * sizeof *are_apart);
    bool *leads = weir_arena_alloc_zero(arena, (count * count + 1) * sizeof *leads);
    if (are_apart == NULL || leads == NULL) return WEIR_NO_MEMORY;
    find_leads(topology, leads);
    /* A round for each topic of the longest chain. */
    for (size_t round = 0; round < count; round++) {
        for (size_t t = 0; t < count; t++) {
            are_apart[t] = topology->topics[t].is_repartition && !leads[t * count + t] &&
                           has_writers_apart(topology, task_counts, are_apart, t);
        }
    }
    for (size_t t = 0; t < count; t++) {
        if (!topology->topics[t].is_repartition || leads[t * count + t]) continue;
        bool is_wanted = is_time_observed(topology, t);
        bool leads_apart = false;
        for (size_t u = 0; u < count; u++) {
            if (!leads[t * count + u]) continue;
            is_wanted |= is_time_observed(topology, u);
            leads_apart |= are_apart[u];
        }
        topics[t].decides_time = is_wanted;
        topics[t].bounds_time = is_wanted && are_apart[t];
        topics[t].is_timed = is_wanted && (are_apart[t] || leads_apart);
    }
    return 0;
}
