#ifndef WEIR_RUNTIME_JOB_STREAMS_INTERNAL_H
#define WEIR_RUNTIME_JOB_STREAMS_INTERNAL_H

#include "base/metrics.h"
#include "client/client.h"
#include "runtime/job/commit_groups.h"
#include "runtime/job/commit_kind.h"
#include "runtime/job/commit_step.h"
#include "runtime/task/stream_thread.h"
#include "weir/streams.h"

/**
 * A job: an actor that starts it, commits for it and stops it, and its stream threads.
 *
 * Who writes what: everything here belongs to the job's actor, except the fields that say
 * otherwise; no thread writes into it. What a thread has to know it is given when it is made
 * (weir_stream_thread_options), what it hands in is its own struct weir_thread_commit, which stays
 * as it is until the job answers `committed`.
 */

/** One partition the job reads, writes as its own, or both (repartition). */
struct weir_job_partition {
    size_t topic;
    int32_t partition;
    struct weir_commit_group *group; /* whose commits speak of it; NULL: only the first one does */
    /* As found at the start. */
    int32_t leader_epoch;
    int64_t log_start;
    int64_t log_end;       /* as the start found it */
    int64_t compacted_end; /* compaction had taken nothing from there on; INT64_MAX: not known */
    int64_t lost_end;      /* of a changelog: of what a repair gave up of it; 0: nothing */
    /* In the last commit. */
    int64_t committed;     /* input: next offset to process; -1: none yet */
    int64_t committed_end; /* internal: the end that the commit covers */
    /* As handed in last by the thread that owns the input; at first, as committed. */
    bool is_handed_in;
    int64_t sealed_offset;
    int32_t sealed_epoch; /* the partition's leader epoch when it was read so far */
    struct weir_read_batch sealed_read;
    int64_t sealed_time_ms;
    /* The thread's. They stay past `committed`, until the same task is sealed again: a later commit
     * in which only the end of the partition has moved says them once more. */
    const struct weir_node_mark *sealed_marks;
    size_t sealed_mark_count;
    /* Of the commit at hand. */
    bool is_in_commit;
    int64_t next_end;
    /* Repartition: up to where it was trimmed. */
    int64_t trimmed;
    /* Changelog: the committed end that its log has been told, below which it will never be cut. */
    int64_t told_end;
    /* A drain waits until `committed` reaches this. */
    int64_t drain_to;
};

/** Of what is written between two commits: job_transaction.c. */
enum weir_transaction_phase {
    WEIR_TRANSACTION_CLOSED,
    WEIR_TRANSACTION_BEGINNING,
    WEIR_TRANSACTION_OPEN,
    WEIR_TRANSACTION_ABORTING,
};

/** Threads that commit together, and what their commit has come to (commit_groups.h, commit.c). The job's actor's. */
struct weir_commit_group {
    struct weir_streams *streams;
    size_t number; /* of its transaction, too */
    struct weir_stream_thread **threads;
    size_t thread_count;
    struct weir_job_partition **own; /* those that its commits speak of */
    size_t own_count;
    struct weir_commit_state state; /* by weir_commit_step only */
    enum weir_transaction_phase transaction;
    bool is_transaction_wanted; /* by a thread */
    bool is_write_waiting;      /* for one to be open */
    /* Places among the job's commits, of those that not all who read what is committed see; 0: none. */
    int64_t settling;   /* being asked for */
    int64_t settle_due; /* has come meanwhile */
    struct weir_commit_begin begin;
    struct weir_arena begin_arena; /* of what it names */
    struct weir_commit_call settle;
    struct weir_commit_call abort;
    struct weir_backoff begin_backoff;
    struct weir_output_producer producer;   /* its threads write in transactions with it */
    struct weir_arena arena;                /* of what is sealed */
    struct weir_job_partition **partitions; /* of its entries */
    struct weir_commit_seal seal;
    struct weir_commit_call write;
    struct weir_mono sealed;   /* when the last of its threads had sealed */
    struct weir_mono gathered; /* when all had handed in */
    /* When it wants a turn: for its commit, and to begin its transaction again. */
    struct weir_mono wake;
    struct weir_mono begin_wake;
    struct weir_mono renew_at; /* NEVER: no transaction is open, or it has no end */
    struct weir_commit_call renew;
    bool is_renewing;
};

