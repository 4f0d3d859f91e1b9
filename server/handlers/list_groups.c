#include <strings.h>

#include "server/handlers/fan_out.h"
#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/list_groups_request.h"
#include "wire/generated/list_groups_response.h"
#include "wire/topic_names.h"

/*
 * ListGroups: all groups, or those in one of some states, or of one of some types, whatever their case. Each partition
 * of `__consumer_offsets` says its own, one after the other, for what they give goes into one arena.
 *
 * Source: CLIENTS.md b; KIP-518, KIP-848.
 */
enum {
    FILTERS_MAX = 100
}; /* each group is compared with each; there are fewer states and types by far */

typedef struct weir_wire_list_groups_response_listed_group group_row;

struct list_groups {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_list_groups_request *asked;
    struct weir_list_topics_request topics; /* how many partitions there are */
    struct weir_slice topic;
    int16_t error_code;
    group_row *rows;
    size_t count;
    size_t capacity;
};

static struct list_groups *of(struct weir_fan_out *fan_out)
{
    return (struct list_groups *)fan_out;
}

static void done(struct weir_fan_out *fan_out)
{
    const struct list_groups *list = of(fan_out);
    struct weir_wire_list_groups_response response;
    weir_wire_list_groups_response_init(&response);
    response.error_code = list->error_code;
    if (list->error_code == 0) {
        response.groups = list->rows;
        response.groups_count = list->count;
    }
    weir_outcome_reply(fan_out->context, &response);
}

static struct weir_slice type_name(enum weir_group_type type)
{
    switch (type) {
    case WEIR_GROUP_CLASSIC:
        return weir_text("classic");
    case WEIR_GROUP_CONSUMER:
        return weir_text("consumer");
    case WEIR_GROUP_UNKNOWN:
        break;
    }
    return weir_text("unknown");
}

static bool is_among(struct weir_slice text, const struct weir_slice *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool has_size = wanted[i].size == text.size;
        if (has_size &&
            strncasecmp((const char *)wanted[i].data, (const char *)text.data, text.size) == 0) {
            return true;
        }
    }
    return count == 0;
}

static void add(struct list_groups *list, const struct weir_group_listing *group)
{
    const struct weir_wire_list_groups_request *asked = list->asked;
    struct weir_slice type = type_name(group->type);
    struct weir_request_context *context = list->fan_out.context;
    if (!is_among(group->state, asked->states_filter, asked->states_filter_count)) return;
    if (!is_among(type, asked->types_filter, asked->types_filter_count)) return;
    if (!weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_GROUP, group->group)) return;
    group_row *rows = weir_arena_grow(&context->arena, list->rows, list->count, &list->capacity, 64,
                                      sizeof *rows);
    if (rows == NULL) return;
    list->rows = rows;
    rows[list->count++] = (group_row){group->group, group->protocol_type, group->state, type};
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct weir_list_groups_request *given = (struct weir_list_groups_request *)request;
    (void)index;
    if (request->rc < 0) {
        of(fan_out)->error_code = weir_group_error_of(request->rc);
        return;
    }
    for (size_t i = 0; i < given->group_count; i++) {
        add(of(fan_out), &given->groups[i]);
    }
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_list_groups_request *given = (struct weir_list_groups_request *)request;
    if (of(fan_out)->error_code != 0) return false; /* Kafka says all or nothing */
    given->base.arena = &fan_out->context->arena;
    given->offsets_partition = (int32_t)index;
    weir_broker_group_list(fan_out->context->broker, given);
    return true;
}

static void counted(struct weir_request *request)
{
    struct list_groups *list = request->context;
    if (request->rc < 0) {
        list->error_code = weir_group_error_of(request->rc);
    } else if (list->topics.topics[0].rc == 0) {
        list->fan_out.count = (size_t)list->topics.topics[0].partition_count;
    }
    weir_fan_out_begin(&list->fan_out);
}

static void refuse(struct weir_request_context *context)
{
    struct weir_wire_list_groups_response response;
    weir_wire_list_groups_response_init(&response);
    response.error_code = WEIR_WIRE_INVALID_REQUEST;
    weir_outcome_reply(context, &response);
}

void weir_handle_list_groups(struct weir_request_context *context)
{
    const struct weir_wire_list_groups_request *asked = context->request;
    if (asked->states_filter_count > FILTERS_MAX || asked->types_filter_count > FILTERS_MAX) {
        refuse(context);
        return;
    }
    struct list_groups *list = weir_arena_alloc_zero(&context->arena, sizeof *list);
    if (list == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *list = (struct list_groups){
        .fan_out = {.context = context,
                    .request_size = sizeof(struct weir_list_groups_request),
                    .is_one_by_one = true,
                    .ask = ask,
                    .take = take,
                    .done = done},
        .asked = asked,
        .topic = weir_text(WEIR_CONSUMER_OFFSETS_TOPIC),
    };
    list->topics = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = counted, .context = list},
        .arena = &context->arena,
        .names = &list->topic,
        .asked_count = 1,
        .is_selection = true,
    };
    weir_broker_list_topics(context->broker, &list->topics);
}
