#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"

/*
 * A topic that is made because somebody writes to it, be it records or committed offsets. Several
 * partitions may ask for the same one at the same time: the first makes it, the others find it there.
 */
struct auto_create {
    struct weir_metadata_change change; /* first */
    struct weir_auto_create *asked;
};

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    const struct weir_auto_create *asked = ((const struct auto_create *)change)->asked;
    return weir_controller_build_written(controller, asked->partition->topic, error);
}

static void done(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                 const struct weir_error *error)
{
    struct weir_auto_create *asked = ((struct auto_create *)change)->asked;
    (void)controller;
    asked->rc = rc;
    if (rc < 0) asked->error = *error;
    weir_free(change);
    weir_auto_create_answer(asked);
}

static void arrive(struct weir_message *message)
{
    struct weir_auto_create *asked = (struct weir_auto_create *)message;
    struct weir_engine *engine = asked->partition->shard->engine;
    struct auto_create *create = weir_alloc_zero(&engine->budget, sizeof *create);
    if (create == NULL) {
        asked->rc = weir_error_set(&asked->error, WEIR_NO_MEMORY, "create a topic");
        weir_auto_create_answer(asked);
        return;
    }
    create->change.build = build;
    create->change.done = done;
    create->asked = asked;
    weir_controller_submit(weir_controller_of(engine), &create->change);
}

void weir_controller_ask_create(struct weir_controller *controller, struct weir_auto_create *asked)
{
    weir_assert(asked->partition != NULL);
    asked->message.handle = arrive;
    weir_actor_post(controller->engine->shards[0].actor, &asked->message);
}
