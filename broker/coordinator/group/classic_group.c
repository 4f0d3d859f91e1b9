#include "broker/coordinator/group/classic_group.h"

#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/* ---- life ------------------------------------------------------------------------------------ */

void weir_classic_group_init(struct weir_classic_group *group, struct weir_budget *budget,
                             struct weir_slice name)
{
    *group = (struct weir_classic_group){
        .budget = budget,
        .name = name,
        .state = WEIR_CLASSIC_EMPTY,
        .previous_state = WEIR_CLASSIC_EMPTY,
        .state_since_wall_ms = -1,
        .scan_at_ms = WEIR_GROUP_NEVER_MS,
        .join_deadline_ms = WEIR_GROUP_NEVER_MS,
        .sync_deadline_ms = WEIR_GROUP_NEVER_MS,
    };
    weir_map_init(&group->members, budget);
    weir_map_init(&group->instances, budget);
    weir_map_init(&group->pending, budget);
    weir_map_init(&group->protocols, budget);
}

void weir_classic_group_close(struct weir_classic_group *group)
{
    struct weir_classic_member *member;
    void *block;
    size_t at = 0;
    if (group->budget == NULL) return;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        weir_assert(member->join == NULL);
        weir_assert(member->sync == NULL);
        weir_classic_member_free(member);
    }
    at = 0;
    while ((block = weir_map_next(&group->pending, &at)) != NULL) {
        weir_free(block);
    }
    at = 0;
    while ((block = weir_map_next(&group->protocols, &at)) != NULL) {
        weir_free(block);
    }
    weir_map_close(&group->members);
    weir_map_close(&group->instances);
    weir_map_close(&group->pending);
    weir_map_close(&group->protocols);
    weir_free((void *)group->protocol_type.data);
    weir_free((void *)group->protocol.data);
    *group = (struct weir_classic_group){0};
}

bool weir_classic_group_is_idle(const struct weir_classic_group *group)
{
    return (group->state == WEIR_CLASSIC_EMPTY || group->state == WEIR_CLASSIC_DEAD) &&
           weir_map_count(&group->pending) == 0;
}

static struct weir_group_request **chain(struct weir_group_request **end,
                                         struct weir_group_request *request)
{
    if (request == NULL) return end;
    request->next = NULL;
    *end = request;
    return &request->next;
}

struct weir_group_request *weir_classic_group_take_parked(struct weir_classic_group *group)
{
    struct weir_group_request *first = NULL;
    struct weir_group_request **end = &first;
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        end = chain(end, weir_classic_unpark_join(group, member));
        end = chain(end, weir_classic_unpark_sync(member));
    }
    weir_assert(group->joined_count == 0);
    return first;
}

/* ---- the step -------------------------------------------------------------------------------- */

int64_t weir_classic_group_wake_at(const struct weir_classic_group *group)
{
    int64_t wake_at_ms = group->scan_at_ms;
    if (group->join_deadline_ms < wake_at_ms) wake_at_ms = group->join_deadline_ms;
    if (group->sync_deadline_ms < wake_at_ms) wake_at_ms = group->sync_deadline_ms;
    return wake_at_ms;
}

/* A group that was loaded under a smaller group.max.size: it joins again, and has_room says who stays. */
static bool is_crowded(const struct weir_classic_step *step)
{
    return step->group->state == WEIR_CLASSIC_STABLE &&
           weir_map_count(&step->group->members) > (size_t)step->event->settings->members_max;
}

static int tick(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    int64_t now_ms = step->event->now_ms;
    int rc = weir_classic_expire(step);
    if (rc == 0 && now_ms >= group->join_deadline_ms) rc = weir_classic_join_expired(step);
    if (rc == 0 && now_ms >= group->sync_deadline_ms) rc = weir_classic_sync_expired(step);
    if (rc == 0 && is_crowded(step)) rc = weir_classic_rebalance(step);
    return rc;
}

static int perform(const struct weir_classic_step *step)
{
    const struct weir_classic_event *event = step->event;
    switch (event->type) {
    case WEIR_CLASSIC_JOIN:
        return weir_classic_join(step, event->join);
    case WEIR_CLASSIC_SYNC:
        return weir_classic_sync(step, event->sync);
    case WEIR_CLASSIC_HEARTBEAT:
        return weir_classic_heartbeat(step, event->heartbeat);
    case WEIR_CLASSIC_LEAVE:
        return weir_classic_leave(step, event->leave);
    case WEIR_CLASSIC_CANCEL:
        weir_classic_cancel(step, event->cancel);
        return 0;
    case WEIR_CLASSIC_TICK:
        return tick(step);
    }
    return 0;
}

/* NULL: nobody waits for the event itself to be answered. */
static struct weir_group_request *request_of(const struct weir_classic_event *event)
{
    switch (event->type) {
    case WEIR_CLASSIC_JOIN:
        return &event->join->base;
    case WEIR_CLASSIC_SYNC:
        return &event->sync->base;
    case WEIR_CLASSIC_HEARTBEAT:
        return &event->heartbeat->base;
    case WEIR_CLASSIC_LEAVE:
        return &event->leave->base;
    case WEIR_CLASSIC_CANCEL:
    case WEIR_CLASSIC_TICK:
        return NULL;
    }
    return NULL;
}

static bool is_among(const struct weir_group_answers *answers,
                     const struct weir_group_request *request)
{
    const struct weir_group_request *at = answers->first;
    while (at != NULL && at != request) {
        at = at->next;
    }
    return at != NULL;
}

/* The step fell short: whoever asked hears of it, unless it is parked or has been answered already. */
static void answer_shortage(const struct weir_classic_step *step, int rc)
{
    struct weir_group_request *request = request_of(step->event);
    if (request == NULL || request->is_parked) return;
    if (is_among(&step->update->answered, request)) return;
    if (is_among(&step->update->durable, request)) return;
    (void)weir_error_set(&request->request.error, (enum weir_code)rc, "no memory for group '%.*s'",
                         WEIR_CLASSIC_SHOWN(step->group->name));
    weir_group_answer(step->update, request, rc);
}

int weir_classic_group_step(struct weir_classic_group *group,
                            const struct weir_classic_event *event,
                            struct weir_group_update *update)
{
    const struct weir_classic_step step = {group, event, update};
    weir_assert(group->state != WEIR_CLASSIC_DEAD);
    int rc = perform(&step);
    if (rc < 0) {
        answer_shortage(&step, rc);
        return rc;
    }
    weir_classic_group_check(group);
    weir_group_update_wake(update, weir_classic_group_wake_at(group));
    update->is_gone = !group->is_recorded && weir_classic_group_is_idle(group);
    return 0;
}
