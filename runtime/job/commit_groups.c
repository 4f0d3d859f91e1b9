#include "runtime/job/commit_groups.h"

#include "base/assert.h"
#include "runtime/task/timed_topics.h"

/**
 * Threads are joined topic by topic (union-find without ranks: threads are few), and then numbered: the group of the
 * first thread is 0, the next one that is not in it begins group 1, and so on.
 */
size_t weir_thread_of_task(size_t task_number, size_t thread_count)
{
    weir_assert(thread_count > 0);
    return task_number % thread_count;
}

/* The least of those that it is joined with, as far as it is known. */
static size_t root_of(const size_t *joined, size_t thread)
{
    while (joined[thread] != thread) {
        thread = joined[thread];
    }
    return thread;
}

static void join(size_t *joined, size_t a, size_t b)
{
    const size_t first = root_of(joined, a);
    const size_t second = root_of(joined, b);
    if (first < second) joined[second] = first;
    if (second < first) joined[first] = second;
}

/* All that have tasks which write or read the topic: a writer may write to any of its partitions. */
static void join_by_topic(const struct weir_topology *topology, const int32_t *task_counts,
                          size_t thread_count, size_t topic, size_t *joined)
{
    size_t first = SIZE_MAX;
    size_t task = 0;
    for (size_t s = 0; s < topology->subtopology_count; s++) {
        const bool is_of_it =
            weir_writes_topic(topology, s, topic) || weir_reads_topic(topology, s, topic);
        for (int32_t p = 0; p < task_counts[s]; p++, task++) {
            if (!is_of_it) continue;
            const size_t thread = weir_thread_of_task(task, thread_count);
            if (first == SIZE_MAX) first = thread;
            join(joined, first, thread);
        }
    }
}

int weir_commit_groups_find(const struct weir_topology *topology, const int32_t *task_counts,
                            size_t thread_count, bool reads_uncommitted, struct weir_arena *arena,
                            struct weir_commit_groups *groups_out)
{
    weir_assert(thread_count > 0);
    size_t *joined = weir_arena_array(arena, thread_count, sizeof *joined);
    size_t *of_thread = weir_arena_array(arena, thread_count, sizeof *of_thread);
    if (joined == NULL || of_thread == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < thread_count; i++) {
        joined[i] = i;
    }
    for (size_t t = 0; reads_uncommitted && t < topology->topic_count; t++) {
        if (!topology->topics[t].is_repartition) continue;
        join_by_topic(topology, task_counts, thread_count, t, joined);
    }
    size_t count = 0;
    for (size_t i = 0; i < thread_count; i++) {
        const size_t root = root_of(joined, i);
        of_thread[i] = root == i ? count++ : of_thread[root];
    }
    *groups_out = (struct weir_commit_groups){.of_thread = of_thread, .count = count};
    return 0;
}
