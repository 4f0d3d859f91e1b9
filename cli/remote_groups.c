/** A server's consumer groups, over Kafka's protocol. */
#include "cli/place_remote.h"

#include <string.h>

#include "base/error.h"
#include "base/uuid.h"
#include "cli/member_assignment.h"
#include "cli/no_memory.h"
#include "wire/error_codes.h"
#include "wire/generated/consumer_group_describe_request.h"
#include "wire/generated/consumer_group_describe_response.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"
#include "wire/generated/delete_groups_request.h"
#include "wire/generated/delete_groups_response.h"
#include "wire/generated/describe_groups_request.h"
#include "wire/generated/describe_groups_response.h"
#include "wire/generated/list_groups_request.h"
#include "wire/generated/list_groups_response.h"

static bool is_text(struct weir_slice slice, const char *text)
{
    return weir_slice_equal(slice, weir_text(text));
}

/* ---- list ------------------------------------------------------------------------------------ */

static int16_t list_number(const void *response)
{
    return ((const struct weir_wire_list_groups_response *)response)->error_code;
}

/* An application of the runtime's says so in the protocol's type. */
static bool is_application(const char *protocol_type)
{
    return protocol_type != NULL && strcmp(protocol_type, "weir") == 0;
}

static struct place_group
listed_group(struct weir_arena *arena,
             const struct weir_wire_list_groups_response_listed_group *listed)
{
    struct place_group group = {
        .name = place_keep_text(arena, listed->group_id),
        .type = place_keep_text(arena, listed->group_type),
        .state = place_keep_text(arena, listed->group_state),
        .protocol_type = place_keep_text(arena, listed->protocol_type),
        .epoch = -1,
    };
    group.is_application = is_application(group.protocol_type);
    return group;
}

static int remote_list_groups(struct place *place, struct weir_arena *arena,
                              struct place_groups *groups_out, struct weir_error *error)
{
    struct weir_wire_list_groups_request request;
    weir_wire_list_groups_request_init(&request);
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_list_groups_request_type,
                  .response_type = &weir_wire_list_groups_response_type,
                  .request = &request},
        .number_of = list_number,
    };
    const void *answer = NULL;
    int rc = remote_ask_accepted(remote_of(place), &question, &answer, error);
    if (rc < 0) return weir_error_wrap(error, rc, "list groups");
    const struct weir_wire_list_groups_response *response = answer;
    struct place_groups groups = {.count = response->groups_count};
    groups.rows = weir_arena_array(arena, groups.count + 1, sizeof *groups.rows);
    for (size_t i = 0; groups.rows != NULL && i < groups.count; i++) {
        groups.rows[i] = listed_group(arena, &response->groups[i]);
    }
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    *groups_out = groups;
    return 0;
}

/* ---- describe -------------------------------------------------------------------------------- */

static int
keep_assignment(struct weir_arena *arena,
                const struct weir_wire_consumer_group_describe_response_assignment *assignment,
                struct place_member *member, struct weir_error *error)
{
    size_t count = assignment->topic_partitions_count;
    member->assigned = weir_arena_array(arena, count + 1, sizeof *member->assigned);
    if (member->assigned == NULL) return cli_no_memory(error);
    member->assigned_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct weir_wire_consumer_group_describe_response_topic_partitions *from =
            &assignment->topic_partitions[i];
        int32_t *partitions =
            weir_arena_array(arena, from->partitions_count + 1, sizeof *partitions);
        if (partitions == NULL) return cli_no_memory(error);
        memcpy(partitions, from->partitions, from->partitions_count * sizeof *partitions);
        member->assigned[i] = (struct place_partitions){
            .topic = place_keep_text(arena, from->topic_name),
            .partitions = partitions,
            .partition_count = from->partitions_count,
        };
    }
    return 0;
}