struct weir_commit {
    const struct weir_commit_kind *kind;
    void *impl; /* the kind's; NULL until it is open */
    struct weir_commit_groups by_thread;
    struct weir_commit_group *groups;
    size_t group_count;  /* 0 until the start has made them */
    int64_t timeout_ms;  /* of a transaction that is not renewed; 0: there is none */
    int64_t write_count; /* commits that were written, of all groups */
    struct weir_mono trim_due;
    struct weir_mono tell_due;
    size_t trimming; /* cuts under way */
};

/** Somebody outside waits for a drain. Whoever comes second, the job or the waiter, frees it. */
struct weir_drain {
    struct weir_message message;
    struct weir_streams *streams;
    struct weir_drain *next;
    _Atomic int state; /* enum weir_drain_state */
    int rc;
    size_t asking;   /* end offsets not yet answered */
    int rounds_left; /* of looking at repartition topics */
    bool has_targets;
    bool is_reached;     /* all is committed */
    int64_t write_count; /* how many commits there were then */
};

struct weir_start; /* start.c */

struct weir_streams {
    uint32_t magic;
    struct weir_log *log;
    struct weir_env *env;
    const struct weir_topology *topology;
    const struct weir_backend_kind *backend; /* of the stores; runtime/state/backend.h */
    struct weir_streams_options options;     /* defaults filled in; texts in `memory` */
    struct weir_budget budget;
    struct weir_arena memory;      /* lives as long as the job */
    struct weir_group_claim claim; /* one job per application and log */
    struct weir_file *lock;        /* DIR/state/<application>/lock */
    struct weir_file *held;        /* and that directory, locked itself; NULL: it cannot be */
    char *state_path;              /* DIR/state/<application> */
    struct weir_actor *actor;

    struct weir_job_topic *topics;
    size_t topic_count;
    struct weir_job_partition *
        *partitions; /* by topic, by partition; NULL: neither read nor ours */
    struct weir_partition_origin **origins; /* the same, as the threads are told */
    int32_t *task_counts;                   /* by sub-topology */
    struct weir_task_config task_config;    /* its cache is the job's */
    struct weir_stream_thread **threads;
    size_t thread_count;
    struct weir_time_alignment *alignment; /* of the threads' tasks; NULL: off */
    size_t threads_opened;   /* what each of their tasks lacks is known, and nothing refused */
    size_t threads_restored; /* all of their tasks run */
    size_t threads_running;  /* started and not yet stopped */
    struct weir_start *start;
    _Atomic bool has_begun; /* threads run, and commits are made; some tasks may still restore */
    struct weir_commit commit;
    struct weir_drain *drains;
    struct weir_mono drain_commit_at; /* when they may ask for the next one */
    struct weir_mono drain_wake;      /* NEVER: none of them waits for a commit */
    size_t outstanding;               /* requests of the job's own */

    _Atomic int state; /* enum weir_streams_state; written by the job's actor */
    bool is_stopping;  /* threads were told to stop */
    bool close_asked;
    struct weir_error error; /* valid once `failed` is set */
    _Atomic bool failed;
    struct weir_message begin_message;
    struct weir_message close_message;
    struct weir_message commit_message;
    _Atomic bool is_finished; /* what weir_streams_close waits for */

    /* Where commits and the wall clock are manual. */
    struct weir_manual_drive drive;
    struct weir_uuid
        *lives; /* by the topology's stores; zero: of one with a changelog, or never emptied */

    struct weir_counter commits;
    struct weir_histogram commit_us; /* the sum of the following three, each time */
    struct weir_histogram commit_seal_us;
    struct weir_histogram commit_flush_us;
    struct weir_histogram commit_write_us;
};

/** What a job is given beside the user's options, by who starts it. */
struct weir_streams_hooks {
    const struct weir_backend_kind *backend; /* what its stores are kept in; not NULL */
    const struct weir_commit_kind *commit;   /* what its commits are made of; not NULL */
    bool is_manual;  /* no commit is due by itself, and the wall clock is set */
    int64_t wall_ms; /* where that clock stands, Unix time */
};

