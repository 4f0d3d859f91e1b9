#include "broker/log/topic_defaults.h"
#include "server/handlers/config_entries.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "server/server_config.h"
#include "wire/generated/describe_configs_request.h"
#include "wire/generated/describe_configs_response.h"

struct describe_configs {
    struct weir_list_topics_request list;
    struct weir_request_context *context;
    const struct weir_wire_describe_configs_request *request;
    struct weir_slice *names;         /* of the topics, in order of their resources */
    struct weir_config_levels levels; /* of topics */
    struct weir_config_levels group_levels;
    struct weir_wire_describe_configs_response_describe_configs_result *results;
};

/* ---- one setting ----------------------------------------------------------------------------- */

static bool is_wanted(const struct weir_wire_describe_configs_request_describe_configs_resource *of,
                      struct weir_slice key)
{
    if (of->configuration_keys == NULL) return true;
    for (size_t i = 0; i < of->configuration_keys_count; i++) {
        if (weir_slice_equal(of->configuration_keys[i], key)) return true;
    }
    return false;
}

/* The same setting at every level that has a value for it, the one in force first. */
static void
add_synonyms(struct weir_arena *arena, const struct weir_config_level *level,
             struct weir_wire_describe_configs_response_describe_configs_resource_result *row)
{
    enum { LEVELS = 3 };
    struct weir_wire_describe_configs_response_describe_configs_synonym *synonyms =
        weir_arena_array(arena, LEVELS, sizeof *synonyms);
    if (synonyms == NULL) return;
    row->synonyms = synonyms;
    if (row->config_source == WEIR_CONFIG_OF_TOPIC || row->config_source == WEIR_CONFIG_OF_GROUP) {
        synonyms[row->synonyms_count++] =
            (struct weir_wire_describe_configs_response_describe_configs_synonym){
                level->name, row->value, row->config_source};
    }
    if (!weir_slice_is_null(level->broker_value)) {
        synonyms[row->synonyms_count++] =
            (struct weir_wire_describe_configs_response_describe_configs_synonym){
                level->broker_name, level->broker_value, WEIR_CONFIG_OF_BROKER};
    }
    synonyms[row->synonyms_count++] =
        (struct weir_wire_describe_configs_response_describe_configs_synonym){
            level->broker_name, level->default_value, WEIR_CONFIG_OF_KAFKA};
}

/* ---- a topic, a group ------------------------------------------------------------------------ */

/* `values` is NULL if the arena has failed. */
static void
show_values(struct describe_configs *describe, const struct weir_config_levels *levels,
            const struct weir_config_value *values,
            const struct weir_wire_describe_configs_request_describe_configs_resource *asked,
            struct weir_wire_describe_configs_response_describe_configs_result *result)
{
    struct weir_arena *arena = &describe->context->arena;
    struct weir_wire_describe_configs_response_describe_configs_resource_result *rows =
        weir_arena_array(arena, levels->count, sizeof *rows);
    for (size_t i = 0; !weir_arena_failed(arena) && i < levels->count; i++) {
        const struct weir_config_level *level = &levels->rows[i];
        if (!is_wanted(asked, level->name)) continue;
        struct weir_wire_describe_configs_response_describe_configs_resource_result *row =
            &rows[result->configs_count++];
        *row = (struct weir_wire_describe_configs_response_describe_configs_resource_result){
            .name = level->name,
            .value = values[i].value,
            .config_source = (int8_t)values[i].source,
            .config_type = (int8_t)level->type,
        };
        if (describe->request->include_documentation) row->documentation = level->text;
        if (describe->request->include_synonyms) add_synonyms(arena, level, row);
    }
    result->configs = rows;
}

static void
show_topic(struct describe_configs *describe, const struct weir_topic_info *topic,
           const struct weir_wire_describe_configs_request_describe_configs_resource *asked,
           struct weir_wire_describe_configs_response_describe_configs_result *result)
{
    const struct weir_config_value *values =
        weir_config_values(describe->context, &describe->levels, &topic->config, topic->overrides,
                           topic->override_count);
    show_values(describe, &describe->levels, values, asked, result);
}

/* A group need not be there to have settings. */
static void
show_group(struct describe_configs *describe,
           const struct weir_wire_describe_configs_request_describe_configs_resource *asked,
           struct weir_wire_describe_configs_response_describe_configs_result *result)
{
    struct weir_config_levels *levels = &describe->group_levels;
    if (levels->count == 0) *levels = weir_group_config_levels(describe->context);
    const struct weir_config_value *values =
        weir_group_config_values(describe->context, levels, asked->resource_name);
    show_values(describe, levels, values, asked, result);
}

/* ---- the server ------------------------------------------------------------------------------ */

struct server_walk {
    struct describe_configs *describe;
    const struct weir_wire_describe_configs_request_describe_configs_resource *asked;
    /* NULL: count only */
    struct weir_wire_describe_configs_response_describe_configs_resource_result *rows;
    size_t count;
};

