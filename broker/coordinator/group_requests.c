#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group/consumer_request.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/coordinator/group_owner.h"
#include "broker/coordinator/group_place.h"
#include "broker/coordinator/live_step.h"
#include "broker/engine/cancel.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"

/*
 * What members say: to the shard of the group's partition, there as an event to the live group.
 *
 *     door ──> shard: may it come in? ──> partition open ──> stage: whose is it, is it live? ──> step
 *                                                              └─ its last writes are under way: held
 *
 * The first join of all has `__consumer_offsets` made, as the first commit has. Whoever names a group or a member that
 * is not there costs no memory.
 */
static bool holds_answer(struct weir_request *request)
{
    return weir_cancel_holds_answer(&((struct weir_group_request *)request)->cancel_state);
}

static void send(struct weir_coordinator *coordinator, struct weir_group_request *request,
                 void (*arrive)(struct weir_message *message))
{
    request->next = NULL;
    request->is_parked = false;
    request->is_cancelled = false;
    request->is_asked_again = false;
    request->request.before_reply = holds_answer;
    atomic_store(&request->cancel_state, WEIR_CANCEL_LIVE);
    weir_group_place_send(coordinator, &request->request, request->group, false, arrive);
}

/* On the shard. False: it has been answered. */
static bool comes_in(struct weir_group_request *request)
{
    struct weir_engine *engine = request->request.shard->engine;
    int rc = weir_serving_check(&engine->serving, &request->request.error);
    if (rc == 0) rc = weir_group_id_check(request->group, &request->request.error);
    if (rc < 0) weir_request_reply(&request->request, rc);
    return rc == 0;
}

static int unknown_member(struct weir_slice group, struct weir_error *error)
{
    return weir_error_set(error, WEIR_UNKNOWN_MEMBER_ID,
                          "group '%.*s' has no such member: it left, or was silent for longer than "
                          "its session.timeout.ms; join again",
                          WEIR_GROUP_SHOWN(group));
}

static int no_group(struct weir_slice group, struct weir_error *error)
{
    return weir_error_set(error, WEIR_GROUP_ID_NOT_FOUND,
                          "there is no group '%.*s': a member joins it with epoch 0",
                          WEIR_GROUP_SHOWN(group));
}

static void consumer_stage(struct weir_partition *partition, struct weir_request *request);

/* The live group of a request. NULL: it has been answered, or is held. */
static struct weir_live_group *find(struct weir_partition *partition,
                                    struct weir_group_request *request, enum weir_group_type create)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    struct weir_error *error = &request->request.error;
    struct weir_live_group *group = NULL;
    int rc = weir_serving_check(&partition->shard->engine->serving, error);
    if (rc == 0 && request->is_cancelled) {
        rc = weir_error_set(error, WEIR_CLOSED, "the request was cancelled");
    }
    if (rc == 0) rc = weir_offsets_partition_catch_up(offsets, error);
    if (rc == 0) rc = weir_group_owner_check(offsets, request->group, error);
    if (rc == 0) rc = weir_live_group_find(offsets, request->group, create, &group, error);
    if (rc == WEIR_END) {
        weir_group_write_hold(offsets, request->group, &request->request);
        return NULL;
    }
    if (rc == 0 && group == NULL) {
        bool is_classic = request->request.stage != consumer_stage;
        rc = is_classic ? unknown_member(request->group, error) : no_group(request->group, error);
    }
    if (rc < 0) weir_request_reply(&request->request, rc);
    return group;
}

/* A group of the other type, which has to give way: one that nobody is in is deleted, but for its offsets and what it has
 * counted, and the request is asked again when that is durable. Where it cannot be written the request hears why. */
static void replace(struct weir_live_group *group, struct weir_group_request *request)
{
    struct weir_group_update update;
    struct weir_error *error = &request->request.error;
    weir_assert(!weir_live_group_has_members(group));
    weir_live_group_begin(group, &update);
    request->is_asked_again = true;
    weir_group_answer_durable(&update, request, 0);
    int rc = weir_live_group_write_tombstones(group, &update, error);
    if (rc == 0) rc = weir_live_group_write_successor(group, &update);
    weir_live_group_take(group, &update, rc);
}

/* ---- join ------------------------------------------------------------------------------------ */

/* Who is not a member yet costs memory: `size` bytes and more. */
static int check_room(const struct weir_coordinator *coordinator, size_t size,
                      struct weir_error *error)
{
    size_t used = atomic_load(&coordinator->budget.used);
    int64_t max = coordinator->settings.all_bytes_max;
    if (used <= (size_t)max && size <= (size_t)max - used) return 0;
    return weir_error_set(error, WEIR_LIMIT,
                          "all groups together take %zu of the %lld bytes that they may "
                          "(groups.max.bytes): no new member is let in",
                          used, (long long)max);
}

static size_t size_of_join(const struct weir_join_group_request *join)
{
    size_t size = 0;
    for (size_t i = 0; i < join->protocol_count; i++) {
        size += join->protocols[i].name.size + join->protocols[i].metadata.size;
    }
    return size;
}

