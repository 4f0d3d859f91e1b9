#include "broker/coordinator/group/consumer_target.h"

#include <stdlib.h>

#include "base/assert.h"
#include "broker/coordinator/group/consumer_records.h"

/*
 * From the group to the problem of an assignor and back:
 *
 *   1. topics that members want and that exist, in order of id, their partitions numbered through;
 *   2. members in order of id, each with the indices of its topics;
 *   3. `previous`: who has a partition in the target as it stands;
 *   4. the assignor says who shall have it;
 *   5. the owners are counted out into one set for each member, and compared with what it had.
 */
struct solution {
    struct weir_consumer_group *group;
    const struct weir_metadata_image *image;
    struct weir_arena *arena;
    struct weir_consumer_member **members; /* in order of id */
    struct weir_assignor_topic *topics;
    struct weir_assignor_problem problem;
};

const struct weir_assignor *weir_consumer_group_assignor(const struct weir_consumer_group *group)
{
    size_t votes[WEIR_ASSIGNOR_COUNT] = {0};
    size_t at = 0, best = 0;
    const struct weir_consumer_member *member;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        const struct weir_assignor *wanted = weir_assignor_find(member->words->assignor);
        if (wanted != NULL) votes[wanted - weir_assignors]++;
    }
    for (size_t i = 1; i < WEIR_ASSIGNOR_COUNT; i++) {
        if (votes[i] > votes[best]) best = i;
    }
    return &weir_assignors[best];
}

/* ---- topics ---------------------------------------------------------------------------------- */

static int compare_topics(const void *a, const void *b)
{
    const struct weir_assignor_topic *x = a, *y = b;
    return memcmp(x->id.bytes, y->id.bytes, sizeof x->id.bytes);
}

static int find_topics(struct solution *solution)
{
    const struct weir_map *names = &solution->group->topics.names;
    size_t at = 0;
    uint32_t count = 0, partitions = 0;
    const struct weir_wanted_topic *wanted;
    struct weir_assignor_topic *topics =
        weir_arena_array(solution->arena, weir_map_count(names), sizeof *topics);
    if (topics == NULL) return WEIR_NO_MEMORY;
    while ((wanted = weir_map_next(names, &at)) != NULL) {
        const struct weir_topic_image *topic = weir_metadata_topic(solution->image, wanted->name);
        if (topic == NULL) continue;
        topics[count++] = (struct weir_assignor_topic){
            .id = topic->id, .partition_count = (uint32_t)topic->partition_count};
    }
    if (count > 0) qsort(topics, count, sizeof *topics, compare_topics);
    for (uint32_t t = 0; t < count; t++) {
        topics[t].first = partitions;
        weir_assert(partitions <= UINT32_MAX - 1 - topics[t].partition_count);
        partitions += topics[t].partition_count;
    }
    solution->topics = topics;
    solution->problem.topics = topics;
    solution->problem.topic_count = count;
    solution->problem.partition_count = partitions;
    return 0;
}

static const struct weir_assignor_topic *topic_of(const struct solution *solution,
                                                  struct weir_uuid id)
{
    const struct weir_assignor_topic wanted = {.id = id};
    if (solution->problem.topic_count == 0) return NULL;
    return bsearch(&wanted, solution->topics, solution->problem.topic_count, sizeof wanted,
                   compare_topics);
}

/* ---- members --------------------------------------------------------------------------------- */

static int compare_members(const void *a, const void *b)
{
    const struct weir_consumer_member *x = *(struct weir_consumer_member *const *)a;
    const struct weir_consumer_member *y = *(struct weir_consumer_member *const *)b;
    return weir_slice_compare(x->member_id, y->member_id);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t add_topics(const struct solution *solution, const struct weir_slice *names,
                           size_t count, uint32_t *indices, uint32_t added)
{
    for (size_t i = 0; i < count; i++) {
        const struct weir_topic_image *topic = weir_metadata_topic(solution->image, names[i]);
        const struct weir_assignor_topic *found =
            topic != NULL ? topic_of(solution, topic->id) : NULL;
        if (found != NULL) indices[added++] = (uint32_t)(found - solution->topics);
    }
    return added;
}

/* The topics that these words name and those that their expression matches, in order, each once. */
static int list_topics(const struct solution *solution, const struct weir_member_words *words,
                       struct weir_assignor_member *wants)
{
    const struct weir_wanted_regex *regex =
        words->topic_regex.size > 0
            ? weir_consumer_topics_regex(&solution->group->topics, words->topic_regex)
            : NULL;
    size_t matched = regex != NULL ? regex->name_count : 0;
    uint32_t *indices =
        weir_arena_array(solution->arena, words->topic_name_count + matched, sizeof *indices);
    if (indices == NULL) return WEIR_NO_MEMORY;
    uint32_t added = add_topics(solution, words->topic_names, words->topic_name_count, indices, 0);
    if (regex != NULL) added = add_topics(solution, regex->names, matched, indices, added);
    if (added > 1) qsort(indices, added, sizeof *indices, compare_numbers);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < added; i++) {
        if (kept == 0 || indices[kept - 1] != indices[i]) indices[kept++] = indices[i];
    }
    wants->topics = indices;
    wants->topic_count = kept;
    return 0;
}

