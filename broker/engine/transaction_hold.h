#ifndef WEIR_BROKER_ENGINE_TRANSACTION_HOLD_H
#define WEIR_BROKER_ENGINE_TRANSACTION_HOLD_H

#include "broker/engine/partition.h"

/**
 * Produce requests of a producer that has no transaction open in this partition wait here until the owner of
 * transactions has said that the partition is in its transaction: in the order in which they came.
 *
 *                         ┌───marked meanwhile───┐
 *                         v                      │
 *   (first batch) ──ask──> out ──answered 0──────┴──> appended, in order
 *                         ^ │ └──answered with an error──> refused, all of them
 *                         │ └──CONCURRENT_TRANSACTIONS──> waiting, 1 ms, then twice as long, 20 ms at most
 *                         └──────────────────────────────────┘ for 100 ms at most, then refused
 *
 * A marker of the producer that comes while the question is out makes the answer one about a transaction that is over:
 * it is asked again. (In version 2 of transactions the marker's epoch fences what is late; in version 1 the epoch
 * stays, and an append behind the marker would open a transaction that nobody ends: KIP-890, "hanging
 * transactions".) While the log is with a worker the answer waits for it, in front of what waits in line.
 *
 * Where the partition closes, fails or is deleted all are refused at once; a question that is out comes back to nobody.
 * There are WEIR_TRANSACTION_HOLDS_MAX producers that wait in a partition at most: more are WEIR_LIMIT.
 * Thread: the partition's shard.
 */
enum {
    WEIR_TRANSACTION_HOLDS_MAX = 1024,
    /* A producer that begins its next transaction at once comes while the one before is being ended, some flushes long:
     * Kafka's 20 ms (add.partitions.to.txn.retry.backoff.ms) would be most of a small transaction. */
    WEIR_TRANSACTION_RETRY_FIRST_MS = 1,
    WEIR_TRANSACTION_RETRY_MS = 20,
    WEIR_TRANSACTION_RETRY_MAX_MS = 100,
};

struct weir_transaction_hold;
typedef void (*weir_held_append_fn)(struct weir_partition *partition,
                                    struct weir_produce_request *produce);

/** A request waits here, or has been answered: its producer has requests that wait, or its batch begins a
 * transaction. False: it may be appended. `append` goes on with what was held. */
bool weir_transaction_hold(struct weir_partition *partition, struct weir_produce_request *produce,
                           const struct weir_batch_header *header, weir_held_append_fn append);
/** A marker of this producer has been appended, or was there. */
void weir_transaction_hold_note_marker(struct weir_partition *partition, int64_t producer_id);
/** The log is back: go on with what was answered meanwhile. */
void weir_partition_run_holds(struct weir_partition *partition);
/** Ask again: its time has come. */
void weir_transaction_hold_retry(struct weir_transaction_hold *hold);
/** Refuse all that wait here. */
void weir_partition_refuse_holds(struct weir_partition *partition, int rc, const char *text);

#endif
