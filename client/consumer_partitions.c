/** The partitions that a consumer reads: found by name, added, dropped. */
#include "client/consumer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"
#include "wire/topic_names.h"

enum { KEY_SIZE_MAX = 4 + WEIR_TOPIC_NAME_SIZE_MAX };

static struct weir_slice make_key(uint8_t key[KEY_SIZE_MAX], const char *topic, int32_t partition)
{
    size_t size = strnlen(topic, WEIR_TOPIC_NAME_SIZE_MAX);
    weir_store_u32(key, (uint32_t)partition);
    memcpy(key + 4, topic, size);
    return weir_slice(key, 4 + size);
}

struct weir_consumer_partition *weir_consumer_find(const struct weir_consumer *consumer,
                                                   const char *topic, int32_t partition)
{
    uint8_t key[KEY_SIZE_MAX];
    if (topic == NULL) return NULL;
    return weir_map_get(&consumer->by_name, make_key(key, topic, partition));
}

/* Larger room, with what it held. */
static bool grow(struct weir_consumer *consumer, void **room, size_t capacity, size_t size)
{
    void *grown = weir_realloc(&consumer->log->budget, *room, capacity * size);
    if (grown != NULL) *room = grown;
    return grown != NULL;
}

static bool reserve_one(struct weir_consumer *consumer)
{
    if (consumer->partition_count < consumer->partition_capacity) return true;
    size_t capacity = weir_grown(consumer->partition_capacity, 8);
    bool has_room =
        grow(consumer, (void **)&consumer->partitions, capacity, sizeof(void *)) &&
        grow(consumer, (void **)&consumer->chosen, capacity, sizeof(void *)) &&
        grow(consumer, (void **)&consumer->chosen_names, capacity, sizeof *consumer->chosen_names);
    if (has_room) consumer->partition_capacity = capacity;
    return has_room;
}

int weir_consumer_add(struct weir_consumer *consumer, const char *topic, int32_t index,
                      struct weir_consumer_partition **partition_out)
{
    uint8_t bytes[KEY_SIZE_MAX];
    weir_assert(index >= 0);
    weir_assert(weir_consumer_find(consumer, topic, index) == NULL);
    struct weir_slice key = make_key(bytes, topic, index);
    struct weir_consumer_partition *partition =
        weir_alloc_zero(&consumer->log->budget, sizeof *partition + key.size + 1);
    if (partition == NULL || !reserve_one(consumer)) goto out;
    uint8_t *copy = (uint8_t *)(partition + 1);
    memcpy(copy, key.data, key.size); /* the NUL behind the topic is there already */
    partition->consumer = consumer;
    partition->key = weir_slice(copy, key.size);
    partition->topic = (const char *)copy + 4;
    partition->turn.topic = partition->topic;
    partition->index = index;
    partition->position = partition->committed = -1;
    partition->epoch = -1;
    if (weir_map_add(&consumer->by_name, partition->key, partition) < 0) goto out;
    consumer->partitions[consumer->partition_count++] = partition;
    *partition_out = partition;
    return 0;
out:
    weir_free(partition);
    return WEIR_NO_MEMORY;
}

int weir_consumer_drop(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                       struct weir_error *error)
{
    int rc = weir_consumer_stop(consumer, partition, error);
    if (rc < 0) return rc;
    size_t at = 0;
    while (consumer->partitions[at] != partition) {
        at++;
    }
    weir_assert(at < consumer->partition_count && consumer->held.partition != partition);
    consumer->partition_count--;
    memmove(&consumer->partitions[at], &consumer->partitions[at + 1],
            (consumer->partition_count - at) * sizeof(struct weir_consumer_partition *));
    if (consumer->turn > at) consumer->turn--;
    if (consumer->turn >= consumer->partition_count) consumer->turn = 0;
    (void)weir_map_remove(&consumer->by_name, partition->key);
    weir_free(partition);
    return 0;
}
