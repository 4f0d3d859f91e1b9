/** A data directory, opened in this process: each call is one request to the engine, waited for. */
#include "cli/place_embedded.h"
#include "cli/place_transactions.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "broker/broker.h"
#include "client/client.h"
#include "cli/no_memory.h"
#include "cli/say.h"
#include "client/embedded/embedded.h"

struct embedded {
    struct place place;
    struct weir_log *log;
    struct weir_budget *budget;
    char *what;
};

static_assert(offsetof(struct embedded, place) == 0,
              "a place is the beginning of its implementation");

static struct embedded *embedded_of(struct place *place)
{
    return (struct embedded *)place;
}

struct weir_log *place_embedded_log(struct place *place)
{
    return embedded_of(place)->log;
}

static int wait_begin(struct place *place, struct weir_request *request, struct weir_error *error)
{
    return weir_request_wait_begin(place_embedded_log(place)->env, request, error);
}

static int wait_for(struct place *place, struct weir_request *request, struct weir_error *error)
{
    return weir_request_wait(place_embedded_log(place)->env, request, error);
}

/* ---- topics ---------------------------------------------------------------------------------- */

struct collection {
    struct weir_arena *arena;
    struct place_topics *topics;
    size_t capacity;
};

static int count_topic(void *context, const struct weir_topic_description *description)
{
    (void)description;
    ++*(size_t *)context;
    return 0;
}

static int collect_topic(void *context, const struct weir_topic_description *description)
{
    struct collection *collection = context;
    if (collection->topics->count == collection->capacity) return WEIR_END;
    const char *name = weir_arena_printf(collection->arena, "%s", description->name);
    if (name == NULL) return WEIR_NO_MEMORY;
    collection->topics->rows[collection->topics->count++] = (struct place_topic){
        .name = name,
        .id = description->id,
        .partition_count = description->partition_count,
        .is_internal = description->is_internal,
    };
    return 0;
}

static int embedded_list(struct place *place, struct weir_arena *arena,
                         struct place_topics *topics_out, struct weir_error *error)
{
    struct weir_log *log = embedded_of(place)->log;
    size_t count = 0;
    struct place_topics topics = {0};
    int rc = weir_topic_list(log, count_topic, &count, error);
    if (rc < 0) return rc;
    topics.rows = weir_arena_array(arena, count + 1, sizeof *topics.rows);
    if (topics.rows == NULL) return cli_no_memory(error);
    struct collection collection = {arena, &topics, count};
    rc = weir_topic_list(log, collect_topic, &collection, error);
    if (rc < 0) return rc;
    *topics_out = topics;
    return 0;
}

struct config_collection {
    struct weir_arena *arena;
    const struct weir_topic_info *info;
    struct place_config *rows;
    size_t count;
    bool is_counting;
};

/* What a topic has of its own as a text is not in its configuration, but where it was set. */
static const char *text_of(const struct weir_topic_info *info, const char *key)
{
    if (!weir_topic_config_is_text(key)) return NULL;
    for (size_t i = 0; i < info->override_count; i++) {
        if (strcmp(info->overrides[i].key, key) == 0) return info->overrides[i].value;
    }
    return NULL;
}

static void collect_config(void *context, const char *key, const char *value, bool is_default,
                           const char *text)
{
    (void)text;
    struct config_collection *collection = context;
    if (!collection->is_counting) {
        const char *own = text_of(collection->info, key);
        collection->rows[collection->count] = (struct place_config){
            .key = weir_arena_printf(collection->arena, "%s", key),
            .value = weir_arena_printf(collection->arena, "%s", own != NULL ? own : value),
            .is_default = is_default && own == NULL,
        };
    }
    collection->count++;
}

static int keep_configs(struct weir_arena *arena, const struct weir_topic_info *info,
                        struct place_topic *topic, struct weir_error *error)
{
    struct config_collection collection = {.arena = arena, .info = info, .is_counting = true};
    weir_topic_config_each(&info->config, collect_config, &collection);
    collection.rows = weir_arena_array(arena, collection.count, sizeof *collection.rows);
    if (collection.rows == NULL) return cli_no_memory(error);
    collection.count = 0;
    collection.is_counting = false;
    weir_topic_config_each(&info->config, collect_config, &collection);
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    topic->configs = collection.rows;
    topic->config_count = collection.count;
    return 0;
}

