#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"

/**
 * The topics of a job: those it is given must be there (or are made, with auto-create), its own are
 * made with as many partitions as it has tasks. How they are described, counted and asked for.
 */

/* ---- topics of the topology ------------------------------------------------------------------ */

static const char *name_of(const struct weir_start *start, size_t topic)
{
    const struct weir_streams *streams = start->streams;
    return topic < streams->topic_count ? streams->topics[topic].name : start->application_topic;
}

/* `what` is complete but for the topic's name: from here on the request belongs to whoever answers. A
 * number of partitions that is not given is the log's to choose. */
static void send_request(struct weir_start *start, size_t topic,
                         const struct weir_topic_request *what)
{
    struct weir_topic_request *request = &start->topics[topic];
    weir_assert(topic <= start->streams->topic_count && name_of(start, topic) != NULL);
    *request = *what;
    request->request = weir_start_asked(start);
    request->topic = weir_text(name_of(start, topic));
    if (what->partition_count == 0) request->partition_count = -1;
    weir_log_topic(start->streams->log, request);
}

void weir_start_ask_topic(struct weir_start *start, size_t topic,
                          enum weir_topic_operation operation)
{
    const struct weir_topic_request what = {
        .operation = operation,
        .arena = operation == WEIR_TOPIC_DESCRIBE ? &start->arena : NULL,
    };
    send_request(start, topic, &what);
}

/* The application's own topic comes behind those of the job's table. */
int weir_start_look_at_topics(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    size_t count = streams->topic_count + 1;
    weir_assert(start->topics == NULL);
    start->application_topic =
        weir_application_topic_name(&start->arena, streams->options.application_id);
    start->topics = weir_arena_array(&start->arena, count, sizeof *start->topics);
    if (weir_arena_failed(&start->arena)) return weir_start_no_memory(error);
    int rc = weir_start_check_roles(start, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < count; i++) {
        const char *name = name_of(start, i);
        if (name == NULL) continue;
        if (i + 1 < count && strcmp(name, start->application_topic) == 0) {
            return weir_error_set(error, WEIR_INVALID_TOPOLOGY,
                                  "topic '%s' holds the records of application '%s': the program "
                                  "cannot read or write it",
                                  name, streams->options.application_id);
        }
        weir_start_ask_topic(start, i, WEIR_TOPIC_DESCRIBE);
    }
    return 0;
}

void weir_start_take_description(struct weir_start *start, size_t topic)
{
    const struct weir_topic_request *request = &start->topics[topic];
    struct weir_job_topic *found = &start->streams->topics[topic];
    weir_assert(topic < start->streams->topic_count && request->request.rc >= 0);
    found->id = request->topic_id;
    found->max_message_bytes = request->config.max_message_bytes;
    found->keys_required = request->config.cleanup_compact;
    found->delete_retention_ms = request->config.delete_retention_ms;
    if (request->config.message_timestamp_type == WEIR_LOG_APPEND_TIME) return;
    found->before_max_ms = request->config.message_timestamp_before_max_ms;
    found->after_max_ms = request->config.message_timestamp_after_max_ms;
}

/* Where auto-create is on, a missing topic will be made, with the log's default count. */
static int take_missing(struct weir_start *start, size_t topic, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    bool is_given = topic < streams->topic_count && !streams->topics[topic].is_internal;
    if (!is_given) return 0;
    if (!streams->log->auto_create_topics) {
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "topic '%s' does not exist: create it before the job starts",
                              name_of(start, topic));
    }
    const struct weir_topic_defaults *defaults = weir_log_topic_defaults(streams->log);
    streams->topics[topic].partition_count = defaults->partition_count;
    return 0;
}

