#include "runtime/task/stream_thread.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"

/**
 * Prefetch: one fetch under way per input partition, none while enough is buffered. What others write is read
 * committed: a record of a transaction that is aborted later would stay in the job's results. What the job itself writes
 * is read to its end, uncommitted, where those who write a repartition topic and those who read it share one transaction,
 * so that who has read a record commits it with its writer or not at all (runtime/job/commit_groups.h); what runs before
 * this one have left of it is read committed: they may have been aborted. Where each thread has a transaction of its own
 * all of it is read committed.
 *
 * The first fetch of an input asks for an answer at once, so that its end is known: a task does not
 * choose while a sibling may have records that are not here yet. From then on a fetch waits in the
 * log for records, without a timer.
 *
 * An input is looked at when something has changed: its fetch is answered, its task has run, or it waits for
 * want of something. Then it is listed; one that is being fetched or has enough leaves the list, and comes back
 * with the next change. So a turn costs what happened in it, however many inputs are at rest: walking all of
 * 1,000 was an eighth of their thread's time.
 */
enum {
    BUFFERED_RECORDS_MAX = 1000,
    BUFFERED_FETCHES_MAX = 1, /* in bytes: so many times what one fetch asks for */
    FETCH_SIZE_MAX = 1 << 20,
    FETCH_SIZE_MIN = 16 << 10,
    WAITING_BYTES_MAX = 64 << 20, /* of all inputs of a job, if a batch is no larger than a fetch */
};

/* With many inputs each asks for less, so that what waits in memory does not grow with their number, up to
 * some 2,000 of them. One fetch that waits and one under way: with four that wait, each four times as small, a
 * record over 1,000 inputs costs a quarter more. */
size_t weir_thread_fetch_size(size_t input_total)
{
    weir_assert(input_total > 0);
    size_t size = WAITING_BYTES_MAX / (BUFFERED_FETCHES_MAX + 1) / input_total;
    if (size > FETCH_SIZE_MAX) return FETCH_SIZE_MAX;
    return size > FETCH_SIZE_MIN ? size : FETCH_SIZE_MIN;
}

/* Of the job, about: its threads divide what may wait among them. */
static size_t job_input_count(const struct weir_stream_thread *thread)
{
    const size_t own = thread->task_total;
    const size_t all = thread->options.config->task_count;
    weir_assert(own > 0);
    return all > own ? thread->input_total * all / own : thread->input_total;
}

static int64_t fetched_end(const struct weir_fetch_request *fetch)
{
    return fetch->read_uncommitted_end ? fetch->log_end_offset : fetch->last_stable_offset;
}

/* Retention may have overtaken a job that was away: it goes on at the log's start and says so, unless state is
 * made anew from what was removed: the next start asks what is to come of that. An input that ends before what
 * is committed has lost records: nothing good can come of going on. */
static int out_of_range(struct weir_input_fetch *slot, struct weir_error *error)
{
    struct weir_task_input *input = slot->input;
    int64_t start = slot->fetch.log_start_offset;
    int64_t position = input->queue.fetch_offset;
    if (position >= start) {
        return weir_error_set(error, WEIR_OFFSET_OUT_OF_RANGE,
                              "the log ends at %" PRId64 ", before offset %" PRId64
                              " that is committed as processed",
                              slot->fetch.log_end_offset, position);
    }
    if (position < slot->origin->needed_end) {
        return weir_error_set(error, WEIR_MISMATCH,
                              "records %" PRId64 " to %" PRId64
                              " were removed before they were read again: start the job again, and "
                              "choose",
                              position, start);
    }
    weir_log(&slot->thread->env->logger, WEIR_LOG_WARN, "input.out_of_range",
             "topic=%s partition=%" PRId32 " offset=%" PRId64 " log_start=%" PRId64,
             input->source.topic, input->source.partition, position, start);
    input->queue.fetch_offset = start;
    if (weir_input_queue_is_empty(&input->queue)) input->queue.position = start;
    return 0;
}

