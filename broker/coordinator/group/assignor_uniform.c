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
#define NO_PARTITION UINT32_MAX

struct uniform {
    const struct weir_assignor_problem *problem;
    struct weir_assignor_subscribers subscribers;
    uint32_t *loads;  /* partitions of each member */
    uint32_t *givers; /* of `struct level` */
    uint32_t *
        foreign; /* by member: the first of its partitions of the topic that were not its own before */
    uint32_t *own;  /* by member: that were */
    uint32_t *next; /* by partition of the topic: the next one of the list */
};

/* A topic that is made even. */
struct level {
    uint32_t *order; /* its members, the most first */
    uint32_t count;
    uint32_t *givers; /* of these, in the same order: who has something to give */
    uint32_t giver_count;
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

/* Does a member of the topic have two partitions more than the one that has the least? */
static bool is_uneven(const struct uniform *uniform, uint32_t topic, uint32_t least)
{
    const struct weir_assignor_topic *of = &uniform->problem->topics[topic];
    const uint32_t *owners = uniform->problem->owners + of->first;
    for (uint32_t p = 0; p < of->partition_count; p++) {
        if (uniform->loads[owners[p]] >= uniform->loads[least] + 2) return true;
    }
    return false;
}

/*
 * A topic that is uneven: its members with the most first, and those of them that have partitions of it, which give.
 * Who is given one has the least by one at the most afterwards, and so gives none: what a member may give are lists
 * that only get shorter, of partitions that were not its own before and of those that were. A move is about the
 * members, not about all partitions.
 */
static struct level begin_level(const struct uniform *uniform, uint32_t topic, uint32_t *heap,
                                uint32_t count)
{
    const struct weir_assignor_topic *of = &uniform->problem->topics[topic];
    const uint32_t *owners = uniform->problem->owners + of->first;
    const uint32_t *previous = uniform->problem->previous + of->first;
    struct level level = {.order = heap, .count = count, .givers = uniform->givers};
    for (uint32_t end = count; end-- > 1;) { /* the least behind all others, again and again */
        uint32_t least = heap[0];
        heap[0] = heap[end];
        heap[end] = least;
        sift_down(uniform, heap, end, 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        uniform->foreign[heap[i]] = uniform->own[heap[i]] = NO_PARTITION;
    }
    for (uint32_t p = 0; p < of->partition_count; p++) {
        uint32_t *list = previous[p] == owners[p] ? uniform->own : uniform->foreign;
        uniform->next[p] = list[owners[p]];
        list[owners[p]] = p;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool has_any =
            uniform->foreign[heap[i]] != NO_PARTITION || uniform->own[heap[i]] != NO_PARTITION;
        if (has_any) level.givers[level.giver_count++] = heap[i];
    }
    return level;
}

static uint32_t place_in(const uint32_t *members, uint32_t count, uint32_t member)
{
    uint32_t at = 0;
    while (at < count && members[at] != member)
        at++;
    return at;
}

/* One member's load has changed: to where it belongs, the most first. */
static void reorder(const struct uniform *uniform, uint32_t *members, uint32_t count,
                    uint32_t member)
{
    uint32_t at = place_in(members, count, member);
    if (at == count) return;
    for (; at > 0 && has_less(uniform, members[at - 1], member); at--)
        members[at] = members[at - 1];
    for (; at + 1 < count && has_less(uniform, member, members[at + 1]); at++)
        members[at] = members[at + 1];
    members[at] = member;
}

/* Of those that have the most, one that has something that was not its own before. */
static uint32_t choose_giver(const struct uniform *uniform, const struct level *level)
{
    uint32_t most = uniform->loads[level->givers[0]];
    for (uint32_t i = 0; i < level->giver_count; i++) {
        uint32_t member = level->givers[i];
        if (uniform->loads[member] < most) break;
        if (uniform->foreign[member] != NO_PARTITION) return member;
    }
    return level->givers[0];
}

static uint32_t take_partition(const struct uniform *uniform, struct level *level, uint32_t giver)
{
    uint32_t *list = uniform->foreign[giver] != NO_PARTITION ? uniform->foreign : uniform->own;
    uint32_t p = list[giver];
    list[giver] = uniform->next[p];
    bool has_any = uniform->foreign[giver] != NO_PARTITION || uniform->own[giver] != NO_PARTITION;
    if (has_any) return p;
    uint32_t at = place_in(level->givers, level->giver_count, giver);
    level->giver_count--;
    for (; at < level->giver_count; at++)
        level->givers[at] = level->givers[at + 1];
    return p;
}

static bool level_topic(const struct uniform *uniform, uint32_t topic, uint32_t *heap)
{
    uint32_t *owners = uniform->problem->owners + uniform->problem->topics[topic].first;
    uint32_t count = make_heap(uniform, topic, heap);
    if (count < 2 || !is_uneven(uniform, topic, heap[0])) return false;
    struct level level = begin_level(uniform, topic, heap, count);
    while (level.giver_count > 0) {
        uint32_t least = level.order[count - 1];
        if (uniform->loads[level.givers[0]] < uniform->loads[least] + 2) break;
        uint32_t giver = choose_giver(uniform, &level);
        owners[take_partition(uniform, &level, giver)] = least;
        uniform->loads[giver]--;
        reorder(uniform, level.order, count, giver);
        reorder(uniform, level.givers, level.giver_count, giver);
        uniform->loads[least]++;
        reorder(uniform, level.order, count, least);
        reorder(uniform, level.givers, level.giver_count, least);
    }
    return true;
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
    uniform.givers = weir_arena_alloc(problem->arena, members_size);
    uniform.foreign = weir_arena_alloc(problem->arena, members_size);
    uniform.own = weir_arena_alloc(problem->arena, members_size);
    uniform.next = weir_arena_array(problem->arena, problem->partition_count, sizeof(uint32_t));
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
