#include "broker/metadata/metadata_image.h"

#include "base/assert.h"
#include "base/error.h"

/* ---- topics ---------------------------------------------------------------------------------- */

static void topic_free(struct weir_topic_image *topic)
{
    if (topic == NULL) return;
    for (size_t i = 0; i < topic->config_count; i++) {
        weir_free(topic->configs[i].key);
        weir_free(topic->configs[i].value);
    }
    weir_free(topic->configs);
    weir_free(topic->partitions);
    weir_free(topic->name);
    weir_free(topic);
}

static struct weir_topic_image *topic_new(struct weir_metadata_image *image, struct weir_slice name,
                                          struct weir_uuid id)
{
    struct weir_topic_image *topic = weir_alloc_zero(image->budget, sizeof *topic);
    if (topic == NULL) return NULL;
    topic->name = weir_alloc_text(image->budget, (const char *)name.data, name.size);
    if (topic->name == NULL) {
        topic_free(topic);
        return NULL;
    }
    topic->name_slice = weir_slice(topic->name, name.size);
    topic->id = id;
    return topic;
}

/* Make room for one more element of `size` bytes; false when memory is out. */
static bool grow(struct weir_budget *budget, void **array, size_t count, size_t *capacity,
                 size_t size)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity == 0 ? 4 : *capacity * 2;
    void *grown = weir_realloc(budget, *array, wanted * size);
    if (grown == NULL) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

static struct weir_topic_image *topic_by_id(const struct weir_metadata_image *image,
                                            struct weir_uuid id)
{
    return weir_map_get(&image->topics_by_id, weir_uuid_slice(&id));
}

static int unknown_topic(struct weir_uuid id, const char *what, struct weir_error *error)
{
    char text[WEIR_UUID_TEXT_SIZE];
    return weir_error_set(error, WEIR_CORRUPT, "a %s record names topic id %s, which is not there",
                          what, weir_uuid_print(id, text));
}

/* ---- one function per record type ------------------------------------------------------------ */

static int apply_register_broker(struct weir_metadata_image *image,
                                 const struct weir_metadata_record *record,
                                 struct weir_error *error)
{
    (void)error;
    struct weir_uuid incarnation = record->register_broker.incarnation_id;
    if (image->is_registered && !weir_uuid_equal(image->incarnation_id, incarnation)) {
        image->raises++;
    }
    image->incarnation_id = incarnation;
    image->is_registered = true;
    return 0;
}

static int apply_topic(struct weir_metadata_image *image, const struct weir_metadata_record *record,
                       struct weir_error *error)
{
    int rc = weir_topic_name_check(record->topic.name, error);
    if (rc < 0) return weir_error_set(error, WEIR_CORRUPT, "a topic record has an illegal name");

    struct weir_topic_image *topic = topic_new(image, record->topic.name, record->topic.id);
    if (topic == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "remember a topic");
    rc = weir_map_add(&image->topics_by_name, topic->name_slice, topic);
    if (rc < 0) goto out;
    rc = weir_map_add(&image->topics_by_id, weir_uuid_slice(&topic->id), topic);
    if (rc < 0) (void)weir_map_remove(&image->topics_by_name, topic->name_slice);
out:
    if (rc == WEIR_EXISTS) {
        rc =
            weir_error_set(error, WEIR_CORRUPT, "topic '%s' is created a second time", topic->name);
    } else if (rc < 0) {
        (void)weir_error_set(error, (enum weir_code)rc, "remember topic '%s'", topic->name);
    }
    if (rc < 0) topic_free(topic);
    return rc;
}

static int apply_partition(struct weir_metadata_image *image,
                           const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_topic_image *topic = topic_by_id(image, record->partition.topic_id);
    if (topic == NULL) return unknown_topic(record->partition.topic_id, "partition", error);
    if (record->partition.partition != topic->partition_count ||
        record->partition.leader_epoch < 0) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "topic '%s' has %d partitions, and then comes partition %d, epoch %d",
                              topic->name, topic->partition_count, record->partition.partition,
                              record->partition.leader_epoch);
    }
    size_t capacity = (size_t)topic->partition_capacity;
    if (!grow(image->budget, (void **)&topic->partitions, (size_t)topic->partition_count, &capacity,
              sizeof *topic->partitions)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "remember a partition of '%s'", topic->name);
    }
    topic->partition_capacity = (int32_t)capacity;
    topic->partitions[topic->partition_count++] = (struct weir_partition_image){
        .given_epoch = record->partition.leader_epoch,
        .raises_then = image->raises,
        .directory_id = record->partition.directory_id,
    };
    return 0;
}

