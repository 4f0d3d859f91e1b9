#include "broker/engine/request.h"

#include "base/assert.h"
#include "base/error.h"

void weir_request_set_out(struct weir_engine *engine, struct weir_request *request)
{
    weir_serving_hold(&engine->serving);
    request->rc = 0;
    request->error = (struct weir_error){0};
    request->may_create = false;
    request->may_gather = false;
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
    weir_assert(rc <= 0);
    weir_assert(request->done != NULL);
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