static int keep_consumer_group(
    struct weir_arena *arena,
    const struct weir_wire_consumer_group_describe_response_described_group *described,
    struct place_group *group, struct weir_error *error)
{
    group->type = "consumer";
    group->protocol_type = "consumer";
    group->state = place_keep_text(arena, described->group_state);
    group->assignor = place_keep_text(arena, described->assignor_name);
    group->epoch = described->group_epoch;
    group->member_count = described->members_count;
    group->members = weir_arena_array(arena, group->member_count + 1, sizeof *group->members);
    if (group->members == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < group->member_count; i++) {
        const struct weir_wire_consumer_group_describe_response_member *from =
            &described->members[i];
        group->members[i] = (struct place_member){
            .id = place_keep_text(arena, from->member_id),
            .instance_id = place_keep_text(arena, from->instance_id),
            .client_id = place_keep_text(arena, from->client_id),
            .host = place_keep_text(arena, from->client_host),
            .epoch = from->member_epoch,
        };
        int rc = keep_assignment(arena, &from->assignment, &group->members[i], error);
        if (rc < 0) return rc;
    }
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

static int16_t describe_consumer_number(const void *of_response)
{
    const struct weir_wire_consumer_group_describe_response *response = of_response;
    return response->groups_count == 1 ? response->groups[0].error_code : 0;
}

/* WEIR_GROUP_ID_NOT_FOUND for what is no consumer group, and where there are none. */
static int describe_consumer(struct remote *remote, struct weir_arena *arena,
                             struct place_group *group, struct weir_error *error)
{
    struct weir_slice name = weir_text(group->name);
    struct weir_wire_consumer_group_describe_request request;
    weir_wire_consumer_group_describe_request_init(&request);
    request.group_ids = &name;
    request.group_ids_count = 1;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_consumer_group_describe_request_type,
                  .response_type = &weir_wire_consumer_group_describe_response_type,
                  .request = &request},
        .number_of = describe_consumer_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int16_t version = -1;
    int rc = remote_coordinator_version(
        remote, group->name, &weir_wire_consumer_group_describe_request_type, &version, error);
    if (rc == 0 && version < 0) return WEIR_GROUP_ID_NOT_FOUND;
    if (rc == 0) rc = remote_ask_group(remote, group->name, &question, &answer, &number, error);
    if (rc == 0) rc = remote_refusal(number, weir_null(), error);
    if (rc < 0) return rc;
    const struct weir_wire_consumer_group_describe_response *response = answer;
    if (response->groups_count != 1) return remote_no_answer(error);
    return keep_consumer_group(arena, &response->groups[0], group, error);
}

