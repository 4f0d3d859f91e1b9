#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "runtime/job/streams_internal.h"

/**
 * The transaction that all threads of a job write in. It is begun when one of them has something to send, so that a
 * job at rest has none open, and ended by the commit:
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

static void move(struct weir_streams *streams, enum weir_transaction_phase to)
{
    struct weir_commit *commit = &streams->commit;
    commit->transaction = (enum weir_transaction_phase)weir_state_move(
        &phases, streams->options.application_id, commit->transaction, to);
}

struct weir_commit_call weir_commit_call(struct weir_streams *streams,
                                         void (*done)(struct weir_commit_call *call))
{
    streams->outstanding++;
    return (struct weir_commit_call){.arena = &streams->commit.arena,
                                     .reply_to = streams->actor,
                                     .done = done,
                                     .context = streams};
}

struct weir_streams *weir_commit_answered(struct weir_commit_call *call)
{
    struct weir_streams *streams = call->context;
    weir_assert(streams->outstanding > 0);
    streams->outstanding--;
    return streams;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void on_settled(struct weir_commit_call *call)
{
    weir_commit_answered(call)->commit.is_settling = false;
}

void weir_transaction_committed(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    move(streams, WEIR_TRANSACTION_CLOSED);
    commit->is_transaction_wanted =
        false;                       /* who wants the next one says so when it hears of this end */
    if (commit->is_settling) return; /* of the one before, whose end this one has waited for */
    commit->is_settling = true;
    commit->settle = weir_commit_call(streams, on_settled);
    commit->kind->settle(commit->impl, &commit->settle);
}

static void on_aborted(struct weir_commit_call *call)
{
    struct weir_streams *streams = weir_commit_answered(call);
    move(streams, WEIR_TRANSACTION_CLOSED);
    if (call->rc >= 0) return;
    weir_log(&streams->env->logger, WEIR_LOG_WARN, "transaction.not_aborted",
             "application=%s code=%s", streams->options.application_id, weir_code_name(call->rc));
}

bool weir_transaction_abort(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    weir_assert(atomic_load(&streams->failed) && streams->outstanding == 0);
    if (commit->transaction != WEIR_TRANSACTION_OPEN) return false;
    move(streams, WEIR_TRANSACTION_ABORTING);
    commit->abort = weir_commit_call(streams, on_aborted);
    commit->kind->abort(commit->impl, &commit->abort);
    return commit->transaction != WEIR_TRANSACTION_CLOSED; /* or it has been answered at once */
}

/* ---- its beginning --------------------------------------------------------------------------- */

static void fail_to_begin(struct weir_streams *streams)
{
    struct weir_error error = streams->commit.begin.call.error;
    int rc = streams->commit.begin.call.rc;
    (void)weir_error_wrap(&error, rc, "begin a transaction of '%s'",
                          streams->options.application_id);
    weir_streams_fail(streams, rc, &error);
}

/* Threads that have handed in for the commit that waits for it take no notice. */
static void begun(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    const struct weir_commit_writer *writer = &commit->begin.writer;
    move(streams, WEIR_TRANSACTION_OPEN);
    commit->is_transaction_wanted = false;
    (void)weir_backoff_over(&commit->begin_backoff, weir_mono_now(streams->env));
    weir_output_producer_begin(&commit->producer, writer->producer_id, writer->producer_epoch);
    if (commit->is_write_waiting || atomic_load(&streams->failed)) return;
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_begun(streams->threads[i]);
    }
}

static void on_begun(struct weir_commit_call *call)
{
    struct weir_streams *streams = weir_commit_answered(call);
    struct weir_commit *commit = &streams->commit;
    struct weir_mono now = weir_mono_now(streams->env);
    if (call->rc >= 0) {
        begun(streams);
        return;
    }
    move(streams, WEIR_TRANSACTION_CLOSED);
    bool is_ending = call->rc == WEIR_CONCURRENT_TRANSACTIONS;
    if (is_ending ? weir_backoff_wait(&commit->begin_backoff, now)
                  : weir_backoff_failed(&commit->begin_backoff, call->rc, now)) {
        weir_actor_wake_at(streams->actor, commit->begin_backoff.due);
    } else {
        fail_to_begin(streams);
    }
}

static void begin(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    const struct weir_output_producer *producer = &commit->producer;
    size_t count = commit->is_write_waiting ? 0 : weir_output_producer_partitions(producer, NULL);
    struct weir_topic_partition *partitions =
        weir_arena_array(&commit->begin_arena, count + 1, sizeof *partitions);
    if (partitions == NULL) count = 0; /* they are named when they are written to */
    if (count > 0) (void)weir_output_producer_partitions(producer, partitions);
    move(streams, WEIR_TRANSACTION_BEGINNING);
    commit->begin = (struct weir_commit_begin){
        .call = weir_commit_call(streams, on_begun),
        .partitions = partitions,
        .partition_count = count,
    };
    commit->kind->begin(commit->impl, &commit->begin);
}

void weir_transaction_begin_if_wanted(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    const struct weir_backoff *backoff = &commit->begin_backoff;
    bool is_wanted = commit->is_transaction_wanted || commit->is_write_waiting;
    if (!is_wanted || commit->transaction != WEIR_TRANSACTION_CLOSED) return;
    if (atomic_load(&streams->failed)) return;
    if (backoff->is_waiting && !weir_backoff_is_due(backoff, weir_mono_now(streams->env))) {
        weir_actor_wake_at(streams->actor, backoff->due);
        return;
    }
    weir_arena_reset(&commit->begin_arena);
    begin(streams);
}

void weir_transaction_want(struct weir_streams *streams)
{
    /* One that is open was told to all threads: who asks had not heard of it yet. */
    if (streams->commit.transaction == WEIR_TRANSACTION_OPEN) return;
    streams->commit.is_transaction_wanted = true;
    weir_transaction_begin_if_wanted(streams);
}
