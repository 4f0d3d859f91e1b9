#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

/*
 * Producer ids come from blocks. A block is taken by a record that says where the next one begins,
 * durable before its first id is given out: after a crash the rest of the block is lost, and no id
 * is ever given twice.
 */
enum { BLOCK_SIZE = 1000 };

struct ids_change {
    struct weir_metadata_change change; /* first */
    struct weir_init_producer_request *request;
};

static bool give(struct weir_controller *controller, struct weir_init_producer_request *request)
{
    if (controller->producer_id_next >= controller->producer_id_end) return false;
    request->producer_id = controller->producer_id_next++;
    request->producer_epoch = 0;
    weir_request_reply(&request->request, 0);
    return true;
}

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    (void)change;
    if (controller->producer_id_next < controller->producer_id_end) return WEIR_END;
    if (controller->image.next_producer_id > INT64_MAX - BLOCK_SIZE) {
        return weir_error_set(error, WEIR_LIMIT, "all producer ids have been given out");
    }
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_PRODUCER_IDS,
        .producer_ids.next_producer_id = controller->image.next_producer_id + BLOCK_SIZE,
    };
    return weir_controller_add(controller, &record);
}

static void taken(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                  const struct weir_error *error)
{
    struct weir_init_producer_request *request = ((struct ids_change *)change)->request;
    weir_free(change);
    if (rc < 0) {
        request->request.error = *error;
        weir_request_reply(&request->request, rc);
        return;
    }
    if (controller->producer_id_next >= controller->producer_id_end) {
        controller->producer_id_end = controller->image.next_producer_id;
        controller->producer_id_next = controller->producer_id_end - BLOCK_SIZE;
    }
    (void)give(controller, request); /* there is at least one */
}

static void arrive(struct weir_message *message)
{
    struct weir_init_producer_request *request = (struct weir_init_producer_request *)message;
    struct weir_engine *engine = request->request.shard->engine;
    int rc = weir_serving_check(&engine->serving, &request->request.error);
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
        return;
    }
    if (give(weir_controller_of(engine), request)) return;
    struct ids_change *change = weir_alloc_zero(&engine->budget, sizeof *change);
    if (change == NULL) {
        weir_request_refuse(&request->request, WEIR_NO_MEMORY, "take a block of producer ids");
        return;
    }
    change->change.build = build;
    change->change.done = taken;
    change->request = request;
    weir_controller_submit(weir_controller_of(engine), &change->change);
}

void weir_controller_init_producer(struct weir_controller *controller,
                                   struct weir_init_producer_request *request)
{
    weir_request_send_controller(controller->engine, &request->request, arrive);
}
