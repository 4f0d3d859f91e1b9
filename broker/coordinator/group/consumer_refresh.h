#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_REFRESH_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_REFRESH_H

#include "broker/coordinator/group/consumer_event.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * Look at the topics as they are now: expressions are looked up again where it is time for that, and the group has a
 * new epoch if what its members want stands for other topics than before, or `is_changed`: members or their subscriptions
 * have changed. WEIR_NO_MEMORY, or what an encoder says: the group may only be closed then.
 */
int weir_consumer_group_refresh(struct weir_consumer_group *group,
                                const struct weir_consumer_event *event, bool is_changed,
                                struct weir_group_update *update);
/** The expression that a member has no more goes, with its record, with the last one that had it. Errors as above. */
int weir_consumer_group_drop_regex(struct weir_consumer_group *group, struct weir_slice pattern,
                                   struct weir_group_update *update);

#endif
