#include "runtime/task/stream_thread.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/grow.h"

/**
 * A thread's part of a commit: flush the caches, seal the stores, note how far the inputs are, send
 * everything; hand in when all of it is acknowledged; write down when the commit record is durable.
 */

static int keep_mark(struct weir_stream_thread *thread, struct weir_input_progress *progress,
                     struct weir_node_mark mark)
{
    size_t count = progress->mark_count;
    if (count == progress->mark_capacity) {
        size_t capacity = weir_grown(count, 4);
        struct weir_node_mark *grown =
            weir_realloc(thread->options.budget, progress->marks, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        progress->marks = grown;
        progress->mark_capacity = capacity;
    }
    progress->marks[count] = mark;
    progress->mark_count++;
    return 0;
}

static int keep_node_marks(struct weir_stream_thread *thread, const struct weir_node *node,
                           struct weir_input_progress *progress)
{
    const struct weir_late *late = &node->late;
    const bool has_late = late->count > 0;
    const struct {
        struct weir_node_mark mark;
        bool is_there;
    } marks[] = {
        {{node->mark_name, WEIR_MARK_OBSERVED, node->observed_ms}, node->observed_ms >= 0},
        {{node->mark_name, WEIR_MARK_SEEN, node->seen_ms}, node->seen_ms > node->observed_ms},
        {{node->mark_name, WEIR_MARK_EMITTED, node->emitted_ms}, node->emitted_ms >= 0},
        {{node->mark_name, WEIR_MARK_LATE, late->count}, has_late},
        {{node->mark_name, WEIR_MARK_LATE_MAX, late->late_max_ms}, has_late},
        {{node->mark_name, WEIR_MARK_GRACE_ENOUGH, late->grace_enough_ms}, has_late},
        {{node->mark_name, WEIR_MARK_NUMBER, node->number}, node->number != 0},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (marks[i].is_there && keep_mark(thread, progress, marks[i].mark) < 0) {
            return WEIR_NO_MEMORY;
        }
    }
    return 0;
}

/* What is state besides the stores: stream-time timers, what operators have observed, and their numbers. */
static int keep_marks(struct weir_stream_thread *thread, const struct weir_task *task,
                      struct weir_input_progress *progress)
{
    progress->mark_count = 0;
    for (size_t i = 0; i < task->timers.count; i++) {
        const struct weir_timer *timer = &task->timers.timers[i];
        if (timer->type != WEIR_PUNCTUATE_STREAM_TIME) continue;
        struct weir_node_mark mark = {timer->node->mark_name, timer->id, timer->next_ms};
        if (keep_mark(thread, progress, mark) < 0) return WEIR_NO_MEMORY;
    }
    for (size_t i = 0; i < task->plan->node_count; i++) {
        const struct weir_node *node = &task->nodes[i];
        if (keep_node_marks(thread, node, progress) < 0) return WEIR_NO_MEMORY;
    }
    if (!task->time.is_bounded || task->stream_time_ms < 0) return 0;
    return keep_mark(
        thread, progress,
        (struct weir_node_mark){WEIR_MARK_TASK, WEIR_MARK_STREAM, task->stream_time_ms});
}

/* How far each input is, as the commit will say it. */
static int note_inputs(struct weir_stream_thread *thread, struct weir_thread_task *owned)
{
    struct weir_task *task = owned->task;
    for (size_t i = 0; i < task->input_count; i++) {
        struct weir_task_input *input = &task->inputs[i];
        struct weir_input_progress *progress = &owned->fetches[i].progress;
        weir_assert(input->queue.position >= progress->offset);
        weir_thread_note_caught_up(&owned->fetches[i]);
        progress->offset = input->queue.position;
        input->has_notes = false;
        progress->caught_up_ms = owned->fetches[i].caught_up_ms;
        progress->leader_epoch = input->leader_epoch;
        progress->read = input->queue.read;
        progress->partition_time_ms = input->partition_time_ms;
        progress->next = thread->commit.inputs;
        thread->commit.inputs = progress;
        /* The marks of the task's nodes stand with its first input. */
        if (i == 0 && keep_marks(thread, task, progress) < 0) {
            return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a commit");
        }
    }
    return 0;
}

/* An input may be further without a record: past what retention took, past control batches, past what writers said. Past
 * the markers of the job's own transactions it always is, which alone are no reason for another, but for those of runs
 * before: up to there the first commit has said that the log goes. */
static bool has_moved(const struct weir_stream_thread *thread, const struct weir_thread_task *owned)
{
    for (size_t i = 0; i < owned->task->input_count; i++) {
        const struct weir_input_fetch *slot = &owned->fetches[i];
        const bool is_internal = thread->options.config->topics[slot->input->topic].is_internal;
        const bool is_of_this_run = slot->progress.offset >= slot->origin->decided_end;
        if (is_internal && is_of_this_run && !slot->input->has_notes) continue;
        if (slot->input->queue.position != slot->progress.offset) return true;
    }
    return false;
}

static int seal_task(struct weir_stream_thread *thread, struct weir_thread_task *owned)
{
    if (!weir_task_is_running(owned->task)) return 0;
    if (!owned->task->is_dirty && !has_moved(thread, owned)) return 0;
    int rc = weir_task_flush(owned->task);
    if (rc >= 0) rc = weir_task_time_tell(owned->task, true);
    if (rc >= 0) rc = weir_task_seal(owned->task);
    if (rc >= 0) rc = note_inputs(thread, owned);
    if (rc < 0) return rc;
    owned->task->is_dirty = false;
    owned->is_sealed = true;
    return 0;
}

/* Of tasks at rest; the others tell theirs when they are sealed. */
int weir_thread_tell_times(struct weir_stream_thread *thread)
{
    for (size_t i = 0; i < thread->task_count; i++) {
        struct weir_task *task = thread->tasks[i].task;
        const bool is_at_rest = weir_task_is_running(task) && !task->is_dirty;
        int rc = is_at_rest ? weir_task_time_tell(task, false) : 0;
        if (rc < 0) {
            weir_thread_fail(thread, rc, &task->error);
            return rc;
        }
    }
    return 0;
}

int weir_thread_seal(struct weir_stream_thread *thread)
{
    weir_assert(thread->state.seal == WEIR_SEAL_ASKED);
    thread->commit.inputs = NULL;
    thread->commit.end_count = 0;
    for (size_t i = 0; i < thread->task_count; i++) {
        int rc = seal_task(thread, &thread->tasks[i]);
        if (rc < 0) {
            weir_thread_fail(thread, rc, &thread->tasks[i].task->error);
            return rc;
        }
    }
    thread->commit.sealed = weir_mono_now(thread->env);
    int rc = weir_thread_send(thread, true);
    weir_assert(rc < 0 || !weir_collector_needs_transaction(&thread->collector));
    thread->sealed_out = thread->produces_out;
    thread->sealed_count = thread->sent_count;
    return rc;
}

static int add_end(struct weir_stream_thread *thread, struct weir_output_end end)
{
    struct weir_thread_commit *commit = &thread->commit;
    if (commit->end_count == commit->end_capacity) {
        size_t capacity = weir_grown(commit->end_capacity, 16);
        struct weir_output_end *grown =
            weir_realloc(thread->options.budget, commit->ends, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        commit->ends = grown;
        commit->end_capacity = capacity;
    }
    commit->ends[commit->end_count++] = end;
    return 0;
}

int weir_thread_hand_in(struct weir_stream_thread *thread)
{
    struct weir_output_end end;
    weir_assert(thread->state.seal == WEIR_SEAL_HANDED_IN);
    while (weir_collector_next_end(&thread->collector, &end)) {
        if (add_end(thread, end) < 0) {
            struct weir_error error = {0};
            int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
            weir_thread_fail(thread, rc, &error);
            return rc;
        }
    }
    weir_actor_post(thread->options.listener.actor, &thread->handed_in.message);
    return 0;
}

/* Up to where the commit covers the changelog of a store, which only this thread writes. */
static int64_t changelog_end(const struct weir_stream_thread *thread, size_t topic,
                             int32_t partition)
{
    int64_t end = weir_collector_given_end(&thread->collector, topic, partition);
    int64_t before = weir_thread_origin(thread, topic, partition)->end;
    return end > before ? end : before;
}

/* How far the task has read the topic that serves as a store's changelog. */
static const struct weir_input_progress *source_progress(const struct weir_thread_task *owned,
                                                         size_t topic)
{
    for (size_t i = 0; i < owned->input_count; i++) {
        const struct weir_input_progress *progress = &owned->fetches[i].progress;
        if (progress->topic == topic) return progress;
    }
    weir_assert(false); /* the topic of a table is an input of the task that has the table */
    return NULL;
}

/* The positions that the stores have with this commit, in their order. */
static void store_positions(const struct weir_stream_thread *thread,
                            const struct weir_thread_task *owned,
                            struct weir_changelog_position *positions)
{
    const struct weir_task *task = owned->task;
    const struct weir_task_config *config = thread->options.config;
    for (size_t i = 0; i < task->plan->store_count; i++) {
        size_t store = (size_t)task->plan->stores[i];
        int32_t source = weir_task_source_topic(config, store);
        const bool is_source = source >= 0;
        size_t topic = is_source ? (size_t)source : weir_changelog_topic(config->topology, store);
        positions[i] = (struct weir_changelog_position){.topic_id = thread->options.lives[store]};
        const struct weir_partition_origin *origin =
            weir_thread_origin(thread, topic, task->options.partition);
        if (origin == NULL) continue; /* not logged */
        positions[i] = (struct weir_changelog_position){
            .topic_id = config->topics[topic].id,
            .leader_epoch = origin->leader_epoch,
            .partition = task->options.partition,
        };
        if (!is_source) {
            positions[i].offset = changelog_end(thread, topic, task->options.partition);
            continue;
        }
        const struct weir_input_progress *progress = source_progress(owned, topic);
        const int64_t before_ms =
            weir_store_position(weir_state_store(task->state, i)).caught_up_ms;
        positions[i].offset = progress->offset;
        positions[i].caught_up_ms =
            progress->caught_up_ms > before_ms ? progress->caught_up_ms : before_ms;
    }
}

static int write_task_down(const struct weir_stream_thread *thread,
                           const struct weir_thread_task *owned)
{
    struct weir_task *task = owned->task;
    if (task->state == NULL) return 0;
    struct weir_changelog_position *positions =
        weir_arena_array(task->arena, task->plan->store_count, sizeof *positions);
    if (positions == NULL) {
        return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a commit");
    }
    store_positions(thread, owned, positions);
    int rc = weir_state_committed(task->state, positions, &task->error);
    weir_arena_reset(task->arena);
    return weir_error_wrap(&task->error, rc, "write down the state of task %s", task->name);
}

int weir_thread_write_down(struct weir_stream_thread *thread)
{
    for (size_t i = 0; i < thread->task_count; i++) {
        struct weir_thread_task *owned = &thread->tasks[i];
        if (!owned->is_sealed) continue;
        owned->is_sealed = false;
        int rc = write_task_down(thread, owned);
        if (rc < 0) {
            weir_thread_fail(thread, rc, &owned->task->error);
            return rc;
        }
    }
    return 0;
}
