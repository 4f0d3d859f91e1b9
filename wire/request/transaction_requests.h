#ifndef WEIR_WIRE_REQUEST_TRANSACTION_REQUESTS_H
#define WEIR_WIRE_REQUEST_TRANSACTION_REQUESTS_H

#include "base/arena.h"
#include "wire/request/request.h"

/**
 * What can be asked of transactions, one struct per kind, in Kafka's terms. Sending records and committing
 * offsets within one are in log_requests.h.
 *
 *   init_transactions ──> { produce, commit_offsets with a transactional id } ──> end_transaction
 *
 * The transaction coordinator answers those that begin with weir_transaction_request: the partition of
 * `__transaction_state` that the transactional id is hashed to. A partition's own shard answers the others.
 * What is given lies in `arena`, the asker's, which nobody else touches until the answer.
 *
 * Version 1 of transactions: the producer tells the coordinator of each partition before it writes there
 * (add_partitions), and keeps its epoch over transactions. Version 2 (KIP-890): the first append to a partition
 * tells the coordinator itself, and each end raises the epoch, so that what is late belongs to no transaction.
 * Which of them is told by each request.
 *
 * Any of a coordinator's: WEIR_INVALID_ARGUMENT (the id is empty or longer than 32,767 bytes), WEIR_OFFLINE,
 *      WEIR_CLOSED, WEIR_NO_MEMORY, WEIR_LIMIT, WEIR_NO_SPACE, and
 *      WEIR_INVALID_PRODUCER_ID_MAPPING   the transactional id has another producer id, or none
 *      WEIR_PRODUCER_FENCED               a newer producer has this transactional id
 *      WEIR_CONCURRENT_TRANSACTIONS       its transaction before is still being ended
 *      WEIR_INVALID_TXN_STATE             what is asked does not follow from where its transaction stands
 */
struct weir_transaction_request {
    struct weir_request request; /* first */
    struct weir_slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_version_2; /* of transactions */
    /* Within the process: while the transaction before is still being ended it waits for that, instead of
     * WEIR_CONCURRENT_TRANSACTIONS. */
    bool waits_for_end;
    /* of the coordinator, while it has it */
    bool is_add;                           /* of partitions, not a question about them */
    struct weir_transaction_request *next; /* in line; of one that is under way: added with it */
};

/**
 * A producer id and epoch for the transactional id, durably: its own and the next epoch, or new ones. What the producer before
 * it has open is aborted first (WEIR_CONCURRENT_TRANSACTIONS meanwhile). `base.producer_id` and `base.producer_epoch`, -1: none;
 * a producer that wants its own epoch raised says what it has, and is WEIR_PRODUCER_FENCED where there is a newer one.
 * Errors: also WEIR_INVALID_TRANSACTION_TIMEOUT; not WEIR_INVALID_PRODUCER_ID_MAPPING.
 */
struct weir_init_transactions_request {
    struct weir_transaction_request base;
    int32_t timeout_ms;  /* of each transaction */
    int64_t producer_id; /* given */
    int16_t producer_epoch;
};

/**
 * Partitions that the transaction is going to write to, or is asked about (`is_verify`: WEIR_TRANSACTION_ABORTABLE for one
 * that is not in it). All or none are added; a partition that is in already is added again at no cost.
 * Whoever asks has looked up that they exist.
 *
 * `is_renewal`: nothing is added, and the time of the transaction that is open begins anew, at no cost. Kafka has nothing of
 * the kind: for a producer in the coordinator's process, which is gone when that is.
 */
struct weir_add_partitions_request {
    struct weir_transaction_request base;
    const struct weir_topic_partition *partitions;
    size_t partition_count;
    struct weir_slice group; /* and the partition that has this group's offsets; null: none */
    bool is_verify;
    bool is_renewal;
    int *rcs; /* given, by partition, where the answer is 0; NULL: one rc for all */
    /* of the coordinator: the partition of `group`; NULL: none */
    const struct weir_topic_partition *offsets;
};

