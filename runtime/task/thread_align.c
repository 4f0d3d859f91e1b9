#include "base/assert.h"
#include "runtime/task/stream_thread.h"

/**
 * A thread's part in keeping tasks together (time_alignment.h). Once a turn it finds out how far
 * its tasks that catch up may go, once a turn it says where the last of them is. Where none catches
 * up neither costs anything.
 */

/* The message belongs to the thread's slot. */
static void on_awake(struct weir_message *message)
{
    struct weir_note *note = (struct weir_note *)message;
    const struct weir_stream_thread_options *options = &note->thread->options;
    weir_time_alignment_awake(options->alignment, options->index);
}

void weir_thread_align_start(struct weir_stream_thread *thread)
{
    struct weir_time_alignment *alignment = thread->options.alignment;
    if (alignment == NULL) return;
    struct weir_aligned_thread *slot = &alignment->threads[thread->options.index];
    thread->awake = (struct weir_note){.message = {.handle = on_awake}, .thread = thread};
    slot->actor = thread->actor;
    slot->message = &thread->awake.message;
    if (thread->task_count == 0) weir_thread_align_stop(thread);
}

void weir_thread_align_begin(struct weir_stream_thread *thread)
{
    struct weir_time_alignment *alignment = thread->options.alignment;
    thread->held_count = 0;
    thread->time_limit_ms = INT64_MAX;
    if (alignment == NULL || thread->catching_up_count == 0) return;
    if (thread->is_waiting) {
        thread->is_waiting = false;
        weir_time_alignment_wait(alignment, thread->options.index, false);
    }
    thread->time_limit_ms = weir_time_alignment_limit(alignment);
}

/* One that restores takes no records, so that nobody is ahead of it: it keeps nobody waiting. */
void weir_thread_align_task_runs(struct weir_stream_thread *thread, size_t index)
{
    weir_assert(thread->tasks[index].task->is_catching_up);
    thread->task_times[index] = -1;
    thread->catching_up_count++;
}

int64_t weir_thread_align_limit(const struct weir_stream_thread *thread,
                                const struct weir_task *task)
{
    return task->is_catching_up ? thread->time_limit_ms : INT64_MAX;
}

void weir_thread_align_task(struct weir_stream_thread *thread, size_t index, int rows)
{
    struct weir_task *task = thread->tasks[index].task;
    const bool did = task->is_catching_up;
    if (thread->options.alignment == NULL) return;
    if (task->is_held) thread->held_count++;
    if (did || rows > 0) weir_task_note_catching_up(task, rows);
    if (did != task->is_catching_up) {
        if (did) thread->catching_up_count--;
        if (!did) thread->catching_up_count++;
    }
    if (!task->is_catching_up) {
        thread->task_times[index] = INT64_MAX;
    } else if (rows > 0 || task->is_held) {
        thread->task_times[index] = task->next_ms;
    }
}

static int64_t last_of(const struct weir_stream_thread *thread)
{
    int64_t last_ms = INT64_MAX;
    for (size_t i = 0; i < thread->task_count && thread->catching_up_count > 0; i++) {
        if (thread->task_times[i] < last_ms) last_ms = thread->task_times[i];
    }
    return last_ms;
}

bool weir_thread_align_end(struct weir_stream_thread *thread, bool is_idle)
{
    struct weir_time_alignment *alignment = thread->options.alignment;
    if (alignment == NULL) return false;
    weir_time_alignment_publish(alignment, thread->options.index, last_of(thread));
    if (!is_idle || thread->held_count == 0) return false;
    thread->is_waiting = true;
    weir_time_alignment_wait(alignment, thread->options.index, true);
    return weir_time_alignment_limit(alignment) > thread->time_limit_ms;
}

void weir_thread_align_stop(struct weir_stream_thread *thread)
{
    struct weir_time_alignment *alignment = thread->options.alignment;
    if (alignment == NULL) return;
    weir_time_alignment_wait(alignment, thread->options.index, false);
    weir_time_alignment_publish(alignment, thread->options.index, INT64_MAX);
}
