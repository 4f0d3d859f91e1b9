#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/*
 * A partition's leader epoch is raised by a record; so that who holds a position can tell a rewritten tail
 * (KIP-320). The partition asks on its own shard and waits there, in a state that nothing else ends:
 *
 *     its shard ──message──> shard 0: change, durable, applied ──message──> its shard: `raised`
 */
struct epoch_raise {
    struct weir_metadata_change change; /* first */
    struct weir_message message;        /* there and back */
    struct weir_controller *controller;
    struct weir_partition *partition;
    weir_epoch_raised_fn raised;
    struct weir_uuid topic_id;
    int32_t number;
    int32_t leader_epoch;
    int rc;
    struct weir_error error;
};

static struct epoch_raise *raise_of(struct weir_message *message)
{
    return (struct epoch_raise *)((char *)message - offsetof(struct epoch_raise, message));
}

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    const struct epoch_raise *raise = (const struct epoch_raise *)change;
    if (weir_metadata_topic_by_id(&controller->metadata.image, raise->topic_id) == NULL) {
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "the topic has been deleted");
    }
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_PARTITION_CHANGE,
        .partition_change = {.topic_id = raise->topic_id, .partition = raise->number, .leader = 0},
    };
    return weir_controller_add(controller, &record);
}

/* On the partition's shard. */
static void back(struct weir_message *message)
{
    struct epoch_raise *raise = raise_of(message);
    struct weir_epoch_raised raised = {
        .rc = raise->rc, .leader_epoch = raise->leader_epoch, .error = &raise->error};
    raise->raised(raise->partition, &raised);
    weir_free(raise);
}

static void done(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                 const struct weir_error *error)
{
    struct epoch_raise *raise = (struct epoch_raise *)change;
    raise->rc = rc;
    if (rc < 0) {
        raise->error = *error;
    } else {
        const struct weir_topic_image *topic =
            weir_metadata_topic_by_id(&controller->metadata.image, raise->topic_id);
        raise->leader_epoch =
            weir_metadata_leader_epoch(&controller->metadata.image, topic, raise->number);
    }
    raise->message.handle = back;
    weir_actor_post(raise->partition->shard->actor, &raise->message);
}

static void arrive(struct weir_message *message)
{
    struct epoch_raise *raise = raise_of(message);
    weir_controller_submit(raise->controller, &raise->change);
}

int weir_controller_ask_epoch(struct weir_controller *controller, struct weir_partition *partition,
                              weir_epoch_raised_fn raised)
{
    weir_assert(partition->state == WEIR_PARTITION_WORKING && raised != NULL);
    struct epoch_raise *raise = weir_alloc_zero(partition->shard->budget, sizeof *raise);
    if (raise == NULL) return WEIR_NO_MEMORY;
    raise->change.build = build;
    raise->change.done = done;
    raise->controller = controller;
    raise->partition = partition;
    raise->raised = raised;
    raise->topic_id = partition->topic_id;
    raise->number = partition->number;
    raise->message.handle = arrive;
    weir_actor_post(controller->engine->shards[0].actor, &raise->message);
    return 0;
}
