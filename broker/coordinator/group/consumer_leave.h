#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_LEAVE_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_LEAVE_H

#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/* A member goes, and its records say so; the group's epoch is for who knows of all that go at once. Each:
 * WEIR_NO_MEMORY, or what an encoder says: the group may only be closed then. */

/** It is gone, and what it had is free. */
int weir_consumer_leave_for_good(struct weir_consumer_group *group,
                                 struct weir_consumer_member *member,
                                 struct weir_group_update *update);
/** A static one: what it has stays its own until its session ends; what it had to give up it has given up. */
int weir_consumer_leave_for_a_while(struct weir_consumer_group *group,
                                    struct weir_consumer_member *member,
                                    struct weir_group_update *update);

#endif