/** The partition of `__consumer_offsets` that has this group's offsets, as one that the transaction writes to. */
struct weir_add_offsets_request {
    struct weir_transaction_request base;
    struct weir_slice group;
};

/**
 * Commit or abort: answered when the decision is durable, which nothing changes any more. Its markers follow; until the last
 * is written the producer's next request may be WEIR_CONCURRENT_TRANSACTIONS.
 */
struct weir_end_transaction_request {
    struct weir_transaction_request base;
    bool is_commit;
    int64_t next_producer_id; /* given: what to go on with. Version 1: as before */
    int16_t next_producer_epoch;
};

enum weir_transaction_state {
    WEIR_TRANSACTION_EMPTY,
    WEIR_TRANSACTION_ONGOING,
    WEIR_TRANSACTION_PREPARE_COMMIT,
    WEIR_TRANSACTION_PREPARE_ABORT,
    WEIR_TRANSACTION_COMPLETE_COMMIT,
    WEIR_TRANSACTION_COMPLETE_ABORT,
    WEIR_TRANSACTION_DEAD,
    WEIR_TRANSACTION_PREPARE_EPOCH_FENCE,
    WEIR_TRANSACTION_STATES,
};

/** As people are told of it. The names of states: weir_transaction_state_name(). */
struct weir_transaction_info {
    struct weir_slice transactional_id;
    enum weir_transaction_state state;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t timeout_ms;
    int64_t start_ms;  /* of the open transaction; -1: none is */
    int64_t update_ms; /* the last change */
    const struct weir_topic_partition *partitions;
    size_t partition_count;
};

/** WEIR_TRANSACTIONAL_ID_NOT_FOUND. */
struct weir_describe_transaction_request {
    struct weir_transaction_request base;
    struct weir_arena *arena;
    struct weir_transaction_info info; /* given */
};

/** Of all partitions of `__transaction_state` that are not offline. Without partitions. */
struct weir_list_transactions_request {
    struct weir_request request;
    struct weir_arena *arena;
    uint32_t states; /* a bit for each that is wanted; 0: all */
    const int64_t *producer_ids;
    size_t producer_id_count;           /* 0: of all */
    int64_t duration_min_ms;            /* open for longer; below 0: any */
    struct weir_transaction_info *list; /* given */
    size_t count;
    int32_t *offline; /* given: partitions of `__transaction_state` whose ids are not among them */
    size_t offline_count;
    size_t offline_capacity; /* the coordinator's */
};

/* ---- at a partition -------------------------------------------------------------------------- */

/**
 * Append a marker, which ends the producer's transaction in this partition, durably. A marker that is there already is
 * answered as if it were written now.
 * Errors: WEIR_PRODUCER_FENCED (the partition knows a newer epoch), WEIR_TRANSACTION_COORDINATOR_FENCED (a newer coordinator
 *         has written), WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_OFFLINE, WEIR_NO_SPACE, WEIR_CLOSED.
 */
struct weir_write_marker_request {
    struct weir_request request;
    struct weir_topic_partition to;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    bool is_commit;
    bool is_version_2;
    int64_t offset;       /* given: the marker's; -1: it was there */
    int64_t last_offset;  /* of the engine, while it waits for the flush */
    int64_t first_offset; /* likewise: of the transaction that it has ended; INT64_MAX: none */
    struct weir_write_marker_request *next;
};

/** A producer as a partition knows it. */
struct weir_producer_info {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence;
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch;        /* of the last marker; -1: none */
    int64_t transaction_first_offset; /* -1: none is open */
};
struct weir_describe_producers_request {
    struct weir_request request;
    struct weir_topic_partition of;
    struct weir_arena *arena;
    struct weir_producer_info *producers; /* given */
    size_t count;
};

/** A transaction that was aborted, as a fetch that reads committed is told of it. */
struct weir_aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
};

/** "Ongoing", as Kafka's tools write it. */
const char *weir_transaction_state_name(enum weir_transaction_state state);
/** The number of that name, or -1. */
int weir_transaction_state_named(struct weir_slice name);

#endif