static void show_typed(struct server_walk *walk, enum weir_config_type type, const char *key,
                       const char *value, bool is_default, const char *text)
{
    struct weir_arena *arena = &walk->describe->context->arena;
    if (!is_wanted(walk->asked, weir_text(key))) return;
    size_t index = walk->count++;
    if (walk->rows == NULL) return;
    struct weir_wire_describe_configs_response_describe_configs_resource_result *row =
        &walk->rows[index];
    *row = (struct weir_wire_describe_configs_response_describe_configs_resource_result){
        .name = weir_text(key),
        .value = weir_arena_copy(arena, weir_text(value)),
        .read_only = true, /* settings are given when the server starts */
        .config_source = is_default ? WEIR_CONFIG_OF_KAFKA : WEIR_CONFIG_OF_BROKER,
        .config_type = (int8_t)type,
    };
    if (walk->describe->request->include_documentation) row->documentation = weir_text(text);
    if (!walk->describe->request->include_synonyms) return;
    struct weir_wire_describe_configs_response_describe_configs_synonym *synonym =
        weir_arena_alloc(arena, sizeof *synonym);
    if (synonym == NULL) return;
    *synonym = (struct weir_wire_describe_configs_response_describe_configs_synonym){
        row->name, row->value, row->config_source};
    row->synonyms = synonym;
    row->synonyms_count = 1;
}

static void show_setting(void *context, const char *key, const char *value, bool is_default,
                         const char *text)
{
    show_typed(context, weir_server_config_type(key), key, value, is_default, text);
}

static void show_group_setting(void *context, const char *key, const char *value, bool is_default,
                               const char *text)
{
    show_typed(context, weir_group_settings_type(key), key, value, is_default, text);
}

static void show_transaction_setting(void *context, const char *key, const char *value,
                                     bool is_default, const char *text)
{
    show_typed(context, weir_txn_settings_type(key), key, value, is_default, text);
}

static void show_cleaner_setting(void *context, const char *key, const char *value, bool is_default,
                                 const char *text)
{
    show_typed(context, weir_cleaner_settings_type(key), key, value, is_default, text);
}

/* What topics have that do not say otherwise is the server's, under the server's name. */
static void show_topic_default(void *context, const char *key, const char *value, bool is_default,
                               const char *text)
{
    if (weir_topic_config_is_text(key)) return; /* of one topic each */
    show_typed(context, weir_topic_config_type(key), weir_topic_default_name(key), value,
               is_default, text);
}

/* Where this client is sent to: its tools look for it under Kafka's name. */
static void show_address(struct server_walk *walk)
{
    struct weir_request_context *context = walk->describe->context;
    struct weir_slice host;
    int32_t port;
    weir_context_address(context, &host, &port);
    bool is_v6 = memchr(host.data, ':', host.size) != NULL;
    const char *value =
        weir_arena_printf(&context->arena, is_v6 ? "PLAINTEXT://[%.*s]:%d" : "PLAINTEXT://%.*s:%d",
                          (int)host.size, (const char *)host.data, (int)port);
    if (value == NULL) return;
    show_typed(walk, WEIR_CONFIG_TYPE_LIST, "advertised.listeners", value, false,
               "where clients are sent to: --advertise, or else where they have come to");
}

static void show_settings(struct server_walk *walk)
{
    const struct weir_request_context *context = walk->describe->context;
    walk->count = 0;
    show_address(walk);
    weir_server_config_each(weir_context_config(context), show_setting, walk);
    const struct weir_broker_options *options = weir_broker_options_of(context->broker);
    weir_group_settings_each(&options->groups, show_group_setting, walk);
    weir_txn_settings_each(&options->transactions, show_transaction_setting, walk);
    weir_cleaner_settings_each(&options->cleaner, show_cleaner_setting, walk);
    weir_topic_config_each(&options->topic_defaults, show_topic_default, walk);
}

/* "" asks for what holds for all brokers of a cluster and can be changed while they run: nothing. */
static void
show_server(struct describe_configs *describe,
            const struct weir_wire_describe_configs_request_describe_configs_resource *asked,
            struct weir_wire_describe_configs_response_describe_configs_result *result)
{
    struct server_walk walk = {.describe = describe, .asked = asked};
    if (asked->resource_name.size == 0) return;
    show_settings(&walk);
    walk.rows = weir_arena_array(&describe->context->arena, walk.count, sizeof *walk.rows);
    if (walk.rows == NULL) return;
    show_settings(&walk);
    result->configs = walk.rows;
    result->configs_count = walk.count;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static struct weir_outcome refuse_access(struct weir_request_context *context, int8_t type)
{
    enum weir_wire_error error =
        type == WEIR_RESOURCE_TYPE_TOPIC   ? WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED
        : type == WEIR_RESOURCE_TYPE_GROUP ? WEIR_WIRE_GROUP_AUTHORIZATION_FAILED
                                           : WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    return weir_outcome_refuse(context, error, "not allowed to see these settings");
}

static struct weir_outcome
check(struct weir_request_context *context,
      const struct weir_wire_describe_configs_request_describe_configs_resource *asked)
{
    int8_t type = asked->resource_type;
    bool is_topic = type == WEIR_RESOURCE_TYPE_TOPIC;
    bool is_group = type == WEIR_RESOURCE_TYPE_GROUP;
    struct weir_slice name = asked->resource_name;
    if (!is_topic && !is_group && type != WEIR_RESOURCE_TYPE_BROKER) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "resource type %d has no settings here; topics (%d), brokers "
                                   "(%d) and groups (%d) have",
                                   type, WEIR_RESOURCE_TYPE_TOPIC, WEIR_RESOURCE_TYPE_BROKER,
                                   WEIR_RESOURCE_TYPE_GROUP);
    }
    enum weir_acl_resource resource = is_topic   ? WEIR_ACL_TOPIC
                                      : is_group ? WEIR_ACL_GROUP
                                                 : WEIR_ACL_CLUSTER;
    if (!weir_authorize(context, WEIR_ACL_DESCRIBE_CONFIGS, resource, name)) {
        return refuse_access(context, type);
    }
    if (is_group) return weir_group_resource_check(context, name);
    return is_topic ? (struct weir_outcome){0} : weir_broker_resource_check(context, name);
}

