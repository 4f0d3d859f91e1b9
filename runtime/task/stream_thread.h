#ifndef WEIR_RUNTIME_TASK_STREAM_THREAD_H
#define WEIR_RUNTIME_TASK_STREAM_THREAD_H

#include "runtime/task/backoff.h"
#include "runtime/task/restore.h"
#include "runtime/task/task.h"

/**
 * A stream thread: an actor that owns tasks and runs them in bounded turns.
 *
 *   created ─open─> opening ──> restoring ──> ready ─run─> running ─stop─> stopping ──> stopped
 *                        └────────────┴───────────┴────stop (also after a failure)──^
 *
 * Within `running` a commit goes round once:
 *
 *   none ──prepare──> sealing ──all sent and acknowledged──> handed in ──committed──> none
 *
 * From the seal until the job says `release` the thread processes on, but its outputs wait: what
 * the commit covers is cut cleanly at the end offsets that all threads have handed in.
 *
 * Never blocks, except on reads inside stores. Prefetch is bounded: one fetch under way per input,
 * none while enough is buffered; processing stops while too much output is unacknowledged.
 */
struct weir_streams;
struct weir_job_partition;
struct weir_stream_thread;

enum weir_thread_phase {
    WEIR_THREAD_CREATED,
    WEIR_THREAD_OPENING,
    WEIR_THREAD_RESTORING,
    WEIR_THREAD_READY,
    WEIR_THREAD_RUNNING,
    WEIR_THREAD_STOPPING,
    WEIR_THREAD_STOPPED,
};

enum weir_seal_phase { WEIR_SEAL_NONE, WEIR_SEAL_ASKED, WEIR_SEAL_SENDING, WEIR_SEAL_HANDED_IN };

struct weir_input_fetch {
    struct weir_fetch_request fetch; /* first */
    struct weir_stream_thread *thread;
    struct weir_task_input *input;
    struct weir_job_partition *partition;
    struct weir_backoff backoff;
    bool is_outstanding;
};

struct weir_thread_task {
    struct weir_task *task;
    struct weir_input_fetch *fetches; /* one per input */
    struct weir_restore *restores;    /* one per store with a changelog */
    size_t restore_count;
    bool is_sealed; /* part of the commit under way */
};

/** A message without content between a thread and its job, one of each under way at most. */
struct weir_note {
    struct weir_message message; /* first */
    struct weir_stream_thread *thread;
};

struct weir_stream_thread {
    uint32_t magic;
    struct weir_streams *streams;
    struct weir_env *env;
    struct weir_actor *actor;
    size_t index;
    enum weir_thread_phase phase;
    struct weir_thread_task *tasks;
    size_t task_count;
    size_t task_capacity;
    size_t task_total; /* as it started with */
    size_t next_task;  /* to be opened, or first to run in the next turn */
    struct weir_collector collector;

    size_t fetches_out;   /* requests under way */
    size_t produces_out;  /* unacknowledged, those to be tried again included */
    size_t produce_bytes; /* of those */
    uint64_t sent_count;
    struct weir_output *retries; /* failed for want of something; oldest first */
    size_t retry_count;
    size_t resent_count; /* sent again and not stored yet */
    struct weir_backoff send_backoff;

    enum weir_seal_phase seal;
    bool is_held;                 /* outputs wait for `release` */
    bool is_last_prepare;         /* told with `prepare` */
    bool is_finishing;            /* the seal at hand is the last: process no more */
    struct weir_output_end *ends; /* handed in */
    size_t end_count;
    size_t end_capacity;

    bool stop_asked;
    bool stop_clean;
    bool has_failed;
    bool has_asked_commit;         /* since the last seal */
    _Atomic bool is_asking_commit; /* `wants_commit` is on its way; cleared by the job */
    struct weir_error error;       /* read by the job after `failed` */
    struct weir_damage_report
        damage; /* why it has failed, to the partition that it was read from */

    /* To the thread. */
    struct weir_note open;
    struct weir_note run;
    struct weir_note prepare;
    struct weir_note release;
    struct weir_note committed;
    struct weir_note stop;
    struct weir_note poke; /* only a turn; simulator */
    /* To the job. */
    struct weir_note restored;
    struct weir_note sealed;
    struct weir_note failed;
    struct weir_note stopped;
    struct weir_note wants_commit;

    struct weir_task_metrics metrics;
    struct weir_counter lag;
    struct weir_counter state_bytes;
    struct weir_counter cache_bytes;
};

/** With no task yet and no actor; `task_count` tasks will be added. */
int weir_stream_thread_new(struct weir_streams *streams, size_t index, size_t task_capacity,
                           struct weir_stream_thread **thread_out, struct weir_error *error);
/** Positions come from the job's partitions. Before the start. */
int weir_stream_thread_add(struct weir_stream_thread *thread, int32_t subtopology,
                           int32_t partition, struct weir_error *error);
int weir_stream_thread_start(struct weir_stream_thread *thread, struct weir_error *error);
/** Stop the actor and free. Only when stopped, or never started. */
void weir_stream_thread_free(struct weir_stream_thread *thread);

/* Messages from the job's actor. */
void weir_stream_thread_run(struct weir_stream_thread *thread);
void weir_stream_thread_prepare(struct weir_stream_thread *thread, bool is_last);
void weir_stream_thread_release(struct weir_stream_thread *thread);
void weir_stream_thread_committed(struct weir_stream_thread *thread);
void weir_stream_thread_stop(struct weir_stream_thread *thread, bool is_clean);

/** In the simulator, between events: nothing is buffered, built, sent or sealed. */
bool weir_stream_thread_is_idle(const struct weir_stream_thread *thread);

/* ---- inside the thread ----------------------------------------------------------------------- */

void weir_thread_fail(struct weir_stream_thread *thread, int rc, const struct weir_error *error);
/** The clock of wall-clock timers: the environment's, or the test driver's. */
int64_t weir_thread_wall_now_ms(const struct weir_stream_thread *thread);
/** thread_open.c: one step of opening, of restoring; moves the phase on when done. */
int weir_thread_open_step(struct weir_stream_thread *thread, struct weir_error *error);
int weir_thread_restore_step(struct weir_stream_thread *thread, struct weir_error *error);
/** thread_fetch.c: have a fetch under way wherever there is room. */
void weir_thread_fetch(struct weir_stream_thread *thread);
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
/** True while too much is on its way or held back. */
bool weir_thread_is_full(const struct weir_stream_thread *thread);
/** thread_seal.c */
int weir_thread_seal(struct weir_stream_thread *thread);
int weir_thread_hand_in(struct weir_stream_thread *thread);
int weir_thread_apply_commit(struct weir_stream_thread *thread);

#endif
