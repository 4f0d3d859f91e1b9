#include "broker/coordinator/group/consumer_group.h"

#include "base/error.h"
#include "broker/coordinator/group/consumer_classic.h"
#include "broker/coordinator/group/consumer_heartbeat.h"
#include "broker/coordinator/group/consumer_leave.h"
#include "broker/coordinator/group/consumer_records.h"
#include "broker/coordinator/group/consumer_refresh.h"
#include "broker/coordinator/group/consumer_target.h"
#include "broker/coordinator/group/group_text.h"

/* Who leaves: a static member by its name, which an administrator knows without its id; another one by its id, if it
 * speaks the protocol that leaves so. */
static int find_leaving(const struct weir_consumer_group *group,
                        const struct weir_group_member_id *id,
                        struct weir_consumer_member **member_out)
{
    struct weir_consumer_member *member = id->instance_id.size > 0
                                              ? weir_consumer_group_instance(group, id->instance_id)
                                              : weir_consumer_group_member(group, id->member_id);
    if (member == NULL) return WEIR_UNKNOWN_MEMBER_ID;
    if (id->instance_id.size == 0 && !member->words->is_classic) return WEIR_UNKNOWN_MEMBER_ID;
    if (id->member_id.size > 0 && !weir_slice_equal(id->member_id, member->member_id)) {
        return WEIR_FENCED_INSTANCE_ID;
    }
    *member_out = member;
    return 0;
}

/* LeaveGroup: each is answered on its own. */
static int step_leave(struct weir_consumer_group *group, const struct weir_consumer_event *event,
                      struct weir_group_update *update)
{
    struct weir_leave_group_request *request = event->leave;
    bool has_removed = false;
    for (size_t i = 0; i < request->member_count; i++) {
        struct weir_consumer_member *member = NULL;
        request->members[i].rc = find_leaving(group, &request->members[i].id, &member);
        if (member == NULL) continue;
        int rc = weir_consumer_leave_for_good(group, member, update);
        if (rc < 0) return rc;
        has_removed = true;
    }
    int rc = has_removed ? weir_consumer_group_refresh(group, event, true, update) : 0;
    if (rc == 0) weir_group_answer_durable(update, &request->base, 0);
    return rc;
}

/* ---- time and topics ------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline_of(const struct weir_consumer_member *member)
{
    return earlier(earlier(member->session_deadline_ms, member->revoke_deadline_ms),
                   earlier(member->join_deadline_ms, member->sync_deadline_ms));
}

static const char *missed_by(const struct weir_consumer_member *member, int64_t deadline_ms)
{
    if (deadline_ms == member->session_deadline_ms) return "heartbeat";
    if (deadline_ms == member->revoke_deadline_ms) return "revocation";
    return deadline_ms == member->join_deadline_ms ? "join" : "sync";
}

/* Heartbeats move deadlines away and leave `wake_at_ms` where it is: so one walk over the members is due once in a
 * session's time, and a heartbeat is not about the others. */
static int step_tick(struct weir_consumer_group *group, const struct weir_consumer_event *event,
                     struct weir_group_update *update)
{
    size_t at = 0;
    bool has_removed = false;
    struct weir_consumer_member *member;
    if (event->now_ms < group->wake_at_ms) return 0;
    group->wake_at_ms = WEIR_GROUP_NEVER_MS;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        int64_t deadline_ms = deadline_of(member);
        if (deadline_ms <= event->now_ms) {
            weir_group_update_note_silent(update, member->member_id, member->words->client_id,
                                          missed_by(member, deadline_ms));
            int rc = weir_consumer_leave_for_good(group, member, update);
            if (rc < 0) return rc;
            has_removed = true;
        } else if (deadline_ms < group->wake_at_ms) {
            group->wake_at_ms = deadline_ms;
        }
    }
    bool is_empty = weir_consumer_group_is_empty(group);
    if (is_empty && !has_removed) return 0;
    int rc = weir_consumer_group_refresh(group, event, has_removed, update);
    return rc == 0 ? weir_consumer_group_update_due_target(group, event, update) : rc;
}

static int step_metadata(struct weir_consumer_group *group, const struct weir_consumer_event *event,
                         struct weir_group_update *update)
{
    if (weir_consumer_group_is_empty(group)) return 0;
    return weir_consumer_group_refresh(group, event, false, update);
}

int weir_consumer_group_step(struct weir_consumer_group *group,
                             const struct weir_consumer_event *event,
                             struct weir_group_update *update)
{
    static int (*const steps[])(struct weir_consumer_group *, const struct weir_consumer_event *,
                                struct weir_group_update *) = {
        [WEIR_CONSUMER_HEARTBEAT] = weir_consumer_heartbeat,
        [WEIR_CONSUMER_LEAVE] = step_leave,
        [WEIR_CONSUMER_TICK] = step_tick,
        [WEIR_CONSUMER_METADATA] = step_metadata,
        [WEIR_CONSUMER_CLASSIC_JOIN] = weir_consumer_classic_join,
        [WEIR_CONSUMER_CLASSIC_SYNC] = weir_consumer_classic_sync,
        [WEIR_CONSUMER_CLASSIC_HEARTBEAT] = weir_consumer_classic_heartbeat,
    };
    int rc = steps[event->type](group, event, update);
    if (rc < 0) return rc;
    weir_consumer_group_wake_for_target(group, event);
    weir_group_update_wake(update, group->wake_at_ms);
#ifdef WEIR_SLOW_ASSERTIONS
    weir_consumer_group_check(group);
#endif
    return 0;
}

int weir_consumer_group_delete(struct weir_consumer_group *group, struct weir_group_update *update,
                               struct weir_error *error)
{
    if (!weir_consumer_group_is_empty(group)) {
        return weir_error_set(error, WEIR_NON_EMPTY_GROUP, "group '%.*s' has %zu members",
                              WEIR_GROUP_SHOWN(group->name),
                              weir_consumer_group_member_count(group));
    }
    int rc = weir_consumer_write_group_gone(group, update);
    if (rc == 0) update->is_gone = true;
    return rc;
}
