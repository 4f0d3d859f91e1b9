#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/streams_internal.h"

/**
 * A thread's part of a commit: flush the caches, seal the stores, note how far the inputs are, send
 * everything; hand in when all of it is acknowledged; write down when the commit record is durable.
 */

static int keep_mark(struct weir_stream_thread *thread, struct weir_job_partition *partition,
                     struct weir_node_mark mark)
{
    size_t count = partition->sealed_mark_count;
    if (count == partition->sealed_mark_capacity) {
        size_t capacity = count == 0 ? 4 : count * 2;
        struct weir_node_mark *grown = weir_realloc(
            &thread->streams->budget, partition->sealed_marks, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        partition->sealed_marks = grown;
        partition->sealed_mark_capacity = capacity;
    }
    partition->sealed_marks[count] = mark;
    partition->sealed_mark_count++;
    return 0;
}

/* The times that are state: stream-time timers, and what operators have observed. */
static int keep_marks(struct weir_stream_thread *thread, const struct weir_task *task,
                      struct weir_job_partition *partition)
{
    int rc = 0;
    partition->sealed_mark_count = 0;
    for (size_t i = 0; rc >= 0 && i < task->timers.count; i++) {
        const struct weir_timer *timer = &task->timers.timers[i];
        if (timer->type != WEIR_PUNCTUATE_STREAM_TIME) continue;
        rc = keep_mark(thread, partition,
                       (struct weir_node_mark){timer->node->mark_name, timer->id, timer->next_ms});
    }
    for (size_t i = 0; rc >= 0 && i < task->plan->node_count; i++) {
        const struct weir_node *node = &task->nodes[i];
        if (node->observed_ms < 0) continue;
        rc = keep_mark(
            thread, partition,
            (struct weir_node_mark){node->mark_name, WEIR_MARK_OBSERVED, node->observed_ms});
    }
    return rc;
}

/* How far each input is, as the commit will say it. */
static int note_inputs(struct weir_stream_thread *thread, struct weir_thread_task *owned)
{
    struct weir_task *task = owned->task;
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        struct weir_job_partition *partition = owned->fetches[i].partition;
        partition->sealed_offset = input->queue.position;
        partition->sealed_epoch = input->leader_epoch;
        partition->sealed_time_ms = input->partition_time_ms;
        partition->is_handed_in = true;
        /* The marks of the task's nodes stand with its first input. */
        if (i == 0 && keep_marks(thread, task, partition) < 0) {
            return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a commit");
        }
    }
    return 0;
}

/* An input may be further without a record: past what retention took, past control batches. */
static bool has_moved(const struct weir_thread_task *owned)
{
    for (size_t i = 0; i < owned->task->input_count; i++) {
        const struct weir_input_fetch *slot = &owned->fetches[i];
        if (slot->input->queue.position != slot->partition->sealed_offset) return true;
    }
    return false;
}

static int seal_task(struct weir_stream_thread *thread, struct weir_thread_task *owned)
{
    if (!owned->task->is_dirty && !has_moved(owned)) return 0;
    int rc = weir_task_flush(owned->task);
    if (rc >= 0) rc = weir_task_seal(owned->task);
    if (rc >= 0) rc = note_inputs(thread, owned);
    if (rc < 0) return rc;
    owned->task->is_dirty = false;
    owned->is_sealed = true;
    return 0;
}

int weir_thread_seal(struct weir_stream_thread *thread)
{
    weir_assert(thread->seal == WEIR_SEAL_ASKED && !thread->is_held);
    for (size_t i = 0; i < thread->task_count; i++) {
        int rc = seal_task(thread, &thread->tasks[i]);
        if (rc < 0) {
            weir_thread_fail(thread, rc, &thread->tasks[i].task->error);
            return rc;
        }
    }
    int rc = weir_thread_send(thread, true);
    if (rc < 0) return rc;
    thread->is_held = true;
    thread->has_asked_commit = false;
    thread->seal = WEIR_SEAL_SENDING;
    return 1;
}

static int add_end(struct weir_stream_thread *thread, struct weir_output_end end)
{
    if (thread->end_count == thread->end_capacity) {
        size_t capacity = thread->end_capacity == 0 ? 16 : thread->end_capacity * 2;
        struct weir_output_end *grown =
            weir_realloc(&thread->streams->budget, thread->ends, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        thread->ends = grown;
        thread->end_capacity = capacity;
    }
    thread->ends[thread->end_count++] = end;
    return 0;
}

int weir_thread_hand_in(struct weir_stream_thread *thread)
{
    if (thread->seal != WEIR_SEAL_SENDING || thread->produces_out > 0) return 0;
    thread->end_count = 0;
    struct weir_output_end end;
    while (weir_collector_next_end(&thread->collector, &end)) {
        if (add_end(thread, end) < 0) {
            struct weir_error error = {0};
            int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
            weir_thread_fail(thread, rc, &error);
            return rc;
        }
    }
    thread->seal = WEIR_SEAL_HANDED_IN;
    weir_actor_post(thread->streams->actor, &thread->sealed.message);
    return 1;
}

/* The positions that the stores have with this commit, in their order. */
static void store_positions(const struct weir_stream_thread *thread, const struct weir_task *task,
                            struct weir_changelog_position *positions)
{
    const struct weir_streams *streams = thread->streams;
    const struct weir_topology *topology = streams->topology;
    for (size_t i = 0; i < task->plan->store_count; i++) {
        size_t store = (size_t)task->plan->stores[i];
        int32_t source = weir_task_source_topic(&streams->task_config, store);
        size_t topic = source >= 0 ? (size_t)source : weir_changelog_topic(topology, store);
        positions[i] = (struct weir_changelog_position){0};
        const struct weir_job_partition *partition =
            weir_job_partition(streams, topic, task->options.partition);
        if (partition == NULL) continue; /* not logged */
        positions[i] = (struct weir_changelog_position){
            .topic_id = streams->topics[topic].id,
            .leader_epoch = partition->leader_epoch,
            .offset = source >= 0 ? partition->committed : partition->committed_end,
        };
    }
}

static int write_down(struct weir_stream_thread *thread, struct weir_task *task)
{
    if (task->state == NULL) return 0;
    struct weir_changelog_position *positions =
        weir_arena_array(&task->arena, task->plan->store_count, sizeof *positions);
    if (positions == NULL) {
        return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a commit");
    }
    store_positions(thread, task, positions);
    int rc = weir_state_committed(task->state, positions, &task->error);
    weir_arena_reset(&task->arena);
    return weir_error_wrap(&task->error, rc, "write down the state of task %s", task->name);
}

int weir_thread_apply_commit(struct weir_stream_thread *thread)
{
    weir_assert(thread->seal == WEIR_SEAL_HANDED_IN && !thread->is_held);
    thread->seal = WEIR_SEAL_NONE; /* in any case: the job may ask for the next one before it hears
                                      of a failure here */
    for (size_t i = 0; i < thread->task_count; i++) {
        struct weir_thread_task *owned = &thread->tasks[i];
        if (!owned->is_sealed) continue;
        owned->is_sealed = false;
        int rc = write_down(thread, owned->task);
        if (rc < 0) {
            weir_thread_fail(thread, rc, &owned->task->error);
            return rc;
        }
    }
    return 1;
}
