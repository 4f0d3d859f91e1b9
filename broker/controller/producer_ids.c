#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

/* Who asks for a producer id, and the record that takes a block of them (producer_id_block.h). */

struct ids_change {
    struct weir_metadata_change change; /* first */
    struct weir_init_producer_request *request;
    bool takes; /* a block */
};

static bool give(struct weir_controller *controller, struct weir_init_producer_request *request)
{
    if (!weir_producer_id_give(&controller->producer_ids, &request->producer_id)) return false;
    request->producer_epoch = 0;
    weir_request_reply(&request->request, 0);
    return true;
}

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    struct weir_metadata_record record = {.type = WEIR_METADATA_PRODUCER_IDS};
    int rc = weir_producer_id_plan(
        &controller->producer_ids, controller->metadata.image.next_producer_id,
        weir_wall_now(controller->engine->env), &record.producer_ids.next_producer_id, error);
    if (rc != 0) return rc;
    ((struct ids_change *)change)->takes = true;
    return weir_controller_add(controller, &record);
}

static void done(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                 const struct weir_error *error)
{
    struct weir_init_producer_request *request = ((struct ids_change *)change)->request;
    bool takes = ((struct ids_change *)change)->takes;
    weir_free(change);
    if (rc < 0) {
        request->request.error = *error;
        weir_request_reply(&request->request, rc);
        return;
    }
    if (takes) {
        weir_producer_id_take(&controller->producer_ids,
                              controller->metadata.image.next_producer_id);
    }
    bool is_given = give(controller, request);
    weir_assert(is_given); /* nobody was in between */
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
    change->change.done = done;
    change->request = request;
    weir_controller_submit(weir_controller_of(engine), &change->change);
}

void weir_controller_init_producer(struct weir_controller *controller,
                                   struct weir_init_producer_request *request)
{
    weir_request_send_controller(controller->engine, &request->request, arrive);
}