/**
 * weir_streams_start with `hooks`: a job in another world than the real one has its stores where that world
 * keeps them. `options` are whole; NULL on failure, with the reason in `error`. May wait.
 */
struct weir_streams *weir_streams_start_in(struct weir_log *log,
                                           const struct weir_topology *topology,
                                           const struct weir_streams_options *options,
                                           const struct weir_streams_hooks *hooks,
                                           struct weir_error *error);

/**
 * The asynchronous forms, for who drives the job event by event and may not wait in it. begin takes the lock
 * and starts the job's actor; what fails later shows in weir_streams_state. After close_begin wait for
 * `is_finished`, then free.
 */
int weir_streams_start_begin(struct weir_log *log, const struct weir_topology *topology,
                             const struct weir_streams_options *options,
                             const struct weir_streams_hooks *hooks,
                             struct weir_streams **streams_out, struct weir_error *error);
void weir_streams_close_begin(struct weir_streams *streams);
bool weir_streams_is_finished(const struct weir_streams *streams);
/** Something may go to the dead-letter topic. */
static inline bool weir_streams_writes_letters(const struct weir_streams_options *options)
{
    return options->on_deserialization_error == WEIR_ON_ERROR_DEAD_LETTER ||
           options->on_processing_error == WEIR_ON_ERROR_DEAD_LETTER ||
           options->on_production_error == WEIR_ON_ERROR_DEAD_LETTER ||
           options->on_timestamp_after_max == WEIR_TIMESTAMP_DEAD_LETTER;
}

/** What a job cannot be started with: WEIR_INVALID_ARGUMENT, by name and value. */
int weir_streams_check_options(const struct weir_streams_options *options,
                               struct weir_error *error);
/** Stop the actors and free; only when finished. */
void weir_streams_free(struct weir_streams *streams);
/** Have a commit begin now. One at a time: weir_streams_commit_round moves when it is done. */
void weir_streams_commit_begin(struct weir_streams *streams);

/* manual_drive.c: between events only, where one thread drives everything event by event. */
/** Set the job's wall clock (hooks.is_manual), Unix time, and let threads look at their timers. */
void weir_streams_set_wall(struct weir_streams *streams, int64_t wall_ms);
/** Fetch, but do not process, until it is taken back. */
void weir_streams_pause(struct weir_streams *streams, bool is_paused);
/** When the next wall-clock timer is due, Unix time in milliseconds; INT64_MAX: none. */
int64_t weir_streams_next_timer(const struct weir_streams *streams);
/** Something was processed that no commit covers yet. */
bool weir_streams_is_dirty(const struct weir_streams *streams);
/** How many commits each group of the job's threads has finished, at least; empty ones included. */
int64_t weir_streams_commit_round(const struct weir_streams *streams);
/** Nothing is buffered, being built, on its way or being committed. */
bool weir_streams_is_idle(const struct weir_streams *streams);

/* ---- inside the job -------------------------------------------------------------------------- */

/* job_state.c, which all others stand on: */
/** What holds between the fields, before and after each turn of the job's actor. */
void weir_streams_check(const struct weir_streams *streams);
/** What holds between its fields, each time that one of them has moved. */
void weir_job_partition_check(const struct weir_job_partition *partition);
/** What it has repartitioned itself: repartition.isolation.level. */
bool weir_streams_reads_uncommitted(const struct weir_streams *streams);
/** NULL: nobody in the job reads or writes that partition. */
struct weir_job_partition *weir_job_partition(const struct weir_streams *streams, size_t topic,
                                              int32_t partition);
/** The job stops; the first failure is kept. On the job's actor. */
void weir_streams_fail(struct weir_streams *streams, int rc, const struct weir_error *error);
/**
 * The only assignment of the job's state; says so in the log and to whoever waits. On the job's actor.
 *
 *   created ──begin──> restoring ──all tasks run──────> running ──close──> pending shutdown ──> not running
 *      │                   │    └──────────────close────────────────────────^     │                 ^
 *      └──── failure ──────┴──────────────────────── failure ─────────────────────┴──> error ──close┘
 *
 * Threads run, and commits are made, from when all threads have opened their tasks (`has_begun`); the job restores until
 * the last task does.
 */
