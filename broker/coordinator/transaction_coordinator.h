#ifndef WEIR_BROKER_COORDINATOR_TRANSACTION_COORDINATOR_H
#define WEIR_BROKER_COORDINATOR_TRANSACTION_COORDINATOR_H

#include "broker/broker.h"
#include "broker/coordinator/group_settle.h"
#include "broker/coordinator/txn/txn_settings.h"

struct weir_engine;

/** Whom the transaction coordinator asks that it does not know. Any thread. */
struct weir_transaction_helpers {
    /** For a producer id that nobody has had. */
    void (*init_producer)(void *impl, struct weir_init_producer_request *request);
    void *producer_impl;
    /** For a marker in a partition. */
    void (*write_marker)(void *impl, struct weir_write_marker_request *request);
    void *marker_impl;
};

/**
 * The transaction coordinator: what it needs beside the partitions of `__transaction_state`, whose state machines have
 * the transactions (transaction_partition.h).
 */
struct weir_transaction_coordinator {
    struct weir_engine *engine;
    struct weir_group_settle *groups; /* which partition a group's offsets are in */
    struct weir_transaction_helpers helpers;
    struct weir_txn_settings settings; /* written before any actor runs, as the next */
    int32_t partition_count;           /* of `__transaction_state`, as it is or will be made */
    struct weir_budget budget;         /* of all transactional ids, those that are idle too */
    _Atomic int64_t
        live_count; /* transactions that are open or being ended, and ids that are asked for */
    struct weir_message start;
    struct weir_partition_wake wake;
};

/** Borrows the engine, which is opened later, and the groups' places. */
void weir_transactions_init(struct weir_transaction_coordinator *coordinator,
                            struct weir_engine *engine, struct weir_group_settle *groups);
/** The engine's budget and options are there; no actor runs yet. */
void weir_transactions_open(struct weir_transaction_coordinator *coordinator);
/** The metadata is there too. */
void weir_transactions_know(struct weir_transaction_coordinator *coordinator,
                            struct weir_transaction_helpers helpers);
/** The actors run: partitions that have transactions are opened without being asked for. Any thread. */
void weir_transactions_start(struct weir_transaction_coordinator *coordinator);

/**
 * Whether `size` bytes more of a new transactional id, or (`is_known`) of one that is there already, are let in: WEIR_LIMIT.
 * What is not bounded by it is read at a start all the same.
 */
int weir_transactions_check_room(const struct weir_transaction_coordinator *coordinator,
                                 bool is_known, size_t size, struct weir_error *error);

/* transaction_requests.c. The doors: any thread, as broker.h says it. */
void weir_transactions_begin(struct weir_transaction_coordinator *coordinator,
                             struct weir_init_transactions_request *request);
void weir_transactions_add(struct weir_transaction_coordinator *coordinator,
                           struct weir_add_partitions_request *request);
void weir_transactions_add_offsets(struct weir_transaction_coordinator *coordinator,
                                   struct weir_add_offsets_request *request);
void weir_transactions_end(struct weir_transaction_coordinator *coordinator,
                           struct weir_end_transaction_request *request);
/* transaction_admin.c. */
void weir_transactions_describe(struct weir_transaction_coordinator *coordinator,
                                struct weir_describe_transaction_request *request);
void weir_transactions_list(struct weir_transaction_coordinator *coordinator,
                            struct weir_list_transactions_request *request);

#endif
