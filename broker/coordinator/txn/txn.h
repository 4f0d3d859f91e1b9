#ifndef WEIR_BROKER_COORDINATOR_TXN_TXN_H
#define WEIR_BROKER_COORDINATOR_TXN_TXN_H

#include "broker/coordinator/txn/txn_settings.h"
#include "weir/error.h"
#include "wire/request/transaction_requests.h"

/**
 * The transaction of a transactional id: what one record of `__transaction_state` says, and the step from one to the next.
 *
 *   (none) ──init──> [Empty] ──partitions──> [Ongoing] ─┬─commit──> [PrepareCommit] ──marked──> [CompleteCommit]
 *                       │                              ├─abort───> [PrepareAbort] ───marked──> [CompleteAbort]
 *                       │                              │                ^  ^
 *                       │                              └─fenced──> [PrepareEpochFence]
 *                       └──an abort of nothing, version 2────────────────┘
 *
 * Fenced is a producer that a newer one or its time has shut out. Complete* is left as Empty is, and by init to Empty.
 * Both are [Dead] when nobody has used the id for long.
 *
 * PrepareEpochFence is passed within a step: the producer that has the transaction open is shut out by the next epoch, and
 * the same record says PrepareAbort. From Prepare* on nothing changes the outcome: its record is written once all that the
 * transaction wrote is durable, and markers follow from it, again after each start until Complete* is written.
 *
 * Epochs end at 32,766: whoever would have the one behind it is given a new producer id with epoch 0. Markers of that
 * transaction still carry the old id, with 32,767, which nobody is given.
 *
 * Thread: any; nothing here waits, reads a clock or draws a number.
 * Source: Kafka's TransactionCoordinator and TransactionMetadata as of 4.3; KIP-98, 360, 890, 1050.
 */
enum { WEIR_TXN_EPOCH_LAST = INT16_MAX - 1 };
#define WEIR_TXN_NEVER_MS INT64_MAX
enum { WEIR_TXN_VERSION_2 = 2 };

/** What a record says. Never changed where it lies: a step makes the next one. */
struct weir_txn {
    struct weir_slice transactional_id;
    enum weir_transaction_state state;
    int64_t producer_id;
    int64_t previous_producer_id; /* before the last change; -1: none */
    int64_t next_producer_id;     /* of Prepare*: from Complete* on; -1: the same */
    int16_t producer_epoch;
    /* What a producer had that asked for this epoch, and would ask again with; -1: none, or not known. No record has it: a
     * producer whose answer is lost with this process is fenced. */
    int16_t last_producer_epoch;
    int16_t client_version; /* WEIR_TXN_VERSION_2: the epoch was raised for its markers */
    int32_t timeout_ms;
    int64_t start_ms;                              /* Unix time; -1: none has begun */
    int64_t update_ms;                             /* Unix time of the record */
    const struct weir_topic_partition *partitions; /* in order of topic and number, each once */
    size_t partition_count;
};

/** Partitions that a transaction may have. Weir's own; each change writes all of them. */
enum { WEIR_TXN_PARTITIONS_MAX = 100000 };

enum weir_txn_event_type {
    WEIR_TXN_INIT,
    WEIR_TXN_ADD_PARTITIONS, /* or is asked whether they are in it */
    WEIR_TXN_END,
    WEIR_TXN_MARKERS_WRITTEN, /* to all partitions that are there */
    WEIR_TXN_TIMEOUT,         /* is its time over? */
    WEIR_TXN_EXPIRE,          /* has nobody used it for long? */
    WEIR_TXN_LOAD,            /* it has been read: what was under way? */
};

struct weir_txn_event {
    enum weir_txn_event_type type;
    int64_t now_ms;      /* of a clock that never goes back: deadlines are in its time */
    int64_t wall_ms;     /* Unix time, for records */
    int64_t deadline_ms; /* of the open transaction, as an update gave it: for WEIR_TXN_TIMEOUT */
    /* What an update asked for, when the same event comes again. */
    int64_t new_producer_id; /* that nobody has had; -1: none yet */
    bool is_synced;          /* all that the transaction wrote is durable */
    const struct weir_txn_settings *settings;
    union {
        struct weir_init_transactions_request *init;
        struct weir_add_partitions_request *add;
        struct weir_end_transaction_request *end;
    };
};

/**
 * What comes of a step. One that asks for something (a producer id, a sync) is to be forgotten: the same event
 * comes again with what it asked for, and nothing of this transactional id has happened in between.
 */
struct weir_txn_update {
    struct weir_arena *arena; /* the maker's: what `next` points to */
    bool wants_producer_id;
    bool wants_sync;
    bool writes;  /* a record of `next`, before the request is answered */
    bool is_gone; /* with `writes`: a record that takes back what the id's say */
    bool marks;   /* then, or now if nothing is written: write the markers of Prepare* */
    struct weir_txn next;
    int64_t deadline_ms; /* of the open transaction; WEIR_TXN_NEVER_MS: none is open */
};

/**
 * One step. `txn`: what is durable of the id, NULL for nothing; `id`: whose it is.
 *
 * The answer for whoever asked is the result, 0 or a code, with what is given filled in; where the update writes it holds
 * once that is durable. `error` says why.
 * Errors: as wire/request/transaction_requests.h has them; WEIR_NO_MEMORY and WEIR_LIMIT write nothing.
 */
int weir_txn_step(const struct weir_txn *txn, struct weir_slice id,
                  const struct weir_txn_event *event, struct weir_txn_update *update,
                  struct weir_error *error);

/** May `to` follow `from`? */
bool weir_txn_may_follow(enum weir_transaction_state from, enum weir_transaction_state to);
/** Its markers are being written, or are to be. */
static inline bool weir_txn_is_prepared(const struct weir_txn *txn)
{
    return txn->state == WEIR_TRANSACTION_PREPARE_COMMIT ||
           txn->state == WEIR_TRANSACTION_PREPARE_ABORT;
}
/** No transaction is open or being ended. */
static inline bool weir_txn_is_idle(const struct weir_txn *txn)
{
    return txn->state != WEIR_TRANSACTION_ONGOING && !weir_txn_is_prepared(txn);
}
/** Nobody has used it for so long that it is forgotten (WEIR_TXN_EXPIRE). */
static inline bool weir_txn_is_expired(const struct weir_txn *txn,
                                       const struct weir_txn_settings *settings, int64_t wall_ms)
{
    return weir_txn_is_idle(txn) && wall_ms - txn->update_ms >= settings->id_expiration_ms;
}
/** The invariants of one. */
void weir_txn_check(const struct weir_txn *txn);

#endif
