#ifndef WEIR_BROKER_COORDINATOR_GROUP_SETTLE_H
#define WEIR_BROKER_COORDINATOR_GROUP_SETTLE_H

#include "broker/broker.h"
#include "broker/coordinator/partition_wake.h"

struct weir_engine;

/**
 * Whether every group is in the partition where it is looked for (group_place.h).
 *
 * In an older directory it may not be: `__consumer_offsets` had one partition, or groups were spread by another hash.
 * Then, once, before any group is asked:
 *
 *     unsettled ──> more partitions, if the setting says so ──> each partition in turn: its groups that belong
 *         ^                                                      to others are moved ──> the mark ──> settled
 *         └────────────── a shortage, a failure: all who wait hear of it ───────────────────┘
 *
 * Groups are moved in chunks of records: one batch to where they belong, durable; then one that takes them back here,
 * durable too. A crash between the two leaves both copies; nobody is served before all is settled, so the
 * second move writes the same records once more. The mark, `groups.placed` in the data directory, says for how many
 * partitions this is done; without it the partitions are looked through again, and nothing is found.
 *
 * Until then members are told to ask again, and all others wait. Then the partitions are opened (partition_wake.h).
 * Thread: shard 0's but for what says otherwise.
 */
struct weir_group_settle {
    struct weir_engine *engine;
    /* Whoever changes topics. Any thread. */
    void (*change_topic)(void *impl, struct weir_topic_request *request);
    void *change_topic_impl;
    _Atomic int32_t partition_count; /* of `__consumer_offsets`, as it is or will be made */
    _Atomic bool is_settled;
    bool is_running;
    int32_t next_partition;         /* to be looked through */
    struct weir_topic_request grow; /* the one that is under way, of these: */
    struct weir_settle_scan *scan;
    struct weir_work mark;
    struct weir_error error; /* of `mark` */
    int rc;
    struct weir_request *waiting_first; /* by message.next */
    struct weir_request *waiting_last;
    struct weir_partition_wake wake; /* begun when all is settled */
};

/** Borrows the engine and who changes topics. Before any actor runs, when the metadata is there. Blocks. */
void weir_group_settle_open(struct weir_group_settle *settle, struct weir_engine *engine,
                            void (*change_topic)(void *impl, struct weir_topic_request *request),
                            void *change_topic_impl);
/** Begin, when the actors run. Any thread. */
void weir_group_settle_start(struct weir_group_settle *settle);
/** Any thread. */
static inline bool weir_group_settle_is_done(const struct weir_group_settle *settle)
{
    return atomic_load_explicit(&settle->is_settled, memory_order_acquire);
}
/** A request that has been set out, and whose message is on shard 0. True: all is settled, go on. False: it waits, and
 * its message is posted here again, or it is answered with the reason why not. */
bool weir_group_settle_wait(struct weir_group_settle *settle, struct weir_request *request);
/** One that may not wait: answered with WEIR_LOCKED. */
void weir_group_settle_refuse(struct weir_group_settle *settle, struct weir_request *request);

#endif
