#ifndef WEIR_RUNTIME_JOB_COMMIT_TRANSACTION_H
#define WEIR_RUNTIME_JOB_COMMIT_TRANSACTION_H

#include "runtime/job/commit_kind.h"

/**
 * The kind of commit whose transactions are the log's: commit_transaction.c, with what happens at a start in
 * commit_transaction_start.c, and the ids in commit_transaction_id.c, which both stand on.
 */

/** The transactional id of an application's job, of its transaction `index`; docs/format/commit.md. NULL: no memory. */
const char *weir_commit_transactional_id(struct weir_arena *memory, const char *application_id,
                                         size_t index);

/* ---- inside the kind ------------------------------------------------------------------------- */

/** One transactional id, and its requests. */
struct weir_job_transaction {
    struct weir_job_transactions *kind;
    const char *id;
    int64_t producer_id; /* -1: none was given yet */
    int16_t producer_epoch;
    bool is_first;                 /* what is sealed is the first commit */
    int64_t run_sealed;            /* the version of the run that is sealed with it; 0: none */
    struct weir_commit_call *call; /* the operation under way; NULL: none */
    struct weir_commit_call *settle;
    struct weir_commit_call *renew;
    struct weir_init_transactions_request init;
    struct weir_add_partitions_request add;
    struct weir_commit_request commit;
    struct weir_end_transaction_request end;
    struct weir_end_transaction_request settling;
    struct weir_add_partitions_request renewal;
};

struct weir_job_transactions {
    struct weir_commit_kind_options options;
    const char *records_topic;                  /* the application's own */
    struct weir_job_transaction **transactions; /* by number */
    size_t count;
    int32_t timeout_ms;
    /* The run: producer ids of runs before, then those of its transactions, by number. */
    int64_t *run_ids;
    size_t run_kept;
    size_t run_transactions;
    int64_t run_version;  /* moves when one of them is another; 0: there is none yet */
    int64_t run_named;    /* the version that a commit has named last */
    bool is_run_sealed;   /* one of the commits under way names it */
    int64_t run_recorded; /* `records_end` as the first commit has it */
    /* What the whole job asks. */
    struct weir_commit_call *call; /* NULL: nothing */
    struct weir_committed_request committed;
    struct weir_cut_request *cuts;
    struct weir_init_producer_request *producers;
    size_t outstanding;       /* of `cuts`, `producers`, ids */
    struct weir_error failed; /* the first of those */
    void (*inited)(struct weir_job_transactions *kind);
};

/* commit_transaction_id.c */
/** So many transactions are known from here on, at least. WEIR_NO_MEMORY. */
int weir_job_transactions_know(struct weir_job_transactions *kind, size_t count);
struct weir_transaction_request
weir_job_transaction_request(struct weir_job_transaction *transaction, struct weir_actor *reply_to,
                             void (*done)(struct weir_request *request));
/** The log has given it this producer. */
void weir_job_transaction_take_id(struct weir_job_transaction *transaction, int64_t producer_id,
                                  int16_t producer_epoch);
/** Take over those below `count` that have no producer yet: whoever has them is shut out, and what he has open is aborted
 * by the time that `inited` is called. On a failure the kind's call is answered. */
void weir_job_transactions_take_over(struct weir_job_transactions *kind, size_t count,
                                     void (*inited)(struct weir_job_transactions *kind));
/** The whole job's operation is over. */
void weir_job_transactions_answer(struct weir_job_transactions *kind, int rc,
                                  const struct weir_error *error);
void weir_job_transactions_answer_no_memory(struct weir_job_transactions *kind);

/* commit_transaction_start.c */
void weir_job_transactions_recover(void *impl, struct weir_commit_recover *recover);
void weir_job_transactions_prepare(void *impl, struct weir_commit_prepare *prepare);

#endif
