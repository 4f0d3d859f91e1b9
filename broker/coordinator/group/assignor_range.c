#include "broker/coordinator/group/assignor_range.h"

#include <stdlib.h>

#include "weir/error.h"

/*
 * The members stand in one row for all topics: static ones first, by instance id, then the others by member id.
 * Along that row each topic is cut into as many neighbouring pieces as members want it, the first ones one
 * partition longer if it does not come out even:
 *
 *     7 partitions, 3 members      0 1 2 | 3 4 | 5 6
 *
 * So topics with equally many partitions and the same members are cut alike, and records with one key in two such
 * topics meet at one member. What members had before is not looked at: instance ids keep the row as it is when a
 * static member comes back.
 * Source: Kafka 4's server-side RangeAssignor.
 */
static int compare_members(const void *a, const void *b)
{
    const struct weir_assignor_member *x = *(const struct weir_assignor_member *const *)a;
    const struct weir_assignor_member *y = *(const struct weir_assignor_member *const *)b;
    bool x_static = !weir_slice_is_null(x->instance_id);
    bool y_static = !weir_slice_is_null(y->instance_id);
    if (x_static != y_static) return x_static ? -1 : 1;
    return x_static ? weir_slice_compare(x->instance_id, y->instance_id)
                    : weir_slice_compare(x->member_id, y->member_id);
}

/* The next piece of each of the topics that this member wants. */
static void cut(const struct weir_assignor_problem *problem, uint32_t member,
                const uint32_t *member_counts, uint32_t *given, uint32_t *served)
{
    const struct weir_assignor_member *wants = &problem->members[member];
    for (uint32_t i = 0; i < wants->topic_count; i++) {
        uint32_t t = wants->topics[i];
        const struct weir_assignor_topic *topic = &problem->topics[t];
        uint32_t share = topic->partition_count / member_counts[t];
        if (served[t] < topic->partition_count % member_counts[t]) share++;
        for (uint32_t p = given[t]; p < given[t] + share; p++) {
            problem->owners[topic->first + p] = member;
        }
        given[t] += share;
        served[t]++;
    }
}

int weir_assign_range(const struct weir_assignor_problem *problem)
{
    struct weir_arena *arena = problem->arena;
    const size_t topics_size = problem->topic_count * sizeof(uint32_t);
    const struct weir_assignor_member **row =
        weir_arena_array(arena, problem->member_count, sizeof(*row));
    uint32_t *member_counts = weir_arena_alloc_zero(arena, topics_size);
    uint32_t *given = weir_arena_alloc_zero(arena, topics_size);
    uint32_t *served = weir_arena_alloc_zero(arena, topics_size);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;

    for (uint32_t m = 0; m < problem->member_count; m++) {
        row[m] = &problem->members[m];
        for (uint32_t i = 0; i < row[m]->topic_count; i++) {
            member_counts[row[m]->topics[i]]++;
        }
    }
    qsort(row, problem->member_count, sizeof(*row), compare_members);
    for (uint32_t i = 0; i < problem->member_count; i++) {
        cut(problem, (uint32_t)(row[i] - problem->members), member_counts, given, served);
    }
    return 0;
}
