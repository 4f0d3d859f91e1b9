#ifndef WEIR_RUNTIME_JOB_COMMIT_KIND_H
#define WEIR_RUNTIME_JOB_COMMIT_KIND_H

#include "base/arena.h"
#include "client/client.h"
#include "runtime/task/read_batch.h"
#include "runtime/task/timers.h"

/**
 * What a commit is made of: how it is written, and how a start finds the last one and makes void what
 * none covers. When a job commits, what it says in a commit and what comes of it is not asked here
 * (commit_step.h, commit.c, start.c), and nothing else in the runtime knows the answer given here.
 *
 *   recover ──> prepare ──> seal ──> write ──> begin ──> seal ──> write ──> settle
 *   └──── a start ─────────────────────┘       └── each interval ───────────┘
 *
 * What a job writes between `begin` and the `write` behind it, and what that says, counts together or not at all. After
 * `write` the next may begin at once; `settle` answers when whoever reads what is committed sees it.
 *
 * Threads that commit together have a transaction of their own, by number (commit_groups.h); `recover`, `prepare` and the
 * first commit, which is written before any of them has run, are of the whole job.
 *
 * A kind is a table of these. One of them is under way at a time in each transaction, beside a `settle`. Each is asked
 * for on the job's actor and answers once, there, by `call.done`, perhaps before it has returned; by then nothing of it
 * is under way. What it is given is borrowed until the answer; what it gives and needs lives in the
 * call's arena. A failure is the answer's `rc` and `error`, names what failed, and is retried only where
 * an operation says so.
 *
 * A commit covers a partition up to an end if everything below the end counts, now and after any crash,
 * and nothing at or above it does.
 */
struct weir_commit_call {
    size_t transaction;       /* whose it is; 0 of what is the whole job's */
    struct weir_arena *arena; /* not reset before the answer; of a seal: before its write's */
    struct weir_actor *reply_to;
    void (*done)(struct weir_commit_call *call);
    void *context; /* the caller's */
    /* The answer. */
    int rc;
    struct weir_error error;
};

/** What a commit says of one partition. */
struct weir_commit_entry {
    struct weir_topic_partition of;
    struct weir_uuid topic_id; /* of the topic when it was committed */
    /* Next to process; of a changelog, which nobody processes, its end. */
    int64_t offset;
    int64_t end;                        /* up to here it is covered; -1: not the job's own */
    int32_t leader_epoch;               /* in which the log was that far; -1: not known */
    struct weir_read_batch read;        /* of an input: what was read last below `offset` */
    int64_t partition_time_ms;          /* the largest timestamp processed; -1: none */
    const struct weir_node_mark *marks; /* of the task whose first input it is */
    size_t mark_count;
    int64_t
        streams_time_ms; /* recovered: of somebody else's, what Kafka Streams has for it; -1: nothing */
    bool is_foreign;     /* recovered: somebody else has committed it, and only `offset` is known */
    bool is_given_up; /* sealed: no commit speaks of it any more */
    /* Recovered: why this Weir cannot read it, for whoever needs it; only `offset` is known. NULL: it can. */
    const char *unreadable;
};

/** Who writes what commits of this run cover. */
struct weir_commit_writer {
    int64_t producer_id;
    int16_t producer_epoch;
};

/**
 * What the last commit says.
 *
 * Durable: nothing new is. What an earlier run has left open, and no commit covers, may be made void.
 * Errors:  those of reading it; WEIR_UNSUPPORTED_VERSION of what names the run.
 */
struct weir_commit_recover {
    struct weir_commit_call call; /* first */
    /* The answer. */
    bool has_commit;     /* one of this application's */
    bool is_reset_begun; /* it is the first half of a reset, runtime/application/reset.h */
    struct weir_commit_entry *entries;
    size_t entry_count;
    int64_t records_end; /* as sealed by the first commit of the last run; with its topic's id */
    struct weir_uuid records_topic_id;
    /* Of the last run: whatever lies behind a committed end is by one of them. `are_there`: of those it was found. */
    const int64_t *producer_ids;
    bool *are_there;
    size_t producer_count;
    size_t
        transaction_count; /* transactional ids of the last run; 0: it had none, and its tails are cut */
};

/** A partition of the job's own that goes on behind the end which the last commit covers, of a run without
 * transactions. */
