#include "runtime/task/stream_thread.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"

/** Before a thread runs: the stores are opened, and what they lack is found out. */

static void on_written(void *context, int rc, const struct weir_error *error)
{
    if (rc < 0) weir_thread_fail(context, rc, error);
}

/* Where the store's content is kept: its changelog, or the table's own topic. */
static size_t changelog_of(const struct weir_task *task, size_t local)
{
    const struct weir_task_config *config = task->options.config;
    size_t store = (size_t)task->plan->stores[local];
    int32_t source = weir_task_source_topic(config, store);
    return source >= 0 ? (size_t)source : weir_changelog_topic(config->topology, store);
}

static int begin_restore(struct weir_stream_thread *thread, struct weir_thread_task *owned,
                         size_t local, struct weir_error *error)
{
    const size_t number = changelog_of(owned->task, local);
    const int32_t partition = owned->task->options.partition;
    const struct weir_partition_origin *origin = weir_thread_origin(thread, number, partition);
    if (origin == NULL) return 0;
    const struct weir_job_topic *topic = &thread->options.config->topics[number];
    const struct weir_restore_source source = {
        .partition = {weir_text(topic->name), partition},
        .topic_id = topic->id,
        .leader_epoch = origin->leader_epoch,
        .log_start = origin->log_start,
        .log_end = origin->log_end,
        .compacted_end = origin->compacted_end,
        /* The log keeps all tombstones of what is ours. */
        .keeps_tombstones = topic->is_internal,
        .delete_retention_ms = topic->delete_retention_ms,
        .end = origin->end,
        .lost_end = origin->lost_end,
    };
    weir_assert(owned->restore_count < owned->task->plan->store_count);
    struct weir_restore *restore = &owned->restores[owned->restore_count];
    int rc = weir_restore_init(restore, owned->task, weir_state_store(owned->task->state, local),
                               &source, error);
    if (rc < 0) return rc;
    owned->restore_count++;
    thread->restore_total++;
    return 0;
}

static int open_task(struct weir_stream_thread *thread, struct weir_thread_task *owned,
                     struct weir_error *error)
{
    struct weir_task *task = owned->task;
    char path[1024];
    int size = snprintf(path, sizeof path, "%s/%s", thread->options.state_path, task->name);
    if (size < 0 || (size_t)size >= sizeof path) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "state.dir is too long");
    }
    int rc = weir_task_open_state(task, path, thread->actor, on_written, thread, error);
    for (size_t i = 0; rc >= 0 && i < task->plan->store_count; i++) {
        struct weir_store *store = weir_state_store(task->state, i);
        bool is_logged =
            weir_thread_origin(thread, changelog_of(task, i), task->options.partition) != NULL;
        /* Nothing else would say that what an unlogged store has on the disk is of before. */
        const struct weir_uuid life = thread->options.lives[task->plan->stores[i]];
        if (!is_logged) rc = weir_store_begin_life(store, life, error);
        if (is_logged) rc = begin_restore(thread, owned, i, error);
    }
    weir_thread_show_task(owned);
    return rc;
}

/* One task per turn: opening blocks on the disk. Then the answers to what positions leave open: until all are here no
 * task of the job runs, for any of them may refuse. */
int weir_thread_open_step(struct weir_stream_thread *thread, struct weir_error *error)
{
    if (thread->next_task < thread->task_count) {
        int rc = open_task(thread, &thread->tasks[thread->next_task], error);
        if (rc < 0) return rc;
        thread->next_task++;
    }
    if (thread->next_task < thread->task_count) return 0;
    if (!weir_thread_ask_epochs(thread)) return 0;
    thread->next_task = 0;
    return 1;
}
