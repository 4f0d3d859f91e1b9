#include "broker/engine/route.h"

#include "base/assert.h"
#include "broker/engine/partition_life.h"

/* On the shard's thread. */
static void arrive(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    weir_partition_enter(request->shard, request);
}

void weir_request_enter(struct weir_request *request, struct weir_topic_partition to,
                        void (*stage)(struct weir_partition *partition,
                                      struct weir_request *request))
{
    struct weir_shard *shard = request->shard;
    weir_assert(stage != NULL);
    weir_assert_slow(shard == weir_engine_shard(shard->engine, to.topic, to.partition));
    request->topic = to.topic;
    request->partition = to.partition;
    request->stage = stage;
    request->unmade = NULL;
    request->may_gather = false;
    weir_partition_enter(shard, request);
}

static void post(struct weir_engine *engine, struct weir_request *request,
                 struct weir_topic_partition to)
{
    weir_assert(request->stage != NULL);
    request->topic = to.topic;
    request->partition = to.partition;
    request->shard = weir_engine_shard(engine, to.topic, to.partition);
    request->message.handle = arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

void weir_request_forward(struct weir_engine *engine, struct weir_request *request,
                          struct weir_topic_partition to,
                          void (*stage)(struct weir_partition *partition,
                                        struct weir_request *request))
{
    request->stage = stage;
    request->unmade = NULL;
    post(engine, request, to);
}

void weir_request_send(struct weir_engine *engine, struct weir_request *request,
                       struct weir_topic_partition to,
                       void (*stage)(struct weir_partition *partition,
                                     struct weir_request *request))
{
    weir_request_set_out(engine, request);
    weir_request_forward(engine, request, to, stage);
}

void weir_request_send_to_look(
    struct weir_engine *engine, struct weir_request *request, struct weir_topic_partition to,
    void (*stage)(struct weir_partition *partition, struct weir_request *request),
    void (*unmade)(struct weir_partition *partition, struct weir_request *request))
{
    weir_request_set_out(engine, request);
    request->stage = stage;
    request->unmade = unmade;
    post(engine, request, to);
}
