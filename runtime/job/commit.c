#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/streams_internal.h"

/**
 * The commits of a job, as its actor drives them: each group of threads has its own (commit_groups.h), and none waits
 * for another's. When one begins, what it waits for and what follows is decided by weir_commit_step (commit_step.h), what a
 * commit is made of by its kind (commit_kind.h); this file does what the one says with the other.
 *
 * What threads hand in goes into the job's partitions at once, as `sealed_` and `next_end`; what has
 * changed there is gathered when all of the group have handed in, and is committed. Each partition belongs to the group of
 * the task that reads it, or has it as its changelog: no two groups speak of the same.
 *
 * The threads of a group write in one transaction, which its commit ends (job_transaction.c).
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
        .timeout_ms = streams->options.transaction_timeout_ms,
    };
    weir_assert(commit->kind == NULL && commit->impl == NULL);
    commit->kind = kind;
    return kind->open(&options, &commit->impl, error);
}

int weir_commit_make_groups(struct weir_streams *streams, const char *const *transactional_ids)
{
    struct weir_commit *commit = &streams->commit;
    const size_t count = commit->by_thread.count;
    weir_assert(commit->groups == NULL && commit->group_count == 0);
    commit->groups = weir_arena_alloc_zero(&streams->memory, count * sizeof *commit->groups);
    if (commit->groups == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct weir_commit_group *group = &commit->groups[i];
        group->streams = streams;
        group->number = i;
        group->state = (struct weir_commit_state){
            .interval_ms = streams->options.commit_interval_ms,
            .is_manual = streams->drive.is_manual,
        };
        group->wake = WEIR_MONO_NEVER;
        group->begin_wake = WEIR_MONO_NEVER;
        group->renew_at = WEIR_MONO_NEVER;
        weir_arena_init(&group->arena, &streams->budget, 0);
        weir_arena_init(&group->begin_arena, &streams->budget, 0);
        commit->group_count++;
        const char *id = transactional_ids != NULL ? transactional_ids[i] : NULL;
        int rc = weir_output_producer_open(&group->producer, &streams->budget, id, streams->topics,
                                           streams->topic_count);
        if (rc < 0) return rc;
    }
    return 0;
}

void weir_commit_close(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    if (commit->kind != NULL) commit->kind->close(commit->impl);
    for (size_t i = 0; i < commit->group_count; i++) {
        struct weir_commit_group *group = &commit->groups[i];
        weir_output_producer_close(&group->producer);
        weir_arena_close(&group->arena);
        weir_arena_close(&group->begin_arena);
    }
}

/* ---- what a commit says ---------------------------------------------------------------------- */

/* One more, and what it waited for. */
static void count_commit(struct weir_commit_group *group, struct weir_mono now)
{
    struct weir_streams *streams = group->streams;
    weir_assert(group->seal.entry_count > 0);
    const int64_t seal_us = (group->sealed.ns - group->state.begun.ns) / 1000;
    const int64_t flush_us = (group->gathered.ns - group->sealed.ns) / 1000;
    const int64_t write_us = (now.ns - group->gathered.ns) / 1000;
    streams->commit.write_count++;
    weir_counter_add(&streams->commits, 1);
    weir_histogram_add(&streams->commit_seal_us, seal_us);
    weir_histogram_add(&streams->commit_flush_us, flush_us);
    weir_histogram_add(&streams->commit_write_us, write_us);
    weir_histogram_add(&streams->commit_us, seal_us + flush_us + write_us);
}

/* A repartition partition that is read committed: the commit that speaks of it is its reader's, who reads up to there once
 * the writers' have come. */
static bool is_shared(const struct weir_streams *streams, const struct weir_output_end *end)
{
    return end->topic < streams->topology->topic_count && !weir_streams_reads_uncommitted(streams);
}

/* Its reader's next commit says how far its writers have committed it. */
static void take_shared_ends(struct weir_commit_group *group,
                             const struct weir_thread_commit *handed)
{
    const struct weir_streams *streams = group->streams;
    for (size_t i = 0; !group->state.is_rest && i < handed->end_count; i++) {
        const struct weir_output_end *end = &handed->ends[i];
        if (!is_shared(streams, end)) continue;
        struct weir_job_partition *partition =
            weir_job_partition(streams, end->topic, end->partition);
        weir_assert(partition != NULL && group->seal.entry_count > 0); /* by way of its inputs */
        if (end->end_offset <= partition->committed_end) continue;
        partition->committed_end = end->end_offset;
        partition->next_end = end->end_offset;
        partition->is_in_commit = true;
        weir_job_partition_check(partition);
    }
}

