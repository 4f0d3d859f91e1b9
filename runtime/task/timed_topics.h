#ifndef WEIR_RUNTIME_TASK_TIMED_TOPICS_H
#define WEIR_RUNTIME_TASK_TIMED_TOPICS_H

#include "base/arena.h"
#include "runtime/task/job_topic.h"
#include "runtime/topology/plan.h"

/**
 * Which repartition topics are timed, by the topology's topics: those behind which stream time decides something, if
 * their writers may be apart (there are several, or they read such a topic themselves: `bounds_time`) or if those
 * behind them may, whose end is not known without theirs. With one writer all the way nothing is said, and nothing
 * differs from Kafka Streams. Nor of a topic that leads to itself: its writers would wait for themselves, so stream time
 * behind it is the largest timestamp, as in Kafka Streams. `task_counts` by sub-topology. WEIR_NO_MEMORY.
 */
int weir_find_timed_topics(const struct weir_topology *topology, const int32_t *task_counts,
                           struct weir_arena *arena, struct weir_job_topic *topics);
/** Whether stream time decides what a node does. */
bool weir_observes_time(const struct weir_topology *topology, const struct weir_plan_node *node);
/** Whether the sub-topology has a sink for the topic. */
bool weir_writes_topic(const struct weir_topology *topology, size_t subtopology, size_t topic);
/** Whether it has a source of the topic. */
bool weir_reads_topic(const struct weir_topology *topology, size_t subtopology, size_t topic);

#endif
