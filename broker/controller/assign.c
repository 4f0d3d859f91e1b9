#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"

/*
 * Which partitions exist. A partition's folder is made when it is first used, long after its topic;
 * so that a folder which is gone later is not taken for one that never was, the metadata says of
 * each that it has been made, and in which log directory (KIP-858's field). The order:
 *
 *     folder, first segment, mark: durable ──> PartitionChange(directory): durable ──> served
 *
 * A crash between the first two leaves a folder that nobody relies on, and the next use goes on
 * with it. After the third the folder has to be there.
 *
 * How many share a batch assign_step.h says.
 */

static int add_record(struct weir_controller *controller, struct weir_assign *assign)
{
    const struct weir_partition *partition = assign->partition;
    const struct weir_topic_image *topic =
        weir_metadata_topic_by_id(&controller->metadata.image, partition->topic_id);
    if (topic == NULL) {
        return weir_error_set(&assign->error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "the topic has been deleted");
    }
    weir_assert(partition->number < topic->partition_count);
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_PARTITION_CHANGE,
        .partition_change = {.topic_id = partition->topic_id,
                             .partition = partition->number,
                             .leader = WEIR_NO_LEADER_CHANGE,
                             .directory_id = controller->engine->directory.properties.directory_id},
    };
    return weir_controller_add(controller, &record);
}

static struct weir_assign *take_first(struct weir_assign_queue *queue)
{
    struct weir_assign *assign = queue->first;
    queue->first = assign->next;
    if (queue->first == NULL) queue->last = NULL;
    assign->next = NULL;
    return assign;
}

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    struct weir_assign_queue *queue = (struct weir_assign_queue *)change;
    struct weir_assign_event taken = {.type = WEIR_ASSIGN_TAKEN};
    struct weir_assign_update update;
    int rc = WEIR_END; /* not one of a topic that is there */
    struct weir_assign **link = &queue->current;
    (void)error;
    weir_assert(queue->current == NULL && queue->first != NULL);
    while (queue->first != NULL && rc != WEIR_NO_MEMORY) { /* those that are left are next */
        struct weir_assign *assign = take_first(queue);
        *link = assign;
        link = &assign->next;
        assign->rc = add_record(controller, assign);
        if (assign->rc == 0 || assign->rc == WEIR_NO_MEMORY) rc = assign->rc;
        taken.count++;
    }
    weir_assign_step(&queue->state, &taken, &update);
    return rc;
}

static void done(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                 const struct weir_error *error)
{
    struct weir_assign_queue *queue = (struct weir_assign_queue *)change;
    struct weir_assign *assign = queue->current;
    struct weir_assign_event written = {.type = WEIR_ASSIGN_WRITTEN};
    struct weir_assign_update update;
    (void)controller;
    queue->current = NULL;
    weir_assign_step(&queue->state, &written, &update);
    while (assign != NULL) {
        struct weir_assign *next = assign->next;
        if (assign->rc == 0 && rc < 0) {
            assign->rc = rc;
            if (error != NULL) assign->error = *error;
        }
        weir_assign_answer(assign);
        assign = next;
    }
}

void weir_controller_assign_run(struct weir_controller *controller, struct weir_mono now,
                                struct weir_mono *wake_at)
{
    struct weir_assign_queue *queue = &controller->assigns;
    const struct weir_engine *engine = controller->engine;
    if (queue->first == NULL) return; /* as at most turns */
    struct weir_assign_event turn = {
        .type = WEIR_ASSIGN_TURN,
        .now = now,
        .others_come =
            atomic_load(&engine->first_openings) > 0 && !atomic_load(&engine->serving.is_closing),
    };
    struct weir_assign_update update;
    weir_assign_step(&queue->state, &turn, &update);
    if (update.submits) weir_controller_submit(controller, &queue->change);
    if (update.wakes && update.wake_at.ns < wake_at->ns) *wake_at = update.wake_at;
}

static void arrive(struct weir_message *message)
{
    struct weir_assign *assign = (struct weir_assign *)message;
    struct weir_controller *controller = weir_controller_of(assign->partition->shard->engine);
    struct weir_assign_queue *queue = &controller->assigns;
    queue->change.build = build;
    queue->change.done = done;
    assign->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = assign;
    } else {
        queue->first = assign;
    }
    queue->last = assign;
    struct weir_assign_event arrived = {.type = WEIR_ASSIGN_ARRIVED,
                                        .now = weir_mono_now(controller->engine->env)};
    struct weir_assign_update update;
    weir_assign_step(&queue->state, &arrived, &update);
}

void weir_controller_ask_assign(struct weir_controller *controller, struct weir_assign *assign)
{
    weir_assert(assign->partition->state == WEIR_PARTITION_ASSIGNING);
    assign->message.handle = arrive;
    weir_actor_post(controller->engine->shards[0].actor, &assign->message);
}
