#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/*
 * Followers' syncs are parked until the leader's comes. With it the group is Stable, the record is written,
 * and all of them are answered when that is durable. Who syncs later is given what is there.
 */

static const char verb[] = "sync";

static int refuse(const struct weir_classic_step *step, struct weir_sync_group_request *sync,
                  int rc)
{
    return weir_classic_refuse(step, &sync->base, verb, rc);
}

/* Null: not said. */
static bool is_other(struct weir_slice said, struct weir_slice own)
{
    return !weir_slice_is_null(said) && !weir_slice_is_null(own) && !weir_classic_same(said, own);
}

static int check(const struct weir_classic_group *group, struct weir_sync_group_request *sync,
                 struct weir_classic_member **member_out)
{
    struct weir_error *error = &sync->base.request.error;
    int rc =
        weir_classic_validate_generation(group, &sync->member, sync->generation, member_out, error);
    if (rc < 0) return rc;
    if (is_other(sync->protocol_type, group->protocol_type) ||
        is_other(sync->protocol, group->protocol)) {
        return weir_error_set(
            error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
            "protocol '%.*s' of type '%.*s'; the generation's is '%.*s' of '%.*s'",
            WEIR_CLASSIC_SHOWN(sync->protocol), WEIR_CLASSIC_SHOWN(sync->protocol_type),
            WEIR_CLASSIC_SHOWN(group->protocol), WEIR_CLASSIC_SHOWN(group->protocol_type));
    }
    if (group->state == WEIR_CLASSIC_PREPARING_REBALANCE) {
        return weir_error_set(error, WEIR_REBALANCE_IN_PROGRESS,
                              "the group rebalances: join again");
    }
    return 0;
}

static void answer_assignment(const struct weir_classic_step *step,
                              const struct weir_classic_member *member,
                              struct weir_sync_group_request *sync)
{
    const struct weir_classic_group *group = step->group;
    struct weir_arena *arena = sync->base.arena;
    weir_assert(group->state == WEIR_CLASSIC_STABLE);
    weir_assert(!member->is_sync_pending);
    sync->protocol_type_out = weir_arena_copy(arena, group->protocol_type);
    sync->protocol_out = weir_arena_copy(arena, group->protocol);
    sync->assignment =
        member->assignment.size > 0 ? weir_arena_copy(arena, member->assignment) : weir_text("");
    weir_group_answer_durable(step->update, &sync->base, 0);
}

/* ---- the leader's ---------------------------------------------------------------------------- */

static int check_bytes(const struct weir_classic_step *step, struct weir_sync_group_request *sync)
{
    const struct weir_classic_group *group = step->group;
    size_t bytes = group->bytes;
    size_t max = step->event->settings->bytes_max;
    for (size_t i = 0; i < sync->assignment_count; i++) {
        bytes += sync->assignments[i].assignment.size;
    }
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        bytes -= member->assignment.size;
    }
    if (bytes <= max || sync->assignment_count == 0) return 0;
    return weir_error_set(&sync->base.request.error, WEIR_GROUP_MAX_SIZE_REACHED,
                          "metadata and assignments would come to %zu bytes; %zu is the most for a "
                          "group",
                          bytes, max);
}

/* Each member is given what stands behind its id; whom the leader left out is given nothing, and who is no
 * member is not looked at. Of two for one member the last counts. */
static int assign(struct weir_classic_group *group, const struct weir_sync_group_request *sync)
{
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        (void)weir_classic_assign(group, member, weir_null()); /* nothing to allocate */
    }
    for (size_t i = 0; i < sync->assignment_count; i++) {
        member = weir_classic_find(group, sync->assignments[i].member_id);
        if (member == NULL) continue;
        int rc = weir_classic_assign(group, member, sync->assignments[i].assignment);
        if (rc < 0) return rc;
    }
    return 0;
}

static void answer_parked(const struct weir_classic_step *step)
{
    struct weir_classic_group *group = step->group;
    struct weir_classic_member *member;
    size_t at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        struct weir_sync_group_request *sync = member->sync;
        if (sync == NULL) continue;
        (void)weir_classic_unpark_sync(member); /* it is `sync` */
        answer_assignment(step, member, sync);
        weir_classic_begin_session(group, member, step->event->now_ms);
    }
}

static int stabilize(const struct weir_classic_step *step, struct weir_classic_member *leader,
                     struct weir_sync_group_request *sync)
{
    struct weir_classic_group *group = step->group;
    int rc = check_bytes(step, sync);
    if (rc < 0) return refuse(step, sync, rc);
    rc = assign(group, sync);
    if (rc < 0) return rc;
    weir_classic_move(group, WEIR_CLASSIC_STABLE, step->event->wall_ms);
    rc = weir_classic_write(group, step->update);
    if (rc < 0) return rc;
    weir_classic_set_sync_pending(group, leader, false);
    answer_parked(step);
    answer_assignment(step, leader, sync);
    weir_classic_begin_session(group, leader, step->event->now_ms);
    return 0;
}

/* ---- door ------------------------------------------------------------------------------------ */

static void park(const struct weir_classic_step *step, struct weir_classic_member *member,
                 struct weir_sync_group_request *sync)
{
    weir_classic_set_sync_pending(step->group, member, false);
    weir_classic_refuse_parked(step, member, WEIR_REBALANCE_IN_PROGRESS,
                               "the member has sent another sync meanwhile");
    sync->base.is_parked = true;
    sync->base.parked_member = member;
    member->sync = sync;
}

int weir_classic_sync(const struct weir_classic_step *step, struct weir_sync_group_request *sync)
{
    struct weir_classic_group *group = step->group;
    struct weir_classic_member *member = NULL;
    int rc = check(group, sync, &member);
    if (rc < 0) return refuse(step, sync, rc);
    if (group->state == WEIR_CLASSIC_STABLE) {
        weir_classic_set_sync_pending(group, member, false);
        answer_assignment(step, member, sync);
        return 0;
    }
    weir_assert(group->state == WEIR_CLASSIC_COMPLETING_REBALANCE);
    if (member == group->leader) return stabilize(step, member, sync);
    park(step, member, sync);
    return 0;
}
