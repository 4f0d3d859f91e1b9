#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/* How members stay, and how they go: heartbeats, leaving, requests that are not waited for, silence. */

/* Out, and the others are told. */
static int remove_member(const struct weir_classic_step *step, struct weir_classic_member *member,
                         const char *why)
{
    weir_classic_refuse_parked(step, member, WEIR_UNKNOWN_MEMBER_ID, why);
    weir_classic_remove(step->group, member);
    return weir_classic_rebalance(step);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

int weir_classic_heartbeat(const struct weir_classic_step *step,
                           struct weir_group_heartbeat_request *heartbeat)
{
    struct weir_classic_group *group = step->group;
    struct weir_classic_member *member = NULL;
    struct weir_error *error = &heartbeat->base.request.error;
    int rc = weir_classic_validate_generation(group, &heartbeat->member, heartbeat->generation,
                                              &member, error);
    if (rc == 0) {
        weir_assert(group->state != WEIR_CLASSIC_EMPTY);
        weir_classic_begin_session(group, member, step->event->now_ms);
        if (group->state == WEIR_CLASSIC_PREPARING_REBALANCE) {
            rc = weir_error_set(error, WEIR_REBALANCE_IN_PROGRESS,
                                "the group rebalances: join again");
        }
    }
    if (rc < 0) return weir_classic_refuse(step, &heartbeat->base, "heartbeat in", rc);
    weir_group_answer(step->update, &heartbeat->base, 0);
    return 0;
}

int weir_classic_group_check_commit(struct weir_classic_group *group,
                                    const struct weir_classic_committer *committer,
                                    struct weir_error *error)
{
    const struct weir_group_member_id *id = &committer->member;
    struct weir_classic_member *member = NULL;
    int rc = 0;
    if (committer->generation < 0 && group->state == WEIR_CLASSIC_EMPTY) return 0;
    bool is_said = committer->generation >= 0 || weir_classic_is_set(id->member_id) ||
                   weir_classic_is_set(id->instance_id);
    if (is_said) {
        rc = weir_classic_validate_generation(group, id, committer->generation, &member, error);
    } else if (!committer->is_transactional) {
        rc = weir_error_set(error, WEIR_UNKNOWN_MEMBER_ID,
                            "it has %zu members, and only they commit: stop them first",
                            weir_map_count(&group->members));
    }
    if (rc == 0 && !committer->is_transactional &&
        group->state == WEIR_CLASSIC_COMPLETING_REBALANCE) {
        rc = weir_error_set(error, WEIR_REBALANCE_IN_PROGRESS,
                            "member '%.*s' has joined generation %d and has no assignment yet",
                            WEIR_CLASSIC_SHOWN(member->id.member_id), group->generation);
    }
    if (rc == 0 && member != NULL && group->state != WEIR_CLASSIC_COMPLETING_REBALANCE) {
        weir_classic_begin_session(group, member, committer->now_ms);
    }
    return weir_classic_wrap(group, error, "commit offsets of", rc);
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* The member that is meant, NULL where it was a pending id. */
static int find_leaving(struct weir_classic_group *group, const struct weir_group_member_id *id,
                        struct weir_classic_member **member_out)
{
    if (!weir_classic_is_set(id->member_id)) {
        *member_out = weir_classic_find_instance(group, id->instance_id);
        if (*member_out != NULL) return 0;
    }
    if (weir_classic_remove_pending(group, id->member_id)) return 0;
    return weir_classic_validate(group, id, member_out, NULL);
}

/* Each hears how it went; the request as a whole has gone well. Where a record says that nobody is left, that
 * is durable first. */
int weir_classic_leave(const struct weir_classic_step *step, struct weir_leave_group_request *leave)
{
    struct weir_classic_group *group = step->group;
    bool has_left = false;
    for (size_t i = 0; i < leave->member_count; i++) {
        struct weir_classic_member *member = NULL;
        leave->members[i].rc = find_leaving(group, &leave->members[i].id, &member);
        if (member == NULL) continue;
        has_left = true;
        weir_classic_refuse_parked(step, member, WEIR_UNKNOWN_MEMBER_ID, "the member has left");
        weir_classic_remove(group, member);
    }
    int rc = has_left ? weir_classic_rebalance(step) : weir_classic_try_complete(step);
    if (rc < 0) return rc;
    weir_group_answer_durable(step->update, &leave->base, 0);
    return 0;
}

/* ---- not waited for any more ----------------------------------------------------------------- */

void weir_classic_cancel(const struct weir_classic_step *step, struct weir_group_request *request)
{
    struct weir_classic_member *member = request->parked_member;
    if (!request->is_parked) return;
    weir_assert((member->join != NULL && &member->join->base == request) ||
                (member->sync != NULL && &member->sync->base == request));
    weir_classic_refuse_parked(step, member, WEIR_CLOSED, "who asked does not wait any more");
    member->is_new = false; /* when it joins again, that join does not end with this session */
    weir_classic_begin_session(step->group, member, step->event->now_ms);
}

/* ---- silence --------------------------------------------------------------------------------- */

static void expire_pending(struct weir_classic_group *group, int64_t now_ms)
{
    struct weir_classic_pending *pending;
    size_t at = 0;
    while ((pending = weir_map_next(&group->pending, &at)) != NULL) {
        if (pending->deadline_ms <= now_ms) {
            (void)weir_classic_remove_pending(group, pending->member_id); /* it is one */
        } else if (pending->deadline_ms < group->scan_at_ms) {
            group->scan_at_ms = pending->deadline_ms;
        }
    }
}

int weir_classic_expire(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    int64_t now_ms = step->event->now_ms;
    struct weir_classic_member *member;
    size_t at = 0;
    if (now_ms < group->scan_at_ms) return 0;
    group->scan_at_ms = WEIR_GROUP_NEVER_MS;
    expire_pending(group, now_ms);
    int rc = weir_classic_try_complete(step); /* it may have waited for a pending id alone */
    while (rc == 0 && (member = weir_classic_next(group, &at)) != NULL) {
        if (!weir_classic_is_timed(member)) continue; /* its session begins with the answer */
        if (member->session_deadline_ms <= now_ms) {
            weir_group_update_note_silent(step->update, member->id.member_id, member->client_id,
                                          "heartbeat");
            rc = remove_member(step, member, "its session is over");
        } else {
            weir_classic_expect(group, member, member->session_deadline_ms);
        }
    }
    return rc;
}
