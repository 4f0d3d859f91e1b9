#include "broker/engine/engine.h"

#include "base/assert.h"
#include "broker/engine/placement.h"

void weir_engine_check(const struct weir_engine *engine)
{
    weir_assert(engine->env != NULL && engine->shards != NULL && engine->shard_count > 0);
    weir_assert(engine->metadata.ops != NULL && engine->metadata.impl != NULL);
    weir_assert(atomic_load(&engine->first_openings) >= 0);
    weir_assert(atomic_load(&engine->serving.in_flight) >= 0);
}

void weir_shard_check(const struct weir_shard *shard)
{
    const struct weir_engine *engine = shard->engine;
    weir_assert(engine != NULL && shard->actor != NULL);
    weir_assert(shard->env == engine->env && shard->budget == &engine->budget);
    weir_assert(shard >= engine->shards && shard < engine->shards + engine->shard_count);
    weir_assert(shard->metadata.actor == &shard->actor);
    weir_assert(shard->metadata.known != NULL || atomic_load(&shard->metadata.newest) != NULL);
    weir_assert(shard->flush.actor == &shard->actor && shard->flush.serving == &engine->serving);
    weir_assert(shard->listener.actor == &shard->actor);
    int64_t open = weir_counter_get(&shard->open_partitions);
    weir_assert(open >= 0 && (uint64_t)open <= weir_map_count(&shard->partitions));
    weir_deadline_heap_check(&shard->deadlines);
}

struct weir_shard *weir_engine_shard(struct weir_engine *engine, struct weir_slice topic,
                                     int32_t partition)
{
    return &engine->shards[weir_placement_shard(topic, partition, engine->shard_count)];
}

struct weir_shard *weir_engine_shard_of(const struct weir_engine *engine,
                                        const struct weir_actor *actor)
{
    if (actor == NULL) return NULL;
    for (int32_t i = 0; i < engine->shard_count; i++) {
        if (engine->shards[i].actor == actor) return &engine->shards[i];
    }
    return NULL;
}

struct weir_partition *weir_shard_find(struct weir_shard *shard, struct weir_slice topic,
                                       int32_t partition)
{
    uint8_t key[WEIR_PARTITION_KEY_MAX];
    if (topic.size == 0 || topic.size > WEIR_TOPIC_NAME_SIZE_MAX) return NULL;
    return weir_map_get(&shard->partitions, weir_partition_key(key, topic, partition));
}
