/* Planted bug: what the leader gives a member goes to the group's first member, too. */
#include "broker/coordinator/group/classic_group_internal.h"

int __real_weir_classic_assign(struct weir_classic_group *group, struct weir_classic_member *member,
                               struct weir_slice assignment);
int __wrap_weir_classic_assign(struct weir_classic_group *group, struct weir_classic_member *member,
                               struct weir_slice assignment);

int __wrap_weir_classic_assign(struct weir_classic_group *group, struct weir_classic_member *member,
                               struct weir_slice assignment)
{
    size_t at = 0;
    struct weir_classic_member *first = weir_classic_next(group, &at);
    if (assignment.size > 0) (void)__real_weir_classic_assign(group, first, assignment);
    return __real_weir_classic_assign(group, member, assignment);
}
