/* Planted bug: a consumer group takes a commit whatever epoch it speaks of, and whoever it is from. */
#include "broker/coordinator/group/consumer_group.h"

int __wrap_weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                            const struct weir_group_member_id *member,
                                            int32_t member_epoch,
                                            const struct weir_consumer_commit *commits,
                                            size_t count, struct weir_error *error);

int __wrap_weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                            const struct weir_group_member_id *member,
                                            int32_t member_epoch,
                                            const struct weir_consumer_commit *commits,
                                            size_t count, struct weir_error *error)
{
    (void)group, (void)member, (void)member_epoch, (void)commits, (void)count, (void)error;
    return 0;
}
