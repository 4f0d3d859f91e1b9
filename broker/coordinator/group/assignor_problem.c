#include "broker/coordinator/group/assignor_problem.h"

#include "weir/error.h"

/* Counted, summed up, and filled from behind: one pass over the members each. */
int weir_assignor_subscribers(const struct weir_assignor_problem *problem,
                              struct weir_assignor_subscribers *subscribers_out)
{
    size_t total = 0;
    for (uint32_t m = 0; m < problem->member_count; m++) {
        total += problem->members[m].topic_count;
    }
    uint32_t *starts =
        weir_arena_alloc_zero(problem->arena, (problem->topic_count + 1) * sizeof *starts);
    uint32_t *members = weir_arena_array(problem->arena, total, sizeof *members);
    if (starts == NULL || members == NULL) return WEIR_NO_MEMORY;
    for (uint32_t m = 0; m < problem->member_count; m++) {
        for (uint32_t i = 0; i < problem->members[m].topic_count; i++) {
            starts[problem->members[m].topics[i]]++;
        }
    }
    uint32_t sum = 0;
    for (uint32_t t = 0; t <= problem->topic_count; t++) {
        sum += starts[t];
        starts[t] = sum;
    }
    for (uint32_t m = problem->member_count; m-- > 0;) {
        for (uint32_t i = 0; i < problem->members[m].topic_count; i++) {
            members[--starts[problem->members[m].topics[i]]] = m;
        }
    }
    *subscribers_out = (struct weir_assignor_subscribers){.starts = starts, .members = members};
    return 0;
}
