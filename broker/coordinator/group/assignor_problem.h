#ifndef WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_PROBLEM_H
#define WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_PROBLEM_H

#include "base/arena.h"
#include "base/uuid.h"

/**
 * What an assignor is asked: members, each with the topics that it wants, and the partitions of these topics,
 * which are numbered through: partition 2 of topic t is t.first + 2. The answer is one array with the member of each
 * partition, so that no partition can be given twice.
 *
 *     topics    A (3 partitions)  B (2)        members  0 wants A, B;  1 wants A
 *     owners    A0 A1 A2  B0 B1
 *                0  1  1   0  0                NOBODY stands where nobody wants the topic
 */
#define WEIR_ASSIGNOR_NOBODY UINT32_MAX

struct weir_assignor_topic {
    struct weir_uuid id;
    uint32_t partition_count;
    uint32_t first; /* number of its partition 0 */
};

struct weir_assignor_member {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: a dynamic member */
    const uint32_t *topics;        /* that it wants, in order */
    uint32_t topic_count;
};

struct weir_assignor_problem {
    const struct weir_assignor_topic *topics; /* in order of id */
    uint32_t topic_count;
    const struct weir_assignor_member *members; /* in order of member id; one at least */
    uint32_t member_count;
    uint32_t partition_count; /* of all topics together */
    const uint32_t
        *previous;    /* by partition: the member of the last target, if it still wants it */
    uint32_t *owners; /* by partition: the answer; NOBODY everywhere at first */
    struct weir_arena *arena; /* for what the assignor keeps meanwhile */
};

/** All members want the same topics. */
static inline bool weir_assignor_is_homogeneous(const struct weir_assignor_problem *problem)
{
    const struct weir_assignor_member *first = &problem->members[0];
    for (uint32_t i = 1; i < problem->member_count; i++) {
        const struct weir_assignor_member *member = &problem->members[i];
        if (member->topic_count != first->topic_count) return false;
        if (member->topics == first->topics) continue; /* one list for both */
        for (uint32_t j = 0; j < first->topic_count; j++) {
            if (member->topics[j] != first->topics[j]) return false;
        }
    }
    return true;
}

/**
 * For each topic the members that want it, in order: `members[starts[t]]` up to `members[starts[t + 1]]`.
 */
struct weir_assignor_subscribers {
    uint32_t *starts; /* topic_count + 1 */
    uint32_t *members;
};
/** In the problem's arena. WEIR_NO_MEMORY. */
int weir_assignor_subscribers(const struct weir_assignor_problem *problem,
                              struct weir_assignor_subscribers *subscribers_out);

#endif
