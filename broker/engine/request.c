#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/broker_internal.h"

void weir_broker_hold(struct weir_broker *broker)
{
    atomic_fetch_add_explicit(&broker->in_flight, 1, memory_order_relaxed);
}

bool weir_broker_try_hold(struct weir_broker *broker)
{
    if (!atomic_load(&broker->is_closing)) {
        weir_broker_hold(broker);
        return true;
    }
    int64_t count = atomic_load(&broker->in_flight);
    while (count > 0) {
        if (atomic_compare_exchange_weak(&broker->in_flight, &count, count + 1)) return true;
    }
    return false;
}

void weir_broker_release(struct weir_broker *broker)
{
    struct weir_env *env = broker->env; /* a close may free the broker once the count is down */
    bool is_closing = atomic_load(&broker->is_closing);
    int64_t before = atomic_fetch_sub(&broker->in_flight, 1);
    weir_assert(before > 0);
    if (before == 1 && is_closing) weir_signal(env);
}

int weir_broker_check_serving(struct weir_broker *broker, struct weir_error *error)
{
    if (atomic_load_explicit(&broker->is_closing, memory_order_relaxed)) {
        return weir_error_set(error, WEIR_CLOSED, "the log is being closed");
    }
    if (atomic_load_explicit(&broker->is_offline, memory_order_relaxed)) {
        return weir_error_set(error, WEIR_OFFLINE,
                              "'%s' is offline after a failed write or sync; close it, and open it "
                              "again when the disk is in order",
                              broker->directory.path.text);
    }
    return 0;
}

/* On the shard's thread. */
static void arrive(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    weir_partition_enter(request->shard, request);
}

void weir_request_forward(struct weir_broker *broker, struct weir_request *request,
                          struct weir_topic_partition to,
                          void (*stage)(struct weir_partition *partition,
                                        struct weir_request *request))
{
    request->topic = to.topic;
    request->partition = to.partition;
    request->stage = stage;
    request->shard = weir_broker_shard(broker, to.topic, to.partition);
    request->message.handle = arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

void weir_request_set_out(struct weir_broker *broker, struct weir_request *request)
{
    weir_broker_hold(broker);
    request->rc = 0;
    request->error = (struct weir_error){0};
    request->may_create = false;
}

void weir_request_send(struct weir_broker *broker, struct weir_request *request,
                       struct weir_topic_partition to,
                       void (*stage)(struct weir_partition *partition,
                                     struct weir_request *request))
{
    weir_request_set_out(broker, request);
    weir_request_forward(broker, request, to, stage);
}

void weir_request_send_controller(struct weir_broker *broker, struct weir_request *request,
                                  void (*handle)(struct weir_message *message))
{
    weir_request_set_out(broker, request);
    request->shard = &broker->shards[0];
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
    struct weir_broker *broker = request->shard->broker;
    request->rc = rc;
    if (request->before_reply != NULL && request->before_reply(request)) return;
    if (request->reply_to != NULL) {
        request->message.handle = deliver;
        weir_actor_post(request->reply_to, &request->message);
    } else {
        request->done(request);
    }
    weir_broker_release(broker);
}

void weir_request_refuse(struct weir_request *request, int rc, const char *text)
{
    (void)weir_error_set(&request->error, (enum weir_code)rc, "%s", text);
    weir_request_reply(request, rc);
}
