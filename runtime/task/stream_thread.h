#ifndef WEIR_RUNTIME_TASK_STREAM_THREAD_H
#define WEIR_RUNTIME_TASK_STREAM_THREAD_H

#include "runtime/task/backoff.h"
#include "runtime/task/restore.h"
#include "runtime/task/task.h"
#include "runtime/task/thread_step.h"
#include "runtime/task/time_alignment.h"

/**
 * A stream thread: an actor that owns tasks and runs them in bounded turns. Its phases, and how a commit
 * goes round in it, are drawn in thread_step.h.
 *
 * Never blocks, except on reads inside stores. Prefetch is bounded: one fetch under way per input,
 * none while enough is buffered; processing stops while too much output is unacknowledged.
 */
struct weir_stream_thread;

/* ---- what a thread is given ------------------------------------------------------------------- */

/** Where a partition stood when the threads were made: what the last commit says of it, and what its
 * log had then. Immutable. */
struct weir_partition_origin {
    int32_t leader_epoch;
    int64_t log_start;
    int64_t log_end;
    int64_t compacted_end;       /* nothing from there on was compacted; INT64_MAX: not known */
    int64_t position;            /* of an input: next offset to process */
    int64_t needed_end;          /* of an input: no record below it may be passed over */
    struct weir_read_batch read; /* of an input: what was read last below it */
    int64_t partition_time_ms;   /* of an input; -1: none */
    int64_t end;                 /* up to here the commit covers what a store is made of */
    int64_t
        decided_end;  /* of an internal topic: below it each transaction was committed or aborted */
    int64_t lost_end; /* of a changelog: of what a repair gave up of it; 0: nothing */
    const struct weir_node_mark *marks; /* of the nodes of the task whose first input it is */
    size_t mark_count;
};

/** A manual clock for all threads of a job, and whether they run; zero: the environment's clock. Written by
 * who drives the job event by event on one thread, and only while nothing of it runs. */
struct weir_manual_drive {
    bool is_manual;  /* wall-clock time is `wall_ms` */
    int64_t wall_ms; /* Unix time */
    bool is_paused;  /* fetch, but do not process */
};

/** Who hears of the thread, and how: each message is a weir_note, handled on `actor`. */
struct weir_thread_listener {
    struct weir_actor *actor;
    void *context; /* the listener's own; the thread never looks at it */
    void (*on_opened)(struct weir_message *message);    /* ready to run; it restores by itself */
    void (*on_restored)(struct weir_message *message);  /* all of its tasks run */
    void (*on_handed_in)(struct weir_message *message); /* `thread->commit` may be read */
    void (*on_failed)(struct weir_message *message);    /* `thread->error` says why */
    void (*on_stopped)(struct weir_message *message);   /* the last message */
    void (*on_wants_commit)(struct weir_message *message);
    void (*on_wants_transaction)(struct weir_message *message);
};

/** All that a thread knows of its job. What is pointed to outlives the thread and stays as it is from
 * weir_stream_thread_start on, but for `drive`. */
struct weir_stream_thread_options {
    size_t index;
    size_t task_capacity; /* so many tasks will be added at most */
    struct weir_env *env;
    struct weir_log *log;
    struct weir_budget *budget;
    struct weir_budget *batch_budget; /* of what is sent: the log may keep it beyond the job */
    const char *application_id;
    const char *state_path;                /* of the job; tasks have folders in it */
    const struct weir_task_config *config; /* with the table of topics */
    size_t topic_count;                    /* of that table */
    struct weir_partition_origin *const
        *origins;                  /* by topic, by partition; NULL: neither read nor ours */
    const struct weir_uuid *lives; /* by the topology's stores: of those without a changelog */
    struct weir_output_producer *transaction; /* what the job writes in its transactions with */
    bool shares_transaction;                  /* other threads do, too */
    bool
        reads_uncommitted; /* what this run repartitions: its writers are all in that transaction */
    bool sends_outputs_at_once;            /* outside of them: processing.guarantee at_least_once */
    const struct weir_manual_drive *drive; /* not NULL */
    struct weir_time_alignment *alignment; /* of all threads; NULL: tasks need not stay together */
    struct weir_thread_listener listener;  /* its actor runs before the thread starts */
};

