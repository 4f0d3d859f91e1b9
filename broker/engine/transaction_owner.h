#ifndef WEIR_BROKER_ENGINE_TRANSACTION_OWNER_H
#define WEIR_BROKER_ENGINE_TRANSACTION_OWNER_H

#include "wire/request/transaction_requests.h"

/**
 * What the engine asks of who decides about transactions, where a producer begins to write to a partition within
 * one: once per transaction and partition, never per batch (transaction_hold.h). The transaction coordinator
 * answers; the engine does not know it.
 *
 *     partition's shard ──add_partitions──> coordinator's shard ──answer──> partition's shard
 */
struct weir_transaction_owner_ops {
    /**
     * Add the partition to the producer's transaction, or ask whether it is in it (`is_verify`). Sets the request
     * out, and answers it as any other; the answer comes behind whatever the coordinator has sent to the
     * partition's shard before.
     * Thread: the partition's shard.
     */
    void (*add_partitions)(void *impl, struct weir_add_partitions_request *request);
};

/** Zeroed: there are no transactions, and what is in one is refused. */
struct weir_transaction_owner {
    const struct weir_transaction_owner_ops *ops;
    void *impl;
};

#endif
