#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/streams_internal.h"

/**
 * The commit of a job, as its actor drives it. When one begins, what it waits for and what follows is
 * decided by weir_commit_step (commit_step.h), what a commit is made of by its kind (commit_kind.h);
 * this file does what the one says with the other.
 *
 * What threads hand in goes into the job's partitions at once, as `sealed_` and `next_end`; what has
 * changed there is gathered when all of them have handed in, and is committed.
 *
 * All threads write in one transaction, which the commit ends (job_transaction.c).
 */

int weir_commit_open(struct weir_streams *streams, const struct weir_commit_kind *kind,
                     struct weir_error *error)
{
    struct weir_commit *commit = &streams->commit;
    const struct weir_commit_kind_options options = {
        .env = streams->env,
        .log = streams->log,
        .budget = &streams->budget,
        .memory = &streams->memory,
        .application_id = streams->options.application_id,
        .claim = &streams->claim,
    };
    commit->state = (struct weir_commit_state){
        .interval_ms = streams->options.commit_interval_ms,
        .is_manual = streams->drive.is_manual,
    };
    weir_assert(commit->kind == NULL && commit->impl == NULL);
    commit->kind = kind;
    weir_arena_init(&commit->arena, &streams->budget, 0);
    weir_arena_init(&commit->begin_arena, &streams->budget, 0);
    return kind->open(&options, &commit->impl, error);
}

void weir_commit_close(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    if (commit->kind != NULL) commit->kind->close(commit->impl);
    weir_output_producer_close(&commit->producer);
    weir_arena_close(&commit->arena);
    weir_arena_close(&commit->begin_arena);
}

/* ---- what a commit says ---------------------------------------------------------------------- */

/* One more, and what it waited for. */
static void count_commit(struct weir_streams *streams, struct weir_mono now)
{
    const struct weir_commit *commit = &streams->commit;
    weir_assert(commit->seal.entry_count > 0);
    const int64_t seal_us = (commit->sealed.ns - commit->state.begun.ns) / 1000;
    const int64_t flush_us = (commit->gathered.ns - commit->sealed.ns) / 1000;
    const int64_t write_us = (now.ns - commit->gathered.ns) / 1000;
    weir_counter_add(&streams->commits, 1);
    weir_histogram_add(&streams->commit_seal_us, seal_us);
    weir_histogram_add(&streams->commit_flush_us, flush_us);
    weir_histogram_add(&streams->commit_write_us, write_us);
    weir_histogram_add(&streams->commit_us, seal_us + flush_us + write_us);
}

/* What the commit says is so. */
static void finish(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    struct weir_mono now = weir_mono_now(streams->env);
    weir_assert(commit->state.phase == WEIR_COMMIT_IDLE); /* the round is over */
    for (size_t i = 0; i < commit->seal.entry_count; i++) {
        struct weir_job_partition *partition = commit->partitions[i];
        const struct weir_commit_entry *entry = &commit->seal.entries[i];
        bool is_input = partition->topic < streams->topology->topic_count;
        if (is_input) partition->committed = entry->offset;
        partition->committed_end = partition->next_end;
        partition->is_in_commit = false;
        partition->is_handed_in = false;
        weir_job_partition_check(partition);
    }
    if (commit->seal.entry_count > 0) {
        count_commit(streams, now);
        weir_transaction_committed(streams);
    }
    weir_arena_reset(&commit->arena);
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_committed(streams->threads[i]);
    }
    weir_commit_trim(streams, now);
    weir_signal(streams->env);
}

/* Input offsets that moved and ends that moved, each partition once. */
static size_t collect(struct weir_streams *streams, struct weir_job_partition **partitions)
{
    size_t count = 0;
    for (size_t t = 0; t < streams->topic_count; t++) {
        if (streams->partitions[t] == NULL) continue;
        for (int32_t p = 0; p < streams->topics[t].partition_count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            if (!partition->is_in_commit && !partition->is_handed_in) continue;
            if (partitions != NULL) partitions[count] = partition;
            count++;
        }
    }
    return count;
}

