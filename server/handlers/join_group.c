#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/join_group_request.h"
#include "wire/generated/join_group_response.h"

/*
 * JoinGroup: waits in the coordinator until the group's members have all joined.
 *
 * Source: CLIENTS.md c, "Group coordinator, classic".
 */
enum { MEMBER_ID_REQUIRED_FROM = 4, PROTOCOL_TYPE_FROM = 7, SKIP_ASSIGNMENT_FROM = 9 };

typedef struct weir_wire_join_group_response_join_group_response_member member_row;

/* Where a version knows of no null, nothing is empty. */
static struct weir_slice name_or_none(const struct weir_request_context *context,
                                      struct weir_slice name)
{
    bool may_be_null = context->version >= PROTOCOL_TYPE_FROM;
    return weir_slice_is_null(name) && !may_be_null ? weir_text("") : name;
}

static struct weir_slice text_or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? weir_text("") : text;
}

static void refuse(struct weir_request_context *context, int16_t error_code,
                   struct weir_slice member_id)
{
    struct weir_wire_join_group_response response;
    weir_wire_join_group_response_init(&response);
    response.error_code = error_code;
    response.generation_id = -1;
    response.protocol_name = name_or_none(context, weir_null());
    response.protocol_type = weir_null();
    response.member_id = text_or_empty(member_id);
    weir_outcome_reply(context, &response);
}

static void put_members(struct weir_request_context *context,
                        const struct weir_join_group_request *join,
                        struct weir_wire_join_group_response *response)
{
    member_row *rows = weir_arena_array(&context->arena, join->member_count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < join->member_count; i++) {
        const struct weir_joined_member *member = &join->members[i];
        rows[i] = (member_row){member->id.member_id, member->id.instance_id, member->metadata};
    }
    response->members = rows;
    response->members_count = rows != NULL ? join->member_count : 0;
}

static int16_t error_of(struct weir_request_context *context, const struct weir_request *request)
{
    int16_t error_code = weir_group_member_error(context, request);
    bool is_owned = request->rc == WEIR_GROUP_OWNED;
    return is_owned ? (int16_t)WEIR_WIRE_INCONSISTENT_GROUP_PROTOCOL : error_code;
}

static void joined(struct weir_request *request)
{
    struct weir_join_group_request *join = (struct weir_join_group_request *)request;
    struct weir_request_context *context = request->context;
    struct weir_wire_join_group_response response;
    context->abandon = NULL;
    if (request->rc < 0) {
        bool has_id = request->rc == WEIR_MEMBER_ID_REQUIRED;
        refuse(context, error_of(context, request),
               has_id ? join->member_id_out : join->member.member_id);
        return;
    }
    weir_wire_join_group_response_init(&response);
    response.generation_id = join->generation;
    response.protocol_type = join->protocol_type_out;
    response.protocol_name = name_or_none(context, join->protocol);
    response.leader = text_or_empty(join->leader_id);
    response.skip_assignment = join->skip_assignment;
    response.member_id = text_or_empty(join->member_id_out);
    put_members(context, join, &response);
    weir_outcome_reply(context, &response);
}

static void abandon(struct weir_request_context *context)
{
    struct weir_join_group_request *join = context->state;
    weir_broker_cancel_group(context->broker, &join->base);
}

static bool read_protocols(struct weir_arena *arena,
                           const struct weir_wire_join_group_request *asked,
                           struct weir_join_group_request *join)
{
    struct weir_group_protocol *protocols =
        weir_arena_array(arena, asked->protocols_count + 1, sizeof *protocols);
    for (size_t i = 0; protocols != NULL && i < asked->protocols_count; i++) {
        protocols[i] =
            (struct weir_group_protocol){asked->protocols[i].name, asked->protocols[i].metadata};
    }
    join->protocols = protocols;
    join->protocol_count = asked->protocols_count;
    return protocols != NULL;
}

static struct weir_join_group_request *
read_request(struct weir_request_context *context, const struct weir_wire_join_group_request *asked)
{
    struct weir_join_group_request *join = weir_arena_alloc_zero(&context->arena, sizeof *join);
    if (join == NULL || !read_protocols(&context->arena, asked, join)) return NULL;
    bool is_static = !weir_slice_is_null(asked->group_instance_id);
    join->base.request =
        (struct weir_request){.reply_to = context->actor, .done = joined, .context = context};
    join->base.group = asked->group_id;
    join->base.arena = &context->arena;
    join->member.member_id = asked->member_id;
    join->member.instance_id = asked->group_instance_id;
    join->client_id = context->client_id;
    join->client_host = weir_context_client_host(context);
    join->protocol_type = asked->protocol_type;
    join->session_timeout_ms = asked->session_timeout_ms;
    join->rebalance_timeout_ms = asked->rebalance_timeout_ms;
    join->requires_member_id = context->version >= MEMBER_ID_REQUIRED_FROM && !is_static;
    join->can_skip_assignment = context->version >= SKIP_ASSIGNMENT_FROM;
    join->reason = asked->reason;
    return weir_arena_failed(&context->arena) ? NULL : join;
}

void weir_handle_join_group(struct weir_request_context *context)
{
    const struct weir_wire_join_group_request *asked = context->request;
    int16_t refused = weir_group_check(context, WEIR_ACL_READ, asked->group_id);
    if (refused != 0) {
        refuse(context, refused, asked->member_id);
        return;
    }
    struct weir_join_group_request *join = read_request(context, asked);
    if (join == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    context->state = join;
    context->abandon = abandon;
    weir_context_park(context);
    weir_broker_group_join(context->broker, join);
}
