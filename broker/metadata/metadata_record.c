#include "broker/metadata/metadata_record.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/metadata/uuid.h"
#include "wire/generated/config_record.h"
#include "wire/generated/feature_level_record.h"
#include "wire/generated/partition_change_record.h"
#include "wire/generated/partition_record.h"
#include "wire/generated/producer_ids_record.h"
#include "wire/generated/register_broker_record.h"
#include "wire/generated/remove_topic_record.h"
#include "wire/generated/topic_record.h"
#include "wire/metadata_record.h"

/* Between our words and the generated messages: one pair of functions per type, in the table below.
 * We write the version that has the fields we use; what Kafka's have beyond that stays at its
 * default. Every partition has one replica, on node 0. */
union message {
    struct weir_register_broker_record register_broker;
    struct weir_topic_record topic;
    struct weir_partition_record partition;
    struct weir_config_record config;
    struct weir_partition_change_record partition_change;
    struct weir_remove_topic_record remove_topic;
    struct weir_feature_level_record feature_level;
    struct weir_producer_ids_record producer_ids;
};

static const int32_t only_replica[] = {0};

static void put_register_broker(const struct weir_metadata_record *record, union message *message)
{
    message->register_broker.broker_id = record->register_broker.broker_id;
    message->register_broker.broker_epoch = record->register_broker.broker_epoch;
    message->register_broker.incarnation_id = record->register_broker.incarnation_id;
    message->register_broker.fenced = false;
}
static void get_register_broker(struct weir_metadata_record *record, const union message *message)
{
    record->register_broker.broker_id = message->register_broker.broker_id;
    record->register_broker.broker_epoch = message->register_broker.broker_epoch;
    record->register_broker.incarnation_id = message->register_broker.incarnation_id;
}

static void put_topic(const struct weir_metadata_record *record, union message *message)
{
    message->topic.name = record->topic.name;
    message->topic.topic_id = record->topic.id;
}
static void get_topic(struct weir_metadata_record *record, const union message *message)
{
    record->topic.name = message->topic.name;
    record->topic.id = message->topic.topic_id;
}

/* One per replica, or an empty list as long as there is none. */
static struct weir_uuid first_directory(const struct weir_uuid *directories, size_t count)
{
    return count > 0 ? directories[0] : (struct weir_uuid){{0}};
}

static void put_partition(const struct weir_metadata_record *record, union message *message)
{
    struct weir_partition_record *partition = &message->partition;
    partition->topic_id = record->partition.topic_id;
    partition->partition_id = record->partition.partition;
    partition->leader = record->partition.leader;
    partition->leader_epoch = record->partition.leader_epoch;
    partition->partition_epoch = record->partition.leader_epoch;
    partition->replicas = only_replica;
    partition->replicas_count = 1;
    partition->isr = only_replica;
    partition->isr_count = 1;
    if (weir_uuid_is_zero(record->partition.directory_id)) return;
    partition->directories = &record->partition.directory_id;
    partition->directories_count = 1;
}
static void get_partition(struct weir_metadata_record *record, const union message *message)
{
    record->partition.topic_id = message->partition.topic_id;
    record->partition.partition = message->partition.partition_id;
    record->partition.leader = message->partition.leader;
    record->partition.leader_epoch = message->partition.leader_epoch;
    record->partition.directory_id =
        first_directory(message->partition.directories, message->partition.directories_count);
}

static void put_config(const struct weir_metadata_record *record, union message *message)
{
    message->config.resource_type = record->config.resource_type;
    message->config.resource_name = record->config.resource;
    message->config.name = record->config.key;
    message->config.value = record->config.value;
}
static void get_config(struct weir_metadata_record *record, const union message *message)
{
    record->config.resource_type = message->config.resource_type;
    record->config.resource = message->config.resource_name;
    record->config.key = message->config.name;
    record->config.value = message->config.value;
}