static int embedded_configs(struct place *place, struct weir_arena *arena,
                            struct place_topic *topic, struct weir_error *error)
{
    struct weir_slice name = weir_text(topic->name);
    struct weir_list_topics_request request = {
        .arena = arena,
        .names = &name,
        .asked_count = 1,
        .is_selection = true,
        .with_configs = true,
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_log_list_topics(place_embedded_log(place), &request);
    rc = wait_for(place, &request.request, error);
    if (rc < 0) return rc;
    const struct weir_topic_info *info = &request.topics[0];
    if (info->rc < 0) {
        return weir_error_set(error, (enum weir_code)info->rc, "%s", weir_code_text(info->rc));
    }
    return keep_configs(arena, info, topic, error);
}

static int describe_partition(struct place *place, struct weir_arena *arena, const char *topic,
                              struct place_partition *partition, struct weir_error *error)
{
    struct weir_partition_state_request request = {
        .of = {.topic = weir_text(topic), .partition = partition->partition},
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_broker_partition_state(weir_embedded_broker(place_embedded_log(place)->embedded),
                                &request);
    rc = wait_for(place, &request.request, error);
    if (rc == 0 && request.state.is_offline) {
        rc = weir_error_set(error, WEIR_OFFLINE, "damaged from offset %" PRId64 " on",
                            request.state.offline_from);
    }
    if (rc == WEIR_OFFLINE) return place_keep_offline(partition, arena, error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "describe partition %d", (int)partition->partition);
    }
    partition->start_offset = request.state.start_offset;
    partition->end_offset = request.high_watermark;
    partition->size_bytes = request.state.size_bytes;
    partition->leader_epoch = request.state.leader_epoch;
    partition->clean_bytes = request.clean_bytes;
    partition->dirty_bytes = request.dirty_bytes;
    return 0;
}

static int embedded_compact(struct place *place, struct place_compaction *compaction,
                            struct weir_error *error)
{
    struct weir_compact_request request = {
        .of = {.topic = weir_text(compaction->topic), .partition = compaction->partition},
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_broker_compact(weir_embedded_broker(place_embedded_log(place)->embedded), &request);
    rc = wait_for(place, &request.request, error);
    if (rc < 0) return rc;
    compaction->records_before = request.records_before;
    compaction->records_after = request.records_after;
    compaction->bytes_before = request.bytes_before;
    compaction->bytes_after = request.bytes_after;
    return 0;
}

static int describe_details(struct place *place, struct weir_arena *arena,
                            struct place_topic *topic, struct weir_error *error)
{
    topic->partitions =
        weir_arena_array(arena, (size_t)topic->partition_count, sizeof *topic->partitions);
    if (topic->partitions == NULL) return cli_no_memory(error);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        topic->partitions[i] = (struct place_partition){.partition = i};
        int rc = describe_partition(place, arena, topic->name, &topic->partitions[i], error);
        if (rc < 0) return rc;
    }
    return embedded_configs(place, arena, topic, error);
}

static int embedded_describe(struct place *place, struct weir_arena *arena, const char *name,
                             bool with_details, struct place_topic *topic_out,
                             struct weir_error *error)
{
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DESCRIBE,
        .topic = weir_text(name),
        .is_internal = true, /* looking does no harm */
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_log_topic(place_embedded_log(place), &request);
    rc = wait_for(place, &request.request, error);
    if (rc < 0) return rc;
    struct place_topic topic = {
        .name = name,
        .id = request.topic_id,
        .partition_count = request.partition_count,
        .is_internal = strncmp(name, "__", 2) == 0,
    };
    if (with_details) rc = describe_details(place, arena, &topic, error);
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", name);
    *topic_out = topic;
    return 0;
}

static int embedded_create(struct place *place, const struct place_new_topic *topic,
                           struct weir_error *error)
{
    return weir_topic_create(place_embedded_log(place), topic->name, topic->partition_count,
                             topic->configs, topic->config_count, error);
}

static int embedded_configure(struct place *place, const char *topic,
                              const struct weir_config *configs, size_t config_count,
                              struct weir_error *error)
{
    return weir_topic_configure(place_embedded_log(place), topic, configs, config_count, error);
}

static int embedded_add_partitions(struct place *place, const char *topic, int32_t total,
                                   struct weir_error *error)
{
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_ADD_PARTITIONS,
        .topic = weir_text(topic),
        .partition_count = total,
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_log_topic(place_embedded_log(place), &request);
    rc = wait_for(place, &request.request, error);
    return weir_error_wrap(error, rc, "add partitions to topic '%s'", topic);
}

static int embedded_remove(struct place *place, const char *topic, struct weir_error *error)
{
    return weir_topic_delete(place_embedded_log(place), topic, error);
}

/* ---- records --------------------------------------------------------------------------------- */

static_assert((int)PLACE_EARLIEST == (int)WEIR_OFFSET_EARLIEST &&
                  (int)PLACE_LATEST == (int)WEIR_OFFSET_LATEST,
              "the engine is asked with the same numbers");

static int embedded_offset_at(struct place *place, const char *topic, int32_t partition,
                              int64_t timestamp_ms, int64_t *offset_out, struct weir_error *error)
{
    struct weir_list_offsets_request request = {
        .of = {.topic = weir_text(topic), .partition = partition},
        .timestamp_ms = timestamp_ms,
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_log_list_offsets(place_embedded_log(place), &request);
    rc = wait_for(place, &request.request, error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "offsets of '%s' partition %d", topic, (int)partition);
    }
    *offset_out = request.offset;
    return 0;
}

static int embedded_produce(struct place *place, struct place_produce *produce,
                            struct weir_error *error)
{
    struct weir_shared *bytes = weir_shared_new(embedded_of(place)->budget, produce->batch.size);
    if (bytes == NULL) return cli_no_memory(error);
    memcpy(bytes->data, produce->batch.data, produce->batch.size);
    bytes->size = produce->batch.size;
    struct weir_produce_request request = {
        .to = {.topic = weir_text(produce->topic), .partition = produce->partition},
        .batches = bytes,
        .acks = (enum weir_acks)produce->acks,
        .walk_records = true, /* as at a server: a compacted topic refuses what has no key */
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) goto out;
    weir_log_produce(place_embedded_log(place), &request);
    rc = wait_for(place, &request.request, error);
    if (rc < 0) goto out;
    produce->base_offset = produce->acks == 0 ? -1 : request.base_offset;
    produce->append_time_ms = request.append_time_ms;
out:
    weir_shared_unref(bytes);
    return weir_error_wrap(error, rc, "produce to '%s' partition %d", produce->topic,
                           (int)produce->partition);
}

static int fetch_partition(struct place *place, const struct place_fetch *fetch,
                           struct place_fetch_partition *partition, struct weir_error *error)
{
    struct weir_fetch_request request = {
        .from = {.topic = weir_text(fetch->topic), .partition = partition->partition},
        .offset = partition->offset,
        .size_max = (size_t)fetch->size_max,
        .deadline = WEIR_MONO_NEVER,
        .read_committed = fetch->read_committed,
    };
    int rc = wait_begin(place, &request.request, error);
    if (rc < 0) return rc;
    weir_log_fetch(place_embedded_log(place), &request);
    rc = wait_for(place, &request.request, error);
    weir_buffer_reset(&partition->batches);
    for (size_t i = 0; rc == 0 && i < request.batches.part_count; i++) {
        struct weir_slice bytes = weir_log_part_bytes(&request.batches.parts[i]);
        weir_buffer_append(&partition->batches, bytes.data, bytes.size);
    }
    weir_log_batches_release(&request.batches);
    bool has_aborted = rc == 0 && fetch->read_committed;
    if (fetch->read_committed) weir_buffer_reset(&partition->aborted);
    if (has_aborted) {
        weir_buffer_append(&partition->aborted, request.aborted,
                           request.aborted_count * sizeof *request.aborted);
    }
    weir_free(request.aborted);
    bool has_failed = partition->batches.failed || (has_aborted && partition->aborted.failed);
    if (rc == 0 && has_failed) rc = cli_no_memory(error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "read '%s' partition %d at offset %lld", fetch->topic,
                               (int)partition->partition, (long long)partition->offset);
    }
    partition->log_start_offset = request.log_start_offset;
    partition->high_watermark = request.high_watermark;
    partition->last_stable_offset = request.last_stable_offset;
    return 0;
}

