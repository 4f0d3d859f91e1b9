#include "runtime/job/commit_transaction.h"

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/application.h"
#include "runtime/job/commit_metadata.h"

/**
 * A commit is a transaction of the log, of a transactional id named after the application and the group of threads that
 * commits. In it are all that these threads write and, under the group named after the application, their positions: for
 * each input partition the next offset (with its partition time and the task's timers), for each changelog partition its
 * end offset, for a repartition partition both. Source: DESIGN.md "Commit"; docs/format/commit.md.
 *
 *     begin     the partitions are named to the coordinator, in one request       a flush
 *     (work)    records are appended; nobody waits for the disk
 *     write     offsets, appended as a batch of the transaction                    a flush, and what is left of the records
 *               the coordinator writes that it is committed: from here on it is    a flush
 *     settle    markers, and that they are there                                   two flushes, beside what goes on
 *
 * Whoever takes the transactional ids over shuts the one before out, and what that has left open is aborted: there is
 * nothing to cut. What a run of an older Weir has left, which had no transactions, is cut once (prepare).
 *
 * The first commit of a run is none: nothing has been written. It says that the commit is ours, who the run is, and
 * takes back what the program has given up, which no transaction may. Where the log gives one of the transactions
 * another producer the run is named anew, by one commit at a time: two that do so would leave the one that ends last.
 */
enum { METADATA_SIZE_MAX = 1 << 20 };

static int transactions_open(const struct weir_commit_kind_options *options, void **impl_out,
                             struct weir_error *error)
{
    struct weir_job_transactions *kind = weir_alloc_zero(options->budget, sizeof *kind);
    const char *topic = weir_application_topic_name(options->memory, options->application_id);
    if (kind == NULL || topic == NULL) {
        weir_free(kind);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for commits");
    }
    *kind = (struct weir_job_transactions){
        .options = *options,
        .records_topic = topic,
        .timeout_ms = (int32_t)options->timeout_ms,
    };
    *impl_out = kind;
    return 0;
}

static void transactions_close(void *impl)
{
    struct weir_job_transactions *kind = impl;
    if (kind == NULL) return;
    weir_assert(kind->call == NULL);
    for (size_t i = 0; i < kind->count; i++) {
        const struct weir_job_transaction *transaction = kind->transactions[i];
        weir_assert(transaction->call == NULL && transaction->settle == NULL);
        weir_assert(transaction->renew == NULL);
    }
    weir_free(kind); /* the rest is in the job's memory */
}

/* ---- an operation ---------------------------------------------------------------------------- */

static struct weir_job_transaction *begin(void *impl, struct weir_commit_call *call)
{
    struct weir_job_transactions *kind = impl;
    weir_assert(kind->call == NULL && call->transaction < kind->count);
    struct weir_job_transaction *transaction = kind->transactions[call->transaction];
    weir_assert(transaction->call == NULL && call->arena != NULL && call->done != NULL);
    transaction->call = call;
    return transaction;
}

static struct weir_transaction_request whose(struct weir_job_transaction *transaction,
                                             void (*done)(struct weir_request *request))
{
    return weir_job_transaction_request(transaction, transaction->call->reply_to, done);
}

/* The next operation may begin in it. */
static void answer(struct weir_job_transaction *transaction, int rc, const struct weir_error *error)
{
    struct weir_commit_call *call = transaction->call;
    weir_assert(call != NULL);
    transaction->call = NULL;
    weir_commit_answer(call, rc, error);
}

/* ---- begin ----------------------------------------------------------------------------------- */

static void on_added(struct weir_request *request)
{
    struct weir_job_transaction *transaction = request->context;
    struct weir_commit_begin *begun = (struct weir_commit_begin *)transaction->call;
    begun->writer =
        (struct weir_commit_writer){transaction->producer_id, transaction->producer_epoch};
    answer(transaction, request->rc, &request->error);
}

