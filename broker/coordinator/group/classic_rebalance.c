#include <string.h>

#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/*
 * A rebalance, from the first join to the last sync:
 *
 *   begin ---- joins are parked ---------------- complete -- syncs are parked -- the leader's -- Stable
 *     |                                             |                                               |
 *     |  all have joined, or the longest            |   the longest rebalance timeout; whoever      |
 *     |  rebalance timeout is over: the dynamic     |   has not synced by then is out, and the      |
 *     |  members that have not joined are out       |   next rebalance begins                       |
 *
 * The first one, from Empty, waits for newcomers instead: for the initial rebalance delay, and again as long as
 * somebody came within it, up to the rebalance timeout in all.
 */

/* Where nobody of those that stay has joined, only silence or a join can help: no need to look more often. */
enum { JOIN_WAIT_MIN_MS = 1000 };

static bool all_joined(const struct weir_classic_group *group)
{
    return group->joined_count == weir_map_count(&group->members) &&
           weir_map_count(&group->pending) == 0;
}

static void drop_silent(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        if (member->join != NULL || weir_classic_is_set(member->id.instance_id)) continue;
        weir_group_update_note_silent(step->update, member->id.member_id, member->client_id,
                                      "join");
        weir_classic_remove(group, member);
    }
}

/* The leader has joined, or the first that has is the leader now. False: nobody has. */
static bool elect_leader(struct weir_classic_group *group)
{
    struct weir_classic_member *member;
    size_t at = 0;
    if (group->leader != NULL && group->leader->join != NULL) return true;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        if (member->join == NULL) continue;
        group->leader = member;
        return true;
    }
    return false;
}

static int choose_protocol(struct weir_classic_group *group)
{
    struct weir_slice name = weir_classic_vote(group);
    uint8_t *copy = weir_alloc(group->budget, name.size + 1);
    if (copy == NULL) return WEIR_NO_MEMORY;
    memcpy(copy, name.data, name.size);
    weir_free((void *)group->protocol.data);
    group->protocol = weir_slice(copy, name.size);
    return 0;
}

static int become_empty(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    weir_free((void *)group->protocol.data);
    group->protocol = weir_null();
    weir_assert(group->leader == NULL);
    weir_classic_move(group, WEIR_CLASSIC_EMPTY, step->event->wall_ms);
    return weir_classic_write(group, step->update);
}

/* Everybody is told of the generation, and owes a sync. A static member that has not joined is in it, too. */
static int begin_generation(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    int rc = choose_protocol(group);
    if (rc < 0) return rc;
    weir_classic_move(group, WEIR_CLASSIC_COMPLETING_REBALANCE, step->event->wall_ms);
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        weir_classic_set_sync_pending(group, member, true);
        if (member->join == NULL) continue;
        weir_classic_answer_joined(step, member);
        member->is_new = false;
        weir_classic_begin_session(group, member, step->event->now_ms);
    }
    group->sync_deadline_ms = step->event->now_ms + weir_classic_rebalance_timeout(group);
    return 0;
}

static int complete(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    weir_assert(group->state == WEIR_CLASSIC_PREPARING_REBALANCE);
    drop_silent(step);
    bool is_empty = weir_map_count(&group->members) == 0;
    if (!is_empty && !elect_leader(group)) {
        int32_t timeout_ms = weir_classic_rebalance_timeout(group);
        group->join_deadline_ms =
            step->event->now_ms + (timeout_ms > JOIN_WAIT_MIN_MS ? timeout_ms : JOIN_WAIT_MIN_MS);
        return 0;
    }
    group->join_deadline_ms = WEIR_GROUP_NEVER_MS;
    group->has_newcomer = false;
    /* The last generation there is can only become empty: joins are refused in it. */
    weir_assert(group->generation < INT32_MAX || is_empty);
    if (group->generation < INT32_MAX) group->generation++;
    return is_empty ? become_empty(step) : begin_generation(step);
}

/* The generation is over: its assignments are void, and who waits for them is to join again. */
static void end_generation(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    bool is_assigned = group->state == WEIR_CLASSIC_STABLE;
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        weir_classic_set_sync_pending(group, member, false);
        if (is_assigned) continue;
        (void)weir_classic_assign(group, member, weir_null()); /* nothing to allocate */
        if (member->sync == NULL) continue;
        weir_classic_refuse_parked(step, member, WEIR_REBALANCE_IN_PROGRESS,
                                   "the group rebalances: join again");
        weir_classic_begin_session(group, member, step->event->now_ms);
    }
}

static int begin_initial(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    int32_t delay_ms = step->event->settings->initial_rebalance_delay_ms;
    int32_t timeout_ms = weir_classic_rebalance_timeout(group);
    if (delay_ms <= 0) return complete(step);
    group->initial_delay_ms = delay_ms;
    group->initial_remaining_ms = timeout_ms > delay_ms ? timeout_ms - delay_ms : 0;
    group->has_newcomer = false;
    group->join_deadline_ms = step->event->now_ms + delay_ms;
    return 0;
}

static int begin(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    bool is_initial = group->state == WEIR_CLASSIC_EMPTY;
    if (!is_initial) end_generation(step);
    weir_classic_move(group, WEIR_CLASSIC_PREPARING_REBALANCE, step->event->wall_ms);
    if (is_initial) return begin_initial(step);
    if (all_joined(group)) return complete(step);
    group->join_deadline_ms = step->event->now_ms + weir_classic_rebalance_timeout(group);
    return 0;
}

int weir_classic_rebalance(const struct weir_classic_step *step)
{
    if (step->group->state == WEIR_CLASSIC_PREPARING_REBALANCE) {
        return weir_classic_try_complete(step);
    }
    return begin(step);
}

int weir_classic_try_complete(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    if (group->state != WEIR_CLASSIC_PREPARING_REBALANCE) return 0;
    if (group->previous_state == WEIR_CLASSIC_EMPTY) return 0; /* newcomers are waited for */
    return all_joined(group) ? complete(step) : 0;
}

int weir_classic_join_expired(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    if (!group->has_newcomer || group->initial_remaining_ms == 0) return complete(step);
    int32_t remaining_ms = group->initial_remaining_ms;
    int32_t delay_ms = step->event->settings->initial_rebalance_delay_ms;
    if (delay_ms > remaining_ms) delay_ms = remaining_ms;
    group->has_newcomer = false;
    group->initial_remaining_ms =
        remaining_ms > group->initial_delay_ms ? remaining_ms - group->initial_delay_ms : 0;
    group->initial_delay_ms = delay_ms;
    group->join_deadline_ms = step->event->now_ms + delay_ms;
    return 0;
}

int weir_classic_sync_expired(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    struct weir_classic_member *member;
    size_t at = 0;
    weir_assert(group->pending_sync_count > 0);
    while ((member = weir_classic_next(group, &at)) != NULL) {
        if (!member->is_sync_pending) continue;
        weir_group_update_note_silent(step->update, member->id.member_id, member->client_id,
                                      "sync");
        weir_classic_remove(group, member);
    }
    return begin(step);
}
