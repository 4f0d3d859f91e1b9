#ifndef WEIR_STREAMS_H
#define WEIR_STREAMS_H

#include "weir/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A topology at work on a log.
 *
 *   created ──start──> restoring ──> running ──close──> pending shutdown ──> not running
 *                          └──────────── error ──────────> (close) ──────────> not running
 *
 * State, outputs and the progress through the input are committed together every commit.interval.ms, in a
 * transaction: after a crash all of them are exactly those of the last commit, for whoever reads
 * committed. docs/guide/exactly-once.md.
 */
struct weir_streams;

enum weir_streams_state {
    WEIR_STREAMS_CREATED,
    WEIR_STREAMS_RESTORING,
    WEIR_STREAMS_RUNNING,
    WEIR_STREAMS_PENDING_SHUTDOWN,
    WEIR_STREAMS_NOT_RUNNING,
    WEIR_STREAMS_ERROR,
};

/** A task's: one sub-topology on one partition. Each restores by itself, and those that run go on meanwhile. */
enum weir_task_state {
    WEIR_TASK_CREATED,
    WEIR_TASK_RESTORING, /* what its stores lack is read from their changelogs */
    WEIR_TASK_RUNNING,   /* it processes, and commits contain it */
    WEIR_TASK_SUSPENDED,
    WEIR_TASK_CLOSED,
};

/** What to do with a record that cannot be read, processed or written. */
enum weir_on_error {
    WEIR_ON_ERROR_FAIL = 0,    /* stop the job: nothing is lost, the record is still there */
    WEIR_ON_ERROR_SKIP,        /* count it and go on */
    WEIR_ON_ERROR_DEAD_LETTER, /* to `dead_letter_topic`, with the reason in its headers; go on */
};

/** What a start does when what is there does not fit what was committed: docs/guide/restart.md. */
enum weir_on_mismatch {
    WEIR_ON_MISMATCH_REFUSE = 0, /* say what differs, change nothing */
    WEIR_ON_MISMATCH_REBUILD, /* drop all state, read the inputs from their beginning; refused where
                                    that is gone. Outputs are repeated */
    WEIR_ON_MISMATCH_START_EMPTY,   /* stores that do not fit start empty, all else goes on */
    WEIR_ON_MISMATCH_LOSSY_REBUILD, /* as REBUILD, from what is left of inputs that have lost or
                                    removed records: what these held is not counted again */
};

/** What becomes of an input's record whose timestamp is further ahead of the wall clock than
 * `timestamp_after_max_ms`: one such record moves stream time on, and makes all that comes behind it late. */
enum weir_on_timestamp_after {
    WEIR_TIMESTAMP_SKIP = 0,    /* count it and go on */
    WEIR_TIMESTAMP_CLAMP,       /* it gets the largest timestamp that is let through */
    WEIR_TIMESTAMP_DEAD_LETTER, /* to `dead_letter_topic`, and go on */
};

/** What of a job's outputs counts after a crash. State and progress count once in any case. */
enum weir_processing_guarantee {
    WEIR_EXACTLY_ONCE = 0, /* they belong to the commit: whoever reads committed sees each once */
    WEIR_AT_LEAST_ONCE,    /* they can be read at once, and may be repeated after a crash */
};

/** How a job reads what it has repartitioned itself. docs/guide/exactly-once.md has pictures of both. */
enum weir_repartition_isolation {
    /* At once. Threads that write and read the same repartition topic commit together: a function that takes its time on
     * one of them holds up the commits of all these. */
    WEIR_REPARTITION_READ_UNCOMMITTED = 0,
    /* Once it is committed: each thread commits on its own, and a record waits for a commit at each repartition topic. */
    WEIR_REPARTITION_READ_COMMITTED,
};