/* The group's partition belongs to every one of them. */
static void transactions_begin(void *impl, struct weir_commit_begin *begun)
{
    struct weir_job_transaction *transaction = begin(impl, &begun->call);
    const struct weir_commit_kind_options *options = &transaction->kind->options;
    weir_assert(transaction->producer_id >= 0);
    transaction->add = (struct weir_add_partitions_request){
        .base = whose(transaction, on_added),
        .partitions = begun->partitions,
        .partition_count = begun->partition_count,
        .group = weir_text(options->application_id),
    };
    transaction->add.base.waits_for_end = true;
    weir_log_add_partitions(options->log, &transaction->add);
}

/* ---- seal and write -------------------------------------------------------------------------- */

static struct weir_offset_entry offset_entry(const struct weir_commit_entry *entry,
                                             struct weir_arena *arena)
{
    const struct weir_commit_metadata metadata = {
        .partition_time_ms = entry->partition_time_ms,
        .end_offset = entry->end,
        .read = entry->read,
        .marks = entry->marks,
        .mark_count = entry->mark_count,
    };
    weir_assert(entry->mark_count == 0 || entry->marks != NULL);
    if (entry->is_given_up) {
        return (struct weir_offset_entry){.partition = entry->of, .is_tombstone = true};
    }
    return (struct weir_offset_entry){
        .partition = entry->of,
        .offset = entry->offset,
        .leader_epoch = entry->leader_epoch,
        .metadata = weir_commit_metadata_encode(&metadata, arena),
    };
}

static struct weir_offset_entry run_entry(const struct weir_job_transactions *kind,
                                          struct weir_arena *arena)
{
    weir_assert(kind->run_version > 0); /* the run has been prepared */
    const struct weir_commit_run run = {
        .producer_ids = kind->run_ids,
        .count = kind->run_kept + kind->run_transactions,
        .transaction_count = kind->run_transactions,
    };
    return (struct weir_offset_entry){
        .partition = {weir_text(kind->records_topic), 0},
        .offset = kind->run_recorded,
        .leader_epoch = -1,
        .metadata = weir_commit_run_encode(&run, arena),
    };
}

static bool names_run(const struct weir_job_transaction *transaction)
{
    const struct weir_job_transactions *kind = transaction->kind;
    return !kind->is_run_sealed && kind->run_named < kind->run_version;
}

static void transactions_seal(void *impl, struct weir_commit_seal *seal)
{
    struct weir_job_transaction *transaction = begin(impl, &seal->call);
    struct weir_job_transactions *kind = transaction->kind;
    struct weir_arena *arena = seal->call.arena;
    size_t count = 0;
    struct weir_offset_entry *entries =
        weir_arena_array(arena, seal->entry_count + 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < seal->entry_count; i++) {
        entries[count++] = offset_entry(&seal->entries[i], arena);
    }
    transaction->is_first = seal->records_end >= 0;
    if (transaction->is_first) kind->run_recorded = seal->records_end;
    if (entries != NULL && names_run(transaction)) {
        entries[count++] = run_entry(kind, arena);
        transaction->run_sealed = kind->run_version;
        kind->is_run_sealed = true;
    }
    if (weir_arena_failed(arena)) {
        struct weir_error error = {0};
        int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
        answer(transaction, rc, &error);
        return;
    }
    transaction->commit = (struct weir_commit_request){
        .group = weir_text(kind->options.application_id),
        .entries = entries,
        .entry_count = count,
        .metadata_size_max = METADATA_SIZE_MAX,
        .is_application = true,
        .claim = kind->options.claim,
    };
    answer(transaction, 0, NULL);
}

/* The run that it names is the one that counts. */
static void written(struct weir_job_transaction *transaction)
{
    struct weir_job_transactions *kind = transaction->kind;
    if (transaction->run_sealed == 0) return;
    kind->run_named = transaction->run_sealed;
    kind->is_run_sealed = false;
    transaction->run_sealed = 0;
}

static void on_ended(struct weir_request *request)
{
    struct weir_job_transaction *transaction = request->context;
    if (request->rc >= 0) {
        written(transaction);
        weir_job_transaction_take_id(transaction, transaction->end.next_producer_id,
                                     transaction->end.next_producer_epoch);
    }
    answer(transaction, request->rc, &request->error);
}