static int apply_partition_change(struct weir_metadata_image *image,
                                  const struct weir_metadata_record *record,
                                  struct weir_error *error)
{
    struct weir_topic_image *topic = topic_by_id(image, record->partition_change.topic_id);
    if (topic == NULL) {
        return unknown_topic(record->partition_change.topic_id, "partition change", error);
    }
    int32_t partition = record->partition_change.partition;
    if (partition < 0 || partition >= topic->partition_count) {
        return weir_error_set(error, WEIR_CORRUPT, "partition %d of '%s' changes, it has only %d",
                              partition, topic->name, topic->partition_count);
    }
    struct weir_partition_image *changed = &topic->partitions[partition];
    if (record->partition_change.leader != WEIR_NO_LEADER_CHANGE) changed->given_epoch++;
    if (!weir_uuid_is_zero(record->partition_change.directory_id)) {
        changed->directory_id = record->partition_change.directory_id;
    }
    return 0;
}

static struct weir_config_override *find_config(struct weir_topic_image *topic,
                                                struct weir_slice key)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        if (weir_slice_equal(weir_text(topic->configs[i].key), key)) return &topic->configs[i];
    }
    return NULL;
}

static void remove_config(struct weir_topic_image *topic, struct weir_config_override *config)
{
    if (config == NULL) return;
    weir_free(config->key);
    weir_free(config->value);
    struct weir_config_override *end = topic->configs + topic->config_count;
    memmove(config, config + 1, (size_t)((char *)end - (char *)(config + 1)));
    topic->config_count--;
}

static int set_config(struct weir_metadata_image *image, struct weir_topic_image *topic,
                      const struct weir_metadata_record *record)
{
    struct weir_slice key = record->config.key;
    struct weir_slice value = record->config.value;
    struct weir_config_override *config = find_config(topic, key);
    char *value_text = weir_alloc_text(image->budget, (const char *)value.data, value.size);
    if (value_text == NULL) return WEIR_NO_MEMORY;
    if (config != NULL) {
        weir_free(config->value);
        config->value = value_text;
        return 0;
    }
    char *key_text = weir_alloc_text(image->budget, (const char *)key.data, key.size);
    if (key_text == NULL || !grow(image->budget, (void **)&topic->configs, topic->config_count,
                                  &topic->config_capacity, sizeof *topic->configs)) {
        weir_free(key_text);
        weir_free(value_text);
        return WEIR_NO_MEMORY;
    }
    topic->configs[topic->config_count++] =
        (struct weir_config_override){.key = key_text, .value = value_text};
    return 0;
}

/* Kept as C strings: what has a NUL inside was not written by us. */
static bool is_text(struct weir_slice text)
{
    return text.size == 0 || memchr(text.data, 0, text.size) == NULL;
}

static int apply_config(struct weir_metadata_image *image,
                        const struct weir_metadata_record *record, struct weir_error *error)
{
    if (record->config.resource_type != WEIR_RESOURCE_TOPIC) {
        image->records_skipped++;
        return 0;
    }
    struct weir_topic_image *topic = weir_map_get(&image->topics_by_name, record->config.resource);
    if (topic == NULL) {
        return weir_error_set(
            error, WEIR_CORRUPT, "a config record names topic '%.*s', which is not there",
            (int)record->config.resource.size, (const char *)record->config.resource.data);
    }
    if (!is_text(record->config.key) || !is_text(record->config.value)) {
        return weir_error_set(error, WEIR_CORRUPT, "a config record of '%s' has a NUL inside",
                              topic->name);
    }
    if (weir_slice_is_null(record->config.value)) {
        remove_config(topic, find_config(topic, record->config.key));
        return 0;
    }
    if (set_config(image, topic, record) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "remember a config of '%s'", topic->name);
    }
    return 0;
}