static void put_partition_change(const struct weir_metadata_record *record, union message *message)
{
    message->partition_change.topic_id = record->partition_change.topic_id;
    message->partition_change.partition_id = record->partition_change.partition;
    message->partition_change.leader = record->partition_change.leader;
    if (weir_uuid_is_zero(record->partition_change.directory_id)) return;
    message->partition_change.directories = &record->partition_change.directory_id;
    message->partition_change.directories_count = 1;
}
static void get_partition_change(struct weir_metadata_record *record, const union message *message)
{
    record->partition_change.topic_id = message->partition_change.topic_id;
    record->partition_change.partition = message->partition_change.partition_id;
    record->partition_change.leader = message->partition_change.leader;
    record->partition_change.directory_id = first_directory(
        message->partition_change.directories, message->partition_change.directories_count);
}

static void put_remove_topic(const struct weir_metadata_record *record, union message *message)
{
    message->remove_topic.topic_id = record->remove_topic.topic_id;
}
static void get_remove_topic(struct weir_metadata_record *record, const union message *message)
{
    record->remove_topic.topic_id = message->remove_topic.topic_id;
}

static void put_feature_level(const struct weir_metadata_record *record, union message *message)
{
    message->feature_level.name = record->feature_level.name;
    message->feature_level.feature_level = record->feature_level.level;
}
static void get_feature_level(struct weir_metadata_record *record, const union message *message)
{
    record->feature_level.name = message->feature_level.name;
    record->feature_level.level = message->feature_level.feature_level;
}

static void put_producer_ids(const struct weir_metadata_record *record, union message *message)
{
    message->producer_ids.broker_id = record->producer_ids.broker_id;
    message->producer_ids.broker_epoch = record->producer_ids.broker_epoch;
    message->producer_ids.next_producer_id = record->producer_ids.next_producer_id;
}
static void get_producer_ids(struct weir_metadata_record *record, const union message *message)
{
    record->producer_ids.broker_id = message->producer_ids.broker_id;
    record->producer_ids.broker_epoch = message->producer_ids.broker_epoch;
    record->producer_ids.next_producer_id = message->producer_ids.next_producer_id;
}

struct row {
    void (*put)(const struct weir_metadata_record *record, union message *message);
    void (*get)(struct weir_metadata_record *record, const union message *message);
    int16_t version; /* the one we write */
};

static const struct row rows[] = {
    [WEIR_METADATA_REGISTER_BROKER] = {put_register_broker, get_register_broker, 3},
    [WEIR_METADATA_TOPIC] = {put_topic, get_topic, 0},
    [WEIR_METADATA_PARTITION] = {put_partition, get_partition, 1},
    [WEIR_METADATA_CONFIG] = {put_config, get_config, 0},
    [WEIR_METADATA_PARTITION_CHANGE] = {put_partition_change, get_partition_change, 1},
    [WEIR_METADATA_REMOVE_TOPIC] = {put_remove_topic, get_remove_topic, 0},
    [WEIR_METADATA_FEATURE_LEVEL] = {put_feature_level, get_feature_level, 0},
    [WEIR_METADATA_PRODUCER_IDS] = {put_producer_ids, get_producer_ids, 0},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

int weir_metadata_record_encode(struct weir_buffer *buffer,
                                const struct weir_metadata_record *record)
{
    weir_assert((size_t)record->type < ROW_COUNT && rows[record->type].put != NULL);
    const struct row *row = &rows[record->type];
    const struct weir_message_type *type = weir_metadata_frame_type((int16_t)record->type);
    union message message;
    weir_assert(type != NULL && type->struct_size <= sizeof message);
    type->init(&message);
    row->put(record, &message);
    return weir_metadata_frame_encode(type, &message, row->version, buffer);
}

int weir_metadata_record_decode(struct weir_slice value, struct weir_arena *arena,
                                struct weir_metadata_record *record_out, struct weir_error *error)
{
    struct weir_metadata_frame frame;
    union message message;
    int rc = weir_metadata_frame_read(value, &frame, error);
    if (rc < 0) return rc;
    bool is_ours =
        frame.api_key >= 0 && frame.api_key < ROW_COUNT && rows[frame.api_key].get != NULL;
    if (!is_ours) return WEIR_END;
    rc = weir_metadata_frame_decode(&frame, &message, arena, error);
    if (rc < 0) return rc;

    struct weir_metadata_record record = {.type = (enum weir_metadata_type)frame.api_key};
    rows[frame.api_key].get(&record, &message);
    *record_out = record;
    return 0;
}