/* Nobody else can write here, so there is never anything to wait for. */
static int embedded_fetch(struct place *place, struct place_fetch *fetch, struct weir_error *error)
{
    for (size_t i = 0; i < fetch->partition_count; i++) {
        int rc = fetch_partition(place, fetch, &fetch->partitions[i], error);
        if (rc < 0) return rc;
    }
    return 0;
}

static void embedded_report_damage(struct place *place, const char *topic, int32_t partition,
                                   int64_t offset)
{
    struct weir_damage_report report = {.of = {weir_text(topic), partition}, .offset = offset};
    if (wait_begin(place, &report.request, NULL) < 0) return;
    weir_log_report_damage(place_embedded_log(place), &report);
    (void)wait_for(place, &report.request, NULL); /* what the reader has found is the news */
}

/* ---- the place ------------------------------------------------------------------------------- */

static void embedded_close(struct place *place)
{
    struct embedded *embedded = embedded_of(place);
    struct weir_error error = {0};
    if (weir_close(embedded->log, &error) < 0) (void)say_failure(&error, NULL);
    weir_free(embedded->what);
    weir_free(embedded);
}

static const struct place_ops embedded_ops = {
    .close = embedded_close,
    .list = embedded_list,
    .describe = embedded_describe,
    .compact = embedded_compact,
    .configs = embedded_configs,
    .create = embedded_create,
    .configure = embedded_configure,
    .add_partitions = embedded_add_partitions,
    .remove = embedded_remove,
    .offset_at = embedded_offset_at,
    .produce = embedded_produce,
    .fetch = embedded_fetch,
    .report_damage = embedded_report_damage,
    .groups = &embedded_group_ops,
    .transactions = &embedded_transaction_ops,
};