/* A shortage passes: the input is asked for again a little later. */
static bool is_tried_again(struct weir_input_fetch *slot, const struct weir_request *request)
{
    const struct weir_stream_thread *thread = slot->thread;
    bool is_first = !slot->backoff.is_waiting;
    struct weir_mono now = weir_mono_now(thread->env);
    if (!weir_backoff_failed(&slot->backoff, request->rc, now)) return false;
    char why[2 * WEIR_ERROR_TEXT_SIZE];
    if (!is_first) return true;
    weir_log(&thread->env->logger, WEIR_LOG_WARN, "input.waits", "application=%s code=%s why=%s",
             thread->options.application_id, weir_code_name(request->rc),
             weir_log_quote(why, sizeof why, request->error.text));
    return true;
}

static void list_input(struct weir_stream_thread *thread, struct weir_input_fetch *slot)
{
    if (slot->is_listed || slot->is_outstanding) return;
    slot->is_listed = true;
    slot->next = NULL;
    *thread->fetch_last = slot;
    thread->fetch_last = &slot->next;
}

void weir_thread_list_inputs(struct weir_stream_thread *thread, struct weir_thread_task *owned)
{
    for (size_t i = 0; i < owned->input_count; i++) {
        list_input(thread, &owned->fetches[i]);
    }
}

/* Only the log's end at some moment is caught up with: one that has moved on since is the next to reach. So an input
 * that is always some records behind has caught up with a moment ago. */
void weir_thread_note_caught_up(struct weir_input_fetch *slot)
{
    if (slot->seen_end_ms == 0 || slot->input->queue.position < slot->seen_end) return;
    slot->caught_up_ms = slot->seen_end_ms;
    slot->seen_end_ms = 0;
}

static void note_end(struct weir_input_fetch *slot)
{
    weir_thread_note_caught_up(slot);
    if (slot->seen_end_ms != 0) return;
    slot->seen_end = fetched_end(&slot->fetch);
    slot->seen_end_ms = weir_wall_now(slot->thread->env).ms;
    weir_thread_note_caught_up(slot);
}

static void on_fetched(struct weir_request *request)
{
    struct weir_input_fetch *slot = request->context;
    struct weir_stream_thread *thread = slot->thread;
    struct weir_task_input *input = slot->input;
    weir_assert(slot->is_outstanding && thread->fetches_out > 0);
    slot->is_outstanding = false;
    thread->fetches_out--;
    list_input(thread, slot);
    bool is_wanted = thread->state.phase != WEIR_THREAD_STOPPING;
    struct weir_error error = request->error;
    int rc = request->rc;
    if (rc >= 0) {
        input->queue.durable_offset = slot->fetch.durable_offset;
        rc =
            weir_input_queue_push_committed(&input->queue, &slot->fetch.batches,
                                            slot->fetch.aborted, slot->fetch.aborted_count, &error);
        weir_free(slot->fetch.aborted);
        slot->fetch.aborted = NULL;
        input->leader_epoch = slot->fetch.leader_epoch;
        note_end(slot);
        if (fetched_end(&slot->fetch) > input->log_end) input->log_end = fetched_end(&slot->fetch);
        weir_log_batches_release(&slot->fetch.batches);
        (void)weir_backoff_over(&slot->backoff, weir_mono_now(thread->env));
    } else if (is_wanted && is_tried_again(slot, request)) {
        rc = 0;
    } else if (rc == WEIR_OFFSET_OUT_OF_RANGE && is_wanted) {
        rc = out_of_range(slot, &error);
    }
    if (rc < 0 && is_wanted) {
        (void)weir_error_wrap(&error, rc, "fetch '%s' partition %" PRId32, input->source.topic,
                              input->source.partition);
        weir_thread_fail(thread, rc, &error);
    }
}

