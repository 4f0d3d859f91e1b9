#include "server/handlers/authorized_operations.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/consumer_group_describe_request.h"
#include "wire/generated/consumer_group_describe_response.h"

/*
 * ConsumerGroupDescribe: consumer groups, their epochs, members, and what these read and shall read. A classic group is
 * described by DescribeGroups.
 *
 * Source: KIP-848.
 */
typedef struct weir_wire_consumer_group_describe_response_described_group group_row;
typedef struct weir_wire_consumer_group_describe_response_member member_row;
typedef struct weir_wire_consumer_group_describe_response_topic_partitions topic_row;
typedef struct weir_wire_consumer_group_describe_response_assignment assignment_row;

enum { CLASSIC_MEMBER = 0, CONSUMER_MEMBER = 1 };

struct consumer_group_describe {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_consumer_group_describe_request *asked;
    group_row *rows;
};

static struct consumer_group_describe *of(struct weir_fan_out *fan_out)
{
    return (struct consumer_group_describe *)fan_out;
}

static void done(struct weir_fan_out *fan_out)
{
    struct weir_wire_consumer_group_describe_response response;
    weir_wire_consumer_group_describe_response_init(&response);
    response.groups = of(fan_out)->rows;
    response.groups_count = fan_out->count;
    weir_outcome_reply(fan_out->context, &response);
}

static struct weir_slice text_or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? weir_text("") : text;
}

/* Topics that are gone by now have no name, and are left out. */
static assignment_row put_assignment(struct weir_request_context *context,
                                     const struct weir_topic_partitions *topics, size_t count)
{
    topic_row *rows = weir_arena_array(&context->arena, count + 1, sizeof *rows);
    assignment_row assignment = {.topic_partitions = rows};
    for (size_t i = 0; rows != NULL && i < count; i++) {
        struct weir_slice name =
            weir_broker_topic_name(context->broker, context->actor, topics[i].topic_id);
        if (weir_slice_is_null(name)) continue;
        rows[assignment.topic_partitions_count++] =
            (topic_row){topics[i].topic_id, weir_arena_copy(&context->arena, name),
                        topics[i].partitions, topics[i].partition_count};
    }
    return assignment;
}

static member_row put_member(struct weir_request_context *context,
                             const struct weir_described_member *member)
{
    return (member_row){
        .member_id = member->id.member_id,
        .instance_id = member->id.instance_id,
        .rack_id = member->rack_id,
        .member_epoch = member->member_epoch,
        .client_id = text_or_empty(member->client_id),
        .client_host = text_or_empty(member->client_host),
        .subscribed_topic_names = member->topic_names,
        .subscribed_topic_names_count = member->topic_name_count,
        .subscribed_topic_regex = member->topic_regex,
        .assignment = put_assignment(context, member->assigned, member->assigned_count),
        .target_assignment = put_assignment(context, member->target, member->target_count),
        .member_type = member->is_classic_protocol ? CLASSIC_MEMBER : CONSUMER_MEMBER,
    };
}

static void put_group(struct weir_request_context *context,
                      const struct weir_describe_group_request *group, group_row *row)
{
    member_row *rows = weir_arena_array(&context->arena, group->member_count + 1, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < group->member_count; i++) {
        rows[i] = put_member(context, &group->members[i]);
    }
    row->group_state = group->state;
    row->group_epoch = group->group_epoch;
    row->assignment_epoch = group->assignment_epoch;
    row->assignor_name = text_or_empty(group->protocol);
    row->members = rows;
    row->members_count = rows != NULL ? group->member_count : 0;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_request_context *context = fan_out->context;
    const struct weir_describe_group_request *group = (struct weir_describe_group_request *)request;
    group_row *row = &of(fan_out)->rows[index];
    if (request->rc < 0) {
        const char *text = weir_outcome_text(context, request->error.text);
        row->error_code = weir_group_error_of(request->rc);
        row->error_message = weir_arena_copy(&context->arena, weir_text(text));
    } else if (group->type != WEIR_GROUP_CONSUMER) {
        row->error_code = WEIR_WIRE_GROUP_ID_NOT_FOUND;
        row->error_message = weir_text("the group is a classic one: ask by DescribeGroups");
    } else {
        put_group(context, group, row);
    }
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_request_context *context = fan_out->context;
    struct weir_describe_group_request *group = (struct weir_describe_group_request *)request;
    group_row *row = &of(fan_out)->rows[index];
    *row = (group_row){
        .group_id = of(fan_out)->asked->group_ids[index],
        .error_message = weir_null(),
        .group_state = weir_text(""),
        .assignor_name = weir_text(""),
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

void weir_handle_consumer_group_describe(struct weir_request_context *context)
{
    const struct weir_wire_consumer_group_describe_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    struct consumer_group_describe *describe = weir_arena_alloc_zero(arena, sizeof *describe);
    group_row *rows = weir_arena_array(arena, asked->group_ids_count + 1, sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *describe = (struct consumer_group_describe){
        .fan_out = {.context = context,
                    .count = asked->group_ids_count,
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
