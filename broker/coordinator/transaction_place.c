#include "broker/coordinator/transaction_place.h"

#include "base/error.h"
#include "broker/coordinator/group_hash.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

void weir_transaction_place_send(struct weir_transaction_coordinator *coordinator,
                                 struct weir_transaction_request *asked,
                                 void (*arrive)(struct weir_message *message))
{
    struct weir_engine *engine = coordinator->engine;
    struct weir_request *request = &asked->request;
    weir_request_set_out(engine, request);
    asked->next = NULL;
    request->topic = weir_text(WEIR_TRANSACTION_STATE_TOPIC);
    request->partition =
        weir_group_partition(asked->transactional_id, coordinator->partition_count);
    request->shard = weir_engine_shard(engine, request->topic, request->partition);
    request->message.handle = arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

int weir_transaction_place_check(const struct weir_transaction_request *request,
                                 struct weir_error *error)
{
    struct weir_slice id = request->transactional_id;
    int rc = weir_serving_check(&request->request.shard->engine->serving, error);
    if (rc < 0) return rc;
    if (id.data != NULL && id.size > 0 && id.size <= INT16_MAX) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "a transactional id of %zu bytes; 1 to %d are allowed", id.size,
                          INT16_MAX);
}

void weir_transaction_place_enter(struct weir_request *request,
                                  void (*stage)(struct weir_partition *partition,
                                                struct weir_request *request))
{
    struct weir_topic_partition place = {.topic = request->topic, .partition = request->partition};
    weir_request_enter(request, place, stage);
}

void weir_transaction_place_enter_known(struct weir_transaction_request *request,
                                        void (*stage)(struct weir_partition *partition,
                                                      struct weir_request *request),
                                        int (*no_id)(struct weir_slice id,
                                                     struct weir_error *error))
{
    struct weir_error *error = &request->request.error;
    int rc = weir_transaction_place_check(request, error);
    if (rc == 0 && !weir_group_place_was_made(&request->request)) {
        rc = no_id(request->transactional_id, error);
    }
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
    } else {
        weir_transaction_place_enter(&request->request, stage);
    }
}

int weir_transaction_id_shown(struct weir_slice id)
{
    enum { SHOWN_MAX = 200 };
    return id.size < SHOWN_MAX ? (int)id.size : SHOWN_MAX;
}
