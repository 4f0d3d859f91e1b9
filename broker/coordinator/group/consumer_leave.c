#include "broker/coordinator/group/consumer_leave.h"

#include "broker/coordinator/group/consumer_records.h"
#include "broker/coordinator/group/consumer_refresh.h"

int weir_consumer_leave_for_good(struct weir_consumer_group *group,
                                 struct weir_consumer_member *member,
                                 struct weir_group_update *update)
{
    struct weir_slice pattern = weir_arena_copy(update->arena, member->words->topic_regex);
    if (weir_arena_failed(update->arena)) return WEIR_NO_MEMORY;
    int rc = weir_consumer_write_member_gone(group, member, update);
    weir_consumer_group_remove_member(group, member);
    return rc == 0 ? weir_consumer_group_drop_regex(group, pattern, update) : rc;
}

int weir_consumer_leave_for_a_while(struct weir_consumer_group *group,
                                    struct weir_consumer_member *member,
                                    struct weir_group_update *update)
{
    const struct weir_member_move move = {
        .state = member->state == WEIR_MEMBER_UNREVOKED_PARTITIONS
                     ? WEIR_MEMBER_UNRELEASED_PARTITIONS
                     : member->state,
        .epoch = WEIR_MEMBER_EPOCH_LEAVES_STATIC,
        .assigned = member->assigned,
    };
    int32_t previous = member->previous_epoch;
    int rc = weir_consumer_group_move_member(group, member, &move);
    if (rc < 0) return rc;
    member->previous_epoch = previous;
    member->revoke_deadline_ms = INT64_MAX;
    return weir_consumer_write_current(group, member, update);
}
