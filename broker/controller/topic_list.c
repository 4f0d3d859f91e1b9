#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

/*
 * Topics as the metadata shows them, copied out. Each shard can say; who asks on one is answered at once. Which
 * partitions are offline is no metadata: the controller alone knows, and is asked while one is.
 */

static void copy_epochs(const struct weir_metadata_image *image,
                        const struct weir_topic_image *topic, struct weir_arena *arena,
                        struct weir_topic_info *info)
{
    int32_t *epochs = weir_arena_array(arena, (size_t)topic->partition_count, sizeof *epochs);
    for (int32_t i = 0; epochs != NULL && i < topic->partition_count; i++) {
        epochs[i] = weir_metadata_leader_epoch(image, topic, i);
    }
    info->leader_epochs = epochs;
}

/* On shard 0. */
static void copy_offline(const struct weir_offline_partitions *told,
                         const struct weir_topic_image *topic, struct weir_arena *arena,
                         struct weir_topic_info *info)
{
    const struct weir_offline_topic *some = weir_offline_of(told, topic->name_slice);
    if (some == NULL) return;
    bool *offline = weir_arena_array(arena, (size_t)topic->partition_count, sizeof *offline);
    for (int32_t i = 0; offline != NULL && i < topic->partition_count; i++)
        offline[i] = weir_offline_has(some, i);
    info->are_offline = offline;
}

static const char *copy_text(struct weir_arena *arena, const char *text)
{
    return (const char *)weir_arena_copy(arena, weir_slice(text, strlen(text) + 1)).data;
}

static void copy_overrides(const struct weir_topic_image *topic, struct weir_arena *arena,
                           struct weir_topic_info *info)
{
    size_t count = topic->configs.count;
    struct weir_config_entry *entries =
        weir_arena_array(arena, count > 0 ? count : 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < count; i++) {
        entries[i] = (struct weir_config_entry){
            .key = copy_text(arena, topic->configs.rows[i].key),
            .value = copy_text(arena, topic->configs.rows[i].value),
        };
    }
    info->overrides = entries;
    info->override_count = count;
}

/* What a request is answered from. */
struct source {
    const struct weir_metadata_image *image;
    const struct weir_topic_config *defaults;
    const struct weir_offline_partitions *offline; /* NULL: not here, there are none */
};

static void show(struct source from, const struct weir_list_topics_request *request,
                 const struct weir_topic_image *topic, struct weir_topic_info *info)
{
    *info = (struct weir_topic_info){
        .name = weir_arena_copy(request->arena, topic->name_slice),
        .id = topic->id,
        .partition_count = topic->partition_count,
        .is_internal = weir_topic_name_is_internal(topic->name_slice),
    };
    if (request->with_epochs) {
        copy_epochs(from.image, topic, request->arena, info);
        if (from.offline != NULL) copy_offline(from.offline, topic, request->arena, info);
    }
    if (!request->with_configs) return;
    copy_overrides(topic, request->arena, info);
    info->config = weir_topic_image_config(topic, from.defaults);
}

static void show_one(struct source from, const struct weir_list_topics_request *request,
                     size_t index, struct weir_topic_info *info)
{
    bool is_by_name = request->names != NULL && request->names[index].data != NULL;
    const struct weir_topic_image *topic =
        is_by_name ? weir_metadata_topic(from.image, request->names[index])
                   : weir_metadata_topic_by_id(from.image, request->ids[index]);
    if (topic != NULL) {
        show(from, request, topic, info);
    } else if (is_by_name) {
        bool is_legal = weir_topic_name_check(request->names[index], NULL) == 0;
        *info = (struct weir_topic_info){
            .rc = is_legal ? WEIR_UNKNOWN_TOPIC_OR_PARTITION : WEIR_INVALID_TOPIC,
            .name = weir_arena_copy(request->arena, request->names[index]),
        };
    } else {
        *info = (struct weir_topic_info){.rc = WEIR_UNKNOWN_TOPIC_ID, .id = request->ids[index]};
    }
}

static void show_all(struct source from, const struct weir_list_topics_request *request,
                     struct weir_topic_info *topics, size_t count)
{
    const struct weir_topic_image **sorted =
        weir_metadata_sorted_topics(from.image, request->arena);
    for (size_t i = 0; sorted != NULL && i < count; i++)
        show(from, request, sorted[i], &topics[i]);
}

/* On the thread of `request->request.shard`. */
static void answer(struct weir_list_topics_request *request)
{
    struct weir_shard *shard = request->request.shard;
    struct weir_engine *engine = shard->engine;
    bool is_home = shard == &engine->shards[0];
    struct source from = {
        .image = weir_metadata_view_look(&shard->metadata),
        .defaults = &engine->options.topic_defaults,
        .offline = is_home ? &weir_controller_of(engine)->offline : NULL,
    };
    size_t count =
        request->is_selection ? request->asked_count : weir_metadata_topic_count(from.image);
    struct weir_topic_info *topics =
        weir_arena_array(request->arena, count > 0 ? count : 1, sizeof *topics);
    if (topics != NULL && request->is_selection) {
        for (size_t i = 0; i < count; i++)
            show_one(from, request, i, &topics[i]);
    } else if (topics != NULL) {
        show_all(from, request, topics, count);
    }
    if (weir_arena_failed(request->arena)) {
        weir_request_refuse(&request->request, WEIR_NO_MEMORY, "list topics");
        return;
    }
    request->topics = topics;
    request->topic_count = count;
    weir_request_reply(&request->request, 0);
}

static void arrive(struct weir_message *message)
{
    answer((struct weir_list_topics_request *)message);
}

void weir_controller_list_topics(struct weir_controller *controller,
                                 struct weir_list_topics_request *request)
{
    struct weir_engine *engine = controller->engine;
    struct weir_shard *here = weir_engine_shard_of(engine, request->request.reply_to);
    bool asks_home = request->with_epochs && weir_counter_get(&controller->offline.count) > 0;
    if (here == NULL || asks_home) {
        weir_request_send_controller(engine, &request->request, arrive);
        return;
    }
    weir_request_set_out(engine, &request->request);
    request->request.shard = here;
    request->request.reply_to = NULL; /* it is here already */
    answer(request);
}
