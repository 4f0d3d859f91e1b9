#include "broker/coordinator/group/partition_owners.h"

#include "base/assert.h"
#include "base/grow.h"
#include "wire/topic_names.h"

enum { PARTITIONS_FIRST = 8 };

void weir_partition_owners_init(struct weir_partition_owners *owners, struct weir_budget *budget)
{
    *owners = (struct weir_partition_owners){.budget = budget};
    weir_map_init(&owners->topics, budget);
}

static void free_topic(struct weir_owned_topic *topic)
{
    weir_free(topic->members);
    weir_free(topic);
}

void weir_partition_owners_close(struct weir_partition_owners *owners)
{
    size_t at = 0;
    struct weir_owned_topic *topic;
    while ((topic = weir_map_next(&owners->topics, &at)) != NULL) {
        free_topic(topic);
    }
    weir_map_close(&owners->topics);
}

static struct weir_slice id_slice(const struct weir_uuid *id)
{
    return weir_slice(id->bytes, sizeof id->bytes);
}

struct weir_consumer_member *weir_partition_owner(const struct weir_partition_owners *owners,
                                                  struct weir_uuid topic_id, int32_t partition)
{
    const struct weir_owned_topic *topic = weir_map_get(&owners->topics, id_slice(&topic_id));
    if (topic == NULL || partition < 0 || partition >= topic->capacity) return NULL;
    return topic->members[partition];
}

static struct weir_owned_topic *need_topic(struct weir_partition_owners *owners,
                                           struct weir_uuid id)
{
    struct weir_owned_topic *topic = weir_map_get(&owners->topics, id_slice(&id));
    if (topic != NULL) return topic;
    topic = weir_alloc_zero(owners->budget, sizeof *topic);
    if (topic == NULL) return NULL;
    topic->id = id;
    if (weir_map_add(&owners->topics, id_slice(&topic->id), topic) < 0) {
        weir_free(topic);
        return NULL;
    }
    return topic;
}

static int need_room(struct weir_partition_owners *owners, struct weir_owned_topic *topic,
                     int32_t count)
{
    if (count <= topic->capacity) return 0;
    size_t capacity = weir_grown_to((size_t)topic->capacity, (size_t)count, PARTITIONS_FIRST);
    struct weir_consumer_member **members =
        weir_realloc(owners->budget, topic->members, capacity * sizeof(*members));
    if (members == NULL) return WEIR_NO_MEMORY;
    for (size_t i = (size_t)topic->capacity; i < capacity; i++) {
        members[i] = NULL;
    }
    topic->members = members;
    topic->capacity = (int32_t)capacity;
    return 0;
}

static int take_topic(struct weir_partition_owners *owners,
                      const struct weir_group_partition *items, size_t count,
                      struct weir_consumer_member *member)
{
    int32_t last = items[count - 1].partition;
    weir_assert(items[0].partition >= 0 && last < WEIR_TOPIC_PARTITIONS_MAX);
    struct weir_owned_topic *topic = need_topic(owners, items[0].topic_id);
    if (topic == NULL || need_room(owners, topic, last + 1) < 0) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct weir_consumer_member **owner = &topic->members[items[i].partition];
        if (*owner != NULL) return WEIR_EXISTS;
        topic->count++;
        *owner = member;
    }
    return 0;
}

int weir_partition_owners_take(struct weir_partition_owners *owners,
                               const struct weir_partition_set *set,
                               struct weir_consumer_member *member)
{
    for (size_t at = 0, run; at < set->count; at += run) {
        run = weir_partition_set_run(set, at);
        int rc = take_topic(owners, set->items + at, run, member);
        if (rc < 0) return rc;
    }
    return 0;
}

void weir_partition_owners_release(struct weir_partition_owners *owners,
                                   const struct weir_partition_set *set,
                                   const struct weir_consumer_member *member)
{
    for (size_t at = 0, run; at < set->count; at += run) {
        run = weir_partition_set_run(set, at);
        struct weir_owned_topic *topic =
            weir_map_get(&owners->topics, id_slice(&set->items[at].topic_id));
        weir_assert(topic != NULL);
        for (size_t i = at; i < at + run; i++) {
            struct weir_consumer_member **owner = &topic->members[set->items[i].partition];
            weir_assert(*owner == member);
            *owner = NULL;
            topic->count--;
        }
        if (topic->count == 0) {
            weir_map_remove(&owners->topics, id_slice(&topic->id));
            free_topic(topic);
        }
    }
}

size_t weir_partition_owners_count(const struct weir_partition_owners *owners)
{
    size_t at = 0, count = 0;
    const struct weir_owned_topic *topic;
    while ((topic = weir_map_next(&owners->topics, &at)) != NULL) {
        count += (size_t)topic->count;
    }
    return count;
}
