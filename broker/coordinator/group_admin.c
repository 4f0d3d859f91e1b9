#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/coordinator/group_owner.h"
#include "broker/coordinator/group_place.h"
#include "broker/coordinator/live_group.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"
#include "wire/generated/offset_commit_key.h"

/*
 * What an administrator asks of one group (all of them: group_list.c). One that has only offsets, and one that is a
 * stream application's, is shown as a classic one: the first Empty, the second Stable and without members, for its jobs
 * are none.
 *
 * A deletion writes a tombstone for what the image has, also what is pending of open transactions: it waits until nothing of the
 * group is on its way any more, so that nothing is left behind, and writes all in one batch; of a group with very
 * many offsets in several, of which the last one takes the group. A crash in between leaves a group with fewer offsets.
 */

enum {
    DELETIONS_MAX = 100000, /* of offsets, in one request; as many as one commit may have */
    PIECE_BYTES = 16 << 20, /* of a group's offsets, in one batch of the 64 MiB that may be */
};

static void send(struct weir_coordinator *coordinator, struct weir_group_request *request,
                 void (*arrive)(struct weir_message *message))
{
    request->next = NULL;
    request->is_parked = false;
    request->is_asked_again = false;
    request->request.before_reply = NULL;
    weir_group_place_send(coordinator, &request->request, request->group, true, arrive);
}

static int no_group(struct weir_slice group, struct weir_error *error)
{
    return weir_error_set(error, WEIR_GROUP_ID_NOT_FOUND,
                          "there is no group '%.*s': no member, no committed offset",
                          WEIR_GROUP_SHOWN(group));
}

static void arrive(struct weir_message *message,
                   void (*stage)(struct weir_partition *partition, struct weir_request *request))
{
    struct weir_group_request *request = (struct weir_group_request *)message;
    struct weir_error *error = &request->request.error;
    int rc = weir_serving_check(&request->request.shard->engine->serving, error);
    if (rc == 0) rc = weir_group_id_check(request->group, error);
    if (rc == 0 && !weir_group_place_was_made(&request->request)) {
        rc = no_group(request->group, error);
    }
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
    } else {
        weir_group_place_enter(&request->request, stage);
    }
}

/* Its live group, of one that is there and is nobody's own. */
static int find(struct weir_offsets_partition *offsets, struct weir_group_request *request,
                struct weir_live_group **group_out)
{
    struct weir_error *error = &request->request.error;
    int rc = weir_live_group_find(offsets, request->group, WEIR_GROUP_UNKNOWN, group_out, error);
    return rc == 0 && *group_out == NULL ? no_group(request->group, error) : rc;
}

/* ---- describe -------------------------------------------------------------------------------- */

static void describe_application(struct weir_describe_group_request *request)
{
    request->type = WEIR_GROUP_CLASSIC;
    request->state = weir_text(WEIR_APPLICATION_GROUP_STATE);
    request->protocol_type = weir_text(WEIR_APPLICATION_PROTOCOL_TYPE);
    request->protocol = weir_text("");
    request->is_application = true;
}

static int describe(struct weir_offsets_partition *offsets,
                    struct weir_describe_group_request *request)
{
    struct weir_live_group *group = NULL;
    int rc = weir_offsets_partition_catch_up(offsets, &request->base.request.error);
    if (rc < 0) return rc;
    if (weir_group_is_owned(offsets, request->base.group)) {
        describe_application(request);
        return 0;
    }
    rc = find(offsets, &request->base, &group);
    if (rc != 0) return rc;
    if (group->type == WEIR_GROUP_CONSUMER) {
        (void)weir_consumer_group_describe(&group->consumer,
                                           request); /* else the arena has failed */
    } else {
        weir_classic_group_describe(&group->classic, request);
    }
    weir_live_group_settle(group);
    if (!weir_arena_failed(request->base.arena)) return 0;
    return weir_error_set(&request->base.request.error, WEIR_NO_MEMORY, "describe a group");
}

static void describe_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    int rc = describe(offsets, (struct weir_describe_group_request *)request);
    if (rc == WEIR_END) {
        weir_group_write_hold(offsets, ((struct weir_group_request *)request)->group, request);
    } else {
        weir_request_reply(request, rc);
    }
}

static void describe_arrives(struct weir_message *message)
{
    arrive(message, describe_stage);
}

