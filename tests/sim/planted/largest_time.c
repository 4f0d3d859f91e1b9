/* Planted bug: stream time behind a repartition topic is the largest timestamp in it, whoever wrote that. */
#include "runtime/task/timed_topics.h"

int __real_weir_find_timed_topics(const struct weir_topology *topology, const int32_t *task_counts,
                                  struct weir_arena *arena, struct weir_job_topic *topics);
int __wrap_weir_find_timed_topics(const struct weir_topology *topology, const int32_t *task_counts,
                                  struct weir_arena *arena, struct weir_job_topic *topics);

int __wrap_weir_find_timed_topics(const struct weir_topology *topology, const int32_t *task_counts,
                                  struct weir_arena *arena, struct weir_job_topic *topics)
{
    int rc = __real_weir_find_timed_topics(topology, task_counts, arena, topics);
    for (size_t t = 0; rc >= 0 && t < topology->topic_count; t++) {
        topics[t].is_timed = false;
        topics[t].bounds_time = false;
    }
    return rc;
}