/* ---- what a thread hands in ------------------------------------------------------------------- */

/** How far an input is, as the commit will say it. */
struct weir_input_progress {
    struct weir_input_progress *next; /* in the thread's commit */
    size_t topic;
    int32_t partition;
    int64_t offset;       /* next to process */
    int32_t leader_epoch; /* the partition's when it was read so far */
    struct weir_read_batch read;
    int64_t partition_time_ms;
    int64_t caught_up_ms;         /* the log ended at `offset` or below it then; 0: not known */
    struct weir_node_mark *marks; /* the task's times that are state; with its first input */
    size_t mark_count;
    size_t mark_capacity;
};

/** What a thread's tasks have sealed. The thread writes it between `seal` and the note that it has
 * handed in; from there until the next `seal` it stays as it is, for anybody to read. The marks of an
 * input stay longer: until its task is sealed again, and a task with nothing new is not. The job may say
 * them in any commit in between, which it writes when all threads have handed in and none is sealing. */
struct weir_thread_commit {
    struct weir_input_progress *inputs; /* of the tasks that had something to commit */
    struct weir_output_end *ends;       /* of internal partitions, those that have moved */
    size_t end_count;
    size_t end_capacity;
    struct weir_mono sealed; /* when the last task was */
};

/* ---- the thread ------------------------------------------------------------------------------- */

struct weir_input_fetch {
    struct weir_fetch_request fetch; /* first */
    struct weir_stream_thread *thread;
    struct weir_task_input *input;
    const struct weir_partition_origin *origin;
    struct weir_input_progress progress; /* as handed in last; at first, as committed */
    struct weir_backoff backoff;
    /* Where the log ended and when, as an earlier answer said; once that is processed, the input had caught up with
     * that time. 0: nothing to catch up with */
    int64_t seen_end;
    int64_t seen_end_ms;
    int64_t caught_up_ms; /* 0: not since the start */
    bool is_outstanding;
    bool is_listed;                /* in the thread's list of inputs to look at */
    struct weir_input_fetch *next; /* in it */
};

struct weir_thread_task {
    struct weir_task *task;
    struct weir_input_fetch *fetches; /* one per input */
    size_t input_count;
    struct weir_restore *restores; /* one per store with a changelog; none once it runs */
    size_t restore_count;
    bool is_sealed; /* part of the commit under way */
    /* Read by anyone. */
    int32_t subtopology;
    int32_t partition;
    struct weir_counter shown_state; /* enum weir_task_state */
    struct weir_counter restored;
    struct weir_counter restore_left; /* offsets */
};

/** A message without content between a thread and its job, one of each under way at most. */
struct weir_note {
    struct weir_message message; /* first */
    struct weir_stream_thread *thread;
};

struct weir_stream_thread {
    uint32_t magic;
    struct weir_stream_thread_options options;
    struct weir_env *env; /* options.env */
    struct weir_actor *actor;
    char name[32];                  /* stream-<index> */
    struct weir_thread_state state; /* by weir_thread_step only */
    struct weir_thread_task *tasks;
    size_t task_count;
    size_t task_total;     /* as it started with */
    size_t next_task;      /* to be opened, or first to run in the next turn */
    int64_t *task_times;   /* by task: where it is while it catches up; INT64_MAX: it does not */
    int64_t time_limit_ms; /* of this turn */
    size_t held_count;     /* tasks that the limit has held in this turn */
    size_t catching_up_count;
    bool is_waiting; /* for others to move on in time */
    struct weir_collector collector;
    struct weir_output_producer outside; /* of what is sent in no transaction */
    struct weir_arena arena;             /* of the batch at hand, whichever task's */
    struct weir_input_pool input_pool;
    size_t input_total;   /* of all tasks */
    size_t restore_total; /* likewise */
    size_t next_restore;  /* the task that is restored first in the next turn */
    /* Inputs that a fetch may be due for, in the order in which they came to be so. */
    struct weir_input_fetch *fetch_first;
    struct weir_input_fetch **fetch_last; /* where the next one is linked */