static int take_topic(struct weir_start *start, size_t topic, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    const struct weir_topic_request *request = &start->topics[topic];
    if (request->request.rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) {
        return take_missing(start, topic, error);
    }
    if (request->request.rc < 0) {
        weir_error_copy(error, &request->request.error);
        return weir_error_wrap(error, request->request.rc, "topic '%s'", name_of(start, topic));
    }
    if (topic == streams->topic_count) return 0;
    if (!streams->topics[topic].is_internal) {
        streams->topics[topic].partition_count = request->partition_count;
    }
    weir_start_take_description(start, topic);
    return 0;
}

/* The letter of a record without a key, and a timer's, is one without a key. Where a topic refuses those
 * the job would stop at the first, which is what letters are there to prevent; and compaction removes all
 * letters of a key but the last. So it does with late records. */
static int check_letters(const struct weir_start *start, size_t topic,
                         const struct weir_topic_config *config, struct weir_error *error)
{
    const struct weir_streams *streams = start->streams;
    const bool has_letters = topic == streams->task_config.dead_letter_topic &&
                             weir_streams_writes_letters(&streams->options);
    if (!config->cleanup_compact) return 0;
    if (topic == streams->task_config.late_topic) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "late_topic '%s' is compacted, which keeps one late record of a key: "
                              "set its cleanup.policy to delete, or name another topic",
                              name_of(start, topic));
    }
    if (!has_letters) return 0;
    return weir_error_set(
        error, WEIR_INVALID_ARGUMENT,
        "dead_letter_topic '%s' is compacted, and a compacted topic refuses what has "
        "no key, as a letter may: set its cleanup.policy to delete, or name another "
        "topic",
        name_of(start, topic));
}