/* What the commit says is so. */
static void finish(struct weir_commit_group *group)
{
    struct weir_streams *streams = group->streams;
    struct weir_mono now = weir_mono_now(streams->env);
    weir_assert(group->state.phase == WEIR_COMMIT_IDLE); /* the round is over */
    for (size_t i = 0; i < group->seal.entry_count; i++) {
        struct weir_job_partition *partition = group->partitions[i];
        const struct weir_commit_entry *entry = &group->seal.entries[i];
        bool is_input = partition->topic < streams->topology->topic_count;
        if (is_input) partition->committed = entry->offset;
        partition->committed_end = partition->next_end;
        partition->is_in_commit = entry->end >= 0 && entry->end < partition->next_end;
        partition->is_handed_in = false;
        weir_job_partition_check(partition);
    }
    for (size_t i = 0; i < group->thread_count; i++) {
        take_shared_ends(group, &group->threads[i]->commit);
    }
    if (group->seal.entry_count > 0) {
        count_commit(group, now);
        weir_transaction_committed(group);
    }
    weir_arena_reset(&group->arena);
    for (size_t i = 0; !group->state.is_rest && i < group->thread_count; i++) {
        weir_stream_thread_committed(group->threads[i]);
    }
    weir_commit_trim(streams, now);
    weir_signal(streams->env);
}

/* Input offsets that moved and ends that moved, each partition once. */
static size_t collect(const struct weir_commit_group *group, struct weir_job_partition **partitions)
{
    size_t count = 0;
    for (size_t i = 0; i < group->own_count; i++) {
        struct weir_job_partition *partition = group->own[i];
        if (!partition->is_in_commit && !partition->is_handed_in) continue;
        if (partitions != NULL) partitions[count] = partition;
        count++;
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

static void step(struct weir_commit_group *group, struct weir_commit_event event);

static void on_sealed(struct weir_commit_call *call)
{
    struct weir_commit_group *group = weir_commit_answered(call);
    step(group, (struct weir_commit_event){.type = WEIR_COMMIT_GATHERED,
                                           .count = group->seal.entry_count,
                                           .rc = call->rc});
}

/* Nothing has changed: there is nothing to seal. */
static void gather(struct weir_commit_group *group)
{
    const struct weir_commit *commit = &group->streams->commit;
    weir_assert(group->state.handing_in == 0); /* nothing moves until it is sealed */
    size_t count = collect(group, NULL);
    struct weir_commit_entry *entries = weir_arena_array(&group->arena, count, sizeof *entries);
    group->partitions = weir_arena_array(&group->arena, count, sizeof *group->partitions);
    group->seal = (struct weir_commit_seal){
        .call = weir_commit_call(group, on_sealed),
        .entries = entries,
        .entry_count = count,
        .records_end = -1,
    };
    if (count == 0) {
        weir_commit_answer(&group->seal.call, 0, NULL);
        return;
    }
    if (weir_arena_failed(&group->arena)) {
        struct weir_error error = {0};
        int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
        weir_commit_answer(&group->seal.call, rc, &error);
        return;
    }
    size_t collected = collect(group, group->partitions);
    weir_assert(collected == count);
    for (size_t i = 0; i < count; i++) {
        entries[i] = weir_commit_entry_of(group->streams, group->partitions[i]);
    }
    commit->kind->seal(commit->impl, &group->seal);
}

static void on_written(struct weir_commit_call *call)
{
    struct weir_commit_group *group = weir_commit_answered(call);
    step(group, (struct weir_commit_event){.type = WEIR_COMMIT_ANSWERED, .rc = call->rc});
}

/* A thread that has handed in waits for no transaction; but positions may have moved though nothing was written. */
static void write(struct weir_commit_group *group)
{
    const struct weir_commit *commit = &group->streams->commit;
    weir_assert(group->seal.entry_count > 0 && group->seal.call.rc >= 0);
    group->is_write_waiting = group->transaction != WEIR_TRANSACTION_OPEN;
    if (group->is_write_waiting) {
        weir_transaction_begin_if_wanted(group);
        return;
    }
    group->write = weir_commit_call(group, on_written);
    commit->kind->write(commit->impl, &group->write);
}

static void say_it_waits(const struct weir_commit_group *group)
{
    const struct weir_streams *streams = group->streams;
    const struct weir_commit_call *write = &group->write;
    char why[2 * WEIR_ERROR_TEXT_SIZE];
    weir_log(&streams->env->logger, WEIR_LOG_WARN, "commit.waits", "application=%s code=%s why=%s",
             streams->options.application_id, weir_code_name(write->rc),
             weir_log_quote(why, sizeof why, write->error.text));
}

static void fail(struct weir_commit_group *group, const struct weir_commit_event *event)
{
    struct weir_streams *streams = group->streams;
    bool is_written = event->type == WEIR_COMMIT_ANSWERED;
    weir_assert(is_written || event->type == WEIR_COMMIT_GATHERED); /* nothing else can fail */
    struct weir_error error = is_written ? group->write.error : group->seal.call.error;
    (void)weir_error_wrap(&error, event->rc, "commit of '%s'", streams->options.application_id);
    weir_streams_fail(streams, event->rc, &error);
}

static void perform(struct weir_commit_group *group, const struct weir_commit_event *event,
                    const struct weir_commit_update *update)
{
    for (size_t i = 0; update->seals && i < group->thread_count; i++) {
        weir_stream_thread_seal(group->threads[i], update->is_last);
    }
    if (update->seals) group->sealed = group->state.begun;
    if (update->gathers) {
        if (group->sealed.ns < group->state.begun.ns) group->sealed = group->state.begun;
        group->gathered = event->now;
        gather(group); /* and what comes of that */
    }
    if (update->writes) write(group);
    if (update->finishes) finish(group);
    if (update->waits) say_it_waits(group);
    if (update->wakes) group->wake = update->wake_at;
    if (update->rc < 0) fail(group, event);
}

/* The event is filled in with the time. */
static void step(struct weir_commit_group *group, struct weir_commit_event event)
{
    const struct weir_streams *streams = group->streams;
    struct weir_commit_state *state = &group->state;
    enum weir_commit_phase before = state->phase;
    struct weir_commit_update update;
    event.now = weir_mono_now(streams->env);
    weir_commit_step(state, &event, &update);
    if (state->phase != before) {
        weir_log(&streams->env->logger, WEIR_LOG_DEBUG, "commit.phase",
                 "application=%s transaction=%zu phase=%s", streams->options.application_id,
                 group->number, weir_commit_phase_name(state->phase));
    }
    perform(group, &event, &update);
}

void weir_commit_handle_group(struct weir_commit_group *group, enum weir_commit_event_type type)
{
    if (!atomic_load(&group->streams->failed)) weir_transaction_renew_if_due(group);
    if (type == WEIR_COMMIT_TURN && !atomic_load(&group->streams->failed)) {
        weir_transaction_begin_if_wanted(group);
        bool may_write = group->is_write_waiting && group->transaction == WEIR_TRANSACTION_OPEN;
        if (may_write) write(group);
    }
    step(group, (struct weir_commit_event){.type = type, .count = group->thread_count});
}

void weir_commit_handle(struct weir_streams *streams, enum weir_commit_event_type type)
{
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        weir_commit_handle_group(&streams->commit.groups[i], type);
    }
}

/* What other groups have committed last. */
static bool begin_rest(struct weir_commit_group *group)
{
    if (group->state.is_rest || collect(group, NULL) == 0) return false;
    weir_commit_handle_group(group, WEIR_COMMIT_REST);
    return true;
}

bool weir_commit_last(struct weir_streams *streams)
{
    bool are_over = true;
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        struct weir_commit_group *group = &streams->commit.groups[i];
        bool is_due = group->state.phase == WEIR_COMMIT_IDLE && group->state.is_started;
        weir_commit_handle_group(group, is_due ? WEIR_COMMIT_LAST : WEIR_COMMIT_TURN);
        are_over &= group->state.phase == WEIR_COMMIT_IDLE && !group->state.is_started;
    }
    for (size_t i = 0; i < streams->commit.group_count && are_over; i++) {
        if (begin_rest(&streams->commit.groups[i])) are_over = false;
    }
    return are_over;
}