static void ask_end(struct weir_job_transaction *transaction, bool is_commit)
{
    transaction->end = (struct weir_end_transaction_request){.base = whose(transaction, on_ended),
                                                             .is_commit = is_commit};
    weir_log_end_transaction(transaction->kind->options.log, &transaction->end);
}

static void on_written(struct weir_request *request)
{
    struct weir_job_transaction *transaction = request->context;
    if (request->rc >= 0 && !transaction->is_first) {
        ask_end(transaction, true);
        return;
    }
    if (request->rc >= 0) written(transaction);
    answer(transaction, request->rc, &request->error);
}

static void transactions_write(void *impl, struct weir_commit_call *call)
{
    struct weir_job_transaction *transaction = begin(impl, call);
    struct weir_commit_request *commit = &transaction->commit;
    weir_assert(commit->entry_count > 0);
    commit->request = (struct weir_request){
        .reply_to = call->reply_to, .done = on_written, .context = transaction};
    if (!transaction->is_first) {
        commit->transactional_id = weir_text(transaction->id);
        commit->producer_id = transaction->producer_id;
        commit->producer_epoch = transaction->producer_epoch;
        commit->is_transaction_version_2 = true;
    }
    weir_log_commit_offsets(transaction->kind->options.log, commit);
}

static void transactions_abort(void *impl, struct weir_commit_call *call)
{
    ask_end(begin(impl, call), false);
}

/* ---- settle ---------------------------------------------------------------------------------- */

static void on_settled(struct weir_request *request)
{
    struct weir_job_transaction *transaction = request->context;
    struct weir_commit_call *call = transaction->settle;
    weir_assert(call != NULL);
    transaction->settle = NULL;
    weir_commit_answer(call, request->rc, &request->error);
}

/* The end once more, as it was asked for: it is confirmed when the last marker is there. */
static void transactions_settle(void *impl, struct weir_commit_call *call)
{
    struct weir_job_transactions *kind = impl;
    struct weir_job_transaction *transaction = kind->transactions[call->transaction];
    weir_assert(transaction->settle == NULL && transaction->call == NULL);
    transaction->settle = call;
    transaction->settling =
        (struct weir_end_transaction_request){.base = transaction->end.base, .is_commit = true};
    transaction->settling.base.request = (struct weir_request){
        .reply_to = call->reply_to, .done = on_settled, .context = transaction};
    transaction->settling.base.next = NULL;
    transaction->settling.base.waits_for_end = true;
    weir_log_end_transaction(kind->options.log, &transaction->settling);
}

/* ---- renew ----------------------------------------------------------------------------------- */

static void on_renewed(struct weir_request *request)
{
    struct weir_job_transaction *transaction = request->context;
    struct weir_commit_call *call = transaction->renew;
    weir_assert(call != NULL);
    transaction->renew = NULL;
    weir_commit_answer(call, request->rc, &request->error);
}

static void transactions_renew(void *impl, struct weir_commit_call *call)
{
    struct weir_job_transactions *kind = impl;
    struct weir_job_transaction *transaction = kind->transactions[call->transaction];
    weir_assert(transaction->renew == NULL);
    transaction->renew = call;
    transaction->renewal = (struct weir_add_partitions_request){
        .base = weir_job_transaction_request(transaction, call->reply_to, on_renewed),
        .is_renewal = true,
    };
    weir_log_add_partitions(kind->options.log, &transaction->renewal);
}

const struct weir_commit_kind weir_commit_transaction = {
    .name = "transaction",
    .open = transactions_open,
    .close = transactions_close,
    .recover = weir_job_transactions_recover,
    .prepare = weir_job_transactions_prepare,
    .begin = transactions_begin,
    .seal = transactions_seal,
    .write = transactions_write,
    .settle = transactions_settle,
    .renew = transactions_renew,
    .abort = transactions_abort,
};
