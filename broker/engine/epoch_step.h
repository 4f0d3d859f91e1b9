#ifndef WEIR_BROKER_ENGINE_EPOCH_STEP_H
#define WEIR_BROKER_ENGINE_EPOCH_STEP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * A partition's leader epoch on its shard, and what a cut does to it: the pure part. It does no I/O
 * and reads no clock: an event goes in, and the update says what is to be done.
 * partition_requests.c does it.
 *
 *   unknown ──resolved──> known ──a cut of the tail──> raising ──raised, durably──> cutting
 *                         ^ │ ^                           │                          ^ │
 *                         │ │ └────────could not be───────┘                          │ │
 *                         │ └──────────────────a cut of the head─────────────────────┘ │
 *                         └─────────────────────────through, or failed─────────────────┘
 *
 * Who holds a position tells a rewritten tail by its epoch (KIP-320). So the epoch is raised first,
 * in the metadata, and the tail is cut when that is durable: a crash in between leaves a higher
 * epoch over the whole log, which is harmless. The partition goes by the higher epoch from then on,
 * whatever becomes of the cut; its log hands it out once it is cut. A head that goes leaves every
 * later offset what it was.
 *
 * After an unclean stop all epochs are raised at once, by one record of the controller's
 * (incarnation_step.h): what a partition finds when it is resolved counts it in.
 */
enum weir_epoch_phase {
    WEIR_EPOCH_UNKNOWN,
    WEIR_EPOCH_KNOWN,
    WEIR_EPOCH_RAISING, /* the metadata is asked */
    WEIR_EPOCH_CUTTING, /* a worker has the log */
};

/** Zeroed: unknown. */
struct weir_epoch_state {
    enum weir_epoch_phase phase;
    int32_t current; /* the leader epoch, once it is known; only goes up */
};

enum weir_epoch_event_type {
    WEIR_EPOCH_RESOLVED, /* the metadata says `epoch` */
    WEIR_EPOCH_CUT_TAIL, /* wanted, and nothing else uses the log */
    WEIR_EPOCH_CUT_HEAD,
    WEIR_EPOCH_RAISED, /* to `epoch`, durably; or `rc` */
    WEIR_EPOCH_WORKED, /* the cut is through, or has failed */
};

struct weir_epoch_event {
    enum weir_epoch_event_type type;
    int32_t epoch;
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_epoch_update {
    bool raises; /* ask the metadata, for WEIR_EPOCH_RAISED */
    bool cuts;  /* a worker cuts the log; behind a tail it gives out `current`; WEIR_EPOCH_WORKED */
    bool fails; /* the cut: with the event's `rc`, and nothing is cut */
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have, and an epoch that would go down,
 *          end the program.
 * Owns:    `update` is written whole.
 * Thread:  the partition's shard's.
 */
void weir_epoch_step(struct weir_epoch_state *state, const struct weir_epoch_event *event,
                     struct weir_epoch_update *update);
/** "unknown", "known", … */
const char *weir_epoch_phase_name(enum weir_epoch_phase phase);

#endif
