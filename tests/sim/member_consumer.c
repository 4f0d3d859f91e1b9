/*
 * A member of a consumer group (KIP-848): it says by heartbeats what it has, is told what it is to have, gives up
 * first and says so, and gets the rest when others have.
 */
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "tests/sim/member.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"

enum {
    MS = 1000 * 1000,
    LEAVES = -1,
    LEAVES_FOR_A_WHILE = -2,
    RETRY_MS = 10,
    ID_OF_ITS_OWN_FROM = 1, /* the version in which a member brings its id */
    SLACK_MS = 3,           /* the coordinator counts in whole milliseconds */
};

static void note_lease(struct member *member, const struct remote_ask *ask)
{
    const struct group_of *group = member->group;
    int32_t ms = group->session_ms < group->rebalance_ms ? group->session_ms : group->rebalance_ms;
    group_history_note(
        &member->world->history,
        &(struct group_event){.kind = GROUP_LEASE,
                              .group = group->number,
                              .slot = member->slot,
                              .generation = member->self.generation,
                              .at_ns = group_world_now_ns(member->world),
                              .until_ns = ask->asked_ns + (int64_t)MS * (ms - SLACK_MS)});
}

static void
take_assignment(struct member *member,
                const struct weir_wire_consumer_group_heartbeat_response_assignment *assignment)
{
    bool given[GROUP_PARTITIONS_MAX] = {false};
    for (size_t i = 0; i < assignment->topic_partitions_count; i++) {
        const struct weir_wire_consumer_group_heartbeat_response_topic_partitions *topic =
            &assignment->topic_partitions[i];
        bool is_of_now = member->life == member->group->topic->life &&
                         weir_uuid_equal(topic->topic_id, member->group->topic->id);
        if (!is_of_now) continue; /* it says everything when it knows more */
        for (size_t j = 0; j < topic->partitions_count; j++) {
            int32_t partition = topic->partitions[j];
            bool is_known = partition >= 0 && partition < GROUP_PARTITIONS_MAX;
            if (is_known) given[partition] = true;
        }
    }
    (void)member_take(member, given);
    member->has_to_answer = true; /* what it has now, at once */
}

static void be_refused(struct member *member, const struct remote_ask *ask, int16_t error)
{
    switch (error) {
    case WEIR_WIRE_UNKNOWN_MEMBER_ID:
    case WEIR_WIRE_FENCED_MEMBER_EPOCH:
    case WEIR_WIRE_GROUP_ID_NOT_FOUND:
        member_fall_out(member);
        break;
    case WEIR_WIRE_FENCED_INSTANCE_ID: /* its predecessor's question was answered */
        member_fall_out(member);
        member->self.id[0] = '\0';
        break;
    case WEIR_WIRE_UNRELEASED_INSTANCE_ID: /* until the session of what it was ends */
        member->say_at_ns = group_world_now_ns(member->world) + RETRY_MS * MS;
        break;
    default:
        (void)member_excuses(member, ask, error, "ConsumerGroupHeartbeat");
        member->is_full = true;
        member->say_at_ns = group_world_now_ns(member->world) + RETRY_MS * MS;
    }
}

static void answered(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_consumer_group_heartbeat_response *response = answer;
    member->is_saying = false;
    if (member->is_leaving) {
        member->is_leaving = false;
        return;
    }
    if (response->error_code != WEIR_WIRE_NONE) {
        be_refused(member, ask, response->error_code);
        return;
    }
    member_take_identity(member, response->member_id, response->member_epoch);
    member->phase = MEMBER_IN;
    member->is_full = false;
    member->has_to_answer = false;
    member->say_at_ns =
        group_world_now_ns(member->world) + (int64_t)MS * (1 + response->heartbeat_interval_ms);
    note_lease(member, ask);
    if (response->assignment != NULL) take_assignment(member, response->assignment);
}

static size_t put_owned(const struct member *member, int32_t partitions[GROUP_PARTITIONS_MAX])
{
    size_t count = 0;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        if (member->places[i].is_owned) partitions[count++] = i;
    }
    return count;
}

static void send(struct member *member, int32_t epoch, bool says_all)
{
    int32_t partitions[GROUP_PARTITIONS_MAX];
    const struct weir_slice topic_name = weir_text(member->group->topic->name);
    struct weir_wire_consumer_group_heartbeat_request_topic_partitions owned = {
        member->group->topic->id, partitions, put_owned(member, partitions)};
    struct weir_wire_consumer_group_heartbeat_request request;
    weir_wire_consumer_group_heartbeat_request_init(&request);
    request.group_id = weir_text(member->group->name);
    request.member_id = weir_text(member->self.id);
    request.member_epoch = epoch;
    request.instance_id = member_instance(member);
    request.rebalance_timeout_ms = says_all ? member->group->rebalance_ms : -1;
    request.subscribed_topic_names = says_all ? &topic_name : NULL;
    request.subscribed_topic_names_count = says_all;
    request.subscribed_topic_regex = weir_null();
    request.server_assignor = says_all && member->slot % 3 == 0 ? weir_text("range") : weir_null();
    if (member->slot % 3 != 0 && says_all) request.server_assignor = weir_text("uniform");
    request.rack_id = weir_null();
    if (says_all || member->has_to_answer) {
        request.topic_partitions = &owned; /* none at all: an empty list */
        request.topic_partitions_count = owned.partitions_count > 0;
    }
    member_say(member, &weir_wire_consumer_group_heartbeat_request_type,
               &weir_wire_consumer_group_heartbeat_response_type, member->join_version, &request,
               answered);
    /* What it has is said once: said again after an answer, it denies what the answer has given. */
    if (request.topic_partitions == NULL) member_say_twice(member, &request);
}

static void make_id(struct member *member)
{
    (void)snprintf(member->self.id, sizeof member->self.id, "slot-%d-life-%d-%llx", member->slot,
                   member->incarnation, (long long)remote_draw(&member->remote, INT64_MAX));
}

static void act(struct member *member)
{
    if (!member->group->topic->has_id) return;
    bool is_time = member->has_to_answer || member->is_full ||
                   group_world_now_ns(member->world) >= member->say_at_ns;
    if (!is_time) return;
    if (member->phase == MEMBER_OUT) {
        if (member->join_version >= ID_OF_ITS_OWN_FROM && member->self.id[0] == '\0')
            make_id(member);
        send(member, 0, true);
    } else {
        send(member, member->self.generation, member->is_full);
    }
}

static void leave(struct member *member, bool for_good)
{
    bool comes_back = member->instance[0] != '\0' && !for_good;
    send(member, comes_back ? LEAVES_FOR_A_WHILE : LEAVES, false);
}

static void forget(struct member *member)
{
    member->is_full = true;
    member->has_to_answer = false;
    member->say_at_ns = 0;
    if (member->self.id[0] != '\0') return;
    member->join_version =
        remote_draw_version(&member->remote, &weir_wire_consumer_group_heartbeat_request_type, 0);
}

const struct member_protocol member_consumer = {.act = act, .leave = leave, .forget = forget};
