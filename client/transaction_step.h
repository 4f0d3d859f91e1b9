#ifndef WEIR_CLIENT_TRANSACTION_STEP_H
#define WEIR_CLIENT_TRANSACTION_STEP_H

#include <stdbool.h>

#include "weir/error.h"

/**
 * Where a transactional producer stands, and what a call may do there: the pure part of its transactions.
 * producer_transaction.c does what comes of it.
 *
 *            ┌────────────────────── ended ──────────────────────┐
 *            v                                                   │
 *   new ─> IDLE ──begin──> OPEN ──commit, when all is stored──> COMMITTING ─┐ not decided: commit again
 *            ^  ^           │ │                                  │ ^        │
 *            │  └─ nothing ─┘ └─ something of it failed ┐        │ └────────┘
 *            │     was sent   │                         v        │
 *            │                └──abort──> ABORTING <── BROKEN <──┘ refused
 *            └───────────── ended ──────────┘ ^  not decided: abort again
 *
 *   any ── the transactional id is another producer's, or gone ──> LOST
 *
 * What fails within a transaction (a record that is not stored, offsets that the group refuses) breaks it: it can only
 * be aborted. Of a producer that is lost nothing more is taken; every call says why. Which of the two a failure is
 * says its code (KIP-360, KIP-1050).
 */
enum weir_transaction_standing {
    WEIR_STANDING_IDLE,
    WEIR_STANDING_OPEN,
    WEIR_STANDING_BROKEN,
    WEIR_STANDING_COMMITTING,
    WEIR_STANDING_ABORTING,
    WEIR_STANDING_LOST,
};

/** Zeroed at first. */
struct weir_producer_transaction {
    const char *id; /* for what is said */
    enum weir_transaction_standing standing;
    bool has_sent;             /* the log may have something of it */
    struct weir_error failure; /* why it is BROKEN or LOST */
};

enum weir_transaction_event_type {
    WEIR_TRANSACTION_BEGIN,
    WEIR_TRANSACTION_SEND,   /* a record or offsets */
    WEIR_TRANSACTION_COMMIT, /* what was sent is stored */
    WEIR_TRANSACTION_ABORT,  /* nothing is on its way any more */
    WEIR_TRANSACTION_FAILED, /* something that was sent, with `rc` and `why` */
    WEIR_TRANSACTION_ENDED,  /* the log's answer to the end that was asked for: `rc`, `why` */
};

struct weir_transaction_event {
    enum weir_transaction_event_type type;
    int rc;
    const struct weir_error *why;
};

/**
 * Take an event. 1: ask the log to end the transaction, by commit if it is COMMITTING. 0: that is all. An error is the
 * call's, and nothing has changed; that of ENDED is its own `rc`.
 *
 * Errors:  WEIR_INVALID_TXN_STATE (the call does not follow), WEIR_TRANSACTION_ABORTABLE (it is broken: `error` says by
 *          what), or of a lost one why it is lost, WEIR_PRODUCER_FENCED mostly.
 * Thread:  the producer's.
 */
int weir_producer_transaction_step(struct weir_producer_transaction *transaction,
                                   const struct weir_transaction_event *event,
                                   struct weir_error *error);
/** May it be committed, or aborted? The errors of the step, without a step. */
int weir_producer_transaction_check_end(const struct weir_producer_transaction *transaction,
                                        bool is_commit, struct weir_error *error);
/** After a failure with this code there is no going on for the producer. */
bool weir_producer_transaction_is_final(int rc);
/** The invariants between the fields. */
void weir_producer_transaction_check(const struct weir_producer_transaction *transaction);

#endif
