#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

/* Topics as the metadata shows them, copied out for somebody on another thread. */

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

static void copy_offline(const struct weir_controller *controller,
                         const struct weir_topic_image *topic, struct weir_arena *arena,
                         struct weir_topic_info *info)
{
    bool *offline = NULL;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (!weir_offline_has(&controller->offline, topic->name_slice, i)) continue;
        if (offline == NULL) {
            offline = weir_arena_alloc_zero(arena, (size_t)topic->partition_count);
            if (offline == NULL) return;
        }
        offline[i] = true;
    }
    info->are_offline = offline;
}

static const char *copy_text(struct weir_arena *arena, const char *text)
{
    return (const char *)weir_arena_copy(arena, weir_slice(text, strlen(text) + 1)).data;
}

static void copy_overrides(const struct weir_topic_image *topic, struct weir_arena *arena,
                           struct weir_topic_info *info)
{
    size_t count = topic->config_count;
    struct weir_config_entry *entries =
        weir_arena_array(arena, count > 0 ? count : 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < count; i++) {
        entries[i] = (struct weir_config_entry){
            .key = copy_text(arena, topic->configs[i].key),
            .value = copy_text(arena, topic->configs[i].value),
        };
    }
    info->overrides = entries;
    info->override_count = count;
}

static void show(const struct weir_list_topics_request *request,
                 const struct weir_topic_image *topic, struct weir_topic_info *info)
{
    const struct weir_controller *controller = weir_controller_of(request->request.shard->engine);
    *info = (struct weir_topic_info){
        .name = weir_arena_copy(request->arena, topic->name_slice),
        .id = topic->id,
        .partition_count = topic->partition_count,
        .is_internal = weir_topic_name_is_internal(topic->name_slice),
    };
    if (request->with_epochs) {
        copy_epochs(&controller->image, topic, request->arena, info);
        copy_offline(controller, topic, request->arena, info);
    }
    if (!request->with_configs) return;
    copy_overrides(topic, request->arena, info);
    info->config = weir_controller_config(controller, topic);
}

static void show_one(const struct weir_list_topics_request *request, size_t index,
                     struct weir_topic_info *info)
{
    const struct weir_metadata_image *image =
        &weir_controller_of(request->request.shard->engine)->image;
    bool is_by_name = request->names != NULL && request->names[index].data != NULL;
    const struct weir_topic_image *topic =
        is_by_name ? weir_metadata_topic(image, request->names[index])
                   : weir_metadata_topic_by_id(image, request->ids[index]);
    if (topic != NULL) {
        show(request, topic, info);
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

static void show_all(const struct weir_list_topics_request *request, struct weir_topic_info *topics,
                     size_t count)
{
    const struct weir_metadata_image *image =
        &weir_controller_of(request->request.shard->engine)->image;
    const struct weir_topic_image **sorted = weir_metadata_sorted_topics(image, request->arena);
    for (size_t i = 0; sorted != NULL && i < count; i++)
        show(request, sorted[i], &topics[i]);
}

static void arrive(struct weir_message *message)
{
    struct weir_list_topics_request *request = (struct weir_list_topics_request *)message;
    struct weir_engine *engine = request->request.shard->engine;
    size_t count = request->is_selection
                       ? request->asked_count
                       : weir_metadata_topic_count(&weir_controller_of(engine)->image);
    struct weir_topic_info *topics =
        weir_arena_array(request->arena, count > 0 ? count : 1, sizeof *topics);
    if (topics != NULL && request->is_selection) {
        for (size_t i = 0; i < count; i++)
            show_one(request, i, &topics[i]);
    } else if (topics != NULL) {
        show_all(request, topics, count);
    }
    if (weir_arena_failed(request->arena)) {
        weir_request_refuse(&request->request, WEIR_NO_MEMORY, "list topics");
        return;
    }
    request->topics = topics;
    request->topic_count = count;
    weir_request_reply(&request->request, 0);
}

void weir_controller_list_topics(struct weir_controller *controller,
                                 struct weir_list_topics_request *request)
{
    weir_request_send_controller(controller->engine, &request->request, arrive);
}
