#include "broker/coordinator/group/consumer_group.h"

#include "base/error.h"
#include "broker/coordinator/group/consumer_heartbeat.h"
#include "broker/coordinator/group/consumer_leave.h"
#include "broker/coordinator/group/consumer_records.h"
#include "broker/coordinator/group/consumer_refresh.h"
#include "broker/coordinator/group/group_text.h"

/* LeaveGroup of an administrator, who names instance ids; each is answered on its own. */
static int step_leave(struct weir_consumer_group *group, const struct weir_consumer_event *event,
                      struct weir_group_update *update)
{
    struct weir_leave_group_request *request = event->leave;
    bool has_removed = false;
    for (size_t i = 0; i < request->member_count; i++) {
        const struct weir_group_member_id *id = &request->members[i].id;
        struct weir_consumer_member *member =
            weir_slice_is_null(id->instance_id)
                ? NULL
                : weir_consumer_group_instance(group, id->instance_id);
        request->members[i].rc = 0;
        if (member == NULL) {
            request->members[i].rc = WEIR_UNKNOWN_MEMBER_ID;
        } else if (id->member_id.size > 0 && !weir_slice_equal(id->member_id, member->member_id)) {
            request->members[i].rc = WEIR_FENCED_INSTANCE_ID;
        } else {
            int rc = weir_consumer_leave_for_good(group, member, update);
            if (rc < 0) return rc;
            has_removed = true;
        }
    }
    int rc = has_removed ? weir_consumer_group_refresh(group, event, true, update) : 0;
    if (rc == 0) weir_group_answer_durable(update, &request->base, 0);
    return rc;
}

/* ---- time and topics ------------------------------------------------------------------------- */

static int64_t deadline_of(const struct weir_consumer_member *member)
{
    return member->session_deadline_ms < member->revoke_deadline_ms ? member->session_deadline_ms
                                                                    : member->revoke_deadline_ms;
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
            int rc = weir_consumer_leave_for_good(group, member, update);
            if (rc < 0) return rc;
            has_removed = true;
        } else if (deadline_ms < group->wake_at_ms) {
            group->wake_at_ms = deadline_ms;
        }
    }
    bool is_empty = weir_consumer_group_is_empty(group);
    return has_removed || !is_empty ? weir_consumer_group_refresh(group, event, has_removed, update)
                                    : 0;
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
    };
    int rc = steps[event->type](group, event, update);
    if (rc < 0) return rc;
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
