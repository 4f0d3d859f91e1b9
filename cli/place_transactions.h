#ifndef WEIR_CLI_PLACE_TRANSACTIONS_H
#define WEIR_CLI_PLACE_TRANSACTIONS_H

#include "cli/place.h"
#include "wire/topic_names.h"
#include "wire/request/transaction_requests.h"

/**
 * What a place knows of transactions: remote_transactions.c asks a server, place_embedded_transactions.c the engine in this
 * process. Results live in the arena that the caller hands in.
 */
struct place_transaction {
    const char *id;
    const char *state; /* as Kafka writes it: "Ongoing" */
    int64_t producer_id;
    /* only when described */
    int16_t producer_epoch;
    int32_t timeout_ms;
    int64_t start_ms; /* Unix time; -1: none is open */
    const struct weir_topic_partition *partitions;
    size_t partition_count;
};

struct place_transactions {
    struct place_transaction *rows;
    size_t count;
    const int32_t *
        offline; /* partitions of `__transaction_state` that are: their ids are not among the rows */
    size_t offline_count;
};

/** Is there one that its coordinator is going to end? */
bool place_transaction_is_open(const struct place_transaction *transaction);
/**
 * "partition 3 of '__transaction_state' is offline", of the first that is, and how many more there are; with WEIR_OFFLINE as
 * its code, which is given. 0: none is.
 */
int place_transactions_check_whole(const struct place_transactions *listed,
                                   struct weir_error *error);

/** A producer as a partition knows it. */
struct place_producers {
    const struct weir_producer_info *rows;
    size_t count;
};

struct place_transaction_ops {
    int (*list)(struct place *place, struct weir_arena *arena,
                struct place_transactions *transactions_out, struct weir_error *error);
    /* WEIR_TRANSACTIONAL_ID_NOT_FOUND */
    int (*describe)(struct place *place, struct weir_arena *arena, const char *id,
                    struct place_transaction *transaction_out, struct weir_error *error);
    int (*producers)(struct place *place, struct weir_arena *arena,
                     const struct weir_topic_partition *of, struct place_producers *producers_out,
                     struct weir_error *error);
    /* end the producer's transaction in this partition alone, by an abort */
    int (*abort)(struct place *place, const struct weir_topic_partition *of,
                 const struct weir_producer_info *producer, struct weir_error *error);
};

extern const struct place_transaction_ops embedded_transaction_ops;
extern const struct place_transaction_ops remote_transaction_ops;

#endif