struct weir_commit_tail {
    struct weir_topic_partition of;
    struct weir_uuid topic_id;
    int64_t committed_end;
    int64_t log_end;
    int32_t leader_epoch; /* the answer: of what is written from now on */
};

/**
 * Begin a run, once it is decided that it may go on from the commit that was recovered.
 *
 * Durable: that nothing above `committed_end` counts in any of `tails`, for any reader.
 * Errors:  those of the log. Some tails may be void and others not; the next start does the rest.
 */
struct weir_commit_prepare {
    struct weir_commit_call call; /* first */
    struct weir_commit_tail *tails;
    size_t tail_count;
    const struct weir_commit_recover *recovered;
    struct weir_commit_writer
        *writers; /* the answer: one for each that writes outside of transactions */
    size_t writer_count;
    size_t transaction_count; /* at least 1 */
    const char *const
        *transactional_ids; /* the answer: of what is written in each. NULL: the kind has none */
    int64_t timeout_ms; /* the answer: so long what is begun stays without `renew`; 0: for ever */
};

/**
 * Begin what the next write commits.
 *
 * Durable: that what is written to `partitions` from now on is void unless it is committed. Others may be written to as
 *          well, for one more flush each.
 * Errors:  those of the log; after a shortage it may be begun again.
 */
struct weir_commit_begin {
    struct weir_commit_call call; /* first */
    const struct weir_topic_partition *partitions;
    size_t partition_count;
    struct weir_commit_writer writer; /* the answer: who writes */
};

/**
 * Make a commit of what it says. Everything that `entries` cover has been written. No other transaction's commit says
 * anything of these partitions before this one is written.
 *
 * Durable: nothing; a crash from here on is as one before it.
 * Owns:    `entries` and their texts are borrowed until the write that follows has answered.
 * Errors:  WEIR_NO_MEMORY.
 */
struct weir_commit_seal {
    struct weir_commit_call call; /* first */
    const struct weir_commit_entry *entries;
    size_t entry_count;
    /* The first one of a run names it: where the application's own records end. -1: not the first. */
    int64_t records_end;
};

struct weir_commit_kind_options {
    struct weir_env *env;
    struct weir_log *log;
    struct weir_budget *budget;
    struct weir_arena *memory; /* lives as long; marks that were recovered are there */
    const char *application_id;
    struct weir_group_claim *claim; /* the job's hold on its group, whose run commits */
    int64_t timeout_ms; /* of what is begun, behind a job that is gone: transaction.timeout.ms */
};

struct weir_commit_kind {
    const char *name;
    int (*open)(const struct weir_commit_kind_options *options, void **impl_out,
                struct weir_error *error);
    /** Nothing is under way. NULL is fine. */
    void (*close)(void *impl);
    void (*recover)(void *impl, struct weir_commit_recover *recover);
    void (*prepare)(void *impl, struct weir_commit_prepare *prepare);
    void (*seal)(void *impl, struct weir_commit_seal *seal);
    void (*begin)(void *impl, struct weir_commit_begin *begin);
    /**
     * Write what the transaction has sealed last: the first commit of a run, or what has been begun.
     *
     * Durable: all of it, as one, and what has been written since `begin`: no start recovers some of it without the rest.
     * Errors:  those of the log. It may have been written all the same; after a shortage (codes whose action
     *          is to retry) it may be written again, which is then the same commit.
     */
    void (*write)(void *impl, struct weir_commit_call *call);
    /** Answered when all readers of what is committed see the last write; a failure means that it is not known. */
    void (*settle)(void *impl, struct weir_commit_call *call);
    /** The time of what has been begun begins anew, beside another operation. A failure means that it is void, or was
     * ended meanwhile. */
    void (*renew)(void *impl, struct weir_commit_call *call);
    /** What has been begun is void. A failure is left to the next start. */
    void (*abort)(void *impl, struct weir_commit_call *call);
};

/** A transaction of the log: commit_transaction.c. */
extern const struct weir_commit_kind weir_commit_transaction;

/** Answer. */
static inline void weir_commit_answer(struct weir_commit_call *call, int rc,
                                      const struct weir_error *error)
{
    call->rc = rc;
    call->error = error != NULL ? *error : (struct weir_error){0};
    call->done(call);
}

#endif
