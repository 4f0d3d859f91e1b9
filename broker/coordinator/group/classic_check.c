#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/* What holds of a group between two steps. */

static void check_member(const struct weir_classic_group *group,
                         const struct weir_classic_member *member)
{
    weir_assert(weir_map_get(&group->members, member->id.member_id) == member);
    weir_assert(weir_classic_find_instance(group, member->id.instance_id) == NULL ||
                weir_classic_find_instance(group, member->id.instance_id) == member);
    weir_assert(member->bytes == weir_classic_member_bytes(member) + member->assignment.size);
    weir_assert(member->join == NULL || group->state == WEIR_CLASSIC_PREPARING_REBALANCE);
    weir_assert(member->sync == NULL || group->state == WEIR_CLASSIC_COMPLETING_REBALANCE);
    weir_assert(member->sync == NULL || (!member->is_sync_pending && member != group->leader));
    weir_assert(member->join == NULL || member->join->base.is_parked);
    weir_assert(member->sync == NULL || member->sync->base.is_parked);
    weir_assert(!weir_classic_is_timed(member) || member->session_deadline_ms >= group->scan_at_ms);
    weir_assert(!member->is_new || member->join != NULL);
    weir_assert(weir_map_get(&group->pending, member->id.member_id) == NULL);
}

static bool members_are_whole(const struct weir_classic_group *group)
{
    const struct weir_classic_member *member;
    const struct weir_classic_pending *pending;
    size_t at = 0;
    size_t joined = 0;
    size_t owed = 0;
    size_t instances = 0;
    size_t bytes = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        check_member(group, member);
        joined += member->join != NULL;
        owed += member->is_sync_pending;
        instances += weir_classic_is_set(member->id.instance_id);
        bytes += member->bytes;
    }
    at = 0;
    while ((pending = weir_map_next(&group->pending, &at)) != NULL) {
        weir_assert(pending->deadline_ms >= group->scan_at_ms);
        bytes += weir_classic_pending_bytes(pending->member_id);
    }
    return joined == group->joined_count && owed == group->pending_sync_count &&
           instances == weir_map_count(&group->instances) && bytes == group->bytes;
}

void weir_classic_group_check(const struct weir_classic_group *group)
{
    bool is_preparing = group->state == WEIR_CLASSIC_PREPARING_REBALANCE;
    bool is_completing = group->state == WEIR_CLASSIC_COMPLETING_REBALANCE;
    bool is_stable = group->state == WEIR_CLASSIC_STABLE;
    size_t count = weir_map_count(&group->members);
    weir_assert(group->generation >= 0);
    weir_assert(group->leader != NULL || count == 0 || is_preparing);
    weir_assert(group->leader == NULL || count > 0);
    weir_assert(count > 0 || !(is_completing || is_stable));
    weir_assert(count == 0 || is_preparing || is_completing || is_stable);
    weir_assert(count == 0 || !weir_slice_is_null(group->protocol_type));
    weir_assert(group->joined_count == 0 || is_preparing);
    weir_assert(group->joined_count <= count);
    weir_assert((group->join_deadline_ms != WEIR_GROUP_NEVER_MS) == is_preparing);
    weir_assert((group->sync_deadline_ms != WEIR_GROUP_NEVER_MS) ==
                (group->pending_sync_count > 0));
    weir_assert(group->pending_sync_count == 0 || is_completing || is_stable);
    weir_assert(!is_completing || group->leader->is_sync_pending);
    weir_assert(!(is_completing || is_stable) || !weir_slice_is_null(group->protocol));
    weir_assert(group->state != WEIR_CLASSIC_EMPTY || weir_slice_is_null(group->protocol));
    weir_assert_slow(members_are_whole(group));
}
