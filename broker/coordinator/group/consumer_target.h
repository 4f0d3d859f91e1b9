#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_TARGET_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_TARGET_H

#include "broker/coordinator/group/assignor.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * The target assignment: who shall read what. It is computed when a member says something and the group epoch is
 * ahead, so that many changes between two heartbeats cost one computation. A member's target changes, and is
 * written, only where it is another one than before; the assignment epoch is written last.
 *
 * WEIR_NO_MEMORY, or what an encoder says: the group may only be closed then.
 */
int weir_consumer_group_update_target(struct weir_consumer_group *group,
                                      const struct weir_metadata_image *topics, int64_t wall_ms,
                                      struct weir_group_update *update);

/** The one that most members ask for, the first of weir_assignors if nobody does or as many for each. */
const struct weir_assignor *weir_consumer_group_assignor(const struct weir_consumer_group *group);

#endif