static void answer(struct describe_configs *describe)
{
    struct weir_wire_describe_configs_response response;
    weir_wire_describe_configs_response_init(&response);
    response.results = describe->results;
    response.results_count = describe->request->resources_count;
    weir_outcome_reply(describe->context, &response);
}

static bool is_listed(const struct describe_configs *describe, size_t index)
{
    return describe->request->resources[index].resource_type == WEIR_RESOURCE_TYPE_TOPIC &&
           describe->results[index].error_code == 0;
}

static void listed(struct weir_request *request)
{
    struct describe_configs *describe = request->context;
    if (request->rc < 0) {
        weir_context_reply_close(describe->context, request->error.text);
        return;
    }
    describe->levels = weir_config_levels(describe->context);
    size_t at = 0;
    for (size_t i = 0; i < describe->request->resources_count; i++) {
        struct weir_wire_describe_configs_response_describe_configs_result *result =
            &describe->results[i];
        if (!is_listed(describe, i)) continue;
        const struct weir_topic_info *topic = &describe->list.topics[at++];
        if (topic->rc == 0) {
            show_topic(describe, topic, &describe->request->resources[i], result);
        } else {
            result->error_code = weir_wire_error_of(topic->rc);
            result->error_message = weir_text(weir_code_text(topic->rc));
        }
    }
    answer(describe);
}

/* ---- the door -------------------------------------------------------------------------------- */

/* What the request has too many of, in all its resources together; NULL: of nothing. */
static const char *find_excess(const struct weir_wire_describe_configs_request *request)
{
    size_t key_count = 0;
    if (request->resources_count > WEIR_SUBJECTS_MAX) return "resources";
    for (size_t i = 0; i < request->resources_count; i++) {
        key_count += request->resources[i].configuration_keys_count;
    }
    return key_count > WEIR_SUBJECTS_MAX ? "settings" : NULL;
}

/* What needs no engine is answered at once; returns how many topics are left. */
static size_t read_resources(struct describe_configs *describe)
{
    struct weir_request_context *context = describe->context;
    const char *excess = find_excess(describe->request);
    size_t topic_count = 0;
    for (size_t i = 0; i < describe->request->resources_count; i++) {
        const struct weir_wire_describe_configs_request_describe_configs_resource *asked =
            &describe->request->resources[i];
        struct weir_outcome outcome =
            excess != NULL ? weir_outcome_too_many(context, excess) : check(context, asked);
        describe->results[i] = (struct weir_wire_describe_configs_response_describe_configs_result){
            .error_code = outcome.error_code,
            .error_message = outcome.message,
            .resource_type = asked->resource_type,
            .resource_name = asked->resource_name,
        };
        if (is_listed(describe, i)) {
            describe->names[topic_count++] = asked->resource_name;
        } else if (outcome.error_code == 0 && asked->resource_type == WEIR_RESOURCE_TYPE_GROUP) {
            show_group(describe, asked, &describe->results[i]);
        } else if (outcome.error_code == 0) {
            show_server(describe, asked, &describe->results[i]);
        }
    }
    return topic_count;
}

void weir_handle_describe_configs(struct weir_request_context *context)
{
    const struct weir_wire_describe_configs_request *request = context->request;
    struct weir_arena *arena = &context->arena;
    struct describe_configs *describe = weir_arena_alloc_zero(arena, sizeof *describe);
    struct weir_slice *names = weir_arena_array(arena, request->resources_count, sizeof *names);
    struct weir_wire_describe_configs_response_describe_configs_result *results =
        weir_arena_array(arena, request->resources_count, sizeof *results);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *describe = (struct describe_configs){
        .context = context,
        .request = request,
        .names = names,
        .results = results,
    };
    size_t topic_count = read_resources(describe);
    if (topic_count == 0) {
        answer(describe);
        return;
    }
    describe->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = describe},
        .arena = arena,
        .names = names,
        .asked_count = topic_count,
        .is_selection = true,
        .with_configs = true,
    };
    weir_broker_list_topics(context->broker, &describe->list);
}
