#ifndef WEIR_BROKER_COORDINATOR_GROUP_GROUP_MIGRATION_H
#define WEIR_BROKER_COORDINATOR_GROUP_GROUP_MIGRATION_H

#include "broker/coordinator/group/classic_group.h"
#include "broker/coordinator/group/consumer_group.h"

/**
 * A group that goes over to the other protocol while its members read on (KIP-848, "Online migration"):
 *
 *     classic ── a heartbeat of the consumer protocol joins ──> consumer, of members that speak the classic protocol
 *     consumer ── the last member that speaks it has left ────> classic, which rebalances
 *
 * Each makes the new group of the old one and of the records in `update`, which take the one back and write the other. The
 * old group is not changed; whoever has it gives it up when the update is taken, with REBALANCE_IN_PROGRESS for the
 * joins and syncs that are parked in it.
 */

/** May this group, which has members, go over? Errors: WEIR_INCONSISTENT_GROUP_PROTOCOL. */
int weir_group_check_upgrade(const struct weir_classic_group *group,
                             const struct weir_group_settings *settings, struct weir_error *error);
/**
 * `to`, fresh from init, becomes what `from` is: its generation is the epoch, its members have what the leader gave
 * them. A partition that the leader gave twice stays with the first. Of `event` the times, settings and topics are
 * looked at.
 *
 * Errors: WEIR_INCONSISTENT_GROUP_PROTOCOL (a member's words are none of the consumer protocol), WEIR_NO_MEMORY. `to`
 * may only be closed then, and the update is forgotten.
 */
int weir_group_upgrade(const struct weir_classic_group *from,
                       const struct weir_consumer_event *event, struct weir_consumer_group *to,
                       struct weir_group_update *update, struct weir_error *error);

/** Shall this group go back? All its members, and it has some, speak the classic protocol. */
bool weir_group_wants_downgrade(const struct weir_consumer_group *group,
                                const struct weir_group_settings *settings);
/**
 * `to`, fresh from init, becomes what `from` is, and rebalances; its generation is the newest that a member has. Of `event` the times, settings and topics are looked at.
 * Errors: WEIR_INCONSISTENT_GROUP_PROTOCOL (no protocol that all speak), WEIR_NO_MEMORY: as above.
 */
int weir_group_downgrade(const struct weir_consumer_group *from,
                         const struct weir_consumer_event *event, struct weir_classic_group *to,
                         struct weir_group_update *update, struct weir_error *error);

/*
 * A group that nobody is in gives way to one of the other protocol that has no members either, and goes on counting where
 * it was: were it to begin with 1 again, what a member has sent before would be of the current epoch once more. To be
 * written behind what takes the old group back. WEIR_NO_MEMORY, or what an encoder says.
 */
int weir_group_succeed_classic(const struct weir_classic_group *from,
                               struct weir_group_update *update);
int weir_group_succeed_consumer(const struct weir_consumer_group *from, int64_t wall_ms,
                                struct weir_group_update *update);

#endif