/* Behind the look for owners: what is another application's is not to be made fit. */
int weir_start_check_letters(const struct weir_start *start, struct weir_error *error)
{
    const struct weir_task_config *config = &start->streams->task_config;
    const size_t topics[] = {config->dead_letter_topic, config->late_topic};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (topics[i] == SIZE_MAX) continue;
        const struct weir_topic_request *described = &start->topics[topics[i]];
        bool exists = described->request.rc >= 0;
        int rc = check_letters(start, topics[i],
                               exists ? &described->config
                                      : &weir_log_topic_defaults(start->streams->log)->config,
                               error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* ---- partition counts ------------------------------------------------------------------------ */

static int32_t largest_source(const struct weir_streams *streams,
                              const struct weir_plan_subtopology *sub)
{
    int32_t count = 0;
    for (size_t i = 0; i < sub->source_count; i++) {
        int32_t topic = streams->topology->nodes[sub->sources[i]].topic;
        weir_assert(topic >= 0); /* a source has one */
        int32_t partitions = streams->topics[topic].partition_count;
        if (partitions > count) count = partitions;
    }
    return count;
}

/* Repartition topics take the largest count of their writers' sources. One pass settles what hangs
 * directly on external topics; a chain of n needs n. */
static void size_repartitions(struct weir_streams *streams)
{
    const struct weir_topology *topology = streams->topology;
    for (size_t round = 0; round < topology->topic_count; round++) {
        for (size_t n = 0; n < topology->node_count; n++) {
            const struct weir_plan_node *node = &topology->nodes[n];
            if (node->kind != WEIR_PLAN_SINK || node->topic < 0) continue;
            const struct weir_plan_topic *plan = &topology->topics[node->topic];
            if (!plan->is_repartition || plan->partition_count > 0) continue;
            int32_t count = largest_source(streams, &topology->subtopologies[node->subtopology]);
            int32_t *known = &streams->topics[node->topic].partition_count;
            if (count > *known) *known = count;
        }
    }
}

/* One group of topics that are joined by partition number: repartition topics that are free to
 * follow do, all others must agree. `group` ends at -1. */
static int settle_group(struct weir_streams *streams, const int32_t *group,
                        struct weir_error *error)
{
    const struct weir_topology *topology = streams->topology;
    int32_t leader = -1;
    int32_t largest = 0;
    for (const int32_t *topic = group; *topic >= 0; topic++) {
        const struct weir_plan_topic *plan = &topology->topics[*topic];
        int32_t count = streams->topics[*topic].partition_count;
        if (count > largest) largest = count;
        if (plan->is_repartition && plan->partition_count == 0) continue;
        if (leader < 0) leader = *topic;
        if (count != streams->topics[leader].partition_count) {
            return weir_error_set(
                error, WEIR_INVALID_TOPOLOGY,
                "topics that are joined need the same number of partitions: '%s' has %" PRId32
                ", '%s' has %" PRId32,
                streams->topics[leader].name, streams->topics[leader].partition_count,
                streams->topics[*topic].name, count);
        }
    }
    if (leader >= 0) largest = streams->topics[leader].partition_count;
    for (const int32_t *topic = group; *topic >= 0; topic++) {
        streams->topics[*topic].partition_count = largest;
    }
    return 0;
}

static int settle_groups(struct weir_streams *streams, struct weir_error *error)
{
    for (size_t s = 0; s < streams->topology->subtopology_count; s++) {
        const int32_t *group = streams->topology->subtopologies[s].copartitioned;
        while (group != NULL && *group != -2) {
            int rc = settle_group(streams, group, error);
            if (rc < 0) return rc;
            while (*group >= 0) {
                group++;
            }
            if (*group == -1) group++;
        }
    }
    return 0;
}

static int count_tasks(struct weir_streams *streams, struct weir_error *error)
{
    const struct weir_topology *topology = streams->topology;
    for (size_t i = 0; i < topology->topic_count; i++) {
        if (topology->topics[i].is_repartition) {
            streams->topics[i].partition_count = topology->topics[i].partition_count;
        }
    }
    size_repartitions(streams);
    int rc = settle_groups(streams, error);
    if (rc < 0) return rc;
    size_repartitions(streams);
    for (size_t s = 0; s < topology->subtopology_count; s++) {
        const struct weir_plan_subtopology *sub = &topology->subtopologies[s];
        streams->task_counts[s] = largest_source(streams, sub);
        for (size_t i = 0; i < sub->store_count; i++) {
            size_t changelog = weir_changelog_topic(topology, (size_t)sub->stores[i]);
            streams->topics[changelog].partition_count = streams->task_counts[s];
        }
    }
    return 0;
}

int weir_start_count_topics(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    weir_assert(start->topics != NULL && start->outstanding == 0);
    for (size_t i = 0; i <= streams->topic_count; i++) {
        if (name_of(start, i) == NULL) continue;
        int rc = take_topic(start, i, error);
        if (rc < 0) return rc;
    }
    return count_tasks(streams, error);
}

/* ---- internal topics ------------------------------------------------------------------------- */

enum { CONFIGS_MAX = 12, FORMATS_MAX = 2 };

static void add_config(struct weir_config_entry *configs, size_t *count, const char *key,
                       const char *value)
{
    configs[(*count)++] = (struct weir_config_entry){.key = key, .value = value};
}

struct weir_plan_formats weir_start_formats(const struct weir_start *start, size_t topic)
{
    const struct weir_topology *topology = start->streams->topology;
    if (topic < topology->topic_count) return topology->topics[topic].formats;
    if (topic < topology->topic_count + topology->store_count) {
        return topology->stores[topic - topology->topic_count].formats;
    }
    return (struct weir_plan_formats){.key = {NULL, 0}}; /* dead letters keep whatever came */
}

static void add_formats(const struct weir_start *start, size_t topic,
                        struct weir_config_entry *configs, size_t *count)
{
    const struct weir_plan_formats formats = weir_start_formats(start, topic);
    if (weir_plan_format_is_known(formats.key)) {
        add_config(configs, count, "weir.key.format", formats.key.text);
    }
    if (weir_plan_format_is_known(formats.value)) {
        add_config(configs, count, "weir.value.format", formats.value.text);
    }
}

/* Where nothing goes by its time a segment ends by its size alone. By the records' own time all partitions would begin
 * new ones at once, with four syncs each, and every week of a past that is processed in a second. */
static void add_segment_time(struct weir_config_entry *configs, size_t *count)
{
    add_config(configs, count, "segment.ms", "9223372036854775807");
}

static int topic_configs(struct weir_start *start, size_t topic, struct weir_config_entry *configs,
                         size_t *count_out)
{
    const struct weir_topology *topology = start->streams->topology;
    size_t count = 0;
    weir_assert(start->streams->topics[topic].is_internal);
    weir_own_topic_configs(configs, &count);
    if (topic < topology->topic_count) {
        add_config(configs, &count, "cleanup.policy", "delete");
        add_config(configs, &count, "retention.ms", "-1");
        add_config(configs, &count, "segment.bytes", "52428800");
        add_segment_time(configs, &count);
    } else {
        const struct weir_plan_store *store = &topology->stores[topic - topology->topic_count];
        const int64_t retention_ms = store->changelog_retention_ms;
        const char *policy = retention_ms > 0 ? "compact,delete" : "compact";
        if (store->is_changelog_uncompacted) policy = "delete";
        add_config(configs, &count, "cleanup.policy", policy);
        if (store->changelog_compaction_lag_ms > 0) {
            add_config(
                configs, &count, "min.compaction.lag.ms",
                weir_arena_printf(&start->arena, "%" PRId64, store->changelog_compaction_lag_ms));
        }
        if (retention_ms > 0) {
            add_config(configs, &count, "retention.ms",
                       weir_arena_printf(&start->arena, "%" PRId64, retention_ms));
        } else {
            add_segment_time(configs, &count);
        }
    }
    add_formats(start, topic, configs, &count);
    *count_out = count;
    return weir_arena_failed(&start->arena) ? WEIR_NO_MEMORY : 0;
}

/* ---- what topics say of their records -------------------------------------------------------- */

/* A topic that the job makes because the user has not: with the defaults, and what its serdes say. */
int weir_start_create_given_topic(struct weir_start *start, size_t topic, struct weir_error *error)
{
    struct weir_config_entry *configs =
        weir_arena_array(&start->arena, FORMATS_MAX, sizeof *configs);
    size_t count = 0;
    if (configs == NULL) return weir_start_no_memory(error);
    add_formats(start, topic, configs, &count);
    const struct weir_topic_request what = {
        .operation = WEIR_TOPIC_CREATE, .configs = configs, .config_count = count};
    send_request(start, topic, &what);
    return 0;
}

/* The job's own topics and those it writes to. What it only reads is somebody else's to describe. */
static bool may_say(const struct weir_topology *topology, size_t topic)
{
    if (topic >= topology->topic_count) return true;
    return topology->topics[topic].is_repartition || topology->topics[topic].is_written;
}

/* Whoever has told the topic to say nothing gets that, and where the job does not know what it writes
 * somebody else may. */
static bool differs(const char *says, struct weir_plan_format writes)
{
    bool are_known = says != NULL && says[0] != '\0' && weir_plan_format_is_known(writes);
    return are_known && strcmp(says, writes.text) != 0;
}

/* Others may write into it as well, so it is for a person to say what it holds. */
static int warn_of(struct weir_start *start, size_t topic, const char *key, const char *says,
                   const char *writes, struct weir_error *error)
{
    char quoted[2][320];
    char remedy[1024];
    const char *name = name_of(start, topic);
    const char *text = weir_arena_printf(
        &start->arena, "where all of it is now what the job writes: weir topic alter %s -c '%s=%s'",
        name, key, writes);
    if (text == NULL) return weir_start_no_memory(error);
    weir_log(&start->streams->env->logger, WEIR_LOG_WARN, "start.format_differs",
             "topic=%s setting=%s says=%s writes=%s remedy=%s", name, key,
             weir_log_quote(quoted[0], sizeof quoted[0], says),
             weir_log_quote(quoted[1], sizeof quoted[1], writes),
             weir_log_quote(remedy, sizeof remedy, text));
    return 0;
}

/* One of the two: what the topic says, and what is written. */
static int compare_format(struct weir_start *start, size_t topic,
                          const struct weir_config_entry *said, struct weir_plan_format writes,
                          struct weir_config_entry *configs, size_t *count,
                          struct weir_error *error)
{
    if (!differs(said->value, writes)) return 0;
    if (!start->streams->topics[topic].is_internal) {
        return warn_of(start, topic, said->key, said->value, writes.text, error);
    }
    add_config(configs, count, said->key, writes.text);
    return 0;
}

/* What is to be set anew; a topic that says nothing is to be told all. */
static int find_formats(struct weir_start *start, size_t topic, struct weir_config_entry *configs,
                        size_t *count, struct weir_error *error)
{
    const struct weir_topic_request *said = &start->topics[topic];
    const struct weir_config_entry key = {.key = "weir.key.format", .value = said->key_format};
    const struct weir_config_entry value = {.key = "weir.value.format",
                                            .value = said->value_format};
    const struct weir_plan_formats writes = weir_start_formats(start, topic);
    if (key.value == NULL && value.value == NULL) {
        add_formats(start, topic, configs, count);
        return 0;
    }
    int rc = compare_format(start, topic, &key, writes.key, configs, count, error);
    if (rc < 0) return rc;
    return compare_format(start, topic, &value, writes.value, configs, count, error);
}

/* Readers show records by it (`weir consume`); a job goes on just as well where it could not be written, so
 * nobody looks at the answer. */
int weir_start_say_formats(struct weir_start *start, size_t topic, struct weir_error *error)
{
    const struct weir_topic_request *said = &start->topics[topic];
    if (!may_say(start->streams->topology, topic)) return 0;
    struct weir_config_entry *configs =
        weir_arena_array(&start->arena, FORMATS_MAX, sizeof *configs);
    size_t count = 0;
    if (configs == NULL) return weir_start_no_memory(error);
    int rc = find_formats(start, topic, configs, &count, error);
    if (rc < 0 || count == 0) return rc;
    const struct weir_topic_request what = {
        .operation = WEIR_TOPIC_ALTER_CONFIG,
        .configs = configs,
        .config_count = count,
        .keeps_own = said->key_format == NULL && said->value_format == NULL,
    };
    send_request(start, topic, &what);
    return 0;
}

/* ---- making internal topics ------------------------------------------------------------------ */

int weir_start_create_topic(struct weir_start *start, size_t topic, struct weir_error *error)
{
    struct weir_config_entry *configs =
        weir_arena_array(&start->arena, CONFIGS_MAX, sizeof *configs);
    size_t count = 0;
    if (configs == NULL || topic_configs(start, topic, configs, &count) < 0) {
        return weir_start_no_memory(error);
    }
    weir_assert(count <= CONFIGS_MAX);
    weir_assert(start->streams->topics[topic].partition_count > 0);
    const struct weir_topic_request what = {
        .operation = WEIR_TOPIC_CREATE,
        .partition_count = start->streams->topics[topic].partition_count,
        .configs = configs,
        .config_count = count,
    };
    send_request(start, topic, &what);
    return 0;
}

int weir_start_create_application_topic(struct weir_start *start, struct weir_error *error)
{
    struct weir_config_entry *configs =
        weir_arena_array(&start->arena, CONFIGS_MAX, sizeof *configs);
    size_t count = 0;
    if (configs == NULL) return weir_start_no_memory(error);
    weir_own_topic_configs(configs, &count);
    add_config(configs, &count, "cleanup.policy", "compact");
    const struct weir_topic_request what = {
        .operation = WEIR_TOPIC_CREATE,
        .partition_count = 1,
        .configs = configs,
        .config_count = count,
    };
    send_request(start, start->streams->topic_count, &what);
    return 0;
}
