#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"

/* On the shard's thread. */
static void arrive(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    weir_partition_enter(request->shard, request);
}

void weir_request_forward(struct weir_engine *engine, struct weir_request *request,
                          struct weir_topic_partition to,
                          void (*stage)(struct weir_partition *partition,
                                        struct weir_request *request))
{
    request->topic = to.topic;
    request->partition = to.partition;
    request->stage = stage;
    request->shard = weir_engine_shard(engine, to.topic, to.partition);
    request->message.handle = arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

void weir_request_set_out(struct weir_engine *engine, struct weir_request *request)
{
    weir_serving_hold(&engine->serving);
    request->rc = 0;
    request->error = (struct weir_error){0};
    request->may_create = false;
}

void weir_request_send(struct weir_engine *engine, struct weir_request *request,
                       struct weir_topic_partition to,
                       void (*stage)(struct weir_partition *partition,
                                     struct weir_request *request))
{
    weir_request_set_out(engine, request);
    weir_request_forward(engine, request, to, stage);
}

void weir_request_send_controller(struct weir_engine *engine, struct weir_request *request,
                                  void (*handle)(struct weir_message *message))
{
    weir_request_set_out(engine, request);
    request->shard = &engine->shards[0];
    request->message.handle = handle;
    weir_actor_post(request->shard->actor, &request->message);
}

static void deliver(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    request->done(request);
}

void weir_request_reply(struct weir_request *request, int rc)
{
    struct weir_engine *engine = request->shard->engine;
    request->rc = rc;
    if (request->before_reply != NULL && request->before_reply(request)) return;
    if (request->reply_to != NULL) {
        request->message.handle = deliver;
        weir_actor_post(request->reply_to, &request->message);
    } else {
        request->done(request);
    }
    weir_serving_release(&engine->serving);
}

void weir_request_refuse(struct weir_request *request, int rc, const char *text)
{
    (void)weir_error_set(&request->error, (enum weir_code)rc, "%s", text);
    weir_request_reply(request, rc);
}
