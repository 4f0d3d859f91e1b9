#include "broker/coordinator/group/assignor_uniform.h"

#include "base/assert.h"
#include "weir/error.h"

/*
 * Where all members want the same topics, P partitions and n members make P / n for each, and one more for P % n
 * of them. A member keeps what it had up to that, the first ones that had more keep the one more; what is
 * left goes to those who have less, in order. Nothing moves that need not.
 *
 * Where they want different topics:
 *
 *   1. a member keeps what it had;
 *   2. of each topic, those with the fewest members first, the free partitions go to the member of it that has
 *      the least (a heap per topic);
 *   3. while a member of a topic has two partitions more than another of the same topic, one of them moves over, at
 *      first one that was not this member's before. Each such move makes the sum of the squares smaller, so this ends;
 *      PASSES bounds it against chains of topics that were made to take long.
 *
 * Members and topics come in order of their ids, so the same group has the same target on every node.
 * Source: Kafka 4's UniformAssignor; KIP-848.
 */
enum { PASSES = 64 };

struct uniform {
    const struct weir_assignor_problem *problem;
    struct weir_assignor_subscribers subscribers;
    uint32_t *loads; /* partitions of each member */
};

static uint32_t subscriber_count(const struct uniform *uniform, uint32_t topic)
{
    return uniform->subscribers.starts[topic + 1] - uniform->subscribers.starts[topic];
}

/* ---- the same topics ------------------------------------------------------------------------- */

static void keep_shares(const struct weir_assignor_problem *problem, uint32_t *loads,
                        uint32_t share, uint32_t *extra)
{
    for (uint32_t p = 0; p < problem->partition_count; p++) {
        uint32_t member = problem->previous[p];
        if (member == WEIR_ASSIGNOR_NOBODY || loads[member] > share) continue;
        if (loads[member] == share) {
            if (*extra == 0) continue;
            --*extra;
        }
        loads[member]++;
        problem->owners[p] = member;
    }
}

static void fill_shares(const struct weir_assignor_problem *problem, uint32_t *loads,
                        uint32_t share, uint32_t extra)
{
    uint32_t member = 0;
    for (uint32_t p = 0; p < problem->partition_count; p++) {
        if (problem->owners[p] != WEIR_ASSIGNOR_NOBODY) continue;
        while (loads[member] > share || (loads[member] == share && extra == 0)) {
            member++;
            weir_assert(member < problem->member_count);
        }
        if (loads[member] == share) extra--;
        loads[member]++;
        problem->owners[p] = member;
    }
}

static int assign_homogeneous(const struct weir_assignor_problem *problem)
{
    if (problem->members[0].topic_count == 0) return 0;
    uint32_t *loads = weir_arena_alloc_zero(problem->arena, problem->member_count * sizeof *loads);
    if (loads == NULL) return WEIR_NO_MEMORY;
    uint32_t share = problem->partition_count / problem->member_count;
    uint32_t extra = problem->partition_count % problem->member_count;
    keep_shares(problem, loads, share, &extra);
    fill_shares(problem, loads, share, extra);
    return 0;
}

/* ---- different topics ------------------------------------------------------------------------ */

static bool has_less(const struct uniform *uniform, uint32_t a, uint32_t b)
{
    if (uniform->loads[a] != uniform->loads[b]) return uniform->loads[a] < uniform->loads[b];
    return a < b;
}

/* heap[0] has the least. */
static void sift_down(const struct uniform *uniform, uint32_t *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (has_less(uniform, heap[child], heap[least])) least = child;
        }
        if (least == at) return;
        uint32_t moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

/* The topic's members as a heap in `heap`. */
static uint32_t make_heap(const struct uniform *uniform, uint32_t topic, uint32_t *heap)
{
    uint32_t count = subscriber_count(uniform, topic);
    const uint32_t *members = uniform->subscribers.members + uniform->subscribers.starts[topic];
    for (uint32_t i = 0; i < count; i++) {
        heap[i] = members[i];
    }
    for (uint32_t i = count / 2; i-- > 0;) {
        sift_down(uniform, heap, count, i);
    }
    return count;
}

static void keep_all(const struct uniform *uniform)
{
    const struct weir_assignor_problem *problem = uniform->problem;
    for (uint32_t p = 0; p < problem->partition_count; p++) {
        uint32_t member = problem->previous[p];
        problem->owners[p] = member;
        if (member != WEIR_ASSIGNOR_NOBODY) uniform->loads[member]++;
    }
}