struct weir_commit_entry weir_commit_entry_of(const struct weir_streams *streams,
                                              const struct weir_job_partition *partition)
{
    const struct weir_job_topic *topic = &streams->topics[partition->topic];
    weir_assert(partition->topic < streams->topic_count && topic->name != NULL);
    bool is_changelog = partition->topic >= streams->topology->topic_count;
    struct weir_commit_entry entry = {
        .of = {weir_text(topic->name), partition->partition},
        .topic_id = topic->id,
        .offset = is_changelog ? partition->next_end : partition->sealed_offset,
        .end = topic->is_internal ? partition->next_end : -1,
        .leader_epoch = topic->is_internal ? partition->leader_epoch : partition->sealed_epoch,
        .partition_time_ms = -1,
    };
    if (is_changelog) return entry;
    if (!topic->is_internal) entry.read = partition->sealed_read;
    entry.partition_time_ms = partition->sealed_time_ms;
    entry.marks = partition->sealed_marks;
    entry.mark_count = partition->sealed_mark_count;
    return entry;
}

/* ---- doing what the step says ---------------------------------------------------------------- */

static void step(struct weir_streams *streams, struct weir_commit_event event);

static void on_sealed(struct weir_commit_call *call)
{
    struct weir_streams *streams = weir_commit_answered(call);
    step(streams, (struct weir_commit_event){.type = WEIR_COMMIT_GATHERED,
                                             .count = streams->commit.seal.entry_count,
                                             .rc = call->rc});
}

/* Nothing has changed: there is nothing to seal. */
static void gather(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    weir_assert(commit->state.handing_in == 0); /* nothing moves until it is sealed */
    size_t count = collect(streams, NULL);
    struct weir_commit_entry *entries = weir_arena_array(&commit->arena, count, sizeof *entries);
    commit->partitions = weir_arena_array(&commit->arena, count, sizeof *commit->partitions);
    commit->seal = (struct weir_commit_seal){
        .call = weir_commit_call(streams, on_sealed),
        .entries = entries,
        .entry_count = count,
        .records_end = -1,
    };
    if (count == 0) {
        weir_commit_answer(&commit->seal.call, 0, NULL);
        return;
    }
    if (weir_arena_failed(&commit->arena)) {
        struct weir_error error = {0};
        int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
        weir_commit_answer(&commit->seal.call, rc, &error);
        return;
    }
    size_t collected = collect(streams, commit->partitions);
    weir_assert(collected == count);
    for (size_t i = 0; i < count; i++) {
        entries[i] = weir_commit_entry_of(streams, commit->partitions[i]);
    }
    commit->kind->seal(commit->impl, &commit->seal);
}

static void on_written(struct weir_commit_call *call)
{
    struct weir_streams *streams = weir_commit_answered(call);
    step(streams, (struct weir_commit_event){.type = WEIR_COMMIT_ANSWERED, .rc = call->rc});
}

/* A thread that has handed in waits for no transaction; but positions may have moved though nothing was written. */
static void write(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    weir_assert(commit->seal.entry_count > 0 && commit->seal.call.rc >= 0);
    commit->is_write_waiting = commit->transaction != WEIR_TRANSACTION_OPEN;
    if (commit->is_write_waiting) {
        weir_transaction_begin_if_wanted(streams);
        return;
    }
    commit->write = weir_commit_call(streams, on_written);
    commit->kind->write(commit->impl, &commit->write);
}

static void say_it_waits(const struct weir_streams *streams)
{
    const struct weir_commit_call *write = &streams->commit.write;
    char why[2 * WEIR_ERROR_TEXT_SIZE];
    weir_log(&streams->env->logger, WEIR_LOG_WARN, "commit.waits", "application=%s code=%s why=%s",
             streams->options.application_id, weir_code_name(write->rc),
             weir_log_quote(why, sizeof why, write->error.text));
}