/* Lists of topics that were made last, and for whose words. */
enum { RECENT_COUNT = 8 };
struct recent {
    const struct weir_member_words *words[RECENT_COUNT];
    const struct weir_assignor_member *wants[RECENT_COUNT];
    size_t next;
};

/* Most members of a group want the same: the list of another one with the same words is taken, if it is among the last
 * few that were made. Else a thousand members of ten thousand topics would look up ten million names. */
static int find_wants(const struct solution *solution, struct recent *recent,
                      const struct weir_consumer_member *member, struct weir_assignor_member *wants)
{
    const struct weir_member_words *words = member->words;
    wants->member_id = member->member_id;
    wants->instance_id = words->instance_id;
    for (size_t i = 0; i < RECENT_COUNT && recent->words[i] != NULL; i++) {
        if (!weir_member_words_same_topics(recent->words[i], words)) continue;
        wants->topics = recent->wants[i]->topics;
        wants->topic_count = recent->wants[i]->topic_count;
        return 0;
    }
    recent->words[recent->next] = words;
    recent->wants[recent->next] = wants;
    recent->next = (recent->next + 1) % RECENT_COUNT;
    return list_topics(solution, words, wants);
}

static int find_members(struct solution *solution)
{
    size_t at = 0;
    uint32_t count = 0;
    struct weir_consumer_member *member;
    struct recent recent = {0};
    size_t capacity = weir_consumer_group_member_count(solution->group);
    struct weir_assignor_member *wants = weir_arena_array(solution->arena, capacity, sizeof *wants);
    solution->members = weir_arena_array(solution->arena, capacity, sizeof(*solution->members));
    if (weir_arena_failed(solution->arena)) return WEIR_NO_MEMORY;
    while ((member = weir_map_next(&solution->group->members, &at)) != NULL) {
        solution->members[count++] = member;
    }
    qsort(solution->members, count, sizeof(*solution->members), compare_members);
    for (uint32_t m = 0; m < count; m++) {
        int rc = find_wants(solution, &recent, solution->members[m], &wants[m]);
        if (rc < 0) return rc;
    }
    solution->problem.members = wants;
    solution->problem.member_count = count;
    return 0;
}

/* ---- partitions ------------------------------------------------------------------------------ */

static bool wants_topic(const struct weir_assignor_member *member, uint32_t topic)
{
    return member->topic_count > 0 && bsearch(&topic, member->topics, member->topic_count,
                                              sizeof topic, compare_numbers) != NULL;
}

static void put_previous(const struct solution *solution, uint32_t m, uint32_t *previous)
{
    const struct weir_partition_set *target = &solution->members[m]->target;
    for (size_t at = 0, run; at < target->count; at += run) {
        run = weir_partition_set_run(target, at);
        const struct weir_assignor_topic *topic = topic_of(solution, target->items[at].topic_id);
        if (topic == NULL ||
            !wants_topic(&solution->problem.members[m], (uint32_t)(topic - solution->topics))) {
            continue;
        }
        for (size_t i = at; i < at + run; i++) {
            uint32_t partition = (uint32_t)target->items[i].partition;
            if (partition < topic->partition_count) previous[topic->first + partition] = m;
        }
    }
}

static int pose(struct solution *solution)
{
    int rc = find_topics(solution);
    if (rc == 0) rc = find_members(solution);
    if (rc < 0) return rc;
    struct weir_assignor_problem *problem = &solution->problem;
    uint32_t *previous =
        weir_arena_array(solution->arena, problem->partition_count, sizeof *previous);
    problem->owners =
        weir_arena_array(solution->arena, problem->partition_count, sizeof *problem->owners);
    if (weir_arena_failed(solution->arena)) return WEIR_NO_MEMORY;
    for (uint32_t p = 0; p < problem->partition_count; p++) {
        previous[p] = problem->owners[p] = WEIR_ASSIGNOR_NOBODY;
    }
    for (uint32_t m = 0; m < problem->member_count; m++) {
        put_previous(solution, m, previous);
    }
    problem->previous = previous;
    problem->arena = solution->arena;
    return 0;
}

