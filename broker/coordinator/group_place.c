#include "broker/coordinator/group_place.h"

#include "base/error.h"
#include "broker/coordinator/group_hash.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"
#include "broker/engine/state_machine.h"

/* ---- the way --------------------------------------------------------------------------------- */

int weir_group_id_check(struct weir_slice group, struct weir_error *error)
{
    if (group.data != NULL && group.size > 0 && group.size <= INT16_MAX) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "a group id of %zu bytes; 1 to %d are allowed", group.size, INT16_MAX);
}

static void send(struct weir_coordinator *coordinator, struct weir_request *request)
{
    struct weir_engine *engine = coordinator->engine;
    struct weir_slice topic = weir_text(WEIR_CONSUMER_OFFSETS_TOPIC);
    int32_t count = atomic_load(&coordinator->settle.partition_count);
    bool has_group = !weir_slice_is_null(request->topic);
    if (has_group) request->partition = weir_group_partition(request->topic, count);
    request->topic = topic;
    request->shard = weir_engine_shard(engine, topic, request->partition);
    request->message.handle = request->arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

/* ---- groups are not where they belong yet ---------------------------------------------------- */

static struct weir_coordinator *coordinator_of(const struct weir_request *request)
{
    const struct weir_engine *engine = request->shard->engine;
    const struct weir_state_machine *machine =
        weir_state_machines_find(&engine->state_machines, weir_text(WEIR_CONSUMER_OFFSETS_TOPIC));
    return machine->impl;
}

/* Its message comes here again when groups are where they belong. */
static void wait_settled(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    struct weir_coordinator *coordinator = coordinator_of(request);
    if (weir_group_settle_wait(&coordinator->settle, request)) send(coordinator, request);
}

static void ask_later(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    weir_group_settle_refuse(&coordinator_of(request)->settle, request);
}

/* ---- the doors -------------------------------------------------------------------------------- */

/* What waits is known by group (in `topic`) or by partition until it is sent on. */
static void set_out(struct weir_coordinator *coordinator, struct weir_request *request,
                    bool may_wait, void (*arrive)(struct weir_message *message))
{
    struct weir_engine *engine = coordinator->engine;
    weir_request_set_out(engine, request);
    request->arrive = arrive;
    if (weir_group_settle_is_done(&coordinator->settle)) {
        send(coordinator, request);
        return;
    }
    request->shard = &engine->shards[0];
    request->message.handle = may_wait ? wait_settled : ask_later;
    weir_actor_post(request->shard->actor, &request->message);
}

void weir_group_place_send(struct weir_coordinator *coordinator, struct weir_request *request,
                           struct weir_slice group, bool may_wait,
                           void (*arrive)(struct weir_message *message))
{
    request->topic = weir_slice_is_null(group) ? weir_text("") : group;
    set_out(coordinator, request, may_wait, arrive);
}

void weir_group_place_send_to(struct weir_coordinator *coordinator, struct weir_request *request,
                              int32_t partition, void (*arrive)(struct weir_message *message))
{
    request->topic = weir_null();
    request->partition = partition;
    set_out(coordinator, request, true, arrive);
}

bool weir_group_place_was_made(const struct weir_request *request)
{
    return weir_partition_was_made(request->shard, request->topic, request->partition);
}

void weir_group_place_enter(struct weir_request *request,
                            void (*stage)(struct weir_partition *partition,
                                          struct weir_request *request))
{
    struct weir_topic_partition place = {.topic = request->topic, .partition = request->partition};
    weir_request_enter(request, place, stage);
}