static void take_input(const struct weir_commit_group *group,
                       const struct weir_input_progress *input)
{
    struct weir_job_partition *partition =
        weir_job_partition(group->streams, input->topic, input->partition);
    weir_assert(partition != NULL && partition->group == group);
    weir_assert(input->offset >= partition->committed);
    partition->is_handed_in = true;
    partition->sealed_offset = input->offset;
    partition->sealed_epoch = input->leader_epoch;
    partition->sealed_read = input->read;
    partition->sealed_time_ms = input->partition_time_ms;
    partition->sealed_marks = input->marks;
    partition->sealed_mark_count = input->mark_count;
    weir_job_partition_check(partition);
}

static void take_end(const struct weir_commit_group *group, const struct weir_output_end *end)
{
    const struct weir_streams *streams = group->streams;
    struct weir_job_partition *partition = weir_job_partition(streams, end->topic, end->partition);
    weir_assert(partition != NULL && streams->topics[end->topic].is_internal);
    weir_assert(partition->group == group);
    partition->is_in_commit = true;
    if (end->end_offset > partition->next_end) partition->next_end = end->end_offset;
    weir_job_partition_check(partition);
}

void weir_commit_handed_in(struct weir_commit_group *group, const struct weir_thread_commit *handed)
{
    for (const struct weir_input_progress *input = handed->inputs; input != NULL;
         input = input->next) {
        take_input(group, input);
    }
    for (size_t i = 0; i < handed->end_count; i++) {
        if (!is_shared(group->streams, &handed->ends[i])) take_end(group, &handed->ends[i]);
    }
    if (handed->sealed.ns > group->sealed.ns) group->sealed = handed->sealed;
    step(group, (struct weir_commit_event){.type = WEIR_COMMIT_HANDED_IN});
}