/* The partitions of each member, one behind the other in the order of members: sets[m] up to sets[m + 1]. */
static struct weir_partition_set *count_out(const struct solution *solution)
{
    const struct weir_assignor_problem *problem = &solution->problem;
    struct weir_partition_set *sets =
        weir_arena_alloc_zero(solution->arena, (problem->member_count + 1) * sizeof *sets);
    struct weir_group_partition *items =
        weir_arena_array(solution->arena, problem->partition_count, sizeof *items);
    if (weir_arena_failed(solution->arena)) return NULL;
    for (uint32_t p = 0; p < problem->partition_count; p++) {
        if (problem->owners[p] != WEIR_ASSIGNOR_NOBODY) sets[problem->owners[p]].count++;
    }
    for (uint32_t m = 0; m < problem->member_count; m++) {
        sets[m].items = items;
        items += sets[m].count;
        sets[m].count = 0;
    }
    for (uint32_t t = 0; t < problem->topic_count; t++) {
        for (uint32_t p = 0; p < problem->topics[t].partition_count; p++) {
            uint32_t owner = problem->owners[problem->topics[t].first + p];
            weir_assert(owner < problem->member_count); /* somebody wants the topic */
            sets[owner].items[sets[owner].count++] = (struct weir_group_partition){
                .topic_id = problem->topics[t].id, .partition = (int32_t)p, .epoch = -1};
        }
    }
    return sets;
}

static int take_targets(const struct solution *solution, struct weir_group_update *update)
{
    struct weir_consumer_group *group = solution->group;
    const struct weir_partition_set *sets = count_out(solution);
    if (sets == NULL) return WEIR_NO_MEMORY;
    for (uint32_t m = 0; m < solution->problem.member_count; m++) {
        struct weir_consumer_member *member = solution->members[m];
        if (weir_partition_set_equal(&member->target, &sets[m])) continue;
        int rc = weir_partition_set_assign(&member->target, group->budget, &sets[m]);
        if (rc == 0) rc = weir_consumer_write_target(group, member, update);
        if (rc < 0) return rc;
    }
    return 0;
}

int weir_consumer_group_update_target(struct weir_consumer_group *group,
                                      const struct weir_metadata_image *topics, int64_t wall_ms,
                                      struct weir_group_update *update)
{
    struct solution solution = {.group = group, .image = topics, .arena = update->arena};
    weir_assert(weir_consumer_group_member_count(group) > 0);
    int rc = pose(&solution);
    if (rc == 0) rc = weir_consumer_group_assignor(group)->assign(&solution.problem);
    if (rc == 0) rc = take_targets(&solution, update);
    if (rc < 0) return rc;
    group->assignment_epoch = group->epoch;
    group->assignment_wall_ms = wall_ms;
    return weir_consumer_write_assignment_epoch(group, update);
}

int64_t weir_consumer_group_target_due_ms(const struct weir_consumer_group *group,
                                          const struct weir_consumer_event *event)
{
    int64_t interval_ms = event->settings->config.consumer_assignment_interval_ms;
    int64_t passed_ms = event->wall_ms - group->assignment_wall_ms;
    bool is_alone = weir_consumer_group_member_count(group) <= 1; /* there is nobody to wait for */
    bool has_target = group->assignment_epoch > 0;
    /* Before it: the wall clock was set back, and how long ago it was nobody knows. */
    bool has_passed = passed_ms < 0 || passed_ms >= interval_ms;
    return has_target && !is_alone && !has_passed ? event->now_ms + interval_ms - passed_ms
                                                  : event->now_ms;
}

int weir_consumer_group_update_due_target(struct weir_consumer_group *group,
                                          const struct weir_consumer_event *event,
                                          struct weir_group_update *update)
{
    if (group->epoch == group->assignment_epoch || weir_consumer_group_is_empty(group)) return 0;
    if (weir_consumer_group_target_due_ms(group, event) > event->now_ms) return 0;
    return weir_consumer_group_update_target(group, event->topics, event->wall_ms, update);
}

/* Where it is due already the next heartbeat computes it; members that speak the classic protocol only ask whether there
 * is a new one, so that somebody has to. */
void weir_consumer_group_wake_for_target(struct weir_consumer_group *group,
                                         const struct weir_consumer_event *event)
{
    if (group->epoch == group->assignment_epoch || weir_consumer_group_is_empty(group)) return;
    int64_t due_ms = weir_consumer_group_target_due_ms(group, event);
    int64_t later_ms = event->now_ms + event->settings->config.consumer_assignment_interval_ms;
    weir_consumer_group_wake(group, due_ms > event->now_ms ? due_ms : later_ms);
}