void weir_streams_move(struct weir_streams *streams, enum weir_streams_state state);

/* job.c */
enum { WEIR_STREAMS_MAGIC = 0x7374726d };
int weir_job_run_once(void *impl);
/** Have the job's own messages handled. */
void weir_job_listen(struct weir_streams *streams);
/** job_threads.c: how the job hears what its threads say. */
struct weir_thread_listener weir_job_thread_listener(struct weir_streams *streams);

/* start.c: one step per turn, until the threads run. */
int weir_start_new(struct weir_streams *streams, struct weir_error *error);
void weir_start_step(struct weir_streams *streams);
void weir_start_free(struct weir_streams *streams);

/* commit_trim.c, behind a commit: what is processed goes, and logs hear what is committed. */
void weir_commit_trim(struct weir_streams *streams, struct weir_mono now);

/* job_transaction.c */
/** The group that a thread is in. */
struct weir_commit_group *weir_commit_group_of(const struct weir_streams *streams, size_t thread);
/** An operation of the kind's is on its way, and has been answered. */
struct weir_commit_call weir_commit_call(struct weir_commit_group *group,
                                         void (*done)(struct weir_commit_call *call));
struct weir_commit_group *weir_commit_answered(struct weir_commit_call *call);
/** A turn begins: what was waited for until now has come (`wake`, `begin_wake` of groups, `drain_wake`). */
void weir_alarm_went_off(struct weir_streams *streams);
/** And ends: the next one is when the first of all that wait wants it. */
void weir_alarm_set(struct weir_streams *streams);
/** A thread has something to send in a transaction. */
void weir_transaction_want(struct weir_commit_group *group);
void weir_transaction_begin_if_wanted(struct weir_commit_group *group);
/** One that is open for long has its time begin anew: the job lives. */
void weir_transaction_renew_if_due(struct weir_commit_group *group);
/** It is written that it counts. */
void weir_transaction_committed(struct weir_commit_group *group);
/** All who read what is committed see the first `write_count` commits of the job. */
bool weir_transactions_are_settled(const struct weir_streams *streams, int64_t write_count);
/** What a job that has failed has left open, once its threads have stopped. True: it is under way. */
bool weir_transactions_abort(struct weir_streams *streams);

/* commit.c */
/** What a commit says of a partition as it stands. */
struct weir_commit_entry weir_commit_entry_of(const struct weir_streams *streams,
                                              const struct weir_job_partition *partition);
/** With commits of that kind. WEIR_NO_MEMORY. */
int weir_commit_open(struct weir_streams *streams, const struct weir_commit_kind *kind,
                     struct weir_error *error);
/** The groups of `by_thread`, without threads and partitions yet. `transactional_ids` by group; NULL: the kind has none.
 * WEIR_NO_MEMORY. */
int weir_commit_make_groups(struct weir_streams *streams, const char *const *transactional_ids);
void weir_commit_close(struct weir_streams *streams);
/** One of the events that say nothing more: START, WANT, TURN (commit_step.h), or FAILED; to all groups. Does what
 * comes of it. On the job's actor. */
void weir_commit_handle(struct weir_streams *streams, enum weir_commit_event_type type);
/** The same, to one. */
void weir_commit_handle_group(struct weir_commit_group *group, enum weir_commit_event_type type);
/** The last commit of each group begins when the one at hand is over; true: all of them are over. */
bool weir_commit_last(struct weir_streams *streams);
/** A thread of the group has handed in. Borrows `handed` until the thread is told `committed`; the marks of its inputs
 * until it is asked again and seals their task anew, which is read only once all threads of the group have handed in. */
void weir_commit_handed_in(struct weir_commit_group *group,
                           const struct weir_thread_commit *handed);

/* drain.c */
void weir_drain_step(struct weir_streams *streams);
/** What holds between the fields, on the job's actor: each time it is looked at. */
void weir_drain_check(const struct weir_drain *drain);
/** Answer all with the job's error or WEIR_CLOSED. */
void weir_drain_end_all(struct weir_streams *streams, int rc);

#endif
