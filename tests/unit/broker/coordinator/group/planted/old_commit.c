/* Planted bug: an old member epoch may commit whatever it likes. */
#include "broker/coordinator/group/consumer_group.h"

int __real_weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                            const struct weir_group_member_id *member_id,
                                            int32_t member_epoch,
                                            const struct weir_consumer_commit *commits,
                                            size_t count, struct weir_error *error);
int __wrap_weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                            const struct weir_group_member_id *member_id,
                                            int32_t member_epoch,
                                            const struct weir_consumer_commit *commits,
                                            size_t count, struct weir_error *error);

int __wrap_weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                            const struct weir_group_member_id *member_id,
                                            int32_t member_epoch,
                                            const struct weir_consumer_commit *commits,
                                            size_t count, struct weir_error *error)
{
    (void)count;
    return __real_weir_consumer_group_check_commit(group, member_id, member_epoch, commits, 0,
                                                   error);
}