void weir_coordinator_describe(struct weir_coordinator *coordinator,
                               struct weir_describe_group_request *request)
{
    weir_assert(request->base.arena != NULL);
    request->members = NULL;
    request->member_count = 0;
    request->group_epoch = request->assignment_epoch = 0;
    request->is_application = false;
    send(coordinator, &request->base, describe_arrives);
}

/* ---- what is deleted ---------------------------------------------------------------------- */

static int write_offset_tombstone(struct weir_group_update *update, struct weir_slice group,
                                  struct weir_slice topic, int32_t partition)
{
    struct weir_offset_commit_key key = {.group = group, .topic = topic, .partition = partition};
    return weir_group_update_write(update, &weir_offset_commit_key_type, &key, NULL, NULL, 0);
}

static void hold(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_slice group = ((struct weir_group_request *)request)->group;
    weir_group_write_hold(weir_offsets_partition_of(partition), group, request);
}

/* The live group, of which nothing is on its way. WEIR_END: not yet. */
static int find_for_deletion(struct weir_partition *partition, struct weir_group_request *request,
                             struct weir_live_group **group_out)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    struct weir_error *error = &request->request.error;
    int rc = weir_serving_check(&partition->shard->engine->serving, error);
    if (rc == 0) rc = weir_offsets_partition_catch_up(offsets, error);
    if (rc < 0) return rc;
    if (weir_group_is_owned(offsets, request->group)) {
        return weir_error_set(error, WEIR_NON_EMPTY_GROUP,
                              "group '%.*s' belongs to a stream application: 'weir app reset' "
                              "moves it, 'weir app release' gives it back",
                              WEIR_GROUP_SHOWN(request->group));
    }
    if (weir_group_write_is_under_way(offsets, request->group)) return WEIR_END;
    return find(offsets, request, group_out);
}

/* ---- delete a group -------------------------------------------------------------------------- */

/* 1: there are more. */
static int write_offset_tombstones(struct weir_offsets_partition *offsets, struct weir_slice name,
                                   struct weir_group_update *update)
{
    const struct weir_committed_group *committed = weir_offsets_image_group(&offsets->image, name);
    const struct weir_committed_offset *offset;
    size_t at = 0;
    size_t bytes = 0;
    int rc = 0;
    while (rc == 0 && committed != NULL &&
           (offset = weir_map_next(&committed->offsets, &at)) != NULL) {
        bytes += weir_committed_offset_key_size(offset);
        if (bytes > PIECE_BYTES && update->record_count > 0) return 1;
        rc = write_offset_tombstone(update, name, offset->topic, offset->partition);
    }
    return rc;
}

static int say_members(struct weir_slice group, struct weir_error *error)
{
    return weir_error_set(error, WEIR_NON_EMPTY_GROUP,
                          "group '%.*s' has members: stop its consumers, and it can be deleted "
                          "when they have left or their sessions have ended",
                          WEIR_GROUP_SHOWN(group));
}

static void delete_group(struct weir_live_group *group, struct weir_group_request *request)
{
    struct weir_error *error = &request->request.error;
    struct weir_group_update update;
    if (weir_live_group_has_members(group)) {
        weir_request_reply(&request->request, say_members(request->group, error));
        return;
    }
    weir_live_group_begin(group, &update);
    int rc = write_offset_tombstones(group->offsets, request->group, &update);
    request->is_asked_again = rc > 0;
    if (rc == 0) rc = weir_live_group_write_tombstones(group, &update, error);
    if (rc < 0) {
        (void)weir_error_set(error, (enum weir_code)rc, "delete a group");
        weir_group_answer(&update, request, rc);
    } else {
        weir_group_answer_durable(&update, request, 0);
    }
    weir_live_group_take(group, &update, rc < 0 ? rc : 0);
}

static void delete_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_live_group *group = NULL;
    int rc = find_for_deletion(partition, (struct weir_group_request *)request, &group);
    if (rc == WEIR_END) {
        hold(partition, request);
    } else if (rc < 0) {
        weir_request_reply(request, rc);
    } else {
        delete_group(group, (struct weir_group_request *)request);
    }
}

static void delete_arrives(struct weir_message *message)
{
    arrive(message, delete_stage);
}

void weir_coordinator_delete(struct weir_coordinator *coordinator,
                             struct weir_delete_group_request *request)
{
    send(coordinator, &request->base, delete_arrives);
}

