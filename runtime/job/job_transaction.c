#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "runtime/job/streams_internal.h"

/**
 * The transaction that the threads of a group write in (commit_groups.h). It is begun when one of them has something to
 * send, so that a job at rest has none open, and ended by the group's commit:
 *
 *   closed ──wanted by a thread, or by a commit of positions alone──> beginning ──> open ──committed──> closed
 *      ^                                                                             └─the job has failed─> aborting
 *      └─────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * What the one before has written to is named at its beginning, in one request; each other partition costs a flush
 * when it is written to.
 */
#define TO(phase) WEIR_STATE_BIT(WEIR_TRANSACTION_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_TRANSACTION_CLOSED] = {"closed", TO(BEGINNING)},
    [WEIR_TRANSACTION_BEGINNING] = {"beginning", TO(OPEN) | TO(CLOSED)},
    [WEIR_TRANSACTION_OPEN] = {"open", TO(CLOSED) | TO(ABORTING)},
    [WEIR_TRANSACTION_ABORTING] = {"aborting", TO(CLOSED)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("transaction of", rows);

static void move(struct weir_commit_group *group, enum weir_transaction_phase to)
{
    group->transaction = (enum weir_transaction_phase)weir_state_move(
        &phases, group->streams->options.application_id, group->transaction, to);
}

struct weir_commit_group *weir_commit_group_of(const struct weir_streams *streams, size_t thread)
{
    weir_assert(streams->commit.group_count > 0);
    return &streams->commit.groups[streams->commit.by_thread.of_thread[thread]];
}

struct weir_commit_call weir_commit_call(struct weir_commit_group *group,
                                         void (*done)(struct weir_commit_call *call))
{
    group->streams->outstanding++;
    return (struct weir_commit_call){.transaction = group->number,
                                     .arena = &group->arena,
                                     .reply_to = group->streams->actor,
                                     .done = done,
                                     .context = group};
}

struct weir_commit_group *weir_commit_answered(struct weir_commit_call *call)
{
    struct weir_commit_group *group = call->context;
    weir_assert(group->streams->outstanding > 0);
    group->streams->outstanding--;
    return group;
}

/* One alarm for all that wait, set anew at the end of each turn: who has been woken may have nothing more to wait for. */
void weir_alarm_set(struct weir_streams *streams)
{
    struct weir_mono first = streams->drain_wake;
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        const struct weir_commit_group *group = &streams->commit.groups[i];
        bool is_renewed =
            group->transaction == WEIR_TRANSACTION_OPEN && !atomic_load(&streams->failed);
        if (group->wake.ns < first.ns) first = group->wake;
        if (group->begin_wake.ns < first.ns) first = group->begin_wake;
        if (is_renewed && group->renew_at.ns < first.ns) first = group->renew_at;
    }
    weir_actor_wake_at(streams->actor, first);
}

/* Whoever waits on says so again in the turn. */
void weir_alarm_went_off(struct weir_streams *streams)
{
    const struct weir_mono now = weir_mono_now(streams->env);
    if (streams->drain_wake.ns <= now.ns) streams->drain_wake = WEIR_MONO_NEVER;
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        struct weir_commit_group *group = &streams->commit.groups[i];
        if (group->wake.ns <= now.ns) group->wake = WEIR_MONO_NEVER;
        if (group->begin_wake.ns <= now.ns) group->begin_wake = WEIR_MONO_NEVER;
    }
}

/* ---- its time -------------------------------------------------------------------------------- */

/* Three times in the time that it has: one that comes late does no harm. */
static void renew_later(struct weir_commit_group *group)
{
    struct weir_streams *streams = group->streams;
    const int64_t timeout_ms = streams->commit.timeout_ms;
    if (timeout_ms <= 0) return;
    group->renew_at = weir_mono_after_ms(weir_mono_now(streams->env), timeout_ms / 3 + 1);
}

