/** A server's topics, over Kafka's protocol. */
#include "cli/no_memory.h"
#include "cli/place_remote.h"

#include <string.h>

#include "base/error.h"
#include "wire/error_codes.h"
#include "wire/generated/create_partitions_request.h"
#include "wire/generated/create_partitions_response.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/delete_topics_response.h"
#include "wire/generated/describe_configs_request.h"
#include "wire/generated/describe_configs_response.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/describe_log_dirs_response.h"
#include "wire/generated/incremental_alter_configs_request.h"
#include "wire/generated/incremental_alter_configs_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"

enum { RESOURCE_TOPIC = 2, SOURCE_TOPIC = 1, ADMIN_TIMEOUT_MS = 30000 };
enum { ALTER_SET = 0, ALTER_RESET = 1 };

/* ---- list and describe ----------------------------------------------------------------------- */

/* `name` NULL: all topics. */
static int ask_metadata(struct remote *remote, const char *name,
                        const struct weir_wire_metadata_response **response_out,
                        struct weir_error *error)
{
    struct weir_wire_metadata_request_metadata_request_topic topic = {.name = weir_text(name)};
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = name != NULL ? &topic : NULL;
    request.topics_count = name != NULL ? 1 : 0;
    request.allow_auto_topic_creation = false;
    struct remote_question question = {.request_type = &weir_wire_metadata_request_type,
                                       .response_type = &weir_wire_metadata_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    if (rc < 0) return rc;
    *response_out = answer;
    return remote_refusal((*response_out)->error_code, weir_null(), error);
}

static struct place_topic
topic_of(const struct weir_wire_metadata_response_metadata_response_topic *topic, const char *name)
{
    return (struct place_topic){
        .name = name,
        .id = topic->topic_id,
        .partition_count = (int32_t)topic->partitions_count,
        .is_internal = topic->is_internal,
    };
}

int remote_list(struct place *place, struct weir_arena *arena, struct place_topics *topics_out,
                struct weir_error *error)
{
    const struct weir_wire_metadata_response *response = NULL;
    int rc = ask_metadata(remote_of(place), NULL, &response, error);
    if (rc < 0) return weir_error_wrap(error, rc, "list topics");
    struct place_topics topics = {.count = response->topics_count};
    topics.rows = weir_arena_array(arena, topics.count + 1, sizeof *topics.rows);
    if (topics.rows == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < topics.count; i++) {
        const char *name = place_keep_text(arena, response->topics[i].name);
        if (name == NULL) return cli_no_memory(error);
        topics.rows[i] = topic_of(&response->topics[i], name);
    }
    *topics_out = topics;
    return 0;
}

static int keep_partitions(struct weir_arena *arena,
                           const struct weir_wire_metadata_response_metadata_response_topic *from,
                           struct place_topic *topic, struct weir_error *error)
{
    topic->partitions =
        weir_arena_array(arena, from->partitions_count + 1, sizeof *topic->partitions);
    if (topic->partitions == NULL) return cli_no_memory(error);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        topic->partitions[i] =
            (struct place_partition){.partition = i, .size_bytes = -1, .leader_epoch = -1};
    }
    for (size_t i = 0; i < from->partitions_count; i++) {
        int32_t index = from->partitions[i].partition_index;
        if (index < 0 || index >= topic->partition_count) return remote_no_answer(error);
        topic->partitions[index].leader_epoch = from->partitions[i].leader_epoch;
    }
    return 0;
}