/* ---- delete offsets -------------------------------------------------------------------------- */

static bool is_partition(struct weir_shard *shard, const struct weir_topic_partition *asked)
{
    const struct weir_topic_image *topic =
        weir_metadata_topic(weir_metadata_view_look(&shard->metadata), asked->topic);
    return topic != NULL && asked->partition >= 0 && asked->partition < topic->partition_count;
}

static bool subscribes(const struct weir_live_group *group,
                       const struct weir_classic_subscription *subscription,
                       struct weir_slice topic)
{
    return group->type == WEIR_GROUP_CONSUMER
               ? weir_consumer_group_subscribes(&group->consumer, topic)
               : weir_classic_subscription_has(subscription, topic);
}

/* Offsets of a topic that is gone can be deleted; those that are not there are, of a topic that is. */
static int delete_offset(struct weir_live_group *group,
                         const struct weir_classic_subscription *subscription,
                         struct weir_offset_deletion *deletion, struct weir_group_update *update)
{
    const struct weir_offsets_partition *offsets = group->offsets;
    const struct weir_topic_partition *asked = &deletion->partition;
    bool is_there =
        weir_offsets_image_find(&offsets->image, group->name, asked->topic, asked->partition) !=
            NULL ||
        weir_offsets_image_is_pending(&offsets->image, group->name, asked->topic, asked->partition);
    deletion->rc = 0;
    if (subscribes(group, subscription, asked->topic)) {
        deletion->rc = WEIR_GROUP_SUBSCRIBED_TO_TOPIC;
    } else if (!is_there && !is_partition(offsets->partition->shard, asked)) {
        deletion->rc = WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (deletion->rc < 0 || !is_there) return 0;
    return write_offset_tombstone(update, group->name, asked->topic, asked->partition);
}

/* Each partition is answered on its own. */
static int write_asked_tombstones(struct weir_live_group *group,
                                  struct weir_delete_offsets_request *request,
                                  struct weir_group_update *update)
{
    struct weir_classic_subscription subscription = {0};
    int rc = 0;
    if (group->type == WEIR_GROUP_CLASSIC) {
        rc = weir_classic_group_check_offset_delete(&group->classic, &request->base.request.error);
        if (rc < 0) return rc;
        weir_classic_subscription_read(&subscription, &group->classic);
    }
    for (size_t i = 0; rc == 0 && i < request->partition_count; i++) {
        rc = delete_offset(group, &subscription, &request->partitions[i], update);
    }
    weir_classic_subscription_close(&subscription);
    return rc;
}

static void delete_offsets(struct weir_live_group *group,
                           struct weir_delete_offsets_request *request)
{
    struct weir_group_update update;
    struct weir_error *error = &request->base.request.error;
    weir_live_group_begin(group, &update);
    int rc = write_asked_tombstones(group, request, &update);
    if (rc < 0) {
        if (error->code == 0) (void)weir_error_set(error, (enum weir_code)rc, "delete offsets");
        weir_live_group_settle(group);
        weir_request_reply(&request->base.request, rc);
        return;
    }
    weir_group_answer_durable(&update, &request->base, 0);
    weir_live_group_take(group, &update, 0);
}

static void delete_offsets_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_live_group *group = NULL;
    int rc = find_for_deletion(partition, (struct weir_group_request *)request, &group);
    if (rc == WEIR_END) {
        hold(partition, request);
    } else if (rc < 0) {
        weir_request_reply(request, rc);
    } else {
        delete_offsets(group, (struct weir_delete_offsets_request *)request);
    }
}

static void delete_offsets_arrives(struct weir_message *message)
{
    struct weir_delete_offsets_request *request = (struct weir_delete_offsets_request *)message;
    if (request->partition_count <= DELETIONS_MAX) {
        arrive(message, delete_offsets_stage);
        return;
    }
    int rc = weir_error_set(&request->base.request.error, WEIR_INVALID_ARGUMENT,
                            "%zu offsets in a deletion; %d at most are allowed",
                            request->partition_count, DELETIONS_MAX);
    weir_request_reply(&request->base.request, rc);
}

void weir_coordinator_delete_offsets(struct weir_coordinator *coordinator,
                                     struct weir_delete_offsets_request *request)
{
    send(coordinator, &request->base, delete_offsets_arrives);
}
