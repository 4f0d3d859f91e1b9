#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/heartbeat_request.h"
#include "wire/generated/heartbeat_response.h"

/* Heartbeat: a member of a classic group is there. Source: CLIENTS.md c, "Group coordinator, classic". */

static void reply(struct weir_request_context *context, int16_t error_code)
{
    struct weir_wire_heartbeat_response response;
    weir_wire_heartbeat_response_init(&response);
    response.error_code = error_code;
    weir_outcome_reply(context, &response);
}

static void heard(struct weir_request *request)
{
    reply(request->context, weir_group_member_error(request->context, request));
}

void weir_handle_heartbeat(struct weir_request_context *context)
{
    const struct weir_wire_heartbeat_request *asked = context->request;
    int16_t refused = weir_group_check(context, WEIR_ACL_READ, asked->group_id);
    struct weir_group_heartbeat_request *heartbeat =
        weir_arena_alloc_zero(&context->arena, sizeof *heartbeat);
    if (refused != 0 || heartbeat == NULL) {
        reply(context, refused); /* which finds that memory was short */
        return;
    }
    heartbeat->base.request =
        (struct weir_request){.reply_to = context->actor, .done = heard, .context = context};
    heartbeat->base.group = asked->group_id;
    heartbeat->base.arena = &context->arena;
    heartbeat->member.member_id = asked->member_id;
    heartbeat->member.instance_id = asked->group_instance_id;
    heartbeat->generation = asked->generation_id;
    weir_broker_group_heartbeat(context->broker, heartbeat);
}
