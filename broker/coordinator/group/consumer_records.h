#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_RECORDS_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_RECORDS_H

#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * The records of a consumer group, one per fact, each with the group's name in its key:
 *
 *     type  key                what it says
 *      3    group              the group epoch, and a hash of the topics that it reads
 *      5    group, member      the member's own words
 *      6    group              the assignment epoch
 *      7    group, member      the member's target
 *      8    group, member      the member's epochs and state, what it has and has to give up
 *     16    group, expression  the names that it matches
 *
 * Each is written as soon as what it says changes, in the step that changes it, and a tombstone when that is
 * gone. Records are applied by weir_consumer_group_apply (consumer_group.h) and become a group when
 * weir_consumer_group_loaded puts them together.
 *
 * A write: WEIR_NO_MEMORY, or what the encoder says.
 */
int weir_consumer_write_epoch(const struct weir_consumer_group *group,
                              struct weir_group_update *update);
int weir_consumer_write_member(const struct weir_consumer_group *group,
                               const struct weir_consumer_member *member,
                               struct weir_group_update *update);
int weir_consumer_write_assignment_epoch(const struct weir_consumer_group *group,
                                         struct weir_group_update *update);
int weir_consumer_write_target(const struct weir_consumer_group *group,
                               const struct weir_consumer_member *member,
                               struct weir_group_update *update);
int weir_consumer_write_current(const struct weir_consumer_group *group,
                                const struct weir_consumer_member *member,
                                struct weir_group_update *update);
int weir_consumer_write_regex(const struct weir_consumer_group *group,
                              const struct weir_wanted_regex *regex, uint64_t version,
                              int64_t wall_ms, struct weir_group_update *update);
/** Tombstones of all that is written of a member, of an expression, of an empty group. */
int weir_consumer_write_member_gone(const struct weir_consumer_group *group,
                                    const struct weir_consumer_member *member,
                                    struct weir_group_update *update);
int weir_consumer_write_regex_gone(const struct weir_consumer_group *group,
                                   const struct weir_wanted_regex *regex,
                                   struct weir_group_update *update);
int weir_consumer_write_group_gone(const struct weir_consumer_group *group,
                                   struct weir_group_update *update);

#endif