    size_t fetches_out;    /* requests under way */
    size_t produces_out;   /* unacknowledged, those to be tried again included */
    size_t sealed_out;     /* of those, sent before the last seal */
    uint64_t sealed_count; /* so many were */
    size_t produce_bytes;  /* of those */
    uint64_t sent_count;
    struct weir_output *retries; /* failed for want of something; oldest first */
    size_t retry_count;
    size_t resent_count; /* sent again and not stored yet */
    struct weir_backoff send_backoff;

    struct weir_thread_commit commit;

    bool is_last_seal;                  /* told with `seal` */
    bool stop_clean;                    /* told with `stop` */
    _Atomic bool is_asking_commit;      /* `wants_commit` is on its way; cleared by the job */
    _Atomic bool is_asking_transaction; /* likewise */
    struct weir_error error;            /* read by the job after `failed` */
    struct weir_damage_report
        damage; /* why it has failed, to the partition that it was read from */

    /* To the thread. */
    struct weir_note open;
    struct weir_note run;
    struct weir_note seal;
    struct weir_note begun;
    struct weir_note committed;
    struct weir_note stop;
    struct weir_note poke;  /* only a turn: `drive` has changed */
    struct weir_note awake; /* the same: another thread has moved on in time */
    /* To the job. */
    struct weir_note opened;
    struct weir_note restored;
    struct weir_note handed_in;
    struct weir_note failed;
    struct weir_note stopped;
    struct weir_note wants_commit;
    struct weir_note wants_transaction;

    struct weir_task_metrics metrics;
    struct weir_operator_counts *operators; /* by the topology's nodes */
    struct weir_counter lag;
    struct weir_counter state_bytes;
    struct weir_counter cache_bytes;
    struct weir_counter memory_bytes; /* of stores */
};

/** With no task yet and no actor. WEIR_NO_MEMORY. Thread: the listener's actor, as for all up to
 * weir_stream_thread_stop. */
int weir_stream_thread_new(const struct weir_stream_thread_options *options,
                           struct weir_stream_thread **thread_out, struct weir_error *error);
/** It goes on where `options->origins` say. Before the start. WEIR_NO_MEMORY. */
int weir_stream_thread_add(struct weir_stream_thread *thread, int32_t subtopology,
                           int32_t partition, struct weir_error *error);
/** What the thread sends in no transaction carries this producer. Before the start. WEIR_NO_MEMORY. */
int weir_stream_thread_set_producer(struct weir_stream_thread *thread, int64_t producer_id,
                                    int16_t producer_epoch, struct weir_error *error);
int weir_stream_thread_start(struct weir_stream_thread *thread, struct weir_error *error);
/** Stop the actor and free. Only when stopped, or never started. */
void weir_stream_thread_free(struct weir_stream_thread *thread);

/* Messages to it. */
void weir_stream_thread_run(struct weir_stream_thread *thread);
void weir_stream_thread_seal(struct weir_stream_thread *thread, bool is_last);
void weir_stream_thread_begun(struct weir_stream_thread *thread);
void weir_stream_thread_committed(struct weir_stream_thread *thread);
void weir_stream_thread_stop(struct weir_stream_thread *thread, bool is_clean);

/** While the world stands still: nothing is buffered, built, sent or sealed. */
bool weir_stream_thread_is_idle(const struct weir_stream_thread *thread);

/* ---- inside the thread ----------------------------------------------------------------------- */

/* thread_state.c, which all others stand on: */
/** It goes on with nothing more, and the job hears of it. The first failure is kept. */
void weir_thread_fail(struct weir_stream_thread *thread, int rc, const struct weir_error *error);
/** NULL: nobody in the job reads or writes that partition. */
const struct weir_partition_origin *weir_thread_origin(const struct weir_stream_thread *thread,
                                                       size_t topic, int32_t partition);
