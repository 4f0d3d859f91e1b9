#include "base/assert.h"
#include "runtime/job/start_internal.h"
#include "runtime/task/timed_topics.h"

/** Which threads a start makes, which of them commit together, and which partitions their commits speak of. */

size_t weir_start_task_count(const struct weir_streams *streams)
{
    size_t total = 0;
    for (size_t s = 0; s < streams->topology->subtopology_count; s++) {
        total += (size_t)streams->task_counts[s];
    }
    return total;
}

size_t weir_start_thread_count(const struct weir_streams *streams)
{
    size_t tasks = weir_start_task_count(streams);
    size_t threads = (size_t)streams->options.num_stream_threads;
    return tasks < threads ? tasks : threads;
}

/* A job without a task has a thread's part of a commit, and no thread. */
int weir_start_find_groups(struct weir_streams *streams)
{
    const size_t threads = weir_start_thread_count(streams);
    return weir_commit_groups_find(
        streams->topology, streams->task_counts, threads > 0 ? threads : 1,
        weir_streams_reads_uncommitted(streams), &streams->memory, &streams->commit.by_thread);
}

static void take_partition(struct weir_streams *streams, size_t topic, int32_t number,
                           struct weir_commit_group *group)
{
    struct weir_job_partition *partition = weir_job_partition(streams, topic, number);
    if (partition == NULL) return;
    weir_assert(partition->group == NULL || partition->group == group);
    group->own_count += partition->group == NULL;
    partition->group = group;
}

/* What the task reads, and the changelogs of its stores. */
static void take_task(struct weir_streams *streams, size_t subtopology, int32_t partition,
                      struct weir_commit_group *group)
{
    const struct weir_topology *topology = streams->topology;
    for (size_t t = 0; t < topology->topic_count; t++) {
        if (!weir_reads_topic(topology, subtopology, t)) continue;
        take_partition(streams, t, partition, group);
    }
    for (size_t i = 0; i < topology->store_count; i++) {
        if ((size_t)topology->stores[i].subtopology != subtopology) continue;
        take_partition(streams, weir_changelog_topic(topology, i), partition, group);
    }
}

static int list_own(struct weir_streams *streams)
{
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        struct weir_commit_group *group = &streams->commit.groups[i];
        group->own = weir_arena_array(&streams->memory, group->own_count + 1,
                                      sizeof(struct weir_job_partition *));
        if (group->own == NULL) return WEIR_NO_MEMORY;
        group->own_count = 0;
    }
    for (size_t t = 0; t < streams->topic_count; t++) {
        const int32_t count =
            streams->partitions[t] != NULL ? streams->topics[t].partition_count : 0;
        for (int32_t p = 0; p < count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            struct weir_commit_group *group = partition->group;
            if (group != NULL) group->own[group->own_count++] = partition;
        }
    }
    return 0;
}

int weir_start_make_groups(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    const size_t threads = weir_start_thread_count(streams);
    size_t task = 0;
    if (weir_commit_make_groups(streams, start->prepare.transactional_ids) < 0) {
        return weir_start_no_memory(error);
    }
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        struct weir_commit_group *group = &streams->commit.groups[i];
        group->threads = weir_arena_alloc_zero(&streams->memory,
                                               (threads + 1) * sizeof(struct weir_stream_thread *));
        if (group->threads == NULL) return weir_start_no_memory(error);
    }
    for (size_t i = 0; i < threads; i++) {
        weir_commit_group_of(streams, i)->thread_count++;
    }
    for (size_t s = 0; s < streams->topology->subtopology_count; s++) {
        for (int32_t p = 0; p < streams->task_counts[s]; p++) {
            const size_t thread = weir_thread_of_task(task++, threads);
            take_task(streams, s, p, weir_commit_group_of(streams, thread));
        }
    }
    return list_own(streams) < 0 ? weir_start_no_memory(error) : 0;
}

/* By now each thread is there. */
void weir_start_join_groups(struct weir_streams *streams)
{
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        streams->commit.groups[i].thread_count = 0;
    }
    for (size_t i = 0; i < streams->thread_count; i++) {
        struct weir_commit_group *group = weir_commit_group_of(streams, i);
        group->threads[group->thread_count++] = streams->threads[i];
    }
}
