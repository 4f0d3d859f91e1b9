/** Administration of topics: each call is one request to the engine, waited for. */
#include "client/client_internal.h"

#include <string.h>

#include "base/error.h"

static int check_call(struct weir_log *log, const char *topic, const char *call,
                      struct weir_error *error)
{
    int rc = weir_log_check(log, call, error);
    return rc < 0 ? rc : weir_topic_text_check(topic, error);
}

/* Where a result is put, or whom it is told. */
static int check_given(bool is_given, const char *call, const char *what, struct weir_error *error)
{
    if (is_given) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s: %s is NULL", call, what);
}

static int check_configs(const struct weir_config *configs, size_t count, bool may_reset,
                         struct weir_error *error)
{
    if (configs == NULL && count > 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%zu configs, but the array is NULL",
                              count);
    }
    for (size_t i = 0; i < count; i++) {
        if (configs[i].key == NULL || configs[i].key[0] == '\0') {
            return weir_error_set(error, WEIR_INVALID_CONFIG, "config %zu has no key", i);
        }
        if (configs[i].value == NULL && !may_reset) {
            return weir_error_set(error, WEIR_INVALID_CONFIG,
                                  "config '%s' has no value: leave it out for the default",
                                  configs[i].key);
        }
    }
    return 0;
}

static int ask(struct weir_log *log, struct weir_topic_request *request, const char *call,
               struct weir_error *error)
{
    int rc = weir_log_wait_begin(log, &request->request, call, error);
    if (rc < 0) return rc;
    weir_log_topic(log, request);
    return weir_request_wait(log->env, &request->request, error);
}

/* Ask with the user's configs as the engine takes them. */
static int ask_with(struct weir_log *log, struct weir_topic_request *request,
                    const struct weir_config *configs, size_t count, const char *call,
                    struct weir_error *error)
{
    if (count > WEIR_TOPIC_CONFIGS_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "%zu configs at once; at most %d", count,
                              WEIR_TOPIC_CONFIGS_MAX);
    }
    struct weir_arena arena;
    weir_arena_init(&arena, &log->budget, 0);
    struct weir_config_entry *entries =
        weir_arena_array(&arena, count > 0 ? count : 1, sizeof *entries);
    int rc = entries != NULL ? 0 : weir_error_set(error, WEIR_NO_MEMORY, "%zu configs", count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        entries[i] = (struct weir_config_entry){.key = configs[i].key, .value = configs[i].value};
    }
    request->configs = entries;
    request->config_count = count;
    if (rc == 0) rc = ask(log, request, call, error);
    if (rc != WEIR_CRASHED) weir_arena_close(&arena); /* then its memory went with the node */
    return rc;
}

int weir_topic_create(struct weir_log *log, const char *topic, int32_t partition_count,
                      const struct weir_config *configs, size_t config_count,
                      struct weir_error *error)
{
    weir_error_clear(error);
    int rc = check_call(log, topic, "weir_topic_create", error);
    if (rc == 0) rc = check_configs(configs, config_count, false, error);
    if (rc < 0) return rc;
    if (partition_count < 0) {
        return weir_error_set(error, WEIR_INVALID_PARTITIONS,
                              "topic '%s' with %d partitions: at least 1, or 0 for num.partitions",
                              topic, (int)partition_count);
    }
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_CREATE,
        .topic = weir_text(topic),
        .partition_count = partition_count == 0 ? -1 : partition_count,
    };
    rc = ask_with(log, &request, configs, config_count, "weir_topic_create", error);
    return weir_error_wrap(error, rc, "create topic '%s'", topic);
}

int weir_topic_delete(struct weir_log *log, const char *topic, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = check_call(log, topic, "weir_topic_delete", error);
    if (rc < 0) return rc;
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DELETE,
        .topic = weir_text(topic),
    };
    rc = ask(log, &request, "weir_topic_delete", error);
    return weir_error_wrap(error, rc, "delete topic '%s'", topic);
}

int weir_topic_configure(struct weir_log *log, const char *topic, const struct weir_config *configs,
                         size_t config_count, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = check_call(log, topic, "weir_topic_configure", error);
    if (rc == 0) rc = check_configs(configs, config_count, true, error);
    if (rc < 0) return rc;
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_ALTER_CONFIG,
        .topic = weir_text(topic),
    };
    rc = ask_with(log, &request, configs, config_count, "weir_topic_configure", error);
    return weir_error_wrap(error, rc, "configure topic '%s'", topic);
}

static void describe_into(struct weir_topic_description *description, struct weir_slice name,
                          struct weir_uuid id, int32_t partition_count, bool is_internal)
{
    *description = (struct weir_topic_description){
        .id = id,
        .partition_count = partition_count,
        .is_internal = is_internal,
    };
    size_t size = name.size < sizeof description->name ? name.size : sizeof description->name - 1;
    memcpy(description->name, name.data, size);
}

int weir_topic_describe(struct weir_log *log, const char *topic,
                        struct weir_topic_description *description_out, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = check_call(log, topic, "weir_topic_describe", error);
    if (rc == 0) {
        rc = check_given(description_out != NULL, "weir_topic_describe", "description_out", error);
    }
    if (rc < 0) return rc;
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DESCRIBE,
        .topic = weir_text(topic),
        .is_internal = true, /* looking does no harm */
    };
    rc = ask(log, &request, "weir_topic_describe", error);
    if (rc < 0) return weir_error_wrap(error, rc, "describe topic '%s'", topic);
    describe_into(description_out, weir_text(topic), request.topic_id, request.partition_count,
                  topic[0] == '_' && topic[1] == '_');
    return 0;
}

