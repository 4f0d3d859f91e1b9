/* Planted bug: when a generation begins, its leader is told of all members but the last. */
#include "broker/coordinator/group/classic_group_internal.h"

void __real_weir_classic_answer_joined(const struct weir_classic_step *step,
                                       struct weir_classic_member *member);
void __wrap_weir_classic_answer_joined(const struct weir_classic_step *step,
                                       struct weir_classic_member *member);

void __wrap_weir_classic_answer_joined(const struct weir_classic_step *step,
                                       struct weir_classic_member *member)
{
    struct weir_join_group_request *join = member->join;
    __real_weir_classic_answer_joined(step, member);
    if (join->member_count > 1) join->member_count--;
}