/* The topic's memory is kept as the note of its removal where one is wanted, else freed. */
static int note_removal(struct weir_metadata_image *image, struct weir_topic_image *topic)
{
    struct weir_removed_topic *removed = weir_alloc_zero(image->budget, sizeof *removed);
    if (removed == NULL) return WEIR_NO_MEMORY;
    removed->name = topic->name;
    removed->id = topic->id;
    removed->partition_count = topic->partition_count;
    removed->next = image->removed;
    image->removed = removed;
    topic->name = NULL;
    return 0;
}

static int apply_remove_topic(struct weir_metadata_image *image,
                              const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_topic_image *topic = topic_by_id(image, record->remove_topic.topic_id);
    if (topic == NULL) return unknown_topic(record->remove_topic.topic_id, "remove topic", error);
    char *name = topic->name;
    if (image->keeps_removed && note_removal(image, topic) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "remember the removal of '%s'", name);
    }
    (void)weir_map_remove(&image->topics_by_name, topic->name_slice);
    (void)weir_map_remove(&image->topics_by_id, weir_uuid_slice(&topic->id));
    topic_free(topic);
    return 0;
}

static int apply_feature_level(struct weir_metadata_image *image,
                               const struct weir_metadata_record *record, struct weir_error *error)
{
    if (!weir_slice_equal(record->feature_level.name, weir_text(WEIR_METADATA_FEATURE))) {
        image->records_skipped++;
        return 0;
    }
    if (record->feature_level.level > WEIR_METADATA_LEVEL_MAX) {
        return weir_error_set(
            error, WEIR_UNSUPPORTED_VERSION, "the metadata has %s %d; this version reads up to %d",
            WEIR_METADATA_FEATURE, record->feature_level.level, WEIR_METADATA_LEVEL_MAX);
    }
    image->level = record->feature_level.level;
    return 0;
}

static int apply_producer_ids(struct weir_metadata_image *image,
                              const struct weir_metadata_record *record, struct weir_error *error)
{
    if (record->producer_ids.next_producer_id < image->next_producer_id) {
        return weir_error_set(error, WEIR_CORRUPT, "producer ids go back from %lld to %lld",
                              (long long)image->next_producer_id,
                              (long long)record->producer_ids.next_producer_id);
    }
    image->next_producer_id = record->producer_ids.next_producer_id;
    return 0;
}

typedef int (*apply_fn)(struct weir_metadata_image *image,
                        const struct weir_metadata_record *record, struct weir_error *error);

static const apply_fn appliers[] = {
    [WEIR_METADATA_REGISTER_BROKER] = apply_register_broker,
    [WEIR_METADATA_TOPIC] = apply_topic,
    [WEIR_METADATA_PARTITION] = apply_partition,
    [WEIR_METADATA_CONFIG] = apply_config,
    [WEIR_METADATA_PARTITION_CHANGE] = apply_partition_change,
    [WEIR_METADATA_REMOVE_TOPIC] = apply_remove_topic,
    [WEIR_METADATA_FEATURE_LEVEL] = apply_feature_level,
    [WEIR_METADATA_PRODUCER_IDS] = apply_producer_ids,
};

/* ---- the door -------------------------------------------------------------------------------- */

void weir_metadata_image_init(struct weir_metadata_image *image, struct weir_budget *budget)
{
    *image = (struct weir_metadata_image){.budget = budget};
    weir_map_init(&image->topics_by_name, budget);
    weir_map_init(&image->topics_by_id, budget);
    weir_arena_init(&image->scratch, budget, 4096);
}

void weir_metadata_image_close(struct weir_metadata_image *image)
{
    if (image->budget == NULL) return;
    size_t at = 0;
    struct weir_topic_image *topic;
    while ((topic = weir_map_next(&image->topics_by_name, &at)) != NULL) {
        (void)weir_map_remove(&image->topics_by_name, topic->name_slice);
        (void)weir_map_remove(&image->topics_by_id, weir_uuid_slice(&topic->id));
        topic_free(topic);
    }
    while (image->removed != NULL) {
        struct weir_removed_topic *next = image->removed->next;
        weir_free(image->removed->name);
        weir_free(image->removed);
        image->removed = next;
    }
    weir_arena_close(&image->scratch);
    weir_map_close(&image->topics_by_name);
    weir_map_close(&image->topics_by_id);
    *image = (struct weir_metadata_image){0};
}

