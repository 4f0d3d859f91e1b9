#ifndef WEIR_BROKER_COORDINATOR_TRANSACTION_PARTITION_H
#define WEIR_BROKER_COORDINATOR_TRANSACTION_PARTITION_H

#include "broker/coordinator/coordinator_log.h"
#include "broker/coordinator/txn/txn_image.h"
#include "broker/engine/deadline_heap.h"

struct weir_transaction_coordinator;

/**
 * What a partition of `__transaction_state` has beside its log.
 *
 *     requests ──> live transactions ──records──> log ──durable──> image ──> snapshots
 *                      ^                                             │
 *                      └───────────── what is durable ───────────────┘
 *
 * A live transaction decides by what the image has of its id, and writes one record at a time: so nothing is known that is
 * not durable (live_transaction.h). It is the partition's state machine (transaction_machine.h).
 * Thread: the partition's shard (restore: the worker that opens the log).
 */
enum { WEIR_TRANSACTION_PARTITION_MAGIC = 0x74786e73 };

struct weir_transaction_partition {
    uint32_t magic;
    struct weir_transaction_coordinator *coordinator;
    struct weir_partition *partition;
    struct weir_txn_image image;
    struct weir_coordinator_log log;
    struct weir_map live;                /* live transactions by id */
    struct weir_deadline_heap deadlines; /* of each of them, WEIR_MONO_NEVER too */
    struct weir_arena update_arena;      /* of a step, and of what it writes */
    struct weir_buffer key;
    struct weir_buffer value;
    /* After the start the image is looked through for transactions that are open or being ended. */
    struct weir_map_walk load_walk; /* how far that has come */
    struct weir_mono load_at;       /* and when it goes on */
    bool is_loaded;
    struct weir_map_walk expiry_walk; /* of the sweep for ids that nobody uses */
    struct weir_mono expiry_at;       /* its next turn; zero: none was planned yet */
    size_t expired_count;             /* in this sweep */
};

/** All in it is empty; WEIR_NO_MEMORY. */
int weir_transaction_partition_new(struct weir_transaction_coordinator *coordinator,
                                   struct weir_partition *partition,
                                   struct weir_transaction_partition **home_out);
/** Nothing is on its way or live. */
void weir_transaction_partition_free(struct weir_transaction_partition *home);
/** That of a partition of `__transaction_state`, from its topic being known on. */
struct weir_transaction_partition *
weir_transaction_partition_of(const struct weir_partition *partition);

#endif
