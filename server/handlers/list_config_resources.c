#include <stdio.h>

#include "server/handlers/config_entries.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/list_config_resources_request.h"
#include "wire/generated/list_config_resources_response.h"

/*
 * ListConfigResources: what DescribeConfigs has something to say of. All topics, the one broker, and the groups that
 * have settings of their own; of the other types that Kafka knows (a broker's loggers, client metrics) there are none
 * here.
 *
 * Source: KIP-1142.
 */
typedef struct weir_wire_list_config_resources_response_config_resource resource_row;

struct list_resources {
    struct weir_list_topics_request topics; /* first */
    struct weir_request_context *context;
    const struct weir_wire_list_config_resources_request *asked;
};

static bool is_known(int8_t type)
{
    switch (type) {
    case WEIR_RESOURCE_TYPE_TOPIC:
    case WEIR_RESOURCE_TYPE_BROKER:
    case WEIR_RESOURCE_TYPE_BROKER_LOGGER:
    case WEIR_RESOURCE_TYPE_CLIENT_METRICS:
    case WEIR_RESOURCE_TYPE_GROUP:
        return true;
    default:
        return false;
    }
}

/* Version 0 asks for client metrics, and has no list. */
static bool is_wanted(const struct list_resources *list, int8_t type)
{
    const struct weir_wire_list_config_resources_request *asked = list->asked;
    if (list->context->version == 0) return false;
    for (size_t i = 0; i < asked->resource_types_count; i++) {
        if (asked->resource_types[i] == type) return true;
    }
    return asked->resource_types_count == 0;
}

static void reply_error(struct weir_request_context *context, int16_t error_code)
{
    struct weir_wire_list_config_resources_response response;
    weir_wire_list_config_resources_response_init(&response);
    response.error_code = error_code;
    weir_outcome_reply(context, &response);
}

static void answer(struct list_resources *list)
{
    struct weir_request_context *context = list->context;
    struct weir_arena *arena = &context->arena;
    struct weir_wire_list_config_resources_response response;
    const struct weir_slice *groups = NULL;
    size_t group_count = 0;
    size_t count = 0;
    if (is_wanted(list, WEIR_RESOURCE_TYPE_GROUP)) {
        groups =
            weir_broker_configured_groups(context->broker, context->actor, arena, &group_count);
    }
    resource_row *rows =
        weir_arena_array(arena, list->topics.topic_count + 1 + group_count, sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    for (size_t i = 0; i < list->topics.topic_count; i++) {
        rows[count++] = (resource_row){list->topics.topics[i].name, WEIR_RESOURCE_TYPE_TOPIC};
    }
    if (is_wanted(list, WEIR_RESOURCE_TYPE_BROKER)) {
        rows[count++] = (resource_row){weir_text(weir_arena_printf(arena, "%d", WEIR_NODE_ID)),
                                       WEIR_RESOURCE_TYPE_BROKER};
    }
    for (size_t i = 0; i < group_count; i++) {
        rows[count++] = (resource_row){groups[i], WEIR_RESOURCE_TYPE_GROUP};
    }
    weir_wire_list_config_resources_response_init(&response);
    response.config_resources = rows;
    response.config_resources_count = count;
    weir_outcome_reply(context, &response);
}

static void listed(struct weir_request *request)
{
    struct list_resources *list = request->context;
    if (request->rc < 0) {
        weir_context_reply_close(list->context, request->error.text);
    } else {
        answer(list);
    }
}

void weir_handle_list_config_resources(struct weir_request_context *context)
{
    const struct weir_wire_list_config_resources_request *asked = context->request;
    struct list_resources *list = weir_arena_alloc_zero(&context->arena, sizeof *list);
    if (list == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    if (!weir_authorize(context, WEIR_ACL_DESCRIBE_CONFIGS, WEIR_ACL_CLUSTER, weir_null())) {
        reply_error(context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    for (size_t i = 0; i < asked->resource_types_count; i++) {
        if (is_known(asked->resource_types[i])) continue;
        reply_error(context, WEIR_WIRE_UNSUPPORTED_VERSION);
        return;
    }
    list->context = context;
    list->asked = asked;
    if (!is_wanted(list, WEIR_RESOURCE_TYPE_TOPIC)) {
        answer(list);
        return;
    }
    list->topics.request =
        (struct weir_request){.reply_to = context->actor, .done = listed, .context = list};
    list->topics.arena = &context->arena;
    weir_broker_list_topics(context->broker, &list->topics);
}
