#include "base/assert.h"
#include "base/error.h"
#include "runtime/task/stream_thread.h"

/**
 * A thread's tasks on their way from `restoring` to `running`.
 *
 * Each turn, until all of them run, has a bounded part for it: of what has been fetched of changelogs so many records
 * are applied as a turn processes of inputs, going round the tasks that restore; and a task whose stores are all as the
 * last commit has them opens its nodes and runs from that turn on. So what a turn takes does not grow with what is to be
 * restored, and tasks that run share the thread with it evenly.
 *
 *   turn   | restore <= 1,024 records of 0_1 | a batch of 0_0, of 0_2 | send, hand in | ...
 *
 * A changelog is read to the end that the last commit says, committed records only; nobody but the task itself writes
 * to it, so that what others commit meanwhile moves nothing there.
 */
enum {
    RECORDS_PER_TURN = WEIR_TASK_ROWS_MAX,
    FETCH_SIZE_MAX = 4 << 20,
    FETCH_SIZE_MIN = 64 << 10,
    WAITING_BYTES_MAX = 64 << 20, /* of all restores of a thread */
};

static void on_fetched(struct weir_request *request)
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
    int rc = weir_restore_take(restore, &error);
    if (rc < 0) weir_thread_fail(thread, rc, &error);
}

static size_t fetch_size(const struct weir_stream_thread *thread)
{
    const size_t size = WAITING_BYTES_MAX / (thread->restore_total + 1);
    if (size > FETCH_SIZE_MAX) return FETCH_SIZE_MAX;
    return size > FETCH_SIZE_MIN ? size : FETCH_SIZE_MIN;
}

static void fetch(struct weir_stream_thread *thread, struct weir_restore *restore)
{
    const bool is_sent = weir_restore_fetch(restore, thread->options.log, fetch_size(thread),
                                            thread->actor, on_fetched, thread);
    if (is_sent) thread->fetches_out++;
}

/* What the log may keep for a while; a question for an epoch is answered at once. */
void weir_thread_cancel_restores(struct weir_stream_thread *thread)
{
    for (size_t t = 0; t < thread->task_count; t++) {
        struct weir_thread_task *owned = &thread->tasks[t];
        for (size_t r = 0; r < owned->restore_count; r++) {
            struct weir_restore *restore = &owned->restores[r];
            if (!restore->is_outstanding || restore->is_in_doubt) continue;
            weir_log_cancel_fetch(thread->options.log, &restore->fetch);
        }
    }
}

bool weir_thread_ask_epochs(struct weir_stream_thread *thread)
{
    bool are_answered = true;
    for (size_t t = 0; t < thread->task_count; t++) {
        struct weir_thread_task *owned = &thread->tasks[t];
        for (size_t r = 0; r < owned->restore_count; r++) {
            struct weir_restore *restore = &owned->restores[r];
            if (!restore->is_in_doubt) continue;
            are_answered = false;
            fetch(thread, restore);
        }
    }
    return are_answered;
}

void weir_thread_show_task(struct weir_thread_task *owned)
{
    int64_t left = 0;
    for (size_t r = 0; r < owned->restore_count; r++) {
        left += weir_restore_left(&owned->restores[r]);
    }
    weir_counter_set(&owned->restore_left, left);
    weir_counter_set(&owned->shown_state, (int64_t)owned->task->phase);
}

/* From here on it has a share in what the thread does. */
static int run_task(struct weir_stream_thread *thread, struct weir_thread_task *owned,
                    struct weir_error *error)
{
    struct weir_task *task = owned->task;
    const struct weir_partition_origin *origin =
        owned->input_count > 0 ? owned->fetches[0].origin : NULL;
    for (size_t r = 0; r < owned->restore_count; r++) {
        weir_assert(owned->restores[r].is_done);
        weir_restore_close(&owned->restores[r]);
    }
    owned->restore_count = 0;
    int rc = weir_task_open(task, origin != NULL ? origin->marks : NULL,
                            origin != NULL ? origin->mark_count : 0,
                            weir_thread_wall_now_ms(thread), error);
    if (rc < 0) return rc;
    weir_thread_align_task_runs(thread, (size_t)(owned - thread->tasks));
    weir_thread_list_inputs(thread, owned);
    return 0;
}

/* Apply up to so many records of what the task lacks: how many. */
static int restore_task(struct weir_stream_thread *thread, struct weir_thread_task *owned,
                        size_t records_max, struct weir_error *error)
{
    size_t applied = 0;
    bool is_done = true;
    for (size_t r = 0; r < owned->restore_count; r++) {
        struct weir_restore *restore = &owned->restores[r];
        if (applied < records_max) {
            int rc = weir_restore_apply(restore, records_max - applied, error);
            if (rc < 0) {
                weir_thread_fail(thread, rc, error);
                weir_thread_tell_damage(thread, &restore->queue, restore->fetch.from,
                                        restore->position.topic_id);
                return rc;
            }
            applied += (size_t)rc;
        }
        fetch(thread, restore);
        is_done &= restore->is_done;
    }
    weir_counter_add(&owned->restored, (int64_t)applied);
    int rc = is_done ? run_task(thread, owned, error) : 0;
    weir_thread_show_task(owned);
    return rc < 0 ? rc : (int)applied + is_done;
}

int weir_thread_restore_step(struct weir_stream_thread *thread, bool *is_last_out,
                             struct weir_error *error)
{
    size_t work = 0;
    bool is_last = true;
    const size_t first = thread->next_restore;
    for (size_t i = 0; i < thread->task_count; i++) {
        const size_t index = (first + i) % thread->task_count;
        struct weir_thread_task *owned = &thread->tasks[index];
        if (owned->task->phase != WEIR_TASK_RESTORING) continue;
        const size_t left = work < RECORDS_PER_TURN ? RECORDS_PER_TURN - work : 0;
        int rc = restore_task(thread, owned, left, error);
        if (rc < 0) return rc;
        work += (size_t)rc;
        is_last &= weir_task_is_running(owned->task);
        if (left > 0) thread->next_restore = (index + 1) % thread->task_count;
    }
    *is_last_out = is_last;
    return (int)work;
}
