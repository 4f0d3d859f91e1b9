#ifndef WEIR_BROKER_COORDINATOR_PARTITION_WAKE_H
#define WEIR_BROKER_COORDINATOR_PARTITION_WAKE_H

#include "broker/broker.h"

struct weir_engine;

/**
 * After a start the partitions of an internal topic that have been made are opened, one behind the other, though nobody
 * asks for them: a member that has gone meanwhile, a group whose offsets expire and a transaction whose time is over are
 * missed only where they are loaded (live_group.h, live_transaction.h).
 *
 *     begin ──> the next that was made ──open, or it cannot be──┐
 *                       ^───────────────────────────────────────┴─none left, or the engine ends──> done
 *
 * One that cannot be opened now is opened by who asks for what it has.
 * Thread: shard 0's.
 */
struct weir_partition_wake {
    struct weir_engine *engine;
    const char *topic;
    struct weir_request request; /* about `next`, which is under way */
    int32_t next;
};

/** Borrows both. Groups are where they belong (group_settle.h). Again: nothing. */
void weir_partition_wake_begin(struct weir_partition_wake *wake, struct weir_engine *engine,
                               const char *topic);

#endif
