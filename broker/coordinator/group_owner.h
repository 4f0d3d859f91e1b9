#ifndef WEIR_BROKER_COORDINATOR_GROUP_OWNER_H
#define WEIR_BROKER_COORDINATOR_GROUP_OWNER_H

#include "broker/coordinator/offsets_partition.h"

/** Groups that are stream applications' own. Thread: the partition's shard. */

/** Do the records, or commits that are on their way, make the group an application's? Such a commit is not in the
 * image yet, and whoever comes after it is behind it in the log. */
bool weir_group_is_application(const struct weir_offsets_partition *offsets,
                               struct weir_slice group);
/** The same, or a job that runs now has it. */
bool weir_group_is_owned(const struct weir_offsets_partition *offsets, struct weir_slice group);
/** Nobody else moves an owned group: WEIR_GROUP_OWNED. */
int weir_group_owner_check(const struct weir_offsets_partition *offsets, struct weir_slice group,
                           struct weir_error *error);
/** May this member commit to the group? Anybody may whose group it is not; to an owned one its owner's run, with its
 * generation. WEIR_ILLEGAL_GENERATION, WEIR_GROUP_OWNED. */
int weir_group_owner_check_commit(const struct weir_offsets_partition *offsets,
                                  struct weir_slice group, struct weir_slice member_id,
                                  int32_t generation, struct weir_error *error);

#endif
