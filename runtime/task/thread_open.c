#include "runtime/task/stream_thread.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"

/** Before a thread runs: the stores are opened, brought up to the last commit, and the nodes
 * opened. */

static void on_written(void *context, int rc, const struct weir_error *error)
{
    if (rc < 0) weir_thread_fail(context, rc, error);
}

static void on_restore_fetched(struct weir_request *request)
{
    struct weir_restore *restore = request->context;
    struct weir_stream_thread *thread = restore->context;
    weir_assert(restore->is_outstanding && thread->fetches_out > 0);
    restore->is_outstanding = false;
    thread->fetches_out--;
    if (thread->state.has_failed || thread->state.phase == WEIR_THREAD_STOPPING) {
        if (request->rc >= 0 && !restore->is_in_doubt) weir_restore_drop(restore);
        return;
    }
    struct weir_error error = {0};
    int rc = weir_restore_apply(restore, &error);
    if (rc < 0) {
        weir_thread_fail(thread, rc, &error);
        weir_thread_tell_damage(thread, &restore->queue, restore->fetch.from,
                                restore->position.topic_id);
    }
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
    if (rc >= 0) owned->restore_count++;
    return rc;
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
    return rc;
}

/* One task per turn: opening blocks on the disk. */
int weir_thread_open_step(struct weir_stream_thread *thread, struct weir_error *error)
{
    if (thread->next_task < thread->task_count) {
        int rc = open_task(thread, &thread->tasks[thread->next_task], error);
        if (rc < 0) return rc;
        thread->next_task++;
    }
    if (thread->next_task < thread->task_count) return 0;
    thread->next_task = 0;
    return 1;
}

static int open_nodes(struct weir_stream_thread *thread, struct weir_error *error)
{
    for (size_t i = 0; i < thread->task_count; i++) {
        struct weir_thread_task *owned = &thread->tasks[i];
        const struct weir_partition_origin *origin =
            owned->input_count > 0 ? owned->fetches[0].origin : NULL;
        int rc = weir_task_open(owned->task, origin != NULL ? origin->marks : NULL,
                                origin != NULL ? origin->mark_count : 0,
                                weir_thread_wall_now_ms(thread), error);
        if (rc < 0) return rc;
    }
    return 0;
}

int weir_thread_restore_step(struct weir_stream_thread *thread, struct weir_error *error)
{
    bool is_done = true;
    for (size_t t = 0; t < thread->task_count; t++) {
        struct weir_thread_task *owned = &thread->tasks[t];
        for (size_t r = 0; r < owned->restore_count; r++) {
            struct weir_restore *restore = &owned->restores[r];
            if (weir_restore_fetch(restore, thread->options.log, thread->actor, on_restore_fetched,
                                   thread)) {
                thread->fetches_out++;
            }
            is_done &= restore->is_done;
        }
    }
    if (!is_done) return 0;
    int rc = open_nodes(thread, error);
    return rc < 0 ? rc : 1;
}