static int
keep_classic_member(struct weir_arena *arena,
                    const struct weir_wire_describe_groups_response_described_group_member *from,
                    bool is_consumer, struct place_member *member, struct weir_error *error)
{
    struct weir_error why = {0};
    *member = (struct place_member){
        .id = place_keep_text(arena, from->member_id),
        .instance_id = place_keep_text(arena, from->group_instance_id),
        .client_id = place_keep_text(arena, from->client_id),
        .host = place_keep_text(arena, from->client_host),
        .epoch = -1,
    };
    int rc = 0;
    if (is_consumer) {
        rc = member_assignment_read(from->member_assignment, arena, &member->assigned,
                                    &member->assigned_count, &why);
    }
    if (rc == WEIR_CORRUPT) member->unreadable = weir_arena_printf(arena, "%s", why.text);
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

static int
keep_classic_group(struct weir_arena *arena,
                   const struct weir_wire_describe_groups_response_described_group *described,
                   struct place_group *group, struct weir_error *error)
{
    bool is_consumer = is_text(described->protocol_type, "consumer");
    group->type = "classic";
    group->state = place_keep_text(arena, described->group_state);
    group->protocol_type = place_keep_text(arena, described->protocol_type);
    group->is_application = is_application(group->protocol_type);
    group->assignor = place_keep_text(arena, described->protocol_data);
    group->epoch = -1;
    group->member_count = described->members_count;
    group->members = weir_arena_array(arena, group->member_count + 1, sizeof *group->members);
    if (group->members == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < group->member_count; i++) {
        int rc = keep_classic_member(arena, &described->members[i], is_consumer, &group->members[i],
                                     error);
        if (rc < 0) return rc;
    }
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

/* Before version 6 a group that nobody knows is a dead one. */
static int16_t describe_number(const void *of_response)
{
    const struct weir_wire_describe_groups_response *response = of_response;
    if (response->groups_count != 1) return 0;
    bool is_dead = is_text(response->groups[0].group_state, "Dead");
    int16_t number = response->groups[0].error_code;
    return number == 0 && is_dead ? (int16_t)WEIR_WIRE_GROUP_ID_NOT_FOUND : number;
}

static int describe_classic(struct remote *remote, struct weir_arena *arena,
                            struct place_group *group, struct weir_error *error)
{
    struct weir_slice name = weir_text(group->name);
    struct weir_wire_describe_groups_request request;
    weir_wire_describe_groups_request_init(&request);
    request.groups = &name;
    request.groups_count = 1;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_describe_groups_request_type,
                  .response_type = &weir_wire_describe_groups_response_type,
                  .request = &request},
        .number_of = describe_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int rc = remote_ask_group(remote, group->name, &question, &answer, &number, error);
    if (rc == 0) rc = remote_refusal(number, weir_null(), error);
    if (rc < 0) return rc;
    const struct weir_wire_describe_groups_response *response = answer;
    if (response->groups_count != 1) return remote_no_answer(error);
    return keep_classic_group(arena, &response->groups[0], group, error);
}

static int remote_describe_group(struct place *place, struct weir_arena *arena, const char *name,
                                 struct place_group *group_out, struct weir_error *error)
{
    struct place_group group = {.name = name};
    int rc = describe_consumer(remote_of(place), arena, &group, error);
    if (rc == WEIR_GROUP_ID_NOT_FOUND) {
        if (error != NULL) *error = (struct weir_error){0};
        rc = describe_classic(remote_of(place), arena, &group, error);
    }
    if (rc < 0) return weir_error_wrap(error, rc, "group '%s'", name);
    *group_out = group;
    return 0;
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int16_t delete_number(const void *of_response)
{
    const struct weir_wire_delete_groups_response *response = of_response;
    return response->results_count == 1 ? response->results[0].error_code : 0;
}

static int remote_remove_group(struct place *place, const char *name, struct weir_error *error)
{
    struct weir_slice group = weir_text(name);
    struct weir_wire_delete_groups_request request;
    weir_wire_delete_groups_request_init(&request);
    request.groups_names = &group;
    request.groups_names_count = 1;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_delete_groups_request_type,
                  .response_type = &weir_wire_delete_groups_response_type,
                  .request = &request},
        .number_of = delete_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int rc = remote_ask_group(remote_of(place), name, &question, &answer, &number, error);
    if (rc == 0) rc = remote_refusal(number, weir_null(), error);
    return weir_error_wrap(error, rc, "delete group '%s'", name);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static int16_t heartbeat_number(const void *of_response)
{
    return ((const struct weir_wire_consumer_group_heartbeat_response *)of_response)->error_code;
}

static int keep_heartbeat(struct weir_arena *arena,
                          const struct weir_wire_consumer_group_heartbeat_response *response,
                          struct place_heartbeat *heartbeat, struct weir_error *error)
{
    const struct weir_wire_consumer_group_heartbeat_response_assignment *assignment =
        response->assignment;
    heartbeat->epoch_out = response->member_epoch;
    heartbeat->interval_ms = response->heartbeat_interval_ms;
    heartbeat->has_assignment = assignment != NULL;
    heartbeat->assigned_count = 0;
    for (size_t i = 0; assignment != NULL && i < assignment->topic_partitions_count; i++) {
        const struct weir_wire_consumer_group_heartbeat_response_topic_partitions *from =
            &assignment->topic_partitions[i];
        if (!weir_uuid_equal(from->topic_id, heartbeat->topic_id)) continue;
        size_t count = from->partitions_count;
        heartbeat->assigned = weir_arena_array(arena, count + 1, sizeof *heartbeat->assigned);
        if (heartbeat->assigned == NULL) return cli_no_memory(error);
        memcpy(heartbeat->assigned, from->partitions, count * sizeof *heartbeat->assigned);
        heartbeat->assigned_count = count;
    }
    return 0;
}

static int ask_heartbeat(struct remote *remote, const struct place_heartbeat *heartbeat,
                         const struct weir_wire_consumer_group_heartbeat_response **response_out,
                         struct weir_error *error)
{
    struct weir_slice topic = weir_text(heartbeat->topic);
    struct weir_wire_consumer_group_heartbeat_request_topic_partitions owned = {
        .topic_id = heartbeat->topic_id,
        .partitions = heartbeat->owned,
        .partitions_count = heartbeat->owned_count,
    };
    struct weir_wire_consumer_group_heartbeat_request request;
    weir_wire_consumer_group_heartbeat_request_init(&request);
    request.group_id = weir_text(heartbeat->as.group);
    request.member_id = weir_text(heartbeat->as.member_id);
    request.member_epoch = heartbeat->as.epoch;
    request.rebalance_timeout_ms = heartbeat->rebalance_timeout_ms;
    request.subscribed_topic_names = heartbeat->topic != NULL ? &topic : NULL;
    request.subscribed_topic_names_count = heartbeat->topic != NULL ? 1 : 0;
    request.topic_partitions = heartbeat->owned != NULL ? &owned : NULL;
    request.topic_partitions_count = heartbeat->owned_count > 0 ? 1 : 0;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_consumer_group_heartbeat_request_type,
                  .response_type = &weir_wire_consumer_group_heartbeat_response_type,
                  .request = &request},
        .number_of = heartbeat_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int rc = remote_ask_group(remote, heartbeat->as.group, &question, &answer, &number, error);
    if (rc < 0) return rc;
    *response_out = answer;
    return remote_refusal(number, (*response_out)->error_message, error);
}

static int remote_heartbeat(struct place *place, struct weir_arena *arena,
                            struct place_heartbeat *heartbeat, struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    const struct weir_wire_consumer_group_heartbeat_response *response = NULL;
    int16_t version = -1;
    int rc = remote_coordinator_version(remote, heartbeat->as.group,
                                        &weir_wire_consumer_group_heartbeat_request_type, &version,
                                        error);
    if (rc == 0 && version < 0) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "%s does not have the consumer protocol (KIP-848; Kafka has it from "
                              "4.0 on)",
                              place->what);
    }
    if (rc == 0) rc = ask_heartbeat(remote, heartbeat, &response, error);
    if (rc == 0) rc = keep_heartbeat(arena, response, heartbeat, error);
    return weir_error_wrap(error, rc, "member of group '%s'", heartbeat->as.group);
}

const struct place_group_ops remote_group_ops = {
    .list = remote_list_groups,
    .describe = remote_describe_group,
    .offsets = remote_group_offsets,
    .commit = remote_group_commit,
    .remove = remote_remove_group,
    .remove_offsets = remote_group_remove_offsets,
    .heartbeat = remote_heartbeat,
};