/* What is refused beside a commit was ended by it; else somebody has taken the transactional id, or the log has aborted what
 * the job has written: nothing of it can be committed any more. */
static void on_renewed(struct weir_commit_call *call)
{
    struct weir_commit_group *group = weir_commit_answered(call);
    struct weir_streams *streams = group->streams;
    group->is_renewing = false;
    bool is_open = group->transaction == WEIR_TRANSACTION_OPEN;
    if (!is_open || group->state.phase == WEIR_COMMIT_WRITING) return;
    if (call->rc != WEIR_PRODUCER_FENCED) return;
    struct weir_error error = call->error;
    (void)weir_error_wrap(&error, call->rc, "a transaction of '%s' was lost",
                          streams->options.application_id);
    weir_streams_fail(streams, call->rc, &error);
}

void weir_transaction_renew_if_due(struct weir_commit_group *group)
{
    const struct weir_commit *commit = &group->streams->commit;
    bool is_due = group->renew_at.ns <= weir_mono_now(group->streams->env).ns;
    if (group->transaction != WEIR_TRANSACTION_OPEN || !is_due) return;
    renew_later(group);
    if (group->is_renewing) return;
    group->is_renewing = true;
    group->renew = weir_commit_call(group, on_renewed);
    commit->kind->renew(commit->impl, &group->renew);
}

/* ---- its end --------------------------------------------------------------------------------- */

static void settle(struct weir_commit_group *group, int64_t number);

/* Where the next transaction is beginning it waits for the end of what is due. */
static void on_settled(struct weir_commit_call *call)
{
    struct weir_commit_group *group = weir_commit_answered(call);
    const int64_t due = group->settle_due;
    group->settling = 0;
    if (due == 0 || group->transaction != WEIR_TRANSACTION_CLOSED) return;
    group->settle_due = 0;
    settle(group, due);
}

static void settle(struct weir_commit_group *group, int64_t number)
{
    const struct weir_commit *commit = &group->streams->commit;
    group->settling = number;
    group->settle = weir_commit_call(group, on_settled);
    commit->kind->settle(commit->impl, &group->settle);
}

void weir_transaction_committed(struct weir_commit_group *group)
{
    move(group, WEIR_TRANSACTION_CLOSED);
    group->renew_at = WEIR_MONO_NEVER;
    /* Who wants the next one says so when it hears of this end. */
    group->is_transaction_wanted = false;
    const int64_t number = group->streams->commit.write_count;
    if (group->settling > 0) {
        group->settle_due = number; /* behind the one before, whose end this one has waited for */
    } else {
        settle(group, number);
    }
}

static void on_aborted(struct weir_commit_call *call)
{
    struct weir_commit_group *group = weir_commit_answered(call);
    const struct weir_streams *streams = group->streams;
    move(group, WEIR_TRANSACTION_CLOSED);
    if (call->rc >= 0) return;
    weir_log(&streams->env->logger, WEIR_LOG_WARN, "transaction.not_aborted",
             "application=%s transaction=%zu code=%s", streams->options.application_id,
             group->number, weir_code_name(call->rc));
}

bool weir_transactions_abort(struct weir_streams *streams)
{
    const struct weir_commit *commit = &streams->commit;
    weir_assert(atomic_load(&streams->failed) && streams->outstanding == 0);
    for (size_t i = 0; i < commit->group_count; i++) {
        struct weir_commit_group *group = &commit->groups[i];
        if (group->transaction != WEIR_TRANSACTION_OPEN) continue;
        move(group, WEIR_TRANSACTION_ABORTING);
        group->abort = weir_commit_call(group, on_aborted);
        commit->kind->abort(commit->impl, &group->abort);
    }
    return streams->outstanding > 0; /* or all have been answered at once */
}

