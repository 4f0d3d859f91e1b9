/* Planted bug: a member of a consumer group is taken to have given up what it is to give up before it says so. */
#include "broker/coordinator/group/consumer_member.h"

int __real_weir_consumer_member_reconcile(const struct weir_consumer_member *member,
                                          int32_t assignment_epoch,
                                          const struct weir_partition_owners *owners,
                                          const struct weir_partition_set *owned,
                                          struct weir_arena *arena,
                                          struct weir_member_move *move_out);
int __wrap_weir_consumer_member_reconcile(const struct weir_consumer_member *member,
                                          int32_t assignment_epoch,
                                          const struct weir_partition_owners *owners,
                                          const struct weir_partition_set *owned,
                                          struct weir_arena *arena,
                                          struct weir_member_move *move_out);

int __wrap_weir_consumer_member_reconcile(const struct weir_consumer_member *member,
                                          int32_t assignment_epoch,
                                          const struct weir_partition_owners *owners,
                                          const struct weir_partition_set *owned,
                                          struct weir_arena *arena,
                                          struct weir_member_move *move_out)
{
    static const struct weir_partition_set nothing;
    (void)owned;
    return __real_weir_consumer_member_reconcile(member, assignment_epoch, owners, &nothing, arena,
                                                 move_out);
}
