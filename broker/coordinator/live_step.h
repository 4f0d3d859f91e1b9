#ifndef WEIR_BROKER_COORDINATOR_LIVE_STEP_H
#define WEIR_BROKER_COORDINATOR_LIVE_STEP_H

#include "broker/coordinator/live_group.h"

/**
 * Events of live groups, by which a group may go over to the other protocol with its members
 * (broker/coordinator/group/group_migration.h). The new core is made beside the old one and takes its place; one batch
 * takes the one back, writes the other, and has what the step writes.
 *
 *     classic ──a heartbeat joins──────────────> consumer
 *        ^                                          │
 *        └──a step after which all are classic──────┘
 *
 * Where that fails the old core is as it was; where the batch cannot be written the group is dropped, as ever.
 * Each does what comes of its step, and settles the group.
 * Thread: the partition's shard.
 */

/** One step of a classic group: `event` but for its times. */
void weir_live_group_step(struct weir_live_group *group, struct weir_classic_event *event);
/** The same of a consumer group, which may be a classic one then. `request` is the event's, NULL for a tick. */
void weir_live_group_consumer_step(struct weir_live_group *group, struct weir_consumer_event *event,
                                   struct weir_group_request *request);
/** The classic group becomes a consumer group that this heartbeat joins; who is parked in it is to join again. A
 * refusal answers the heartbeat and leaves the group as it is. */
void weir_live_group_upgrade(struct weir_live_group *group,
                             struct weir_consumer_heartbeat_request *heartbeat);
/** Those that are due have their turn; how many. */
size_t weir_live_groups_tick(struct weir_offsets_partition *offsets, struct weir_mono now);

#endif
