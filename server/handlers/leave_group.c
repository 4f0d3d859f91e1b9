#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/leave_group_request.h"
#include "wire/generated/leave_group_response.h"

/*
 * LeaveGroup: members go, or are removed by an administrator who names static ones. Each has a number of its own;
 * before version 3 there is one member, whose number is the answer's.
 *
 * Source: CLIENTS.md c, "Group coordinator, classic".
 */
enum { MEMBERS_FROM = 3 };

typedef struct weir_wire_leave_group_response_member_response member_row;

static void refuse(struct weir_request_context *context, int16_t error_code)
{
    struct weir_wire_leave_group_response response;
    weir_wire_leave_group_response_init(&response);
    response.error_code = error_code;
    weir_outcome_reply(context, &response);
}

/* Of a group that is not there nobody is a member, says Kafka. */
static void left(struct weir_request *request)
{
    const struct weir_leave_group_request *leave = (struct weir_leave_group_request *)request;
    struct weir_request_context *context = request->context;
    struct weir_wire_leave_group_response response;
    bool has_group = request->rc != WEIR_UNKNOWN_MEMBER_ID;
    if (request->rc < 0 && has_group) {
        refuse(context, weir_group_member_error(context, request));
        return;
    }
    member_row *rows = weir_arena_array(&context->arena, leave->member_count + 1, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < leave->member_count; i++) {
        const struct weir_leaving_member *member = &leave->members[i];
        rows[i] = (member_row){
            .member_id = member->id.member_id,
            .group_instance_id = member->id.instance_id,
            .error_code = weir_group_error_of(has_group ? member->rc : WEIR_UNKNOWN_MEMBER_ID),
        };
    }
    weir_wire_leave_group_response_init(&response);
    if (rows == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    if (context->version < MEMBERS_FROM) {
        response.error_code = rows[0].error_code;
    } else {
        response.members = rows;
        response.members_count = leave->member_count;
    }
    weir_outcome_reply(context, &response);
}

static size_t read_members(const struct weir_request_context *context,
                           const struct weir_wire_leave_group_request *asked,
                           struct weir_leaving_member *members)
{
    if (context->version < MEMBERS_FROM) {
        members[0] = (struct weir_leaving_member){.id = {.member_id = asked->member_id}};
        return 1;
    }
    for (size_t i = 0; i < asked->members_count; i++) {
        members[i] = (struct weir_leaving_member){
            .id = {asked->members[i].member_id, asked->members[i].group_instance_id},
            .reason = asked->members[i].reason,
        };
    }
    return asked->members_count;
}

void weir_handle_leave_group(struct weir_request_context *context)
{
    const struct weir_wire_leave_group_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    int16_t refused = weir_group_check(context, WEIR_ACL_READ, asked->group_id);
    struct weir_leave_group_request *leave = weir_arena_alloc_zero(arena, sizeof *leave);
    struct weir_leaving_member *members =
        weir_arena_array(arena, asked->members_count + 1, sizeof *members);
    if (refused != 0 || weir_arena_failed(arena)) {
        refuse(context, refused); /* which finds that memory was short */
        return;
    }
    leave->base.request =
        (struct weir_request){.reply_to = context->actor, .done = left, .context = context};
    leave->base.group = asked->group_id;
    leave->base.arena = arena;
    leave->members = members;
    leave->member_count = read_members(context, asked, members);
    weir_broker_group_leave(context->broker, leave);
}
