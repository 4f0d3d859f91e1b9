#include "server/handlers/authorized_operations.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/describe_groups_request.h"
#include "wire/generated/describe_groups_response.h"

/*
 * DescribeGroups: classic groups, their states and members. One that is not there is Dead, and an error from version 6
 * on; a consumer group is not there, for it is described by ConsumerGroupDescribe.
 *
 * Source: CLIENTS.md c, "Group coordinator, classic".
 */
enum { NOT_FOUND_FROM = 6 };

typedef struct weir_wire_describe_groups_response_described_group group_row;
typedef struct weir_wire_describe_groups_response_described_group_member member_row;

struct describe_groups {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_describe_groups_request *asked;
    group_row *rows;
};

static struct describe_groups *of(struct weir_fan_out *fan_out)
{
    return (struct describe_groups *)fan_out;
}

static void done(struct weir_fan_out *fan_out)
{
    struct weir_wire_describe_groups_response response;
    weir_wire_describe_groups_response_init(&response);
    response.groups = of(fan_out)->rows;
    response.groups_count = fan_out->count;
    weir_outcome_reply(fan_out->context, &response);
}

static void put_members(struct weir_arena *arena, const struct weir_describe_group_request *group,
                        group_row *row)
{
    member_row *rows = weir_arena_array(arena, group->member_count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < group->member_count; i++) {
        const struct weir_described_member *member = &group->members[i];
        rows[i] = (member_row){
            .member_id = member->id.member_id,
            .group_instance_id = member->id.instance_id,
            .client_id = member->client_id,
            .client_host = member->client_host,
            .member_metadata = member->metadata,
            .member_assignment = member->assignment,
        };
        if (weir_slice_is_null(rows[i].client_id)) rows[i].client_id = weir_text("");
        if (weir_slice_is_null(rows[i].client_host)) rows[i].client_host = weir_text("");
        if (weir_slice_is_null(rows[i].member_metadata)) rows[i].member_metadata = weir_text("");
        if (weir_slice_is_null(rows[i].member_assignment)) {
            rows[i].member_assignment = weir_text("");
        }
    }
    row->members = rows;
    row->members_count = rows != NULL ? group->member_count : 0;
}

static void put_dead(struct weir_request_context *context, const char *message, group_row *row)
{
    row->group_state = weir_text("Dead");
    if (context->version < NOT_FOUND_FROM) return;
    row->error_code = WEIR_WIRE_GROUP_ID_NOT_FOUND;
    row->error_message = weir_arena_copy(&context->arena, weir_text(message));
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_request_context *context = fan_out->context;
    const struct weir_describe_group_request *group = (struct weir_describe_group_request *)request;
    group_row *row = &of(fan_out)->rows[index];
    if (request->rc == WEIR_GROUP_ID_NOT_FOUND) {
        put_dead(context, request->error.text, row);
    } else if (request->rc < 0) {
        row->error_code = weir_group_error_of(request->rc);
    } else if (group->type != WEIR_GROUP_CLASSIC) {
        put_dead(context, "the group is a consumer group: ask by ConsumerGroupDescribe", row);
    } else {
        row->group_state = group->state;
        row->protocol_type =
            weir_slice_is_null(group->protocol_type) ? weir_text("") : group->protocol_type;
        row->protocol_data = weir_slice_is_null(group->protocol) ? weir_text("") : group->protocol;
        put_members(&context->arena, group, row);
    }
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_request_context *context = fan_out->context;
    struct weir_describe_group_request *group = (struct weir_describe_group_request *)request;
    group_row *row = &of(fan_out)->rows[index];
    *row = (group_row){
        .group_id = of(fan_out)->asked->groups[index],
        .error_message = weir_null(),
        .group_state = weir_text(""),
        .protocol_type = weir_text(""),
        .protocol_data = weir_text(""),
        .authorized_operations = WEIR_OPERATIONS_NOT_ASKED,
    };
    row->error_code = weir_group_check(context, WEIR_ACL_DESCRIBE, row->group_id);
    if (fan_out->count > WEIR_SUBJECTS_MAX) row->error_code = WEIR_WIRE_INVALID_REQUEST;
    if (row->error_code != 0) return false;
    if (of(fan_out)->asked->include_authorized_operations) {
        row->authorized_operations =
            weir_authorized_operations(context, WEIR_ACL_GROUP, row->group_id);
    }
    group->base.group = row->group_id;
    group->base.arena = &context->arena;
    weir_broker_group_describe(context->broker, group);
    return true;
}

void weir_handle_describe_groups(struct weir_request_context *context)
{
    const struct weir_wire_describe_groups_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    struct describe_groups *describe = weir_arena_alloc_zero(arena, sizeof *describe);
    group_row *rows = weir_arena_array(arena, asked->groups_count + 1, sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *describe = (struct describe_groups){
        .fan_out = {.context = context,
                    .count = asked->groups_count,
                    .request_size = sizeof(struct weir_describe_group_request),
                    .is_one_by_one = true,
                    .ask = ask,
                    .take = take,
                    .done = done},
        .asked = asked,
        .rows = rows,
    };
    weir_fan_out_begin(&describe->fan_out);
}
