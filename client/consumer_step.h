#ifndef WEIR_CLIENT_CONSUMER_STEP_H
#define WEIR_CLIENT_CONSUMER_STEP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * When a partition that a consumer is assigned is fetched, and what comes of the answer: the pure
 * part. It does no I/O and reads no clock (who waits for a time is the poll): an event goes in, and
 * the update says what is to be done. consumer_poll.c does it.
 *
 * One fetch per assigned partition is under way at most. It is sent ahead: while the last batch of
 * one fetch is with the user, the next fetch runs.
 *
 *            ┌──────────────── taken up, to be given to the user; or dropped ───────────────┐
 *            v                                                                              │
 *   idle ──asked for──> fetching ──answered with batches──> ready ──────────────────────────┘
 *    ^                     │
 *    └── nothing there (at the end), or an error
 *
 * A fetch either answers at once or, when all partitions are at their end and the user waits, stays
 * with the log until something comes (`is_long`); such a one is called back when the user waits no
 * more. A poll that does not wait asks each partition once, and again where all that came had no records (emptied by
 * compaction, aborted): more may lie behind it. An error is the user's to see before the partition is asked again.
 */
enum weir_consumer_state {
    WEIR_CONSUMER_IDLE,
    WEIR_CONSUMER_FETCHING,
    WEIR_CONSUMER_READY,
};

/** Of one assigned partition. Zeroed, but for the topic: as it is assigned. */
struct weir_consumer_turn {
    const char *topic; /* for what a wrong move says */
    enum weir_consumer_state state;
    bool is_long;         /* the fetch waits with the log for something to come */
    bool is_canceled;     /* and was told to answer now */
    bool has_failed;      /* the last fetch: the next turn reports it */
    uint64_t asked_round; /* the poll that sent the last fetch; 0: none since it was sought */
};

enum weir_consumer_event_type {
    WEIR_CONSUMER_ASK,      /* a poll, `round`, asks for what is not asked for yet */
    WEIR_CONSUMER_USED_UP,  /* its last records are with the user, in `round` */
    WEIR_CONSUMER_ANSWERED, /* with batches if `has_batches`, or `rc` */
    WEIR_CONSUMER_TAKEN,    /* its batches are being handed out */
    WEIR_CONSUMER_EMPTY,    /* and there are no records in them */
    WEIR_CONSUMER_REPORTED, /* its error has been */
    WEIR_CONSUMER_RECALL,   /* nobody waits any more */
    WEIR_CONSUMER_STOP,     /* nothing of it is wanted */
    WEIR_CONSUMER_SOUGHT,   /* it is read from elsewhere now; it was stopped */
};

struct weir_consumer_event {
    enum weir_consumer_event_type type;
    bool is_waiting;
    uint64_t round;
    bool has_batches;
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_consumer_update {
    bool cancels; /* tell the fetch to answer now */
    bool sends;   /* a fetch, which stays with the log if `is_long` */
    bool is_long;
    bool releases; /* what was fetched */
    bool waits;    /* to be stopped it has to answer first: for WEIR_CONSUMER_ANSWERED, and again */
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  the consumer's.
 */
void weir_consumer_step(struct weir_consumer_turn *turn, const struct weir_consumer_event *event,
                        struct weir_consumer_update *update);
/** It has records or an error to give. */
static inline bool weir_consumer_has_something(const struct weir_consumer_turn *turn)
{
    return turn->state == WEIR_CONSUMER_READY || turn->has_failed;
}
/** "idle", "fetching", "ready". */
const char *weir_consumer_state_name(enum weir_consumer_state state);
/** The invariants between the fields. */
void weir_consumer_turn_check(const struct weir_consumer_turn *turn);

#endif
