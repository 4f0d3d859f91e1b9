#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"
#include "wire/generated/group_metadata_key.h"

/*
 * The record of a group (GroupMetadata) is written when it becomes Stable, when it becomes Empty, and when a
 * static member is replaced. It has of each member the metadata of the protocol that was chosen; so a group that
 * was loaded knows its members by that protocol alone until they join again.
 */

enum { RECORD_VERSION = 3 };

/* ---- written --------------------------------------------------------------------------------- */

static struct weir_slice or_empty(struct weir_slice slice)
{
    return slice.size > 0 ? slice : weir_text("");
}

static struct weir_group_metadata_value_member_metadata
record_of(const struct weir_classic_group *group, const struct weir_classic_member *member)
{
    const struct weir_group_protocol *protocol = weir_classic_speaks(member, group->protocol);
    weir_assert(protocol != NULL);
    return (struct weir_group_metadata_value_member_metadata){
        .member_id = member->id.member_id,
        .group_instance_id = member->id.instance_id,
        .client_id = member->client_id,
        .client_host = member->client_host,
        .rebalance_timeout = member->rebalance_timeout_ms,
        .session_timeout = member->session_timeout_ms,
        .subscription = or_empty(protocol->metadata),
        .assignment = or_empty(member->assignment),
    };
}

int weir_classic_write(struct weir_classic_group *group, struct weir_group_update *update)
{
    size_t count = weir_map_count(&group->members);
    struct weir_group_metadata_key key = {.group = group->name};
    struct weir_group_metadata_value value;
    struct weir_classic_member *member;
    size_t at = 0;
    size_t index = 0;
    weir_group_metadata_value_init(&value);
    struct weir_group_metadata_value_member_metadata *members =
        weir_arena_array(update->arena, count + 1, sizeof *members);
    if (members == NULL) return WEIR_NO_MEMORY;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        members[index++] = record_of(group, member);
    }
    weir_assert(index == count);
    value.protocol_type = or_empty(group->protocol_type);
    value.generation = group->generation;
    value.protocol = group->protocol;
    value.leader = group->leader != NULL ? group->leader->id.member_id : weir_null();
    value.current_state_timestamp = group->state_since_wall_ms;
    value.members = members;
    value.members_count = count;
    group->is_recorded = true;
    return weir_group_update_write(update, &weir_group_metadata_key_type, &key,
                                   &weir_group_metadata_value_type, &value, RECORD_VERSION);
}

int weir_classic_group_delete(struct weir_classic_group *group, int64_t wall_ms,
                              struct weir_group_update *update, struct weir_error *error)
{
    struct weir_group_metadata_key key = {.group = group->name};
    if (group->state != WEIR_CLASSIC_EMPTY) {
        return weir_classic_wrap(group, error, "delete",
                                 weir_error_set(error, WEIR_NON_EMPTY_GROUP,
                                                "it has %zu members: stop them first",
                                                weir_map_count(&group->members)));
    }
    weir_classic_move(group, WEIR_CLASSIC_DEAD, wall_ms);
    update->is_gone = true;
    int rc = weir_group_update_write(update, &weir_group_metadata_key_type, &key,
                                     &weir_group_metadata_value_type, NULL, 0);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "record of a group's end");
    return 0;
}

/* ---- read ------------------------------------------------------------------------------------ */

static int corrupt(const struct weir_classic_group *group, struct weir_error *error,
                   const char *what, struct weir_slice of)
{
    return weir_error_set(error, WEIR_CORRUPT, "record of group '%.*s': %s '%.*s'",
                          WEIR_CLASSIC_SHOWN(group->name), what, WEIR_CLASSIC_SHOWN(of));
}

static int check_record(const struct weir_classic_group *group,
                        const struct weir_group_metadata_value *value, struct weir_error *error)
{
    if (value->generation < 0) {
        return corrupt(group, error, "a generation below 0, of the leader", value->leader);
    }
    if (value->members_count > 0 &&
        (value->protocol_type.size == 0 || weir_slice_is_null(value->protocol))) {
        return corrupt(group, error, "no protocol, but a member", value->members[0].member_id);
    }
    return 0;
}

static int load_member(struct weir_classic_group *group,
                       const struct weir_group_metadata_value *value,
                       const struct weir_group_metadata_value_member_metadata *record,
                       int64_t now_ms, struct weir_error *error)
{
    struct weir_group_protocol protocol = {value->protocol, record->subscription};
    struct weir_classic_member like = {
        .id = {record->member_id, record->group_instance_id},
        .client_id = record->client_id,
        .client_host = record->client_host,
        .session_timeout_ms = record->session_timeout,
        .rebalance_timeout_ms =
            record->rebalance_timeout >= 0 ? record->rebalance_timeout : record->session_timeout,
        .protocols = &protocol,
        .protocol_count = 1,
    };
    if (!weir_classic_is_set(record->member_id) || record->session_timeout < 0) {
        return corrupt(group, error, "no id or no session timeout of member", record->member_id);
    }
    if (weir_classic_find(group, record->member_id) != NULL ||
        weir_classic_find_instance(group, record->group_instance_id) != NULL) {
        return corrupt(group, error, "two members with the id of", record->member_id);
    }
    struct weir_classic_member *member = weir_classic_member_new(group->budget, &like);
    int rc = member != NULL ? weir_classic_add(group, member) : WEIR_NO_MEMORY;
    if (rc == 0) rc = weir_classic_assign(group, member, record->assignment);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "a member of a group");
    weir_classic_begin_session(group, member, now_ms);
    return 0;
}

static int copy(struct weir_classic_group *group, struct weir_slice from, struct weir_slice *to)
{
    char *text = weir_alloc_text(group->budget, (const char *)from.data, from.size);
    if (text == NULL) return WEIR_NO_MEMORY;
    *to = weir_slice(text, from.size);
    return 0;
}

static int load_texts(struct weir_classic_group *group,
                      const struct weir_group_metadata_value *value, struct weir_error *error)
{
    int rc = 0;
    if (value->protocol_type.size > 0)
        rc = copy(group, value->protocol_type, &group->protocol_type);
    if (rc == 0 && value->members_count > 0) rc = copy(group, value->protocol, &group->protocol);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "protocol of a group");
    return 0;
}

int weir_classic_group_load(struct weir_classic_group *group,
                            const struct weir_group_metadata_value *value, int64_t now_ms,
                            struct weir_error *error)
{
    weir_assert(group->state == WEIR_CLASSIC_EMPTY);
    weir_assert(weir_map_count(&group->members) == 0);
    int rc = check_record(group, value, error);
    if (rc == 0) rc = load_texts(group, value, error);
    for (size_t i = 0; rc == 0 && i < value->members_count; i++) {
        rc = load_member(group, value, &value->members[i], now_ms, error);
    }
    if (rc < 0) return rc;
    struct weir_classic_member *leader = weir_classic_find(group, value->leader);
    if (leader != NULL) group->leader = leader;
    if (value->members_count > 0) group->state = WEIR_CLASSIC_STABLE;
    group->generation = value->generation;
    group->state_since_wall_ms = value->current_state_timestamp;
    group->is_recorded = true;
    group->scan_at_ms = now_ms; /* a tick at once: it may have more members than it may */
    weir_classic_group_check(group);
    return 0;
}
