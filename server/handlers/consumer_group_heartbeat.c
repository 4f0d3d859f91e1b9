#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"

/*
 * ConsumerGroupHeartbeat: all that a member of a consumer group says, and what it is to read.
 *
 * Source: KIP-848; CLIENTS.md c.
 */
typedef struct weir_wire_consumer_group_heartbeat_response_topic_partitions topic_row;
typedef struct weir_wire_consumer_group_heartbeat_response_assignment assignment_row;

enum { IDS_FROM = 1 };

static void refuse(struct weir_request_context *context, int16_t error_code, const char *message)
{
    struct weir_wire_consumer_group_heartbeat_response response;
    weir_wire_consumer_group_heartbeat_response_init(&response);
    response.error_code = error_code;
    response.error_message = message != NULL ? weir_text(message) : weir_null();
    weir_outcome_reply(context, &response);
}

/* NULL: the arena has failed. */
static const assignment_row *put_assignment(struct weir_arena *arena,
                                            const struct weir_consumer_heartbeat_request *heartbeat)
{
    assignment_row *assignment = weir_arena_alloc_zero(arena, sizeof *assignment);
    topic_row *rows = weir_arena_array(arena, heartbeat->assigned_count + 1, sizeof *rows);
    if (weir_arena_failed(arena)) return NULL;
    for (size_t i = 0; i < heartbeat->assigned_count; i++) {
        const struct weir_topic_partitions *topic = &heartbeat->assigned[i];
        rows[i] = (topic_row){topic->topic_id, topic->partitions, topic->partition_count};
    }
    assignment->topic_partitions = rows;
    assignment->topic_partitions_count = heartbeat->assigned_count;
    return assignment;
}

/* A classic group is no consumer group: there is none of this id, says Kafka. */
static int16_t error_of(struct weir_request_context *context, const struct weir_request *request)
{
    int16_t error_code = weir_group_member_error(context, request);
    bool is_classic =
        request->rc == WEIR_INCONSISTENT_GROUP_PROTOCOL || request->rc == WEIR_GROUP_OWNED;
    return is_classic ? (int16_t)WEIR_WIRE_GROUP_ID_NOT_FOUND : error_code;
}

static void heard(struct weir_request *request)
{
    const struct weir_consumer_heartbeat_request *heartbeat =
        (const struct weir_consumer_heartbeat_request *)request;
    struct weir_request_context *context = request->context;
    struct weir_wire_consumer_group_heartbeat_response response;
    context->abandon = NULL;
    if (request->rc < 0) {
        refuse(context, error_of(context, request),
               weir_outcome_text(context, request->error.text));
        return;
    }
    weir_wire_consumer_group_heartbeat_response_init(&response);
    response.member_id = heartbeat->member_id_out;
    response.member_epoch = heartbeat->member_epoch_out;
    response.heartbeat_interval_ms = heartbeat->heartbeat_interval_ms;
    if (heartbeat->has_assignment) {
        response.assignment = put_assignment(&context->arena, heartbeat);
    }
    weir_outcome_reply(context, &response);
}

static void abandon(struct weir_request_context *context)
{
    struct weir_consumer_heartbeat_request *heartbeat = context->state;
    weir_broker_cancel_group(context->broker, &heartbeat->base);
}

static bool read_owned(struct weir_arena *arena,
                       const struct weir_wire_consumer_group_heartbeat_request *asked,
                       struct weir_consumer_heartbeat_request *heartbeat)
{
    size_t count = asked->topic_partitions_count;
    struct weir_topic_partitions *owned = weir_arena_array(arena, count + 1, sizeof *owned);
    for (size_t i = 0; owned != NULL && i < count; i++) {
        owned[i] = (struct weir_topic_partitions){asked->topic_partitions[i].topic_id,
                                                  asked->topic_partitions[i].partitions,
                                                  asked->topic_partitions[i].partitions_count};
    }
    heartbeat->owned = owned;
    heartbeat->owned_count = count;
    heartbeat->has_owned = asked->topic_partitions != NULL;
    return owned != NULL;
}

static struct weir_consumer_heartbeat_request *
read_request(struct weir_request_context *context,
             const struct weir_wire_consumer_group_heartbeat_request *asked)
{
    struct weir_consumer_heartbeat_request *heartbeat =
        weir_arena_alloc_zero(&context->arena, sizeof *heartbeat);
    if (heartbeat == NULL || !read_owned(&context->arena, asked, heartbeat)) return NULL;
    heartbeat->base.request =
        (struct weir_request){.reply_to = context->actor, .done = heard, .context = context};
    heartbeat->base.group = asked->group_id;
    heartbeat->base.arena = &context->arena;
    heartbeat->member.member_id = asked->member_id;
    heartbeat->member.instance_id = asked->instance_id;
    heartbeat->member_epoch = asked->member_epoch;
    heartbeat->client_id = context->client_id;
    heartbeat->client_host = weir_context_client_host(context);
    heartbeat->rack_id = asked->rack_id;
    heartbeat->rebalance_timeout_ms = asked->rebalance_timeout_ms;
    heartbeat->topic_names = asked->subscribed_topic_names;
    heartbeat->topic_name_count = asked->subscribed_topic_names_count;
    heartbeat->has_topic_names = asked->subscribed_topic_names != NULL;
    heartbeat->topic_regex = asked->subscribed_topic_regex;
    heartbeat->assignor = asked->server_assignor;
    return weir_arena_failed(&context->arena) ? NULL : heartbeat;
}

/* From version 1 on a member gives itself its id (KIP-1082). */
static bool lacks_id(const struct weir_request_context *context,
                     const struct weir_wire_consumer_group_heartbeat_request *asked)
{
    return context->version >= IDS_FROM && asked->member_id.size == 0;
}

void weir_handle_consumer_group_heartbeat(struct weir_request_context *context)
{
    const struct weir_wire_consumer_group_heartbeat_request *asked = context->request;
    int16_t refused = weir_group_check(context, WEIR_ACL_READ, asked->group_id);
    if (refused == WEIR_WIRE_INVALID_GROUP_ID) refused = WEIR_WIRE_INVALID_REQUEST;
    if (refused != 0) {
        refuse(context, refused, asked->group_id.size == 0 ? "the group id is empty" : NULL);
        return;
    }
    if (lacks_id(context, asked)) {
        refuse(context, WEIR_WIRE_INVALID_REQUEST, "MemberId can't be empty.");
        return;
    }
    struct weir_consumer_heartbeat_request *heartbeat = read_request(context, asked);
    if (heartbeat == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    context->state = heartbeat;
    context->abandon = abandon;
    weir_broker_group_consumer_heartbeat(context->broker, heartbeat);
}