static void fetch_input(struct weir_stream_thread *thread, struct weir_input_fetch *slot)
{
    struct weir_task_input *input = slot->input;
    const struct weir_job_topic *topic = &thread->options.config->topics[input->topic];
    weir_assert(!slot->is_outstanding && input->queue.fetch_offset >= 0);
    const bool is_uncommitted = thread->options.reads_uncommitted && topic->is_internal &&
                                input->queue.fetch_offset >= slot->origin->decided_end;
    slot->fetch = (struct weir_fetch_request){
        .request = {.reply_to = thread->actor, .done = on_fetched, .context = slot},
        .from = {weir_text(topic->name), input->source.partition},
        .offset = input->queue.fetch_offset,
        .size_max = weir_thread_fetch_size(job_input_count(thread)),
        .size_min = input->log_end < 0 ? 0 : 1,
        .deadline = WEIR_MONO_NEVER,
        .read_uncommitted_end = is_uncommitted,
        .read_committed = !is_uncommitted,
    };
    slot->is_outstanding = true;
    thread->fetches_out++;
    weir_log_fetch(thread->options.log, &slot->fetch);
}

static bool is_waiting(const struct weir_input_fetch *slot)
{
    if (!slot->backoff.is_waiting) return false;
    return !weir_backoff_is_due(&slot->backoff, weir_mono_now(slot->thread->env));
}

static bool is_full(const struct weir_input_fetch *slot, size_t bytes_max)
{
    const struct weir_input_queue *queue = &slot->input->queue;
    return queue->buffered_records >= BUFFERED_RECORDS_MAX || queue->buffered_bytes >= bytes_max;
}

void weir_thread_fetch(struct weir_stream_thread *thread)
{
    struct weir_input_fetch *slot = thread->fetch_first;
    if (slot == NULL) return;
    const size_t bytes_max = BUFFERED_FETCHES_MAX * weir_thread_fetch_size(job_input_count(thread));
    thread->fetch_first = NULL;
    thread->fetch_last = &thread->fetch_first;
    while (slot != NULL) {
        struct weir_input_fetch *next = slot->next;
        slot->is_listed = false;
        weir_assert(!slot->is_outstanding);
        if (is_waiting(slot)) {
            list_input(thread, slot);
        } else if (!is_full(slot, bytes_max)) {
            fetch_input(thread, slot);
        }
        slot = next;
    }
}

static void on_damage_told(struct weir_request *request)
{
    struct weir_stream_thread *thread = request->context;
    weir_assert(thread->fetches_out > 0);
    thread->fetches_out--;
}

void weir_thread_tell_damage(struct weir_stream_thread *thread,
                             const struct weir_input_queue *queue, struct weir_topic_partition of,
                             struct weir_uuid topic_id)
{
    weir_assert(thread->state.has_failed);
    bool is_told = thread->damage.request.done != NULL; /* one will do: the thread is at its end */
    if (queue->damaged_offset < 0 || is_told) return;
    thread->damage = (struct weir_damage_report){
        .request = {.reply_to = thread->actor,
                    .done = on_damage_told,
                    .context = thread,
                    .topic_id = topic_id},
        .of = of,
        .offset = queue->damaged_offset,
    };
    thread->fetches_out++;
    weir_log_report_damage(thread->options.log, &thread->damage);
}

void weir_thread_tell_damaged_inputs(struct weir_stream_thread *thread,
                                     const struct weir_task *task)
{
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        const struct weir_job_topic *topic = &thread->options.config->topics[input->topic];
        struct weir_topic_partition of = {weir_text(topic->name), input->source.partition};
        weir_thread_tell_damage(thread, &input->queue, of, topic->id);
    }
}

void weir_thread_cancel_fetches(struct weir_stream_thread *thread)
{
    for (size_t t = 0; t < thread->task_count; t++) {
        struct weir_thread_task *owned = &thread->tasks[t];
        for (size_t i = 0; i < owned->task->input_count; i++) {
            if (!owned->fetches[i].is_outstanding) continue;
            weir_log_cancel_fetch(thread->options.log, &owned->fetches[i].fetch);
        }
    }
}