static int give_each(const struct weir_list_topics_request *request,
                     int (*each)(void *, const struct weir_topic_description *), void *context)
{
    for (size_t i = 0; i < request->topic_count; i++) {
        const struct weir_topic_info *info = &request->topics[i];
        struct weir_topic_description description;
        describe_into(&description, info->name, info->id, info->partition_count, info->is_internal);
        int rc = each(context, &description);
        if (rc != 0) return rc;
    }
    return 0;
}

int weir_topic_list(struct weir_log *log,
                    int (*each)(void *context, const struct weir_topic_description *description),
                    void *context, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_log_check(log, "weir_topic_list", error);
    if (rc == 0) rc = check_given(each != NULL, "weir_topic_list", "each", error);
    if (rc < 0) return rc;
    struct weir_arena arena;
    weir_arena_init(&arena, &log->budget, 0);
    struct weir_list_topics_request request = {.arena = &arena};
    rc = weir_log_wait_begin(log, &request.request, "weir_topic_list", error);
    if (rc < 0) goto out;
    weir_log_list_topics(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc == WEIR_CRASHED) return rc; /* the arena's memory went with the node */
    rc = rc < 0 ? weir_error_wrap(error, rc, "list topics") : give_each(&request, each, context);
out:
    weir_arena_close(&arena);
    return rc;
}

int weir_topic_list_offset(struct weir_log *log, const struct weir_list_offsets_request *asked,
                           const char *call, int64_t *offset_out, struct weir_error *error)
{
    struct weir_list_offsets_request request = *asked;
    int rc = weir_log_wait_begin(log, &request.request, call, error);
    if (rc < 0) return rc;
    weir_log_list_offsets(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "offsets of '%.*s' partition %d",
                               (int)asked->of.topic.size, (const char *)asked->of.topic.data,
                               (int)asked->of.partition);
    }
    *offset_out = request.offset;
    return 0;
}

static int list_offset(struct weir_log *log, const char *topic, int32_t partition,
                       int64_t timestamp_ms, const char *call, int64_t *offset_out,
                       struct weir_error *error)
{
    struct weir_list_offsets_request asked = {
        .of = {.topic = weir_text(topic), .partition = partition},
        .timestamp_ms = timestamp_ms,
    };
    return weir_topic_list_offset(log, &asked, call, offset_out, error);
}

int weir_topic_offsets(struct weir_log *log, const char *topic, int32_t partition,
                       int64_t *start_out, int64_t *end_out, struct weir_error *error)
{
    weir_error_clear(error);
    int64_t start = 0;
    int64_t end = 0;
    int rc = check_call(log, topic, "weir_topic_offsets", error);
    if (rc < 0) return rc;
    rc = list_offset(log, topic, partition, WEIR_OFFSET_EARLIEST, "weir_topic_offsets", &start,
                     error);
    if (rc < 0) return rc;
    rc = list_offset(log, topic, partition, WEIR_OFFSET_LATEST, "weir_topic_offsets", &end, error);
    if (rc < 0) return rc;
    if (start_out != NULL) *start_out = start;
    if (end_out != NULL) *end_out = end;
    return 0;
}

int weir_topic_offset_at(struct weir_log *log, const char *topic, int32_t partition,
                         int64_t timestamp_ms, int64_t *offset_out, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = check_call(log, topic, "weir_topic_offset_at", error);
    if (rc == 0) rc = check_given(offset_out != NULL, "weir_topic_offset_at", "offset_out", error);
    if (rc < 0) return rc;
    if (timestamp_ms < 0) {
        return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                              "timestamp %lld: milliseconds since 1970, 0 or more",
                              (long long)timestamp_ms);
    }
    return list_offset(log, topic, partition, timestamp_ms, "weir_topic_offset_at", offset_out,
                       error);
}

static int describe(struct weir_log *log, const char *topic, const char *call,
                    struct weir_topic_facts *facts_out, struct weir_error *error)
{
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DESCRIBE,
        .topic = weir_text(topic),
        .is_internal = true, /* an internal topic may be read; writing is refused on the way in */
    };
    int rc = ask(log, &request, call, error);
    if (rc < 0) return rc;
    *facts_out = (struct weir_topic_facts){
        .id = request.topic_id,
        .partition_count = request.partition_count,
        .max_message_bytes = request.config.max_message_bytes,
        .is_compacted = request.config.cleanup_compact,
    };
    return 0;
}

int weir_topic_look_up(struct weir_log *log, const char *topic, bool or_create, const char *call,
                       struct weir_topic_facts *facts_out, struct weir_error *error)
{
    int rc = weir_topic_text_check(topic, error);
    if (rc < 0) return rc;
    rc = describe(log, topic, call, facts_out, error);
    if (rc != WEIR_UNKNOWN_TOPIC_OR_PARTITION) return rc;
    if (!or_create || !log->auto_create_topics) {
        return weir_error_set(error, rc, "topic '%s' does not exist: weir_topic_create makes it",
                              topic);
    }
    struct weir_topic_request create = {
        .operation = WEIR_TOPIC_CREATE,
        .topic = weir_text(topic),
        .partition_count = -1,
    };
    rc = ask(log, &create, call, error);
    if (rc < 0 && rc != WEIR_EXISTS) { /* EXISTS: somebody else was faster */
        return weir_error_wrap(error, rc, "create topic '%s'", topic);
    }
    weir_error_clear(error); /* that it was not there is no news any more */
    return describe(log, topic, call, facts_out, error);
}

int weir_partition_check(const char *topic, int32_t partition, int32_t partition_count,
                         struct weir_error *error)
{
    if (partition >= 0 && partition < partition_count) return 0;
    return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                          "topic '%s' has no partition %d: they are 0 to %d", topic, (int)partition,
                          (int)partition_count - 1);
}
