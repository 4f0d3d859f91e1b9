#ifndef WEIR_BROKER_COORDINATOR_LIVE_TRANSACTION_H
#define WEIR_BROKER_COORDINATOR_LIVE_TRANSACTION_H

#include "broker/coordinator/transaction_fan.h"
#include "broker/coordinator/transaction_partition.h"

/**
 * A transactional id that something is under way with: its transaction is open or being ended, or somebody asks. All others
 * are in the image alone.
 *
 *     request, time ──> event ──weir_txn_step──> update ──performed, in this order──> answered
 *
 *                  ┌──────────── wants a producer id ────────────> [asking] ──┐
 *                  │ ┌────── commits: what it wrote is synced ──> [syncing] <─┤
 *                  │ │ ┌───────────── writes a record ──────────> [writing] <─┘
 *                  │ │ │                                             │  ^
 *                [idle] <──────────────── durable, folded in ────────┤  │ all are there: Complete*
 *                   ^                                                v  │
 *                   └── failed: nothing has happened            [marking] <─ read at a start: Prepare*
 *
 * One event at a time: while one is asking, syncing or writing, who asks waits in line behind it; while markers are
 * being written it is told to ask again. What a failure has kept from being written (memory, disk, a partition
 * that is offline) is tried again where nobody waits for it: markers and Complete*, timeouts.
 *
 * The record of a commit rests on all that the transaction wrote: it is appended only when the partitions are durable up to
 * their ends. Kafka's bytes have no room for end offsets, against which a start could check a record that shares a flush
 * with its data; and a producer that waits for acknowledgements finds nothing left to sync.
 * Thread: the partition's shard.
 */
enum weir_live_phase {
    WEIR_LIVE_IDLE,
    WEIR_LIVE_ASKING,
    WEIR_LIVE_SYNCING,
    WEIR_LIVE_WRITING,
    WEIR_LIVE_MARKING,
};

struct weir_live_transaction {
    struct weir_transaction_partition *home;
    struct weir_slice id; /* behind the struct */
    enum weir_live_phase phase;
    struct weir_transaction_request *first; /* in line */
    struct weir_transaction_request *last;
    struct weir_transaction_request *asker; /* of the event under way; NULL: nobody */
    struct weir_txn_event event;
    struct weir_txn_update
        update;                /* what is being written; its `next` has lost what it pointed to */
    int rc;                    /* the answer when that is durable */
    int64_t deadline_ms;       /* of the open transaction; WEIR_TXN_NEVER_MS */
    struct weir_mono retry_at; /* what failed is tried again then; WEIR_MONO_NEVER: nothing did */
    int retries;               /* in a row */
    size_t deadline_index;     /* in the partition's heap, as long as it is there */
    bool is_running;           /* something is being done with it: it is not forgotten under way */
    bool holds;                /* a close waits for what it does by itself */
    struct weir_coordinator_write write;
    struct weir_init_producer_request ids;
    struct weir_transaction_fan fan; /* of syncs, or of markers */
    /* The partition of a group's offsets, as one that is added. */
    struct weir_add_partitions_request offsets;
    struct weir_topic_partition offsets_partition;
};

/**
 * A request about `request->transactional_id`, which is answered sooner or later; `event` is what it asks (its type, and the
 * request as the step wants it; an add without one is of a struct weir_add_offsets_request). While it waits in line nothing
 * is done with it; then its stage is run again. The partition is open, or a worker's for a moment.
 */
void weir_live_transaction_ask(struct weir_transaction_partition *home,
                               struct weir_transaction_request *request,
                               const struct weir_txn_event *event);
/** What is under way with this id, or NULL. */
const struct weir_live_transaction *
weir_live_transaction_find(const struct weir_transaction_partition *home, struct weir_slice id);
/** Has this partition of the transaction its marker, of the attempt that is under way? */
bool weir_live_transaction_is_marked(const struct weir_live_transaction *live, size_t partition);

/** Those that are due have their turn, `count_max` at most. The partition is open. */
void weir_live_transactions_tick(struct weir_transaction_partition *home, struct weir_mono now,
                                 size_t count_max);
/** Look at so many of the image's ids at most, and go on with transactions that are open or being ended. */
void weir_live_transactions_load(struct weir_transaction_partition *home, struct weir_mono now,
                                 size_t count_max);
/** Take this id back if nobody has used it for long and nothing is under way with it. True: it goes. */
bool weir_live_transaction_expire(struct weir_transaction_partition *home,
                                  const struct weir_txn *txn);
/** Have the partition given a turn when a transaction, the load or the sweep wants one. */
void weir_live_transactions_wake(struct weir_transaction_partition *home);
/** Answer all that wait in line with this. */
void weir_live_transactions_refuse(struct weir_transaction_partition *home, int rc,
                                   const char *text);
/** Forget them all: nothing is out any more. */
void weir_live_transactions_close(struct weir_transaction_partition *home);

#endif