static bool is_missing(const char *directory, const char *name)
{
    char path[4096];
    struct stat facts;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return stat(path, &facts) < 0 && errno == ENOENT;
}

/* weir_open makes what is not there; a mistyped directory should not come into being by a look. */
static int check_directory(const char *directory, struct weir_error *error)
{
    struct stat facts;
    if (stat(directory, &facts) < 0) {
        if (errno != ENOENT) return weir_error_errno(error, errno, "open", directory);
        return weir_error_set(error, WEIR_NOT_FOUND, "there is no data directory '%s'", directory);
    }
    if (!S_ISDIR(facts.st_mode)) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "'%s' is a file, not a data directory",
                              directory);
    }
    if (is_missing(directory, "meta.properties") && is_missing(directory, "log")) {
        return weir_error_set(error, WEIR_NOT_FOUND,
                              "'%s' is not a data directory: it has no meta.properties", directory);
    }
    return 0; /* what else is wrong with it, opening says: a log without the file, too */
}

static void write_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    (void)fprintf(stderr, "%.*s\n", (int)size, line);
}

int place_embedded_open(struct cli *cli, const struct place_target *target,
                        struct place **place_out, struct weir_error *error)
{
    const char *directory = target->data;
    int rc = target->makes_directory ? 0 : check_directory(directory, error);
    if (rc < 0) return rc;
    struct embedded *embedded = weir_alloc_zero(&cli->budget, sizeof *embedded);
    if (embedded == NULL) return cli_no_memory(error);
    struct weir_log_options options = {
        WEIR_LOG_OPTIONS_INIT,
        .auto_create_topics = WEIR_AUTO_CREATE_OFF,
        .log = write_line,
        .log_level = WEIR_LOG_ERROR,
    };
    embedded->budget = &cli->budget;
    embedded->place = (struct place){.ops = &embedded_ops, .is_alone = true};
    embedded->log = weir_open(directory, &options, error);
    embedded->place.log = embedded->log;
    rc = embedded->log != NULL ? 0 : (int)error->code;
    if (rc < 0) goto out;
    char what[512];
    (void)snprintf(what, sizeof what, "data directory '%.400s'", directory);
    embedded->what = weir_alloc_text(&cli->budget, what, strlen(what));
    embedded->place.what = embedded->what != NULL ? embedded->what : directory;
    *place_out = &embedded->place;
    embedded = NULL;
out:
    weir_free(embedded);
    return rc;
}
