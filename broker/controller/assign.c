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
 * A thousand partitions that are used for the first time share a few batches: while others are
 * being made, the first of them waits a little, for the flush that it wants costs as much as making
 * one.
 */
enum { WAIT_MS = 200, ENOUGH = 64 };

static int add_record(struct weir_controller *controller, struct weir_assign *assign)
{
    const struct weir_partition *partition = assign->partition;
    const struct weir_topic_image *topic =
        weir_metadata_topic_by_id(&controller->image, partition->topic_id);
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

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    struct weir_assign_queue *queue = (struct weir_assign_queue *)change;
    bool has_record = false;
    struct weir_assign **link = &queue->current;
    (void)error;
    weir_assert(queue->current == NULL && queue->first != NULL);
    while (queue->first != NULL) {
        struct weir_assign *assign = queue->first;
        queue->first = assign->next;
        queue->count--;
        if (queue->first == NULL) queue->last = NULL;
        assign->next = NULL;
        *link = assign;
        link = &assign->next;
        assign->rc = add_record(controller, assign);
        if (assign->rc == WEIR_NO_MEMORY) return assign->rc; /* those that are left are next */
        has_record |= assign->rc == 0;
    }
    return has_record ? 0 : WEIR_END;
}

static void done(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                 const struct weir_error *error)
{
    struct weir_assign_queue *queue = (struct weir_assign_queue *)change;
    struct weir_assign *assign = queue->current;
    (void)controller;
    queue->current = NULL;
    queue->is_submitted = false;
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
    if (queue->is_submitted || queue->first == NULL) return;
    bool others_come = atomic_load(&controller->engine->first_openings) > 0 &&
                       !atomic_load(&controller->engine->serving.is_closing);
    if (others_come && queue->count < ENOUGH && now.ns < queue->deadline.ns) {
        if (queue->deadline.ns < wake_at->ns) *wake_at = queue->deadline;
        return;
    }
    queue->is_submitted = true;
    weir_controller_submit(controller, &queue->change);
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
        queue->deadline = weir_mono_after_ms(weir_mono_now(controller->engine->env), WAIT_MS);
    }
    queue->last = assign;
    queue->count++;
}

void weir_controller_ask_assign(struct weir_controller *controller, struct weir_assign *assign)
{
    weir_assert(assign->partition->state == WEIR_PARTITION_ASSIGNING);
    assign->message.handle = arrive;
    weir_actor_post(controller->engine->shards[0].actor, &assign->message);
}
