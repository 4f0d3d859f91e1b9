#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_CLASSIC_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_CLASSIC_H

#include "broker/coordinator/group/consumer_event.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * Members of a consumer group that speak the classic protocol, while a group goes from the one to the other (KIP-848,
 * "Online migration"). To them the coordinator is a leader that is never one of them:
 *
 *     JoinGroup   what a heartbeat says: the subscription and what the member still has; its generation is the member
 *                 epoch. It is answered at once, so there is no rebalance that all take part in.
 *     SyncGroup   what it has now, as an assignment of the consumer protocol
 *     Heartbeat   REBALANCE_IN_PROGRESS where it is to join again: there is a newer target, it has to give something up,
 *                 or something that it waited for is free. It is removed if it does not within its rebalance timeout.
 *
 * Each answers its request if 0 is returned. WEIR_NO_MEMORY, or what an encoder says: the group may only be closed.
 */
int weir_consumer_classic_join(struct weir_consumer_group *group,
                               const struct weir_consumer_event *event,
                               struct weir_group_update *update);
int weir_consumer_classic_sync(struct weir_consumer_group *group,
                               const struct weir_consumer_event *event,
                               struct weir_group_update *update);
int weir_consumer_classic_heartbeat(struct weir_consumer_group *group,
                                    const struct weir_consumer_event *event,
                                    struct weir_group_update *update);

#endif