struct weir_streams_options {
    WEIR_SIZE(struct weir_streams_options);
    const char
        *application_id; /* application.id: names the state, the internal topics, the group */
    /* num.stream.threads: among how many threads the tasks are divided. 0: one per core that the process may run
     * on; at most 1024. Functions of the topology run on several of them at once, also with the same context. */
    int32_t num_stream_threads;
    int64_t commit_interval_ms; /* commit.interval.ms; 0: 100; at most INT32_MAX */
    int64_t
        cache_max_bytes; /* statestore.cache.max.bytes; 0: 10 MiB; WEIR_CACHE_OFF: forward all */
    /* One bound for what all stores of the job take in memory, that cache included: changed rows, RocksDB's write buffers,
     * one cache of blocks, indexes and filters for all tasks. 0: some 650 MiB at most and what indexes and filters take;
     * docs/guide/tables.md. Too little for the job's tasks: the start says how much is enough. */
    int64_t state_memory_max_bytes;
    const char *state_dir; /* state.dir; NULL: DIR/state */
    enum weir_on_error on_deserialization_error;
    enum weir_on_error on_processing_error;
    enum weir_on_error on_production_error;
    const char *dead_letter_topic; /* errors.dead.letter.queue.topic.name */
    enum weir_on_mismatch on_mismatch;
    /* topology.optimization reuse.ktable.source.topics: a table's topic serves as its changelog even if
     * it is not compacted. Rows that its retention takes are gone when local state is lost. */
    bool reuse_source_topics;
    /* task.max.time.skew.ms: while tasks catch up none reads further ahead of the last of them in event time, so that
     * less waits in repartition topics and open windows. 0: 10 minutes; WEIR_TIME_SKEW_OFF: as far as each comes. */
    int64_t task_max_time_skew_ms;
    /* Windows that emit when they close are looked through once in so long, of wall-clock time. 0: 1000;
     * WEIR_EMIT_AT_ONCE: at each record, which takes a scan of the changed windows each time. */
    int64_t window_emit_interval_ms;
    enum weir_processing_guarantee processing_guarantee;         /* processing.guarantee */
    enum weir_repartition_isolation repartition_isolation_level; /* repartition.isolation.level */
    /* weir_streams_start returns when the first tasks may run, and not when the last has been restored. */
    bool returns_while_restoring;
    /* As message.timestamp.after.max.ms of a topic, but for what the job reads: the most by which a record of an input
     * topic may be ahead of the wall clock. 0: as far as it likes. */
    int64_t timestamp_after_max_ms;
    enum weir_on_timestamp_after on_timestamp_after_max;
    /* An input that has stood at its log's end for so long, of wall-clock time, lets stream time go on with the wall clock,
     * that long behind it: windows close and timers fire though no record comes, and what then comes is late by it. 0: only
     * records move time. docs/guide/time-and-windows.md. */
    int64_t idle_close_ms;
    /* Where records go, as they were read, that windows or joins drop as late; part of the commit as all outputs are. NULL:
     * nowhere, they are counted. docs/guide/time-and-windows.md. */
    const char *late_topic;
    /* transaction.timeout.ms: so long others may have to wait for what a job that was killed has left open, where it does
     * not come back. While the job lives its transactions have all the time that its functions take. 0: 60 s. */
    int64_t transaction_timeout_ms;
};
enum { WEIR_TIME_SKEW_OFF = -1 };
enum { WEIR_EMIT_AT_ONCE = -1 };
/** `struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "app"};` */
#define WEIR_STREAMS_OPTIONS_INIT .size = sizeof(struct weir_streams_options)

/**
 * Start: internal topics are made, stream threads run, state is restored. A task runs as soon as its own stores are
 * restored; the call returns when all do, or with `returns_while_restoring` when what is there has been compared with what
 * was committed: the state is WEIR_STREAMS_RESTORING then until the last task runs, and what fails meanwhile shows in
 * weir_streams_error. Input topics must exist (or auto-create be on).
 *
 * Errors: WEIR_INVALID_ARGUMENT (application id; letters or late records into an input, or into what an application
 *         or the log has for itself), WEIR_UNKNOWN_TOPIC_OR_PARTITION,
 *         WEIR_INVALID_TOPOLOGY (partition counts of a join; the program writes into what an application or the log
 *         has for itself), WEIR_LOCKED (the application runs),
 *         WEIR_MISMATCH (what is there does not fit what was committed; the text names what differs
 *         and the choices that `on_mismatch` has), WEIR_OFFLINE.
 * Owns:   borrows log and topology until weir_streams_close.
 */
