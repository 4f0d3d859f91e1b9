#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/commit_transaction.h"

/** The transactional ids of a job, and the producers that the log gives for them. */

const char *weir_commit_transactional_id(struct weir_arena *memory, const char *application_id,
                                         size_t index)
{
    return weir_arena_printf(memory, "%s-%zu", application_id, index);
}

static struct weir_job_transaction *make(struct weir_job_transactions *kind, size_t number)
{
    struct weir_arena *memory = kind->options.memory;
    struct weir_job_transaction *made = weir_arena_alloc_zero(memory, sizeof *made);
    const char *id = weir_commit_transactional_id(memory, kind->options.application_id, number);
    if (made == NULL || id == NULL) return NULL;
    *made = (struct weir_job_transaction){
        .kind = kind,
        .id = id,
        .producer_id = WEIR_NO_PRODUCER_ID,
        .producer_epoch = WEIR_NO_PRODUCER_EPOCH,
    };
    return made;
}

int weir_job_transactions_know(struct weir_job_transactions *kind, size_t count)
{
    if (count <= kind->count) return 0;
    struct weir_job_transaction **grown =
        weir_arena_alloc_zero(kind->options.memory, count * sizeof(struct weir_job_transaction *));
    if (grown == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        grown[i] = i < kind->count ? kind->transactions[i] : make(kind, i);
        if (grown[i] == NULL) return WEIR_NO_MEMORY;
    }
    kind->transactions = grown;
    kind->count = count;
    return 0;
}

void weir_job_transactions_answer(struct weir_job_transactions *kind, int rc,
                                  const struct weir_error *error)
{
    struct weir_commit_call *call = kind->call;
    weir_assert(call != NULL && kind->outstanding == 0);
    kind->call = NULL;
    weir_commit_answer(call, rc, error);
}

void weir_job_transactions_answer_no_memory(struct weir_job_transactions *kind)
{
    struct weir_error error = {0};
    int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
    weir_job_transactions_answer(kind, rc, &error);
}

struct weir_transaction_request
weir_job_transaction_request(struct weir_job_transaction *transaction, struct weir_actor *reply_to,
                             void (*done)(struct weir_request *request))
{
    return (struct weir_transaction_request){
        .request = {.reply_to = reply_to, .done = done, .context = transaction},
        .transactional_id = weir_text(transaction->id),
        .producer_id = transaction->producer_id,
        .producer_epoch = transaction->producer_epoch,
        .is_version_2 = true,
    };
}

/* A run that has been named before names it once more. */
static void name_in_run(struct weir_job_transactions *kind,
                        const struct weir_job_transaction *transaction)
{
    for (size_t i = 0; i < kind->run_transactions; i++) {
        int64_t *named = &kind->run_ids[kind->run_kept + i];
        if (kind->transactions[i] != transaction || *named == transaction->producer_id) continue;
        *named = transaction->producer_id;
        kind->run_version++;
    }
}

void weir_job_transaction_take_id(struct weir_job_transaction *transaction, int64_t producer_id,
                                  int16_t producer_epoch)
{
    weir_assert(producer_id >= 0 && producer_epoch >= 0);
    transaction->producer_id = producer_id;
    transaction->producer_epoch = producer_epoch;
    name_in_run(transaction->kind, transaction);
}

/* ---- taking over ----------------------------------------------------------------------------- */

static void ask(struct weir_job_transaction *transaction);

static void over(struct weir_job_transactions *kind)
{
    weir_assert(kind->outstanding > 0);
    kind->outstanding--;
    if (kind->outstanding > 0) return;
    if (kind->failed.code < 0) {
        const struct weir_error error = kind->failed;
        weir_job_transactions_answer(kind, error.code, &error);
    } else {
        kind->inited(kind);
    }
}

/* A server may allow less time. What the one before has open is aborted meanwhile. */
static void on_id(struct weir_request *request)
{
    struct weir_job_transaction *transaction = request->context;
    struct weir_job_transactions *kind = transaction->kind;
    const int rc = request->rc;
    const int32_t asked_ms = transaction->init.timeout_ms;
    if (rc == WEIR_INVALID_TRANSACTION_TIMEOUT && asked_ms > 1) {
        if (kind->timeout_ms >= asked_ms) kind->timeout_ms = asked_ms / 2;
        ask(transaction);
        return;
    }
    if (rc == WEIR_CONCURRENT_TRANSACTIONS) {
        ask(transaction);
        return;
    }
    if (rc >= 0) {
        weir_job_transaction_take_id(transaction, transaction->init.producer_id,
                                     transaction->init.producer_epoch);
    } else if (kind->failed.code == 0) {
        kind->failed = request->error;
        (void)weir_error_wrap(&kind->failed, rc, "transactional id '%s'", transaction->id);
    }
    over(kind);
}

static void ask(struct weir_job_transaction *transaction)
{
    struct weir_job_transactions *kind = transaction->kind;
    transaction->init = (struct weir_init_transactions_request){
        .base = weir_job_transaction_request(transaction, kind->call->reply_to, on_id),
        .timeout_ms = kind->timeout_ms,
    };
    transaction->init.base.producer_id = WEIR_NO_PRODUCER_ID;
    transaction->init.base.producer_epoch = WEIR_NO_PRODUCER_EPOCH;
    transaction->init.base.waits_for_end = true;
    weir_log_init_transactions(kind->options.log, &transaction->init);
}

void weir_job_transactions_take_over(struct weir_job_transactions *kind, size_t count,
                                     void (*inited)(struct weir_job_transactions *kind))
{
    weir_assert(kind->outstanding == 0 && count <= kind->count);
    kind->inited = inited;
    kind->failed = (struct weir_error){0};
    kind->outstanding = 1; /* until all are asked for */
    for (size_t i = 0; i < count; i++) {
        if (kind->transactions[i]->producer_id >= 0) continue;
        kind->outstanding++;
        ask(kind->transactions[i]);
    }
    over(kind);
}
