#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/sync_group_request.h"
#include "wire/generated/sync_group_response.h"

/*
 * SyncGroup: waits in the coordinator until the leader has brought everybody's assignment.
 *
 * Source: CLIENTS.md c, "Group coordinator, classic".
 */
enum { PROTOCOLS_FROM = 5 };

static void refuse(struct weir_request_context *context, int16_t error_code)
{
    struct weir_wire_sync_group_response response;
    weir_wire_sync_group_response_init(&response);
    response.error_code = error_code;
    response.protocol_type = weir_null();
    response.protocol_name = weir_null();
    weir_outcome_reply(context, &response);
}

static void synced(struct weir_request *request)
{
    struct weir_sync_group_request *sync = (struct weir_sync_group_request *)request;
    struct weir_request_context *context = request->context;
    struct weir_wire_sync_group_response response;
    context->abandon = NULL;
    if (request->rc < 0) {
        refuse(context, weir_group_member_error(context, request));
        return;
    }
    weir_wire_sync_group_response_init(&response);
    response.protocol_type = sync->protocol_type_out;
    response.protocol_name = sync->protocol_out;
    response.assignment = weir_slice_is_null(sync->assignment) ? weir_text("") : sync->assignment;
    weir_outcome_reply(context, &response);
}

static void abandon(struct weir_request_context *context)
{
    struct weir_sync_group_request *sync = context->state;
    weir_broker_cancel_group(context->broker, &sync->base);
}

static struct weir_sync_group_request *
read_request(struct weir_request_context *context, const struct weir_wire_sync_group_request *asked)
{
    struct weir_arena *arena = &context->arena;
    struct weir_sync_group_request *sync = weir_arena_alloc_zero(arena, sizeof *sync);
    struct weir_member_assignment *assignments =
        weir_arena_array(arena, asked->assignments_count + 1, sizeof *assignments);
    if (weir_arena_failed(arena)) return NULL;
    for (size_t i = 0; i < asked->assignments_count; i++) {
        assignments[i] = (struct weir_member_assignment){asked->assignments[i].member_id,
                                                         asked->assignments[i].assignment};
    }
    sync->base.request =
        (struct weir_request){.reply_to = context->actor, .done = synced, .context = context};
    sync->base.group = asked->group_id;
    sync->base.arena = arena;
    sync->member.member_id = asked->member_id;
    sync->member.instance_id = asked->group_instance_id;
    sync->generation = asked->generation_id;
    sync->protocol_type = asked->protocol_type;
    sync->protocol = asked->protocol_name;
    sync->assignments = assignments;
    sync->assignment_count = asked->assignments_count;
    return sync;
}

/* Kafka's number, or 0. */
static int16_t check(const struct weir_request_context *context,
                     const struct weir_wire_sync_group_request *asked)
{
    bool is_said =
        !weir_slice_is_null(asked->protocol_type) && !weir_slice_is_null(asked->protocol_name);
    int16_t refused = weir_group_check(context, WEIR_ACL_READ, asked->group_id);
    if (refused != 0) return refused;
    bool must_be_said = context->version >= PROTOCOLS_FROM;
    return must_be_said && !is_said ? WEIR_WIRE_INCONSISTENT_GROUP_PROTOCOL : 0;
}

void weir_handle_sync_group(struct weir_request_context *context)
{
    const struct weir_wire_sync_group_request *asked = context->request;
    int16_t refused = check(context, asked);
    if (refused != 0) {
        refuse(context, refused);
        return;
    }
    struct weir_sync_group_request *sync = read_request(context, asked);
    if (sync == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    context->state = sync;
    context->abandon = abandon;
    weir_context_park(context);
    weir_broker_group_sync(context->broker, sync);
}