WEIR_API struct weir_streams *weir_streams_start(struct weir_log *log,
                                                 const struct weir_topology *topology,
                                                 const struct weir_streams_options *options,
                                                 struct weir_error *error);
/** Commit and stop; what made it fail, if it did. Frees. NULL is fine. */
WEIR_API int weir_streams_close(struct weir_streams *streams, struct weir_error *error);

/** NULL is a job that is not running. */
WEIR_API enum weir_streams_state weir_streams_state(const struct weir_streams *streams);
/** Why the job is in WEIR_STREAMS_ERROR; 0 otherwise. */
WEIR_API int weir_streams_error(const struct weir_streams *streams, struct weir_error *error_out);

/**
 * Wait until everything that was in the input topics at the time of the call (and what came of it in
 * repartition topics) is processed and committed. WEIR_TIMED_OUT; the job's error if it fails.
 * Commits are asked for meanwhile, so that it does not take commit_interval_ms. `timeout_ms` -1: for ever.
 */
WEIR_API int weir_streams_drain(struct weir_streams *streams, int64_t timeout_ms,
                                struct weir_error *error);

struct weir_streams_metrics {
    int64_t records_in;
    int64_t records_out;
    int64_t records_dropped_late; /* behind a window's grace */
    int64_t records_dropped_null; /* null keys and values where they mean nothing */
    int64_t records_failed;       /* handled by skip or dead letter */
    int64_t records_lag;          /* in the input topics, not yet processed */
    int64_t commits;
    int64_t commit_p50_us, commit_p99_us; /* from when one was due to when it was durable */
    /* What they waited for, one behind the other, in all and at the 99th percentile: for stream threads
     * to end the batch at hand and seal their stores; for what those sealed to be on the disk; for
     * the commit's own record to be there. */
    int64_t commit_seal_us, commit_seal_p99_us;
    int64_t commit_flush_us, commit_flush_p99_us;
    int64_t commit_write_us, commit_write_p99_us;
    int64_t state_bytes; /* cache, not yet written and RocksDB */
    int64_t cache_bytes;
    int64_t restored_records;
    int64_t tasks;
    int64_t tasks_restoring;    /* of those */
    int64_t state_memory_bytes; /* what stores take of state_memory_max_bytes; 0 without */
    int64_t records_ahead; /* timestamps beyond `timestamp_after_max_ms`, whatever became of them */
};
WEIR_API void weir_streams_metrics(const struct weir_streams *streams,
                                   struct weir_streams_metrics *metrics_out);

/** One operator of the topology, since the job started. */
struct weir_operator_metrics {
    const char *name;     /* as weir_topology_describe has it; the topology's */
    int64_t records_late; /* dropped behind its grace, once for each window that is over */
    int64_t
        late_max_ms; /* the most by which one was behind the stream time that the operator has seen; like the next
                                 one of all that the application has dropped there */
    int64_t grace_enough_ms; /* the smallest grace with which none would have been dropped */
};
/**
 * The operators that have dropped records as late: how many there are, and the first `capacity` of them in order of
 * declaration. Thread: any.
 */
WEIR_API size_t weir_streams_operator_metrics(const struct weir_streams *streams,
                                              struct weir_operator_metrics *metrics_out,
                                              size_t capacity);

/** One task of a job. */
struct weir_task_metadata {
    int32_t subtopology;
    int32_t partition;
    enum weir_task_state state;
    int64_t restored_records; /* since the job started */
    int64_t
        restore_left; /* offsets of its changelogs that are still to be read; fewer records, perhaps */
};
/**
 * The tasks of a job that has begun to run: how many there are, and the first `capacity` of them, thread by thread.
 * Thread: any.
 */
WEIR_API size_t weir_streams_task_metadata(const struct weir_streams *streams,
                                           struct weir_task_metadata *metadata_out,
                                           size_t capacity);
/** "created", "restoring", ... */
WEIR_API const char *weir_task_state_name(enum weir_task_state state);

#ifdef __cplusplus
}
#endif

#endif
