#include "base/assert.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"

/*
 * A message to every shard about the partitions of one topic. Each shard goes through those that
 * are its own; those that have to be closed are waited for. Whoever is last sends the notice back
 * to the controller.
 */
struct shard_notice {
    struct weir_message message; /* first */
    struct weir_shard *shard;
    struct weir_topic_notice *notice;
};

struct weir_topic_notice {
    struct weir_message back;              /* first */
    struct weir_partition_closing closing; /* of each partition that is closed for it */
    struct weir_engine *engine;
    struct weir_topic_notice_order order;
    uint8_t name[WEIR_TOPIC_NAME_SIZE_MAX];
    _Atomic int32_t pending; /* shards, and partitions that are being closed */
    struct shard_notice shards[];
};

static void all_through(struct weir_message *message)
{
    struct weir_topic_notice *notice = (struct weir_topic_notice *)message;
    struct weir_engine *engine = notice->engine;
    notice->order.then(notice->order.context);
    weir_free(notice);
    weir_serving_release(&engine->serving);
}

static void count_down(struct weir_topic_notice *notice)
{
    if (atomic_fetch_sub(&notice->pending, 1) != 1) return;
    notice->back.handle = all_through;
    weir_actor_post(notice->engine->shards[0].actor, &notice->back);
}

static void partition_gone(struct weir_partition_closing *closing)
{
    count_down((struct weir_topic_notice *)((char *)closing -
                                            offsetof(struct weir_topic_notice, closing)));
}

static void tell(struct weir_partition *partition, struct weir_topic_notice *notice)
{
    if (!notice->order.closes) {
        partition->config = notice->order.config;
        if (partition->state == WEIR_PARTITION_OPEN) {
            weir_partition_log_configure(partition->log, &partition->config);
            weir_partition_note_cleanable(partition);
        }
        return;
    }
    /* One that is still asking will hear from the controller that the topic is gone. */
    if (partition->state == WEIR_PARTITION_RESOLVING) return;
    atomic_fetch_add(&notice->pending, 1);
    weir_partition_close_for(partition, &notice->closing);
}

static void arrive(struct weir_message *message)
{
    struct shard_notice *mine = (struct shard_notice *)message;
    struct weir_topic_notice *notice = mine->notice;
    for (int32_t i = 0; i < notice->order.partition_count; i++) {
        struct weir_partition *partition = weir_shard_find(mine->shard, notice->order.topic, i);
        if (partition != NULL) tell(partition, notice);
    }
    count_down(notice);
}

int weir_topic_notice_send(struct weir_controller *controller,
                           const struct weir_topic_notice_order *order)
{
    struct weir_engine *engine = controller->engine;
    size_t shard_count = (size_t)engine->shard_count;
    struct weir_topic_notice *notice =
        weir_alloc_zero(&engine->budget, sizeof *notice + shard_count * sizeof notice->shards[0]);
    if (notice == NULL) return WEIR_NO_MEMORY;
    weir_assert(order->topic.size <= sizeof notice->name);
    memcpy(notice->name, order->topic.data, order->topic.size);
    notice->engine = engine;
    notice->closing.gone = partition_gone;
    notice->order = *order;
    notice->order.topic = weir_slice(notice->name, order->topic.size);
    atomic_store(&notice->pending, engine->shard_count);
    weir_serving_hold(&engine->serving);
    for (size_t i = 0; i < shard_count; i++) {
        notice->shards[i] = (struct shard_notice){
            .message.handle = arrive, .shard = &engine->shards[i], .notice = notice};
        weir_actor_post(engine->shards[i].actor, &notice->shards[i].message);
    }
    return 0;
}
