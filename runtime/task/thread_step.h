#ifndef WEIR_RUNTIME_TASK_THREAD_STEP_H
#define WEIR_RUNTIME_TASK_THREAD_STEP_H

#include <stdbool.h>

/**
 * What a stream thread does next: the pure part of it. It does no I/O and reads no clock (what waits for a
 * time has a backoff or a timer of its own): an event goes in, and the update says what is to be done, in
 * the order of its fields. stream_thread.c does it, and comes back with what became of it.
 *
 *   created ─open─> opening ──> ready ─run─> running ─stop─> stopping ──> stopped
 *      └─────────────────┴───────────┴────stop (also after a failure)──^
 *
 * Once its tasks are open a thread restores what they lack, a bounded part each turn, beside whatever else it does in
 * that phase; which of its tasks may run already is for each of them to say (task.h). That the last of them has been
 * restored is said once.
 *
 * Within `running` a commit goes round once:
 *
 *   none ──seal─────> asked ──stores sealed, all sent──> sending ──all acknowledged──> handed in ─┐
 *    ^                                                                                           │
 *    └───────────────────────────────────────── committed ───────────────────────────────────────┘
 *
 * What it puts out is sent within the job's transaction, which is open from `begun` until the thread has sealed for
 * the commit that ends it. Where none is open the thread processes on, its outputs wait, and the job is told
 * that one is wanted. What a seal makes of the stores belongs to the transaction that it ends, so that it waits for it to
 * be open, too. Behind the seal that was told to be the last the thread processes no more.
 *
 * After a failure nothing is done any more until it is told to stop.
 */
enum weir_thread_phase {
    WEIR_THREAD_CREATED,
    WEIR_THREAD_OPENING,
    WEIR_THREAD_READY,
    WEIR_THREAD_RUNNING,
    WEIR_THREAD_STOPPING,
    WEIR_THREAD_STOPPED,
};

enum weir_seal_phase { WEIR_SEAL_NONE, WEIR_SEAL_ASKED, WEIR_SEAL_SENDING, WEIR_SEAL_HANDED_IN };

/** Zeroed, but for the name: as it is made. One owner, the thread. */
struct weir_thread_state {
    const char *name; /* for what a wrong move says */
    enum weir_thread_phase phase;
    enum weir_seal_phase seal;
    bool is_restored;    /* all tasks are */
    bool is_open;        /* the transaction: outputs may be sent in it */
    bool has_wanted;     /* one, and none was begun or committed since */
    bool is_last;        /* the seal at hand is the last: process no more behind it */
    bool has_asked;      /* for a commit, since the last seal */
    bool is_stop_wanted; /* a turn will begin it */
    bool has_failed;
};

enum weir_thread_event_type {
    /* Messages. */
    WEIR_THREAD_OPEN,      /* the first */
    WEIR_THREAD_RUN,       /* all threads of the job have opened their tasks */
    WEIR_THREAD_SEAL,      /* seal, and hand in; `is_last` */
    WEIR_THREAD_BEGUN,     /* a transaction is open */
    WEIR_THREAD_COMMITTED, /* what was handed in is durable */
    WEIR_THREAD_STOP,
    /* What became of an update. */
    WEIR_THREAD_OPENED,   /* all tasks, and each knows what it lacks */
    WEIR_THREAD_RESTORED, /* all tasks; they run */
    WEIR_THREAD_SEALED,   /* all tasks; what they have made is sent */
    WEIR_THREAD_SENT,     /* what could be; `is_quiet`, `needs_transaction` */
    WEIR_THREAD_CANCELLED,
    /* By itself. */
    WEIR_THREAD_TURN, /* `is_resending`, `needs_transaction` when running, `is_quiet` when stopping */
    WEIR_THREAD_WANTS_COMMIT, /* a store is full */
    WEIR_THREAD_FAILED,
};

struct weir_thread_event {
    enum weir_thread_event_type type;
    bool is_last;
    bool is_resending; /* something is to be sent again, or on its way again: no seal yet */
    bool
        is_quiet; /* nothing that was sent before the seal is on its way; of a stop: nothing at all, nor being
                      fetched or written down */
    bool needs_transaction; /* something waits to be sent in one, or would if it were sealed */
};

/** What is to be done, from top to bottom. */
struct weir_thread_update {
    bool opens;         /* the next task; behind the last one, WEIR_THREAD_OPENED */
    bool says_opened;   /* to the job */
    bool restores;      /* a part of what is lacking; behind the last one, WEIR_THREAD_RESTORED */
    bool says_restored; /* to the job */
    bool seals;         /* all tasks, send what they make, and come back with WEIR_THREAD_SEALED */
    bool processes;     /* a batch of each task */
    bool sends;         /* what may be, fetch, and come back with WEIR_THREAD_SENT */
    bool hands_in;      /* note the ends and tell the job */
    bool writes_down;   /* what was sealed */
    bool wants_transaction; /* tell the job */
    bool wants_commit;      /* tell the job */
    bool cancels;     /* what is fetched or waits to be sent again; then WEIR_THREAD_CANCELLED */
    bool closes;      /* tasks and their stores; tell the job that it is over */
    bool says_failed; /* to the job: the first failure */
};

/**
 * Take an event.
 *
 * Errors:  none; a move that the drawings do not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  the stream thread.
 */
void weir_thread_step(struct weir_thread_state *state, const struct weir_thread_event *event,
                      struct weir_thread_update *update);
const char *weir_thread_phase_name(enum weir_thread_phase phase);
const char *weir_seal_phase_name(enum weir_seal_phase seal);
/** The invariants between the fields. */
void weir_thread_check(const struct weir_thread_state *state);

#endif