static void fill_topic(const struct uniform *uniform, uint32_t topic, uint32_t *heap)
{
    uint32_t *owners = uniform->problem->owners + uniform->problem->topics[topic].first;
    uint32_t count = make_heap(uniform, topic, heap);
    if (count == 0) return;
    for (uint32_t p = 0; p < uniform->problem->topics[topic].partition_count; p++) {
        if (owners[p] != WEIR_ASSIGNOR_NOBODY) continue;
        owners[p] = heap[0];
        uniform->loads[heap[0]]++;
        sift_down(uniform, heap, count, 0);
    }
}

/* A partition of the topic that leaves a member for the one that has the least: of those whose member has two more,
 * the one whose member has the most, and among these one that was not its own before. */
static uint32_t choose_to_move(const struct uniform *uniform, uint32_t topic, uint32_t least)
{
    const struct weir_assignor_topic *of = &uniform->problem->topics[topic];
    const uint32_t *owners = uniform->problem->owners + of->first;
    const uint32_t *previous = uniform->problem->previous + of->first;
    uint32_t chosen = WEIR_ASSIGNOR_NOBODY;
    for (uint32_t p = of->partition_count; p-- > 0;) {
        if (uniform->loads[owners[p]] < uniform->loads[least] + 2) continue;
        if (chosen == WEIR_ASSIGNOR_NOBODY ||
            uniform->loads[owners[p]] > uniform->loads[owners[chosen]] ||
            (uniform->loads[owners[p]] == uniform->loads[owners[chosen]] &&
             previous[chosen] == owners[chosen] && previous[p] != owners[p])) {
            chosen = p;
        }
    }
    return chosen;
}

static bool level_topic(const struct uniform *uniform, uint32_t topic, uint32_t *heap)
{
    uint32_t *owners = uniform->problem->owners + uniform->problem->topics[topic].first;
    bool has_moved = false;
    for (;;) {
        if (make_heap(uniform, topic, heap) < 2) return has_moved;
        uint32_t p = choose_to_move(uniform, topic, heap[0]);
        if (p == WEIR_ASSIGNOR_NOBODY) return has_moved;
        uniform->loads[owners[p]]--;
        uniform->loads[heap[0]]++;
        owners[p] = heap[0];
        has_moved = true;
    }
}

/* Topics in order of how many members want them, counted out; in order of id among equals. */
static uint32_t *topics_by_members(const struct uniform *uniform)
{
    const struct weir_assignor_problem *problem = uniform->problem;
    uint32_t *order = weir_arena_array(problem->arena, problem->topic_count, sizeof *order);
    uint32_t *starts =
        weir_arena_alloc_zero(problem->arena, (problem->member_count + 2) * sizeof *starts);
    if (order == NULL || starts == NULL) return NULL;
    for (uint32_t t = 0; t < problem->topic_count; t++) {
        starts[subscriber_count(uniform, t) + 1]++;
    }
    for (uint32_t i = 1; i < problem->member_count + 2; i++) {
        starts[i] += starts[i - 1];
    }
    for (uint32_t t = 0; t < problem->topic_count; t++) {
        order[starts[subscriber_count(uniform, t)]++] = t;
    }
    return order;
}

static int assign_heterogeneous(const struct weir_assignor_problem *problem)
{
    struct uniform uniform = {.problem = problem};
    const size_t members_size = problem->member_count * sizeof(uint32_t);
    int rc = weir_assignor_subscribers(problem, &uniform.subscribers);
    if (rc < 0) return rc;
    uniform.loads = weir_arena_alloc_zero(problem->arena, members_size);
    uint32_t *heap = weir_arena_alloc(problem->arena, members_size);
    uint32_t *order = topics_by_members(&uniform);
    if (weir_arena_failed(problem->arena)) return WEIR_NO_MEMORY;

    keep_all(&uniform);
    for (uint32_t i = 0; i < problem->topic_count; i++) {
        fill_topic(&uniform, order[i], heap);
    }
    bool has_moved = true;
    for (int pass = 0; has_moved && pass < PASSES; pass++) {
        has_moved = false;
        for (uint32_t i = 0; i < problem->topic_count; i++) {
            if (level_topic(&uniform, order[i], heap)) has_moved = true;
        }
    }
    return 0;
}

int weir_assign_uniform(const struct weir_assignor_problem *problem)
{
    return weir_assignor_is_homogeneous(problem) ? assign_homogeneous(problem)
                                                 : assign_heterogeneous(problem);
}
