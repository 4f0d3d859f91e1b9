#ifndef WEIR_BROKER_CONTROLLER_REMOVAL_STEP_H
#define WEIR_BROKER_CONTROLLER_REMOVAL_STEP_H

#include "base/env/env.h"
#include "weir/error.h"

/**
 * What the removal of a topic waits for, and what comes next: its pure part. It does no I/O and reads no
 * clock: an event goes in, with the time, and the update says what is to be done. topic_removal.c does it,
 * and comes back with the next event.
 *
 *              no memory: a turn later
 *                    ┌────┐
 *                    v    │              all shards are through
 *   new ──begin──> telling ──told──> closing ──────────────────> removing ──gone, or failed──> over
 *                                                                 ^    │                        ^
 *                                                          due ───┘    └──a shortage──> waiting ┘
 *                                                                                    it closes
 *
 * In a shortage it goes on where it stopped, after a moment that doubles from one try to the next: each try
 * syncs. When the moment is as long as it gets, nobody waits for the removal any more: the deletion is durable,
 * and a close of the port would wait for its answer.
 */
enum weir_removal_phase {
    WEIR_REMOVAL_NEW,
    WEIR_REMOVAL_TELLING,  /* shards are to hear that the partitions are to be closed */
    WEIR_REMOVAL_CLOSING,  /* they close them */
    WEIR_REMOVAL_REMOVING, /* a worker has the folders */
    WEIR_REMOVAL_WAITING,  /* for a shortage to pass */
    WEIR_REMOVAL_OVER,
};

enum { WEIR_REMOVAL_RETRY_FIRST_MS = 10, WEIR_REMOVAL_RETRY_MOST_MS = 1000 };

/** Zeroed: new. */
struct weir_removal_state {
    enum weir_removal_phase phase;
    struct weir_mono retry_at; /* waiting: then it goes on */
    int64_t retry_ms;          /* between the last two tries; 0: nothing was short yet */
    int short_of;              /* the last shortage; 0: none yet */
    bool is_long;              /* it takes too long to be waited for */
};

enum weir_removal_event_type {
    WEIR_REMOVAL_BEGIN,
    WEIR_REMOVAL_TOLD,   /* the shards hear of it; or `rc`: there was no memory */
    WEIR_REMOVAL_CLOSED, /* no partition of it is open */
    WEIR_REMOVAL_WORKED, /* the folders are gone, or `rc` */
    WEIR_REMOVAL_TURN,   /* time has passed */
};

struct weir_removal_event {
    enum weir_removal_event_type type;
    struct weir_mono now;
    bool is_closing; /* nothing is served any more: it waits for no shortage, what is left stays */
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_removal_update {
    bool tells;      /* tell the shards, for WEIR_REMOVAL_TOLD at once and WEIR_REMOVAL_CLOSED */
    bool works;      /* have a worker remove the folders, for WEIR_REMOVAL_WORKED */
    bool says_waits; /* the first shortage */
    bool lets_go; /* whoever waits for the topic's name goes on: it is free, or is not for long */
    bool answers; /* whoever deleted it is told that the removal waits */
    bool ends;    /* it is over: failed with the `rc` of its last work if that is negative */
};

/**
 * Take an event.
 *
 * Errors:  none of its own.
 * Owns:    `update` is written whole.
 * Thread:  shard 0's.
 */
void weir_removal_step(struct weir_removal_state *state, const struct weir_removal_event *event,
                       struct weir_removal_update *update);
/** "new", "telling", … */
const char *weir_removal_phase_name(enum weir_removal_phase phase);
/** The invariants between the fields. */
void weir_removal_check(const struct weir_removal_state *state);

#endif