/** The clock of wall-clock timers, Unix time: the environment's, or a manual one's. */
int64_t weir_thread_wall_now_ms(const struct weir_stream_thread *thread);
/** thread_open.c: one step of opening; 1: that was the last. */
int weir_thread_open_step(struct weir_stream_thread *thread, struct weir_error *error);
/** thread_restore.c: ask what the positions of stores leave open; true: all of it is answered. */
bool weir_thread_ask_epochs(struct weir_stream_thread *thread);
/** A bounded part of what tasks lack; who lacks nothing more runs. How much was done; `*is_last_out`: all tasks run. A
 * failure that has a damaged batch in it is the thread's by then. */
int weir_thread_restore_step(struct weir_stream_thread *thread, bool *is_last_out,
                             struct weir_error *error);
void weir_thread_cancel_restores(struct weir_stream_thread *thread);
/** What is read by anyone of a task follows. */
void weir_thread_show_task(struct weir_thread_task *owned);
/** thread_align.c: it may be woken from here on. */
void weir_thread_align_start(struct weir_stream_thread *thread);
/** What tasks that catch up may take in the turn that begins. */
void weir_thread_align_begin(struct weir_stream_thread *thread);
/** The task has begun to run: it catches up. */
void weir_thread_align_task_runs(struct weir_stream_thread *thread, size_t index);
/** The task may take so far. */
int64_t weir_thread_align_limit(const struct weir_stream_thread *thread,
                                const struct weir_task *task);
/** A task has had its part of the turn: so many rows. */
void weir_thread_align_task(struct weir_stream_thread *thread, size_t index, int rows);
/** The turn is over: others hear of it. True: what was held may go on at once; `is_idle`: else nothing is to be done. */
bool weir_thread_align_end(struct weir_stream_thread *thread, bool is_idle);
/** It waits for nobody and nobody is to wait for it. */
void weir_thread_align_stop(struct weir_stream_thread *thread);
/** thread_fetch.c: have a fetch under way wherever there is room, of the inputs that are listed. */
void weir_thread_fetch(struct weir_stream_thread *thread);
/** Something was taken from the task's inputs, perhaps, or its fetches are to begin: look at them. */
/** What was processed may have reached the end that an earlier answer told of. */
void weir_thread_note_caught_up(struct weir_input_fetch *slot);
void weir_thread_list_inputs(struct weir_stream_thread *thread, struct weir_thread_task *owned);
/** What each of so many inputs of a job asks for at once. */
size_t weir_thread_fetch_size(size_t input_total);
void weir_thread_cancel_fetches(struct weir_stream_thread *thread);
/** If the queue has found a damaged batch, its partition is told; the thread stops when that is over. For a
 * thread that has just failed. */
void weir_thread_tell_damage(struct weir_stream_thread *thread,
                             const struct weir_input_queue *queue, struct weir_topic_partition of,
                             struct weir_uuid topic_id);
void weir_thread_tell_damaged_inputs(struct weir_stream_thread *thread,
                                     const struct weir_task *task);
/** thread_send.c: send what is finished, everything if `all`. */
int weir_thread_send(struct weir_stream_thread *thread, bool all);
/** Send again what failed for want of something, once nothing else is on its way. */
void weir_thread_send_again(struct weir_stream_thread *thread);
/** Something is to be sent again, or on its way again. */
bool weir_thread_is_resending(const struct weir_stream_thread *thread);
/** Give up what was to be tried again. */
void weir_thread_drop_retries(struct weir_stream_thread *thread);
/** Something waits to be sent in a transaction; of a thread that is to seal, or would. */
bool weir_thread_needs_transaction(const struct weir_stream_thread *thread);
/** True while too much is on its way or held back. */
bool weir_thread_is_full(const struct weir_stream_thread *thread);
/** thread_seal.c; a failure is the thread's, too. */
/** A seal is asked for: what tasks at rest have to say of their time, which needs a transaction, too. */
int weir_thread_tell_times(struct weir_stream_thread *thread);
/** Flush the caches, seal the stores of all tasks, note how far their inputs are, send everything. */
int weir_thread_seal(struct weir_stream_thread *thread);
/** All of it is acknowledged: note the ends of internal partitions, and tell the job. */
int weir_thread_hand_in(struct weir_stream_thread *thread);
/** It is committed: what was sealed may go into the backends. */
int weir_thread_write_down(struct weir_stream_thread *thread);

#endif
