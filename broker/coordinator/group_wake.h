#ifndef WEIR_BROKER_COORDINATOR_GROUP_WAKE_H
#define WEIR_BROKER_COORDINATOR_GROUP_WAKE_H

#include "broker/broker.h"

struct weir_engine;

/**
 * After a start the partitions of `__consumer_offsets` that have been made are opened, one behind the other, though nobody
 * asks for them: a member that has gone meanwhile, and a group whose offsets expire, are missed only where the
 * group is loaded (live_group.h).
 *
 *     begin ──> the next that was made ──open, or it cannot be──┐
 *                       ^───────────────────────────────────────┴─none left, or the engine ends──> done
 *
 * One that cannot be opened now is opened by who asks for one of its groups.
 * Thread: shard 0's.
 */
struct weir_group_wake {
    struct weir_engine *engine;
    struct weir_request request; /* about `next`, which is under way */
    int32_t next;
};

/** Borrows the engine. Groups are where they belong (group_settle.h). Again: nothing. */
void weir_group_wake_begin(struct weir_group_wake *wake, struct weir_engine *engine);

#endif