static size_t size_of_heartbeat(const struct weir_consumer_heartbeat_request *heartbeat)
{
    size_t size = heartbeat->topic_regex.size;
    for (size_t i = 0; i < heartbeat->topic_name_count; i++) {
        size += heartbeat->topic_names[i].size;
    }
    return size;
}

/* Its members may speak either protocol while it goes from the one to the other. */
static void join_consumer_group(struct weir_live_group *group, struct weir_join_group_request *join)
{
    if (weir_live_group_is_idle(group)) {
        replace(group, &join->base);
        return;
    }
    struct weir_consumer_event event = {.type = WEIR_CONSUMER_CLASSIC_JOIN, .join = join};
    weir_live_group_consumer_step(group, &event, &join->base);
}

static void join_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_join_group_request *join = (struct weir_join_group_request *)request;
    bool is_newcomer = join->member.member_id.size == 0;
    const struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    int rc =
        is_newcomer ? check_room(offsets->coordinator, size_of_join(join), &request->error) : 0;
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    struct weir_live_group *group =
        find(partition, &join->base, is_newcomer ? WEIR_GROUP_CLASSIC : WEIR_GROUP_UNKNOWN);
    if (group == NULL) return;
    if (group->type != WEIR_GROUP_CLASSIC) {
        join_consumer_group(group, join);
        return;
    }
    struct weir_classic_event event = {.type = WEIR_CLASSIC_JOIN, .join = join};
    weir_live_group_step(group, &event);
}

/* These are of members that are there: without the topic there is none. */
static void member_arrives(struct weir_group_request *request,
                           void (*stage)(struct weir_partition *partition,
                                         struct weir_request *request))
{
    struct weir_shard *shard = request->request.shard;
    const struct weir_metadata_image *image = weir_metadata_view_look(&shard->metadata);
    if (!comes_in(request)) return;
    if (weir_metadata_topic(image, request->request.topic) == NULL) {
        weir_request_reply(&request->request,
                           unknown_member(request->group, &request->request.error));
        return;
    }
    weir_group_place_enter(&request->request, stage);
}

static void join_arrives(struct weir_message *message)
{
    struct weir_join_group_request *join = (struct weir_join_group_request *)message;
    if (join->member.member_id.size > 0) {
        member_arrives(&join->base, join_stage);
        return;
    }
    if (!comes_in(&join->base)) return;
    join->base.request.may_create = true;
    weir_group_place_enter(&join->base.request, join_stage);
}

void weir_coordinator_join(struct weir_coordinator *coordinator,
                           struct weir_join_group_request *request)
{
    send(coordinator, &request->base, join_arrives);
}

/* ---- sync, heartbeat, leave ------------------------------------------------------------------ */

static void sync_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_sync_group_request *sync = (struct weir_sync_group_request *)request;
    struct weir_live_group *group = find(partition, &sync->base, WEIR_GROUP_UNKNOWN);
    if (group == NULL) return;
    if (group->type == WEIR_GROUP_CONSUMER) {
        struct weir_consumer_event event = {.type = WEIR_CONSUMER_CLASSIC_SYNC, .sync = sync};
        weir_live_group_consumer_step(group, &event, &sync->base);
    } else {
        struct weir_classic_event event = {.type = WEIR_CLASSIC_SYNC, .sync = sync};
        weir_live_group_step(group, &event);
    }
}

static void sync_arrives(struct weir_message *message)
{
    member_arrives((struct weir_group_request *)message, sync_stage);
}

void weir_coordinator_sync(struct weir_coordinator *coordinator,
                           struct weir_sync_group_request *request)
{
    send(coordinator, &request->base, sync_arrives);
}

static void heartbeat_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_group_heartbeat_request *heartbeat = (struct weir_group_heartbeat_request *)request;
    struct weir_live_group *group = find(partition, &heartbeat->base, WEIR_GROUP_UNKNOWN);
    if (group == NULL) return;
    if (group->type == WEIR_GROUP_CONSUMER) {
        struct weir_consumer_event event = {.type = WEIR_CONSUMER_CLASSIC_HEARTBEAT,
                                            .classic_heartbeat = heartbeat};
        weir_live_group_consumer_step(group, &event, &heartbeat->base);
    } else {
        struct weir_classic_event event = {.type = WEIR_CLASSIC_HEARTBEAT, .heartbeat = heartbeat};
        weir_live_group_step(group, &event);
    }
}

static void heartbeat_arrives(struct weir_message *message)
{
    member_arrives((struct weir_group_request *)message, heartbeat_stage);
}

void weir_coordinator_heartbeat(struct weir_coordinator *coordinator,
                                struct weir_group_heartbeat_request *request)
{
    send(coordinator, &request->base, heartbeat_arrives);
}