int weir_metadata_apply(struct weir_metadata_image *image,
                        const struct weir_metadata_record *record, struct weir_error *error)
{
    weir_assert((size_t)record->type < sizeof appliers / sizeof appliers[0]);
    weir_assert(appliers[record->type] != NULL);
    return appliers[record->type](image, record, error);
}

int weir_metadata_apply_value(struct weir_metadata_image *image, struct weir_slice value,
                              struct weir_error *error)
{
    struct weir_metadata_record record;
    weir_arena_reset(&image->scratch);
    int rc = weir_metadata_record_decode(value, &image->scratch, &record, error);
    if (rc < 0) return rc;
    if (rc == WEIR_END) {
        image->records_skipped++;
        return 0;
    }
    return weir_metadata_apply(image, &record, error);
}

const struct weir_topic_image *weir_metadata_topic(const struct weir_metadata_image *image,
                                                   struct weir_slice name)
{
    return weir_map_get(&image->topics_by_name, name);
}

const struct weir_topic_image *weir_metadata_topic_by_id(const struct weir_metadata_image *image,
                                                         struct weir_uuid id)
{
    return topic_by_id(image, id);
}

const struct weir_topic_image *weir_metadata_next_topic(const struct weir_metadata_image *image,
                                                        size_t *at)
{
    return weir_map_next(&image->topics_by_name, at);
}

int32_t weir_metadata_leader_epoch(const struct weir_metadata_image *image,
                                   const struct weir_topic_image *topic, int32_t partition)
{
    weir_assert(partition >= 0 && partition < topic->partition_count);
    const struct weir_partition_image *given = &topic->partitions[partition];
    return given->given_epoch + (image->raises - given->raises_then);
}

/* ---- the image as records -------------------------------------------------------------------- */

static int each_of_topic(const struct weir_metadata_image *image,
                         const struct weir_topic_image *topic, weir_metadata_record_fn each,
                         void *context)
{
    int rc = each(context, &(struct weir_metadata_record){
                               .type = WEIR_METADATA_TOPIC,
                               .topic = {.name = topic->name_slice, .id = topic->id},
                           });
    for (int32_t i = 0; rc == 0 && i < topic->partition_count; i++) {
        rc = each(context,
                  &(struct weir_metadata_record){
                      .type = WEIR_METADATA_PARTITION,
                      .partition = {.topic_id = topic->id,
                                    .partition = i,
                                    .leader = 0,
                                    .leader_epoch = weir_metadata_leader_epoch(image, topic, i),
                                    .directory_id = topic->partitions[i].directory_id},
                  });
    }
    for (size_t i = 0; rc == 0 && i < topic->config_count; i++) {
        rc = each(context, &(struct weir_metadata_record){
                               .type = WEIR_METADATA_CONFIG,
                               .config = {.resource_type = WEIR_RESOURCE_TOPIC,
                                          .resource = topic->name_slice,
                                          .key = weir_text(topic->configs[i].key),
                                          .value = weir_text(topic->configs[i].value)},
                           });
    }
    return rc;
}

int weir_metadata_each_record(const struct weir_metadata_image *image, weir_metadata_record_fn each,
                              void *context)
{
    int rc =
        each(context,
             &(struct weir_metadata_record){
                 .type = WEIR_METADATA_FEATURE_LEVEL,
                 .feature_level = {.name = weir_text(WEIR_METADATA_FEATURE), .level = image->level},
             });
    if (rc == 0 && image->is_registered) {
        rc = each(context, &(struct weir_metadata_record){
                               .type = WEIR_METADATA_REGISTER_BROKER,
                               .register_broker = {.incarnation_id = image->incarnation_id},
                           });
    }
    if (rc == 0) {
        rc = each(context, &(struct weir_metadata_record){
                               .type = WEIR_METADATA_PRODUCER_IDS,
                               .producer_ids = {.next_producer_id = image->next_producer_id},
                           });
    }
    size_t at = 0;
    const struct weir_topic_image *topic;
    while (rc == 0 && (topic = weir_metadata_next_topic(image, &at)) != NULL) {
        rc = each_of_topic(image, topic, each, context);
    }
    return rc;
}
