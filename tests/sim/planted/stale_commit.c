/* Planted bug: a classic group takes the commit of a member that speaks of an older generation. */
#include "broker/coordinator/group/classic_group.h"

int __real_weir_classic_group_check_commit(struct weir_classic_group *group,
                                           const struct weir_classic_committer *committer,
                                           struct weir_error *error);
int __wrap_weir_classic_group_check_commit(struct weir_classic_group *group,
                                           const struct weir_classic_committer *committer,
                                           struct weir_error *error);

int __wrap_weir_classic_group_check_commit(struct weir_classic_group *group,
                                           const struct weir_classic_committer *committer,
                                           struct weir_error *error)
{
    struct weir_classic_committer told = *committer;
    bool is_old = told.generation >= 0 && told.generation < group->generation;
    if (is_old) told.generation = group->generation;
    return __real_weir_classic_group_check_commit(group, &told, error);
}