/* Static members of a consumer group are removed the same way. */
static void leave_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_leave_group_request *leave = (struct weir_leave_group_request *)request;
    struct weir_live_group *group = find(partition, &leave->base, WEIR_GROUP_UNKNOWN);
    if (group == NULL) return;
    if (group->type == WEIR_GROUP_CONSUMER) {
        struct weir_consumer_event event = {.type = WEIR_CONSUMER_LEAVE, .leave = leave};
        weir_live_group_consumer_step(group, &event, &leave->base);
    } else {
        struct weir_classic_event event = {.type = WEIR_CLASSIC_LEAVE, .leave = leave};
        weir_live_group_step(group, &event);
    }
}

static void leave_arrives(struct weir_message *message)
{
    member_arrives((struct weir_group_request *)message, leave_stage);
}

void weir_coordinator_leave(struct weir_coordinator *coordinator,
                            struct weir_leave_group_request *request)
{
    send(coordinator, &request->base, leave_arrives);
}

/* ---- consumer groups -------------------------------------------------------------------------- */

static bool joins(const struct weir_consumer_heartbeat_request *heartbeat)
{
    return heartbeat->member_epoch == 0;
}

/* A classic group goes over to the consumer protocol, with its members or without. */
static void take_over(struct weir_live_group *group,
                      struct weir_consumer_heartbeat_request *heartbeat)
{
    if (weir_live_group_has_members(group)) {
        weir_live_group_upgrade(group, heartbeat);
    } else {
        replace(group, &heartbeat->base);
    }
}

static void consumer_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_consumer_heartbeat_request *heartbeat =
        (struct weir_consumer_heartbeat_request *)request;
    const struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    bool is_newcomer = joins(heartbeat);
    int rc = is_newcomer
                 ? check_room(offsets->coordinator, size_of_heartbeat(heartbeat), &request->error)
                 : 0;
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    struct weir_live_group *group =
        find(partition, &heartbeat->base, is_newcomer ? WEIR_GROUP_CONSUMER : WEIR_GROUP_UNKNOWN);
    if (group == NULL) return;
    if (group->type == WEIR_GROUP_CONSUMER) {
        struct weir_consumer_event event = {.type = WEIR_CONSUMER_HEARTBEAT,
                                            .heartbeat = heartbeat};
        weir_live_group_consumer_step(group, &event, &heartbeat->base);
    } else if (is_newcomer) {
        take_over(group, heartbeat);
    } else {
        weir_live_group_settle(group);
        weir_request_reply(request, no_group(heartbeat->base.group, &request->error));
    }
}

static void consumer_arrives(struct weir_message *message)
{
    struct weir_consumer_heartbeat_request *heartbeat =
        (struct weir_consumer_heartbeat_request *)message;
    struct weir_request *request = &heartbeat->base.request;
    const struct weir_metadata_image *image = weir_metadata_view_look(&request->shard->metadata);
    if (!comes_in(&heartbeat->base)) return;
    /* What is ill-formed is told so whether the group is there or not. */
    int rc = weir_consumer_request_check(heartbeat);
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    request->may_create = joins(heartbeat);
    if (!request->may_create && weir_metadata_topic(image, request->topic) == NULL) {
        weir_request_reply(request, no_group(heartbeat->base.group, &request->error));
        return;
    }
    weir_group_place_enter(request, consumer_stage);
}

void weir_coordinator_consumer_heartbeat(struct weir_coordinator *coordinator,
                                         struct weir_consumer_heartbeat_request *request)
{
    send(coordinator, &request->base, consumer_arrives);
}

/* ---- cancel ---------------------------------------------------------------------------------- */

static void cancel_parked(struct weir_group_request *request)
{
    struct weir_partition *partition =
        weir_shard_find(request->request.shard, request->request.topic, request->request.partition);
    weir_assert(partition != NULL); /* it has the request */
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    struct weir_live_group *group = weir_map_get(&offsets->live, request->group);
    weir_assert(group != NULL && !group->is_over);
    struct weir_classic_event event = {.type = WEIR_CLASSIC_CANCEL, .cancel = request};
    weir_live_group_step(group, &event);
}

/* On the shard. Three places it can be in: parked, on its way (in line for the partition, for the disk or held), or
 * answered and held back for this message. */
static void cancelled(struct weir_message *message)
{
    struct weir_group_request *request =
        (struct weir_group_request *)((char *)message -
                                      offsetof(struct weir_group_request, cancel));
    struct weir_engine *engine = request->request.shard->engine;
    if (weir_cancel_arrives(&request->cancel_state)) {
        request->request.before_reply = NULL;
        weir_request_reply(&request->request, request->request.rc);
    } else if (request->is_parked) {
        cancel_parked(request);
    } else {
        request->is_cancelled = true;
    }
    weir_serving_release(&engine->serving);
}

void weir_coordinator_cancel(struct weir_coordinator *coordinator,
                             struct weir_group_request *request)
{
    struct weir_engine *engine = coordinator->engine;
    if (!weir_cancel_begin(&request->cancel_state)) return;
    request->cancel.handle = cancelled;
    weir_serving_hold(&engine->serving);
    weir_actor_post(request->request.shard->actor, &request->cancel);
}
