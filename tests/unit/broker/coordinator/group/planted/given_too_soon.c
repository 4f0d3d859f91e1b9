/* Planted bug: a member is given all of its target at once, whoever still has it. */
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
    struct weir_partition_owners nobody;
    weir_partition_owners_init(&nobody, owners->budget);
    return __real_weir_consumer_member_reconcile(member, assignment_epoch, &nobody, owned, arena,
                                                 move_out);
}
