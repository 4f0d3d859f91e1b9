#include "cli/app_source.h"

#include <string.h>

#include "base/error.h"
#include "cli/no_memory.h"

/* A server, asked for an application. */

enum { READ_SIZE = 1 << 20 };

static const char *text_of(struct app_source *source, struct weir_slice text)
{
    return weir_arena_printf(source->arena, "%.*s", (int)text.size, (const char *)text.data);
}

/* One topic is asked for once for all of its partitions. */
static int describe(struct app_source *source, struct weir_slice name, struct weir_error *error)
{
    struct place *place = source->place;
    const char *known = source->topic.name;
    if (known != NULL && weir_slice_equal(weir_text(known), name)) return 0;
    const char *text = text_of(source, name);
    source->topic = (struct place_topic){0};
    if (text == NULL) return cli_no_memory(error);
    struct place_topic topic;
    int rc = place->ops->describe(place, source->arena, text, true, &topic, error);
    if (rc == 0) source->topic = topic;
    return rc;
}

static void take_offset(struct app_source *source, const struct place_offset *from,
                        struct weir_offset_entry *to)
{
    struct weir_error error = {0};
    *to = (struct weir_offset_entry){
        .partition = {weir_text(from->topic), from->partition},
        .offset = from->offset,
        .leader_epoch = from->leader_epoch,
        .metadata = weir_text(from->metadata),
        .commit_time_ms = -1,
    };
    /* Kafka's protocol does not say of which topic it was: of the one that is there, if there is one. */
    if (describe(source, to->partition.topic, &error) == 0) to->topic_id = source->topic.id;
}

static int ask_committed(void *impl, struct weir_committed_request *request,
                         struct weir_error *error)
{
    struct app_source *source = impl;
    struct place *place = source->place;
    struct place_offsets offsets = {0};
    struct place_group group = {0};
    const char *name = text_of(source, request->group);
    if (name == NULL) return cli_no_memory(error);
    int rc = place->ops->groups->offsets(place, request->arena, name, &offsets, error);
    if (rc < 0) return rc;
    request->entries =
        weir_arena_array(request->arena, offsets.count + 1, sizeof *request->entries);
    if (request->entries == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < offsets.count; i++) {
        take_offset(source, &offsets.rows[i], &request->entries[i]);
    }
    request->entry_count = offsets.count;
    rc = place->ops->groups->describe(place, request->arena, name, &group, NULL);
    request->is_application = rc == 0 && group.is_application;
    return 0;
}

static void take_config(const struct place_config *config, struct weir_topic_request *request)
{
    if (strcmp(config->key, "cleanup.policy") != 0) return;
    request->config.cleanup_compact = strstr(config->value, "compact") != NULL;
    request->config.cleanup_delete = strstr(config->value, "delete") != NULL;
}

static int ask_topic(void *impl, struct weir_topic_request *request, struct weir_error *error)
{
    struct app_source *source = impl;
    int rc = describe(source, request->topic, error);
    if (rc < 0) return rc;
    request->topic_id = source->topic.id;
    request->partition_count = source->topic.partition_count;
    for (size_t i = 0; i < source->topic.config_count; i++) {
        take_config(&source->topic.configs[i], request);
    }
    return 0;
}

static int ask_partition(void *impl, struct weir_describe_partition_request *request,
                         struct weir_error *error)
{
    struct app_source *source = impl;
    int rc = describe(source, request->of.topic, error);
    if (rc < 0) return rc;
    if (request->of.partition >= source->topic.partition_count) {
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "there is no partition %d",
                              (int)request->of.partition);
    }
    const struct place_partition *partition = &source->topic.partitions[request->of.partition];
    if (partition->offline != NULL) {
        return weir_error_set(error, WEIR_OFFLINE, "%s", partition->offline);
    }
    request->log_start_offset = partition->start_offset;
    request->log_end_offset = request->high_watermark = partition->end_offset;
    request->leader_epoch = partition->leader_epoch;
    request->offline_from = -1;
    return 0;
}

static int ask_epoch_end(void *impl, struct weir_epoch_end_request *request,
                         struct weir_error *error)
{
    (void)impl;
    (void)request;
    return weir_error_set(error, WEIR_UNSUPPORTED, "a server is not asked for leader epochs");
}

static int fetch(void *impl, struct weir_topic_partition from, int64_t offset,
                 struct weir_buffer *to, struct weir_error *error)
{
    struct app_source *source = impl;
    struct place *place = source->place;
    struct place_fetch_partition partition = {.partition = from.partition, .offset = offset};
    struct place_fetch request = {
        .topic = text_of(source, from.topic),
        .partitions = &partition,
        .partition_count = 1,
        .size_max = READ_SIZE,
    };
    if (request.topic == NULL) return cli_no_memory(error);
    weir_buffer_init(&partition.batches, source->arena->budget, 0);
    int rc = place->ops->fetch(place, &request, error);
    if (rc == 0) weir_buffer_append(to, partition.batches.data, partition.batches.size);
    weir_buffer_close(&partition.batches);
    return rc == 0 && to->failed ? cli_no_memory(error) : rc;
}

static const struct weir_app_source_ops server_source = {
    .committed = ask_committed,
    .topic = ask_topic,
    .partition = ask_partition,
    .epoch_end = ask_epoch_end,
    .fetch = fetch,
};

void app_source_init(struct app_source *source, struct place *place, struct weir_arena *arena)
{
    *source = (struct app_source){.place = place, .arena = arena};
    source->source = place->log != NULL ? weir_app_source_of(place->log)
                                        : (struct weir_app_source){&server_source, source};
}
