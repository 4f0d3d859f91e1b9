/* Planted bug: a new target is computed without the last of the members. */
#include "broker/coordinator/group/assignor_uniform.h"
#include "weir/error.h"

int __real_weir_assign_uniform(const struct weir_assignor_problem *problem);
int __wrap_weir_assign_uniform(const struct weir_assignor_problem *problem);

int __wrap_weir_assign_uniform(const struct weir_assignor_problem *problem)
{
    struct weir_assignor_problem told = *problem;
    uint32_t *previous =
        weir_arena_array(problem->arena, problem->partition_count, sizeof *previous);
    if (previous == NULL) return WEIR_NO_MEMORY;
    if (told.member_count > 3) told.member_count--;
    for (uint32_t p = 0; p < problem->partition_count; p++) {
        bool is_known = problem->previous[p] < told.member_count;
        previous[p] = is_known ? problem->previous[p] : WEIR_ASSIGNOR_NOBODY;
    }
    told.previous = previous;
    return __real_weir_assign_uniform(&told);
}
