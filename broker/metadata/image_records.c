#include "broker/metadata/metadata_image.h"

/* The image as records: the body of a snapshot. */

static int each_config(const struct weir_config_overrides *configs, int8_t resource_type,
                       struct weir_slice resource, weir_metadata_record_fn each, void *context)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < configs->count; i++) {
        rc = each(context, &(struct weir_metadata_record){
                               .type = WEIR_METADATA_CONFIG,
                               .config = {.resource_type = resource_type,
                                          .resource = resource,
                                          .key = weir_text(configs->rows[i].key),
                                          .value = weir_text(configs->rows[i].value)},
                           });
    }
    return rc;
}

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
    if (rc != 0) return rc;
    return each_config(&topic->configs, WEIR_RESOURCE_TOPIC, topic->name_slice, each, context);
}

static int each_group(const struct weir_metadata_image *image, struct weir_arena *arena,
                      weir_metadata_record_fn each, void *context)
{
    const struct weir_group_image **groups = weir_metadata_sorted_groups(image, arena);
    int rc = groups != NULL ? 0 : WEIR_NO_MEMORY;
    for (size_t i = 0; rc == 0 && i < weir_hamt_count(&image->groups); i++) {
        rc = each_config(&groups[i]->configs, WEIR_RESOURCE_GROUP, groups[i]->name, each, context);
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
    if (rc != 0) return rc;
    struct weir_arena arena;
    weir_arena_init(&arena, image->budget, 0);
    const struct weir_topic_image **topics = weir_metadata_sorted_topics(image, &arena);
    if (topics == NULL) rc = WEIR_NO_MEMORY;
    for (size_t i = 0; rc == 0 && i < weir_metadata_topic_count(image); i++)
        rc = each_of_topic(image, topics[i], each, context);
    if (rc == 0) rc = each_group(image, &arena, each, context);
    weir_arena_close(&arena);
    return rc;
}
