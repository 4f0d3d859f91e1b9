#ifndef WEIR_RUNTIME_JOB_COMMIT_STEP_H
#define WEIR_RUNTIME_JOB_COMMIT_STEP_H

#include "runtime/task/backoff.h"

/**
 * When a job commits, what it waits for, and what comes next: the pure part of a commit. It does no I/O
 * and reads no clock: an event goes in, with the time, and the update says what is to be done, in the
 * order of its fields. commit.c does it, and comes back with the next event.
 *
 *              ┌──────────── nothing to say ────────────┐
 *              v                                        │
 *   idle ──due, wanted or last──> sealing ──all threads have handed in: gathered──> writing ──┐
 *    ^                                                               ^    │                   │
 *    │                                                               └────┘ a shortage:       │
 *    │                                                                      the same again    │
 *    └──────────────────────────────────── durable ───────────────────────────────────────────┘
 *
 * A failure ends it where it is: whatever the job still hears, nothing is asked for any more.
 */
enum weir_commit_phase {
    WEIR_COMMIT_IDLE,
    WEIR_COMMIT_SEALING, /* threads hand in */
    WEIR_COMMIT_WRITING, /* the commit record is on its way to the disk */
};

/** Zeroed, but for the first two: as before WEIR_COMMIT_START. One owner, the job's actor. */
struct weir_commit_state {
    int64_t interval_ms; /* from the end of one to the beginning of the next */
    bool is_manual;      /* none is due by itself */
    enum weir_commit_phase phase;
    bool is_started;   /* commits begin; not any more behind the last one */
    bool is_rest;      /* behind the last one: no thread takes part */
    bool has_failed;   /* the job: nothing is asked for any more */
    bool is_wanted;    /* before it is due */
    bool is_again;     /* the record is to be written again when `backoff` is due */
    size_t threads;    /* that take part */
    size_t handing_in; /* those of them that have not handed in */
    struct weir_mono due;
    struct weir_mono begun; /* when the one at hand was due, or wanted before that */
    struct weir_backoff backoff;
    int64_t round; /* finished ones, empty ones included */
};

enum weir_commit_event_type {
    WEIR_COMMIT_START,     /* `count` threads run: the first one is due an interval from now */
    WEIR_COMMIT_WANT,      /* somebody asks for one before it is due */
    WEIR_COMMIT_TURN,      /* time has passed */
    WEIR_COMMIT_LAST,      /* begin one now, the last; only when idle */
    WEIR_COMMIT_REST,      /* and once behind it, of what is known without the threads */
    WEIR_COMMIT_HANDED_IN, /* one more thread has */
    WEIR_COMMIT_GATHERED,  /* the record is made, of `count` entries; or `rc` */
    WEIR_COMMIT_ANSWERED,  /* the record is durable, or `rc` */
    WEIR_COMMIT_FAILED,    /* the job has failed */
};

struct weir_commit_event {
    enum weir_commit_event_type type;
    struct weir_mono now;
    size_t count;
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_commit_update {
    bool seals; /* all threads seal what they have; behind the last they process no more */
    bool is_last;
    bool gathers;  /* make the record and come back with WEIR_COMMIT_GATHERED */
    bool writes;   /* send the record, which is the same each time, for WEIR_COMMIT_ANSWERED */
    bool finishes; /* what the record says is so, and threads may write down their stores */
    bool waits;    /* the first shortage of this record: say so */
    bool wakes;    /* have a turn at `wake_at` */
    struct weir_mono wake_at;
    int rc; /* negative: the job fails */
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a failure is in the update.
 * Owns:    `update` is written whole.
 * Thread:  the job's actor.
 */
void weir_commit_step(struct weir_commit_state *state, const struct weir_commit_event *event,
                      struct weir_commit_update *update);
/** "idle", "sealing", "writing". */
const char *weir_commit_phase_name(enum weir_commit_phase phase);
/** The invariants between the fields. */
void weir_commit_check(const struct weir_commit_state *state);

#endif