bool weir_transactions_are_settled(const struct weir_streams *streams, int64_t write_count)
{
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        const struct weir_commit_group *group = &streams->commit.groups[i];
        if (group->settling > 0 && group->settling <= write_count) return false;
        if (group->settle_due > 0 && group->settle_due <= write_count) return false;
    }
    return true;
}

/* ---- its beginning --------------------------------------------------------------------------- */

static void fail_to_begin(struct weir_commit_group *group)
{
    struct weir_error error = group->begin.call.error;
    int rc = group->begin.call.rc;
    (void)weir_error_wrap(&error, rc, "begin a transaction of '%s'",
                          group->streams->options.application_id);
    weir_streams_fail(group->streams, rc, &error);
}

/* Threads that have handed in for the commit that waits for it take no notice. */
static void begun(struct weir_commit_group *group)
{
    const struct weir_commit_writer *writer = &group->begin.writer;
    move(group, WEIR_TRANSACTION_OPEN);
    group->settle_due = 0; /* it has waited for that */
    renew_later(group);
    group->is_transaction_wanted = false;
    (void)weir_backoff_over(&group->begin_backoff, weir_mono_now(group->streams->env));
    weir_output_producer_begin(&group->producer, writer->producer_id, writer->producer_epoch);
    if (group->is_write_waiting || atomic_load(&group->streams->failed)) return;
    for (size_t i = 0; i < group->thread_count; i++) {
        weir_stream_thread_begun(group->threads[i]);
    }
}

static void on_begun(struct weir_commit_call *call)
{
    struct weir_commit_group *group = weir_commit_answered(call);
    struct weir_streams *streams = group->streams;
    struct weir_mono now = weir_mono_now(streams->env);
    if (call->rc >= 0) {
        begun(group);
        return;
    }
    move(group, WEIR_TRANSACTION_CLOSED);
    bool is_ending = call->rc == WEIR_CONCURRENT_TRANSACTIONS;
    if (is_ending ? weir_backoff_wait(&group->begin_backoff, now)
                  : weir_backoff_failed(&group->begin_backoff, call->rc, now)) {
        group->begin_wake = group->begin_backoff.due;
    } else {
        fail_to_begin(group);
    }
}

static void begin(struct weir_commit_group *group)
{
    const struct weir_commit *commit = &group->streams->commit;
    const struct weir_output_producer *producer = &group->producer;
    size_t count = group->is_write_waiting ? 0 : weir_output_producer_partitions(producer, NULL);
    struct weir_topic_partition *partitions =
        weir_arena_array(&group->begin_arena, count + 1, sizeof *partitions);
    if (partitions == NULL) count = 0; /* they are named when they are written to */
    if (count > 0) (void)weir_output_producer_partitions(producer, partitions);
    move(group, WEIR_TRANSACTION_BEGINNING);
    group->begin = (struct weir_commit_begin){
        .call = weir_commit_call(group, on_begun),
        .partitions = partitions,
        .partition_count = count,
    };
    commit->kind->begin(commit->impl, &group->begin);
}

void weir_transaction_begin_if_wanted(struct weir_commit_group *group)
{
    const struct weir_backoff *backoff = &group->begin_backoff;
    struct weir_streams *streams = group->streams;
    bool is_wanted = group->is_transaction_wanted || group->is_write_waiting;
    if (!is_wanted || group->transaction != WEIR_TRANSACTION_CLOSED) return;
    if (atomic_load(&streams->failed)) return;
    if (backoff->is_waiting && !weir_backoff_is_due(backoff, weir_mono_now(streams->env))) {
        group->begin_wake = backoff->due;
        return;
    }
    weir_arena_reset(&group->begin_arena);
    begin(group);
}

void weir_transaction_want(struct weir_commit_group *group)
{
    /* One that is open was told to all threads: who asks had not heard of it yet. */
    if (group->transaction == WEIR_TRANSACTION_OPEN) return;
    group->is_transaction_wanted = true;
    weir_transaction_begin_if_wanted(group);
}
