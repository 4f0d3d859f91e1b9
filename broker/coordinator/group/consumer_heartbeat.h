#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_HEARTBEAT_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_HEARTBEAT_H

#include "broker/coordinator/group/consumer_event.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/** A member is heard: it joins, says what it wants and has, or leaves. The request is answered if 0 is returned.
 * WEIR_NO_MEMORY, or what an encoder says: the group may only be closed then. */
int weir_consumer_heartbeat(struct weir_consumer_group *group,
                            const struct weir_consumer_event *event,
                            struct weir_group_update *update);

#endif