static int add_offsets(struct place *place, struct weir_arena *arena, struct place_topic *topic,
                       struct weir_error *error)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct place_partition *partition = &topic->partitions[i];
        int rc = place->ops->offset_at(place, topic->name, i, PLACE_EARLIEST,
                                       &partition->start_offset, error);
        if (rc == 0) {
            rc = place->ops->offset_at(place, topic->name, i, PLACE_LATEST, &partition->end_offset,
                                       error);
        }
        if (rc == WEIR_OFFLINE) rc = place_keep_offline(partition, arena, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static void keep_sizes(struct place_topic *topic,
                       const struct weir_wire_describe_log_dirs_response *response)
{
    for (size_t d = 0; d < response->results_count; d++) {
        for (size_t t = 0; t < response->results[d].topics_count; t++) {
            const struct weir_wire_describe_log_dirs_response_describe_log_dirs_topic *found =
                &response->results[d].topics[t];
            if (!weir_slice_equal(found->name, weir_text(topic->name))) continue;
            for (size_t i = 0; i < found->partitions_count; i++) {
                int32_t index = found->partitions[i].partition_index;
                if (index < 0 || index >= topic->partition_count) continue;
                topic->partitions[index].size_bytes = found->partitions[i].partition_size;
            }
        }
    }
}

/* A server that does not tell sizes is still described. */
static int add_sizes(struct remote *remote, struct place_topic *topic, struct weir_error *error)
{
    struct weir_wire_describe_log_dirs_request_describable_log_dir_topic asked = {0};
    struct weir_wire_describe_log_dirs_request request;
    weir_wire_describe_log_dirs_request_init(&request);
    int32_t *indexes = weir_alloc(weir_remote_session_budget(remote->session),
                                  (size_t)topic->partition_count * sizeof *indexes + 1);
    if (indexes == NULL) return cli_no_memory(error);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        indexes[i] = i;
    }
    asked.topic = weir_text(topic->name);
    asked.partitions = indexes;
    asked.partitions_count = (size_t)topic->partition_count;
    request.topics = &asked;
    request.topics_count = 1;
    struct remote_question question = {.request_type = &weir_wire_describe_log_dirs_request_type,
                                       .response_type = &weir_wire_describe_log_dirs_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    weir_free(indexes);
    if (rc == WEIR_UNSUPPORTED_VERSION) return 0;
    if (rc == 0) keep_sizes(topic, answer);
    return rc;
}

static int
keep_configs(struct weir_arena *arena,
             const struct weir_wire_describe_configs_response_describe_configs_result *result,
             struct place_topic *topic, struct weir_error *error)
{
    topic->config_count = result->configs_count;
    topic->configs = weir_arena_array(arena, result->configs_count + 1, sizeof *topic->configs);
    if (topic->configs == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < result->configs_count; i++) {
        topic->configs[i] = (struct place_config){
            .key = place_keep_text(arena, result->configs[i].name),
            .value = place_keep_text(arena, result->configs[i].value),
            .is_default = result->configs[i].config_source != SOURCE_TOPIC,
        };
    }
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

int remote_configs(struct place *place, struct weir_arena *arena, struct place_topic *topic,
                   struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    struct weir_wire_describe_configs_request_describe_configs_resource resource = {0};
    struct weir_wire_describe_configs_request request;
    weir_wire_describe_configs_request_init(&request);
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = weir_text(topic->name);
    resource.configuration_keys = NULL; /* all */
    request.resources = &resource;
    request.resources_count = 1;
    struct remote_question question = {.request_type = &weir_wire_describe_configs_request_type,
                                       .response_type = &weir_wire_describe_configs_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_describe_configs_response *response = answer;
    if (response->results_count != 1) return remote_no_answer(error);
    rc = remote_refusal(response->results[0].error_code, response->results[0].error_message, error);
    return rc < 0 ? rc : keep_configs(arena, &response->results[0], topic, error);
}

int remote_describe(struct place *place, struct weir_arena *arena, const char *name,
                    bool with_details, struct place_topic *topic_out, struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    const struct weir_wire_metadata_response *response = NULL;
    int rc = ask_metadata(remote, name, &response, error);
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", name);
    if (response->topics_count != 1) return remote_no_answer(error);
    rc = remote_refusal(response->topics[0].error_code, weir_null(), error);
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", name);
    struct place_topic topic = topic_of(&response->topics[0], name);
    if (with_details) {
        rc = keep_partitions(arena, &response->topics[0], &topic, error);
        if (rc == 0) rc = add_offsets(place, arena, &topic, error);
        if (rc == 0) rc = add_sizes(remote, &topic, error);
        if (rc == 0) rc = remote_configs(place, arena, &topic, error);
        if (rc < 0) return weir_error_wrap(error, rc, "describe topic '%s'", name);
    }
    *topic_out = topic;
    return 0;
}

int remote_offline_partitions(struct place *place, struct weir_arena *arena, const char *topic,
                              const int32_t **partitions_out, size_t *count_out,
                              struct weir_error *error)
{
    const struct weir_wire_metadata_response *response = NULL;
    int rc = ask_metadata(remote_of(place), topic, &response, error);
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", topic);
    if (response->topics_count != 1) return remote_no_answer(error);
    *partitions_out = NULL;
    *count_out = 0;
    if (response->topics[0].error_code != 0) return 0;
    int32_t *rows = weir_arena_array(arena, response->topics[0].partitions_count + 1, sizeof *rows);
    if (rows == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < response->topics[0].partitions_count; i++) {
        const struct weir_wire_metadata_response_metadata_response_partition *partition =
            &response->topics[0].partitions[i];
        if (partition->offline_replicas_count == 0 && partition->leader_id >= 0) continue;
        rows[(*count_out)++] = partition->partition_index;
    }
    *partitions_out = rows;
    return 0;
}

/* ---- create, configure, delete --------------------------------------------------------------- */

static int ask_create(struct remote *remote, const struct place_new_topic *topic,
                      const struct weir_wire_create_topics_request_creatable_topic_config *configs,
                      struct weir_error *error)
{
    struct weir_wire_create_topics_request_creatable_topic created = {0};
    struct weir_wire_create_topics_request request;
    weir_wire_create_topics_request_init(&request);
    created.name = weir_text(topic->name);
    created.num_partitions = topic->partition_count == 0 ? -1 : topic->partition_count;
    created.replication_factor = -1;
    created.configs = configs;
    created.configs_count = topic->config_count;
    request.topics = &created;
    request.topics_count = 1;
    request.timeout_ms = ADMIN_TIMEOUT_MS;
    struct remote_question question = {.request_type = &weir_wire_create_topics_request_type,
                                       .response_type = &weir_wire_create_topics_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_create_topics_response *response = answer;
    if (response->topics_count != 1) return remote_no_answer(error);
    return remote_refusal(response->topics[0].error_code, response->topics[0].error_message, error);
}

int remote_create(struct place *place, const struct place_new_topic *topic,
                  struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    struct weir_wire_create_topics_request_creatable_topic_config *configs = weir_alloc(
        weir_remote_session_budget(remote->session), topic->config_count * sizeof *configs + 1);
    if (configs == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < topic->config_count; i++) {
        configs[i] = (struct weir_wire_create_topics_request_creatable_topic_config){
            .name = weir_text(topic->configs[i].key),
            .value = weir_text(topic->configs[i].value),
        };
    }
    int rc = ask_create(remote, topic, configs, error);
    weir_free(configs);
    return weir_error_wrap(error, rc, "create topic '%s'", topic->name);
}

static int
ask_configure(struct remote *remote, const char *topic,
              const struct weir_wire_incremental_alter_configs_request_alterable_config *changes,
              size_t count, struct weir_error *error)
{
    struct weir_wire_incremental_alter_configs_request_alter_configs_resource resource = {0};
    struct weir_wire_incremental_alter_configs_request request;
    weir_wire_incremental_alter_configs_request_init(&request);
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = weir_text(topic);
    resource.configs = changes;
    resource.configs_count = count;
    request.resources = &resource;
    request.resources_count = 1;
    struct remote_question question = {
        .request_type = &weir_wire_incremental_alter_configs_request_type,
        .response_type = &weir_wire_incremental_alter_configs_response_type,
        .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_incremental_alter_configs_response *response = answer;
    if (response->responses_count != 1) return remote_no_answer(error);
    return remote_refusal(response->responses[0].error_code, response->responses[0].error_message,
                          error);
}

int remote_configure(struct place *place, const char *topic, const struct weir_config *configs,
                     size_t config_count, struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    struct weir_wire_incremental_alter_configs_request_alterable_config *changes =
        weir_alloc(weir_remote_session_budget(remote->session), config_count * sizeof *changes + 1);
    if (changes == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < config_count; i++) {
        changes[i] = (struct weir_wire_incremental_alter_configs_request_alterable_config){
            .name = weir_text(configs[i].key),
            .config_operation = configs[i].value != NULL ? ALTER_SET : ALTER_RESET,
            .value = weir_text(configs[i].value),
        };
    }
    int rc = ask_configure(remote, topic, changes, config_count, error);
    weir_free(changes);
    return weir_error_wrap(error, rc, "configure topic '%s'", topic);
}

int remote_add_partitions(struct place *place, const char *topic, int32_t total,
                          struct weir_error *error)
{
    struct weir_wire_create_partitions_request_create_partitions_topic asked = {
        .name = weir_text(topic),
        .count = total,
    };
    struct weir_wire_create_partitions_request request;
    weir_wire_create_partitions_request_init(&request);
    request.topics = &asked;
    request.topics_count = 1;
    request.timeout_ms = ADMIN_TIMEOUT_MS;
    struct remote_question question = {.request_type = &weir_wire_create_partitions_request_type,
                                       .response_type = &weir_wire_create_partitions_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote_of(place), &question, &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_create_partitions_response *response = answer;
    if (response->results_count != 1) return remote_no_answer(error);
    rc = remote_refusal(response->results[0].error_code, response->results[0].error_message, error);
    return weir_error_wrap(error, rc, "add partitions to topic '%s'", topic);
}

static int ask_remove(struct remote *remote, const char *topic, struct weir_error *error)
{
    struct weir_slice name = weir_text(topic);
    struct weir_wire_delete_topics_request_delete_topic_state state = {.name = name};
    struct weir_wire_delete_topics_request request;
    weir_wire_delete_topics_request_init(&request);
    /* The field's own version is what goes out: topics from version 6 on, names before. */
    if (weir_remote_session_version(remote->session, &weir_wire_delete_topics_request_type) >= 6) {
        request.topics = &state;
        request.topics_count = 1;
    } else {
        request.topic_names = &name;
        request.topic_names_count = 1;
    }
    request.timeout_ms = ADMIN_TIMEOUT_MS;
    struct remote_question question = {.request_type = &weir_wire_delete_topics_request_type,
                                       .response_type = &weir_wire_delete_topics_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_delete_topics_response *response = answer;
    if (response->responses_count != 1) return remote_no_answer(error);
    return remote_refusal(response->responses[0].error_code, response->responses[0].error_message,
                          error);
}

int remote_remove(struct place *place, const char *topic, struct weir_error *error)
{
    int rc = ask_remove(remote_of(place), topic, error);
    return weir_error_wrap(error, rc, "delete topic '%s'", topic);
}
