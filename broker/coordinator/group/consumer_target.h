#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_TARGET_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_TARGET_H

#include "broker/coordinator/group/assignor.h"
#include "broker/coordinator/group/consumer_event.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * The target assignment: who shall read what. It is computed when a member says something and the group epoch is
 * ahead, but not again within consumer.assignment.interval.ms: many changes in that time cost one computation, and
 * one round in which members give up and get. Meanwhile members go on towards the target that is there, and one that
 * joins is in the group with nothing. A member's target changes, and is written, only where it is another one than
 * before; the assignment epoch is written last.
 *
 *     epoch      5       6   7      8                      9
 *     change     │       │   │      │                      │
 *     target     5       .   .      .      8               9
 *                └── assignment.interval ──┘               (at once: the last one is long ago)
 *
 * Two do not wait: a group with one member, and a member that wants other topics than before, which would be given
 * what it does not want any more.
 *
 * WEIR_NO_MEMORY, or what an encoder says: the group may only be closed then.
 * Source: Kafka 4.3's GroupMetadataManager (canComputeNextTargetAssignment).
 */
int weir_consumer_group_update_target(struct weir_consumer_group *group,
                                      const struct weir_metadata_image *topics, int64_t wall_ms,
                                      struct weir_group_update *update);
/** If there is something to compute, and it is time. Errors as above. */
int weir_consumer_group_update_due_target(struct weir_consumer_group *group,
                                          const struct weir_consumer_event *event,
                                          struct weir_group_update *update);
/** When it is time, by the clock of deadlines: the event's now, or later. */
int64_t weir_consumer_group_target_due_ms(const struct weir_consumer_group *group,
                                          const struct weir_consumer_event *event);
/** If there is something to compute: the group wants a tick when it is time. */
void weir_consumer_group_wake_for_target(struct weir_consumer_group *group,
                                         const struct weir_consumer_event *event);

/** The one that most members ask for, the first of weir_assignors if nobody does or as many for each. */
const struct weir_assignor *weir_consumer_group_assignor(const struct weir_consumer_group *group);

#endif
