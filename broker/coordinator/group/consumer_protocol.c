#include "broker/coordinator/group/consumer_protocol.h"

#include "broker/coordinator/group/member_words.h"
#include "wire/generated/consumer_protocol_assignment.h"
#include "wire/generated/consumer_protocol_subscription.h"
#include "wire/topic_names.h"

enum { VERSION_MAX = 3 };

typedef struct weir_consumer_protocol_subscription subscription_message;
typedef struct weir_consumer_protocol_subscription_topic_partition owned_topic;
typedef struct weir_consumer_protocol_assignment assignment_message;
typedef struct weir_consumer_protocol_assignment_topic_partition assigned_topic;

/* The message behind its version; bytes behind that are those of a newer one. */
static int decode(struct weir_slice bytes, const struct weir_message_type *type, void *message,
                  struct weir_arena *arena, int16_t *version_out)
{
    struct weir_reader reader = weir_reader(bytes);
    int16_t version = (int16_t)weir_reader_u16(&reader);
    if (reader.failed || version < 0) return WEIR_CORRUPT;
    *version_out = version < VERSION_MAX ? version : VERSION_MAX;
    return weir_message_decode(type, message, *version_out, &reader, arena);
}

/* A topic's partitions behind the set, which has room. */
static int add_topic(const struct weir_metadata_image *image, struct weir_slice name,
                     const int32_t *partitions, size_t count, struct weir_partition_set *set)
{
    const struct weir_topic_image *topic = weir_metadata_topic(image, name);
    for (size_t i = 0; i < count; i++) {
        if (partitions[i] < 0 || partitions[i] >= WEIR_TOPIC_PARTITIONS_MAX) return WEIR_CORRUPT;
        if (topic == NULL) continue;
        set->items[set->count++] = (struct weir_group_partition){
            .topic_id = topic->id, .partition = partitions[i], .epoch = -1};
    }
    return 0;
}

static int take_owned(const subscription_message *message, const struct weir_metadata_image *image,
                      struct weir_arena *arena, struct weir_partition_set *set)
{
    size_t total = 0;
    int rc = 0;
    for (size_t i = 0; i < message->owned_partitions_count; i++) {
        total += message->owned_partitions[i].partitions_count;
    }
    set->items = weir_arena_array(arena, total, sizeof *set->items);
    if (set->items == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; rc == 0 && i < message->owned_partitions_count; i++) {
        const owned_topic *owned = &message->owned_partitions[i];
        rc = add_topic(image, owned->topic, owned->partitions, owned->partitions_count, set);
    }
    weir_partition_set_sort(set);
    return rc;
}

int weir_consumer_subscription_decode(struct weir_slice metadata,
                                      const struct weir_metadata_image *image,
                                      struct weir_arena *arena,
                                      struct weir_consumer_subscription *subscription_out)
{
    subscription_message message;
    struct weir_consumer_subscription subscription = {0};
    int rc = decode(metadata, &weir_consumer_protocol_subscription_type, &message, arena,
                    &subscription.version);
    if (rc == 0) rc = take_owned(&message, image, arena, &subscription.owned);
    if (rc < 0) return rc == WEIR_NO_MEMORY ? rc : WEIR_CORRUPT;
    for (size_t i = 0; i < message.topics_count; i++) {
        if (message.topics[i].size == 0 || message.topics[i].size > WEIR_TOPIC_NAME_SIZE_MAX) {
            return WEIR_CORRUPT;
        }
    }
    subscription.topic_names = weir_sorted_names(message.topics, message.topics_count, arena,
                                                 &subscription.topic_name_count);
    if (subscription.topic_names == NULL) return WEIR_NO_MEMORY;
    if (message.rack_id.size > 0) subscription.rack_id = message.rack_id;
    *subscription_out = subscription;
    return 0;
}

int weir_consumer_assignment_decode(struct weir_slice assignment,
                                    const struct weir_metadata_image *image,
                                    struct weir_arena *arena, struct weir_partition_set *set_out)
{
    assignment_message message = {0};
    struct weir_partition_set set = {0};
    int16_t version;
    size_t total = 0;
    int rc = assignment.size == 0 ? 0
                                  : decode(assignment, &weir_consumer_protocol_assignment_type,
                                           &message, arena, &version);
    if (rc < 0) return rc == WEIR_NO_MEMORY ? rc : WEIR_CORRUPT;
    for (size_t i = 0; i < message.assigned_partitions_count; i++) {
        total += message.assigned_partitions[i].partitions_count;
    }
    set.items = weir_arena_array(arena, total, sizeof *set.items);
    if (set.items == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; rc == 0 && i < message.assigned_partitions_count; i++) {
        const assigned_topic *topic = &message.assigned_partitions[i];
        rc = add_topic(image, topic->topic, topic->partitions, topic->partitions_count, &set);
    }
    weir_partition_set_sort(&set);
    if (rc == 0) *set_out = set;
    return rc;
}

static int encode(const assignment_message *message, int16_t version, struct weir_arena *arena,
                  struct weir_slice *assignment_out)
{
    struct weir_buffer buffer;
    weir_buffer_init(&buffer, arena->budget, 0);
    uint8_t *prefix = weir_buffer_extend(&buffer, 2);
    if (prefix != NULL) weir_store_u16(prefix, (uint16_t)version);
    int rc =
        weir_message_encode(&weir_consumer_protocol_assignment_type, message, version, &buffer);
    if (rc == 0) *assignment_out = weir_arena_copy(arena, weir_buffer_slice(&buffer));
    weir_buffer_close(&buffer);
    return rc < 0 || weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

int weir_consumer_assignment_encode(const struct weir_partition_set *set,
                                    const struct weir_metadata_image *image, int16_t version,
                                    struct weir_arena *arena, struct weir_slice *assignment_out)
{
    size_t count = 0;
    const struct weir_topic_partitions *lists = weir_partition_set_topic_lists(set, arena, &count);
    assigned_topic *topics = weir_arena_array(arena, count, sizeof *topics);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    assignment_message message = {.assigned_partitions = topics, .user_data = weir_null()};
    for (size_t i = 0; i < count; i++) {
        const struct weir_topic_image *topic = weir_metadata_topic_by_id(image, lists[i].topic_id);
        if (topic == NULL) continue;
        topics[message.assigned_partitions_count++] = (assigned_topic){
            .topic = topic->name_slice,
            .partitions = lists[i].partitions,
            .partitions_count = lists[i].partition_count,
        };
    }
    return encode(&message, version < VERSION_MAX ? version : VERSION_MAX, arena, assignment_out);
}
