#ifndef WEIR_CLIENT_PRODUCER_STEP_H
#define WEIR_CLIENT_PRODUCER_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env/env.h"

/**
 * Which of a partition's batches go into the log and when, and what comes of an answer: the pure part of a
 * producer. It does no I/O and reads no clock: an event goes in, with the time, and the update says what is
 * to be done. producer_flight.c does it.
 *
 * A batch goes round:
 *
 *   FREE ──open──> OPEN ──seal──> READY ──submit──> IN_FLIGHT ──answered──> DONE ──delivered─┐
 *    ^              │              ^ │                  │                    ^               │
 *    │              │              │ └─ no epoch left ──┼────────────────────┤               │
 *    │              │              └─── to be retried ──┘                    │               │
 *    │              ├──────────────────── cannot be sealed ──────────────────┘               │
 *    │              └ its first record is refused ┐                                          │
 *    └────────────────────────────────────────────┴──────────────────────────────────────────┘
 *
 * Order and exactly-once. Sealing gives a batch the next sequence of its partition. Batches of a
 * partition are sent in that order, none more than four behind the oldest whose fate is open: the
 * log remembers five of a producer, and would not know an older one again. One that is to be
 * retried holds back those behind it: the log refuses those already under way (out of order), and
 * they are sent again after it with the same sequence. Until the log has accepted a first batch,
 * only one is on its way: a log that does not know the producer takes any sequence, and would take
 * the second batch for the first. A batch that failed for good leaves a hole that the log would
 * never accept: the partition's epoch is raised and those behind it are numbered from 0 again
 * (KIP-360). Without idempotence one batch is in flight, so that a retry can't be overtaken.
 *
 * Within a transaction epochs are the coordinator's. A batch that failed for good takes all behind it with it, for the
 * transaction will be aborted; the queue begins anew with the next one's epoch.
 */
enum weir_producer_batch_state {
    WEIR_BATCH_FREE,
    WEIR_BATCH_OPEN,
    WEIR_BATCH_READY,
    WEIR_BATCH_IN_FLIGHT,
    WEIR_BATCH_DONE,
};

enum { WEIR_PRODUCER_IN_FLIGHT_MAX = 5 }; /* how many batches of a producer a log remembers */

/** What the step knows of a batch. */
struct weir_queued_batch {
    enum weir_producer_batch_state state; /* by weir_producer_batch_move only */
    struct weir_queued_batch *next;       /* in its queue, behind it */
    uint64_t number;                      /* counts its partition's sealed batches */
    int32_t record_count;                 /* set when sealed */
    int32_t sequence;                     /* of its first record, in the queue's epoch */
    struct weir_mono retry_at;            /* not before; 0: at once */
    struct weir_mono expires;             /* no retry after this */
};

/** A partition's sealed batches whose fate is open. Zeroed, but for the first four. */
struct weir_producer_queue {
    const char *topic;               /* for what a wrong move says */
    bool is_idempotent;              /* batches carry a sequence */
    bool is_answered;                /* with acks: what fails may be sent again */
    bool is_transactional;           /* what it sends is in transactions */
    struct weir_queued_batch *first; /* READY and IN_FLIGHT, in order of sequence */
    struct weir_queued_batch *last;
    bool was_accepted; /* the log knows our sequences here */
    bool has_hole;     /* a batch failed for good: raise the epoch before sending on */
    int failure;       /* of the transaction: what is queued fails with it. 0: none */
    int16_t epoch;
    int32_t next_sequence;
    uint64_t next_number;
    int in_flight;
};

enum weir_producer_event_type {
    WEIR_PRODUCER_SEALED,   /* `batch`, which is open, with the queue's next sequence */
    WEIR_PRODUCER_TURN,     /* time has passed, or there may be room */
    WEIR_PRODUCER_ANSWERED, /* `batch`, which is in flight, with `rc` */
    WEIR_PRODUCER_FAILED,   /* nothing more of the transaction is to be sent, for `rc` */
    WEIR_PRODUCER_RENEWED,  /* the transaction is another one: `epoch`; the queue is empty */
};

struct weir_producer_event {
    enum weir_producer_event_type type;
    struct weir_mono now;
    struct weir_queued_batch *batch;
    int rc;
    int16_t epoch;
};

/** What is to be done, from top to bottom. */
struct weir_producer_update {
    bool renumbers; /* all that is queued: the queue's epoch and its own sequence */
    struct weir_queued_batch *submits[WEIR_PRODUCER_IN_FLIGHT_MAX]; /* in this order */
    size_t submit_count;
    struct weir_queued_batch *over; /* out of the queue, linked by `next`: their fate is `rc` */
    int rc;
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole. The queue borrows a batch from its seal until it is `over`.
 * Thread:  the producer's.
 */
void weir_producer_step(struct weir_producer_queue *queue, const struct weir_producer_event *event,
                        struct weir_producer_update *update);
/** When a turn may send something that this one may not; WEIR_MONO_NEVER: not before an answer. */
struct weir_mono weir_producer_queue_due(const struct weir_producer_queue *queue);
/** The only assignment of a batch's state. `topic` for what a wrong move says. */
void weir_producer_batch_move(struct weir_queued_batch *batch, const char *topic,
                              enum weir_producer_batch_state state);
/** The invariants between the fields. */
void weir_producer_queue_check(const struct weir_producer_queue *queue);

#endif
