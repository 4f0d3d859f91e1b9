#ifndef WEIR_BROKER_CONTROLLER_ASSIGN_STEP_H
#define WEIR_BROKER_CONTROLLER_ASSIGN_STEP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/env/env.h"

/**
 * When partitions that have been made are written down, how many at once: the pure part. It does no
 * I/O and reads no clock: an event goes in, with the time, and the update says what is to be done.
 * assign.c does it.
 *
 *   idle ──one arrives──> gathering ──enough, late, or alone──> submitted ──its turn──> writing
 *    ^                      ^  └ more arrive ┘                                           │
 *    │                      └─────────── durable, or failed; others have come ───────────┤
 *    └────────────────────────────────── durable, or failed ─────────────────────────────┘
 *
 * A thousand partitions that are used for the first time share a few batches: while others are
 * being made, the first in line waits a little, for the flush that it wants costs as much as making
 * one. What arrives while a batch is submitted goes with it; what arrives while it is written is in
 * the next.
 */
enum weir_assign_phase {
    WEIR_ASSIGN_IDLE,
    WEIR_ASSIGN_GATHERING,
    WEIR_ASSIGN_SUBMITTED,
    WEIR_ASSIGN_WRITING,
};

enum { WEIR_ASSIGN_WAIT_MS = 200, WEIR_ASSIGN_ENOUGH = 64 };

/** Zeroed: idle. */
struct weir_assign_state {
    enum weir_assign_phase phase;
    size_t count;              /* in line */
    struct weir_mono deadline; /* of the first in line: then they wait for no others */
};

enum weir_assign_event_type {
    WEIR_ASSIGN_ARRIVED, /* one more is in line */
    WEIR_ASSIGN_TURN,    /* time has passed */
    WEIR_ASSIGN_TAKEN,   /* `count` of those in line are in the batch; without memory not all */
    WEIR_ASSIGN_WRITTEN, /* the batch is durable, or has failed */
};

struct weir_assign_event {
    enum weir_assign_event_type type;
    struct weir_mono now;
    size_t count;
    bool others_come; /* partitions are being made, and it is not the end */
};

/** What is to be done, from top to bottom. */
struct weir_assign_update {
    bool submits; /* a batch of those in line, for WEIR_ASSIGN_TAKEN and then WEIR_ASSIGN_WRITTEN */
    bool wakes;   /* have a turn at `wake_at` */
    struct weir_mono wake_at;
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  shard 0's.
 */
void weir_assign_step(struct weir_assign_state *state, const struct weir_assign_event *event,
                      struct weir_assign_update *update);
/** "idle", "gathering", … */
const char *weir_assign_phase_name(enum weir_assign_phase phase);
/** The invariants between the fields. */
void weir_assign_check(const struct weir_assign_state *state);

#endif