static void fail(struct weir_streams *streams, const struct weir_commit_event *event)
{
    const struct weir_commit *commit = &streams->commit;
    bool is_written = event->type == WEIR_COMMIT_ANSWERED;
    weir_assert(is_written || event->type == WEIR_COMMIT_GATHERED); /* nothing else can fail */
    struct weir_error error = is_written ? commit->write.error : commit->seal.call.error;
    (void)weir_error_wrap(&error, event->rc, "commit of '%s'", streams->options.application_id);
    weir_streams_fail(streams, event->rc, &error);
}

static void perform(struct weir_streams *streams, const struct weir_commit_event *event,
                    const struct weir_commit_update *update)
{
    for (size_t i = 0; update->seals && i < streams->thread_count; i++) {
        weir_stream_thread_seal(streams->threads[i], update->is_last);
    }
    if (update->seals) streams->commit.sealed = streams->commit.state.begun;
    if (update->gathers) {
        streams->commit.gathered = event->now;
        gather(streams); /* and what comes of that */
    }
    if (update->writes) write(streams);
    if (update->finishes) finish(streams);
    if (update->waits) say_it_waits(streams);
    if (update->wakes) weir_actor_wake_at(streams->actor, update->wake_at);
    if (update->rc < 0) fail(streams, event);
}

/* The event is filled in with the time. */
static void step(struct weir_streams *streams, struct weir_commit_event event)
{
    struct weir_commit_state *state = &streams->commit.state;
    enum weir_commit_phase before = state->phase;
    struct weir_commit_update update;
    event.now = weir_mono_now(streams->env);
    weir_commit_step(state, &event, &update);
    if (state->phase != before) {
        weir_log(&streams->env->logger, WEIR_LOG_DEBUG, "commit.phase", "application=%s phase=%s",
                 streams->options.application_id, weir_commit_phase_name(state->phase));
    }
    perform(streams, &event, &update);
}

void weir_commit_handle(struct weir_streams *streams, enum weir_commit_event_type type)
{
    const struct weir_commit *commit = &streams->commit;
    if (type == WEIR_COMMIT_TURN && !atomic_load(&streams->failed)) {
        weir_transaction_begin_if_wanted(streams);
        bool may_write = commit->is_write_waiting && commit->transaction == WEIR_TRANSACTION_OPEN;
        if (may_write) write(streams);
    }
    step(streams, (struct weir_commit_event){.type = type, .count = streams->thread_count});
}

static void take_input(struct weir_streams *streams, const struct weir_input_progress *input)
{
    struct weir_job_partition *partition =
        weir_job_partition(streams, input->topic, input->partition);
    weir_assert(partition != NULL && input->offset >= partition->committed);
    partition->is_handed_in = true;
    partition->sealed_offset = input->offset;
    partition->sealed_epoch = input->leader_epoch;
    partition->sealed_read = input->read;
    partition->sealed_time_ms = input->partition_time_ms;
    partition->sealed_marks = input->marks;
    partition->sealed_mark_count = input->mark_count;
    weir_job_partition_check(partition);
}

void weir_commit_handed_in(struct weir_streams *streams, const struct weir_thread_commit *handed)
{
    for (const struct weir_input_progress *input = handed->inputs; input != NULL;
         input = input->next) {
        take_input(streams, input);
    }
    for (size_t i = 0; i < handed->end_count; i++) {
        const struct weir_output_end *end = &handed->ends[i];
        struct weir_job_partition *partition =
            weir_job_partition(streams, end->topic, end->partition);
        weir_assert(partition != NULL && streams->topics[end->topic].is_internal);
        partition->is_in_commit = true;
        if (end->end_offset > partition->next_end) partition->next_end = end->end_offset;
        weir_job_partition_check(partition);
    }
    struct weir_mono *sealed = &streams->commit.sealed;
    if (handed->sealed.ns > sealed->ns) *sealed = handed->sealed;
    step(streams, (struct weir_commit_event){.type = WEIR_COMMIT_HANDED_IN});
}
