#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/streams_internal.h"

/**
 * How a job starts, one round of requests after the other:
 *
 *   look at the topics ──> make the internal ones ──> look at those ──> read the last commit
 *     ──> look at the partitions ──> cut what no commit covers ──> make tasks and threads
 *
 * The cut comes before anything is read: outputs may repeat, state may not. What lies in a changelog
 * or repartition partition beyond the end offset of the last commit belongs to records that will be
 * processed again.
 */
struct weir_start {
    struct weir_streams *streams;
    size_t step;
    size_t outstanding;
    struct weir_arena arena;
    struct weir_topic_request *topics; /* one per topic of the job's table */
    struct weir_committed_request committed;
    struct weir_describe_partition_request *partitions;
    size_t partition_count;
    struct weir_cut_request *cuts;
    size_t cut_count;
};

static int no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to start the job");
}

static void on_answer(struct weir_request *request)
{
    struct weir_start *start = request->context;
    start->outstanding--;
    start->streams->outstanding--;
}

static struct weir_request asked(struct weir_start *start)
{
    start->outstanding++;
    start->streams->outstanding++;
    return (struct weir_request){
        .reply_to = start->streams->actor, .done = on_answer, .context = start};
}

/* ---- topics of the topology ------------------------------------------------------------------------------ */

static bool is_internal(const struct weir_streams *streams, size_t topic)
{
    return streams->topics[topic].is_internal;
}

static void ask_topic(struct weir_start *start, size_t topic, enum weir_topic_operation operation)
{
    struct weir_streams *streams = start->streams;
    struct weir_topic_request *request = &start->topics[topic];
    *request = (struct weir_topic_request){
        .request = asked(start),
        .operation = operation,
        .topic = weir_text(streams->topics[topic].name),
        .partition_count = -1,
    };
    weir_broker_topic(streams->broker, request);
}

static int look_at_topics(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    start->topics = weir_arena_array(&start->arena, streams->topic_count, sizeof *start->topics);
    if (start->topics == NULL) return no_memory(error);
    for (size_t i = 0; i < streams->topic_count; i++) {
        if (streams->topics[i].name == NULL || is_internal(streams, i)) continue;
        ask_topic(start, i, WEIR_TOPIC_DESCRIBE);
    }
    return 0;
}

/* Where auto-create is on, a missing topic is made; the next round looks at it. */
static int make_missing(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    for (size_t i = 0; i < streams->topic_count; i++) {
        if (streams->topics[i].name == NULL || is_internal(streams, i)) continue;
        const struct weir_request *request = &start->topics[i].request;
        if (request->rc >= 0) continue;
        const char *name = streams->topics[i].name;
        if (request->rc != WEIR_UNKNOWN_TOPIC_OR_PARTITION) {
            *error = request->error;
            return weir_error_wrap(error, request->rc, "topic '%s'", name);
        }
        if (!streams->log->auto_create_topics) {
            return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                                  "topic '%s' does not exist: create it before the job starts",
                                  name);
        }
        ask_topic(start, i, WEIR_TOPIC_CREATE);
    }
    return 0;
}

static void take_description(struct weir_streams *streams, size_t topic,
                             const struct weir_topic_request *request)
{
    struct weir_job_topic *found = &streams->topics[topic];
    found->id = request->topic_id;
    found->partition_count = request->partition_count;
    found->max_message_bytes = request->config.max_message_bytes;
    found->keys_required = request->config.cleanup_compact;
}

static int take_topics(struct weir_start *start, bool internal, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    for (size_t i = 0; i < streams->topic_count; i++) {
        if (streams->topics[i].name == NULL || is_internal(streams, i) != internal) continue;
        const struct weir_topic_request *request = &start->topics[i];
        if (request->request.rc < 0) {
            *error = request->request.error;
            return weir_error_wrap(error, request->request.rc, "topic '%s'",
                                   streams->topics[i].name);
        }
        int32_t wanted = streams->topics[i].partition_count;
        if (internal && wanted != request->partition_count) {
            return weir_error_set(error, WEIR_INVALID_TOPOLOGY,
                                  "internal topic '%s' has %" PRId32
                                  " partitions, the job needs %" PRId32
                                  ": its input topics have changed; use another application id, or "
                                  "delete the topic to start anew",
                                  streams->topics[i].name, request->partition_count, wanted);
        }
        take_description(streams, i, request);
    }
    return 0;
}

/* ---- partition counts ---------------------------------------------------------------------------------------- */

static int32_t largest_source(const struct weir_streams *streams,
                              const struct weir_plan_subtopology *sub)
{
    int32_t count = 0;
    for (size_t i = 0; i < sub->source_count; i++) {
        int32_t topic = streams->topology->nodes[sub->sources[i]].topic;
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
            while (*group >= 0)
                group++;
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

/* ---- internal topics -------------------------------------------------------------------------------------------- */

enum { CONFIGS_MAX = 5 };

static void add_config(struct weir_config_entry *configs, size_t *count, const char *key,
                       const char *value)
{
    configs[(*count)++] = (struct weir_config_entry){key, value};
}

/* STREAMS.md N3. Records carry the data's own time, however far that is from today. */
static int topic_configs(struct weir_start *start, size_t topic, struct weir_config_entry *configs,
                         size_t *count_out)
{
    const struct weir_topology *topology = start->streams->topology;
    size_t count = 0;
    add_config(configs, &count, "message.timestamp.type", "CreateTime");
    add_config(configs, &count, "message.timestamp.after.max.ms", "9223372036854775807");
    if (topic < topology->topic_count) {
        add_config(configs, &count, "cleanup.policy", "delete");
        add_config(configs, &count, "retention.ms", "-1");
        add_config(configs, &count, "segment.bytes", "52428800");
    } else {
        int64_t retention_ms =
            topology->stores[topic - topology->topic_count].changelog_retention_ms;
        const char *policy = retention_ms > 0 ? "compact,delete" : "compact";
        add_config(configs, &count, "cleanup.policy", policy);
        if (retention_ms > 0) {
            add_config(configs, &count, "retention.ms",
                       weir_arena_printf(&start->arena, "%" PRId64, retention_ms));
        }
    }
    *count_out = count;
    return weir_arena_failed(&start->arena) ? WEIR_NO_MEMORY : 0;
}

static int make_internal(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = take_topics(start, false, error);
    if (rc >= 0) rc = count_tasks(streams, error);
    for (size_t i = 0; rc >= 0 && i < streams->topic_count; i++) {
        if (streams->topics[i].name == NULL || !is_internal(streams, i)) continue;
        struct weir_topic_request *request = &start->topics[i];
        struct weir_config_entry *configs =
            weir_arena_array(&start->arena, CONFIGS_MAX, sizeof *configs);
        size_t count = 0;
        if (configs == NULL || topic_configs(start, i, configs, &count) < 0) {
            return no_memory(error);
        }
        *request = (struct weir_topic_request){
            .request = asked(start),
            .operation = WEIR_TOPIC_CREATE,
            .topic = weir_text(streams->topics[i].name),
            .partition_count = streams->topics[i].partition_count,
            .configs = configs,
            .config_count = count,
        };
        weir_broker_topic(streams->broker, request);
    }
    return rc;
}

static int look_at_external_again(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    for (size_t i = 0; i < streams->topic_count; i++) {
        if (streams->topics[i].name == NULL || is_internal(streams, i)) continue;
        const struct weir_request *request = &start->topics[i].request;
        if (request->rc < 0 && request->rc != WEIR_EXISTS) {
            *error = request->error;
            return weir_error_wrap(error, request->rc, "create topic '%s'",
                                   streams->topics[i].name);
        }
        ask_topic(start, i, WEIR_TOPIC_DESCRIBE);
    }
    return 0;
}

static int look_at_internal(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    for (size_t i = 0; i < streams->topic_count; i++) {
        if (streams->topics[i].name == NULL || !is_internal(streams, i)) continue;
        const struct weir_request *request = &start->topics[i].request;
        if (request->rc < 0 && request->rc != WEIR_EXISTS) {
            *error = request->error;
            return weir_error_wrap(error, request->rc, "create internal topic '%s'",
                                   streams->topics[i].name);
        }
        ask_topic(start, i, WEIR_TOPIC_DESCRIBE);
    }
    return 0;
}

/* ---- partitions ---------------------------------------------------------------------------------------------------- */

/* Topics whose partitions the job keeps track of: what it reads, and what it writes as its own. */
static bool is_tracked(const struct weir_streams *streams, size_t topic)
{
    if (streams->topics[topic].name == NULL) return false;
    if (is_internal(streams, topic)) return true;
    const struct weir_topology *topology = streams->topology;
    for (size_t n = 0; n < topology->node_count; n++) {
        const struct weir_plan_node *node = &topology->nodes[n];
        if (node->kind == WEIR_PLAN_SOURCE && (size_t)node->topic == topic) return true;
    }
    return false;
}

static int make_partitions(struct weir_streams *streams, size_t *count_out)
{
    size_t total = 0;
    for (size_t t = 0; t < streams->topic_count; t++) {
        if (!is_tracked(streams, t)) continue;
        size_t count = (size_t)streams->topics[t].partition_count;
        streams->partitions[t] =
            weir_arena_alloc_zero(&streams->memory, count * sizeof *streams->partitions[t]);
        if (streams->partitions[t] == NULL) return WEIR_NO_MEMORY;
        for (size_t p = 0; p < count; p++) {
            streams->partitions[t][p] = (struct weir_job_partition){
                .topic = t,
                .partition = (int32_t)p,
                .committed = -1,
                .sealed_time_ms = -1,
                .metadata = {.partition_time_ms = -1, .end_offset = -1},
            };
        }
        total += count;
    }
    *count_out = total;
    return 0;
}

static int read_commit(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = take_topics(start, true, error);
    if (rc < 0) return rc;
    if (make_partitions(streams, &start->partition_count) < 0) return no_memory(error);
    start->committed = (struct weir_committed_request){
        .request = asked(start),
        .group = weir_text(streams->options.application_id),
        .arena = &start->arena,
    };
    weir_broker_committed(streams->broker, &start->committed);
    return 0;
}

static struct weir_job_partition *find_partition(const struct weir_streams *streams,
                                                 const struct weir_topic_partition *wanted)
{
    for (size_t t = 0; t < streams->topic_count; t++) {
        if (streams->partitions[t] == NULL ||
            !weir_slice_equal(weir_text(streams->topics[t].name), wanted->topic)) {
            continue;
        }
        return weir_job_partition(streams, t, wanted->partition);
    }
    return NULL;
}

static bool is_zero(const struct weir_uuid *id)
{
    return memcmp(id->bytes, (struct weir_uuid){{0}}.bytes, sizeof id->bytes) == 0;
}

static int take_entry(struct weir_streams *streams, const struct weir_offset_entry *entry,
                      struct weir_error *error)
{
    struct weir_job_partition *partition = find_partition(streams, &entry->partition);
    if (partition == NULL || entry->offset < 0) return 0;
    const struct weir_job_topic *topic = &streams->topics[partition->topic];
    /* A topic that was deleted and made again has nothing to do with what was committed. */
    if (!is_zero(&entry->topic_id) &&
        memcmp(entry->topic_id.bytes, topic->id.bytes, sizeof topic->id.bytes) != 0) {
        return 0;
    }
    if (partition->topic >= streams->topology->topic_count) {
        partition->committed_end = entry->offset; /* a changelog */
        return 0;
    }
    int rc =
        weir_commit_metadata_decode(entry->metadata, &streams->memory, &partition->metadata, error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "last commit of '%s' partition %" PRId32, topic->name,
                               partition->partition);
    }
    partition->committed = entry->offset;
    if (topic->is_internal && partition->metadata.end_offset > 0) {
        partition->committed_end = partition->metadata.end_offset;
    }
    return 0;
}

static int look_at_partitions(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    if (start->committed.request.rc < 0) {
        *error = start->committed.request.error;
        return weir_error_wrap(error, start->committed.request.rc, "read the last commit");
    }
    for (size_t i = 0; i < start->committed.entry_count; i++) {
        int rc = take_entry(streams, &start->committed.entries[i], error);
        if (rc < 0) return rc;
    }
    start->partitions =
        weir_arena_array(&start->arena, start->partition_count, sizeof *start->partitions);
    if (start->partitions == NULL) return no_memory(error);
    size_t count = 0;
    for (size_t t = 0; t < streams->topic_count; t++) {
        for (int32_t p = 0;
             streams->partitions[t] != NULL && p < streams->topics[t].partition_count; p++) {
            struct weir_describe_partition_request *request = &start->partitions[count++];
            *request = (struct weir_describe_partition_request){
                .request = asked(start),
                .of = {weir_text(streams->topics[t].name), p},
            };
            weir_broker_describe_partition(streams->broker, request);
        }
    }
    weir_assert(count == start->partition_count);
    return 0;
}

/* ---- the cut --------------------------------------------------------------------------------------------------------- */

static int take_states(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    for (size_t i = 0; i < start->partition_count; i++) {
        const struct weir_describe_partition_request *request = &start->partitions[i];
        struct weir_job_partition *partition = find_partition(streams, &request->of);
        weir_assert(partition != NULL);
        if (request->request.rc < 0) {
            *error = request->request.error;
            return weir_error_wrap(error, request->request.rc, "partition %" PRId32 " of '%s'",
                                   partition->partition, streams->topics[partition->topic].name);
        }
        partition->leader_epoch = request->state.leader_epoch;
        partition->log_start = request->state.start_offset;
        partition->log_end = request->state.end_offset;
        if (partition->committed_end < partition->log_start) {
            partition->committed_end = partition->log_start;
        }
    }
    return 0;
}

static int cut_partition(struct weir_start *start, struct weir_job_partition *partition,
                         struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    const char *name = streams->topics[partition->topic].name;
    if (partition->log_end < partition->committed_end) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "internal topic '%s' partition %" PRId32 " ends at %" PRId64
                              ", the last commit covers it up to %" PRId64,
                              name, partition->partition, partition->log_end,
                              partition->committed_end);
    }
    if (partition->log_end == partition->committed_end) return 0;
    struct weir_cut_request *cut = &start->cuts[start->cut_count++];
    *cut = (struct weir_cut_request){
        .request = asked(start),
        .partition = {weir_text(name), partition->partition},
        .what = WEIR_CUT_TAIL,
        .offset = partition->committed_end,
    };
    weir_log(&streams->env->logger, WEIR_LOG_INFO, "commit.cut",
             "topic=%s partition=%" PRId32 " from=%" PRId64 " to=%" PRId64, name,
             partition->partition, partition->log_end, partition->committed_end);
    weir_broker_cut(streams->broker, cut);
    return 0;
}

static int cut_tails(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = take_states(start, error);
    start->cuts = weir_arena_array(&start->arena, start->partition_count, sizeof *start->cuts);
    if (rc >= 0 && start->cuts == NULL) return no_memory(error);
    for (size_t t = 0; rc >= 0 && t < streams->topic_count; t++) {
        if (streams->partitions[t] == NULL || !is_internal(streams, t)) continue;
        for (int32_t p = 0; rc >= 0 && p < streams->topics[t].partition_count; p++) {
            rc = cut_partition(start, &streams->partitions[t][p], error);
        }
    }
    return rc;
}

static int take_cuts(struct weir_start *start, struct weir_error *error)
{
    for (size_t i = 0; i < start->cut_count; i++) {
        const struct weir_cut_request *cut = &start->cuts[i];
        struct weir_job_partition *partition = find_partition(start->streams, &cut->partition);
        if (cut->request.rc < 0) {
            *error = cut->request.error;
            return weir_error_wrap(error, cut->request.rc, "cut back '%.*s' to the last commit",
                                   (int)cut->partition.topic.size, cut->partition.topic.data);
        }
        partition->leader_epoch = cut->leader_epoch;
        partition->log_end = partition->committed_end;
    }
    return 0;
}

/* ---- tasks and threads ---------------------------------------------------------------------------------------------------- */

/* Where inputs go on; what a commit will say of them until their task has moved. */
static int place_inputs(struct weir_streams *streams)
{
    for (size_t t = 0; t < streams->topic_count; t++) {
        for (int32_t p = 0;
             streams->partitions[t] != NULL && p < streams->topics[t].partition_count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            const struct weir_commit_metadata *metadata = &partition->metadata;
            partition->next_end = partition->committed_end;
            partition->sealed_offset =
                partition->committed >= 0 ? partition->committed : partition->log_start;
            partition->sealed_time_ms = metadata->partition_time_ms;
            if (metadata->mark_count == 0) continue;
            size_t size = metadata->mark_count * sizeof *partition->sealed_marks;
            partition->sealed_marks = weir_alloc(&streams->budget, size);
            if (partition->sealed_marks == NULL) return WEIR_NO_MEMORY;
            memcpy(partition->sealed_marks, metadata->marks, size);
            partition->sealed_mark_count = metadata->mark_count;
            partition->sealed_mark_capacity = metadata->mark_count;
        }
    }
    return 0;
}

static size_t total_tasks(const struct weir_streams *streams)
{
    size_t total = 0;
    for (size_t s = 0; s < streams->topology->subtopology_count; s++) {
        total += (size_t)streams->task_counts[s];
    }
    return total;
}

static int make_threads(struct weir_streams *streams, size_t task_total, struct weir_error *error)
{
    size_t wanted = (size_t)streams->options.num_stream_threads;
    size_t count = task_total < wanted ? task_total : wanted;
    size_t capacity = count > 0 ? (task_total + count - 1) / count : 0;
    streams->threads =
        weir_arena_alloc_zero(&streams->memory, (count + 1) * sizeof *streams->threads);
    if (streams->threads == NULL) return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        int rc = weir_stream_thread_new(streams, i, capacity, &streams->threads[i], error);
        if (rc < 0) return rc;
        streams->thread_count = i + 1;
    }
    return 0;
}

/* Tasks go round the threads; those of one sub-topology, which cost alike, land on different ones. */
static int make_tasks(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = take_cuts(start, error);
    if (rc >= 0 && place_inputs(streams) < 0) rc = no_memory(error);
    size_t total = total_tasks(streams);
    if (rc >= 0) {
        int64_t cache = streams->options.cache_max_bytes;
        streams->task_config.cache_bytes_max = cache > 0 && total > 0 ? (size_t)cache / total : 0;
        rc = make_threads(streams, total, error);
    }
    size_t next = 0;
    for (size_t s = 0; rc >= 0 && s < streams->topology->subtopology_count; s++) {
        for (int32_t p = 0; rc >= 0 && p < streams->task_counts[s]; p++) {
            struct weir_stream_thread *thread = streams->threads[next++ % streams->thread_count];
            rc = weir_stream_thread_add(thread, (int32_t)s, p, error);
        }
    }
    for (size_t i = 0; rc >= 0 && i < streams->thread_count; i++) {
        rc = weir_stream_thread_start(streams->threads[i], error);
        if (rc >= 0) streams->threads_running++;
    }
    return rc;
}

/* ---- the steps ------------------------------------------------------------------------------------------------------------- */

static int (*const steps[])(struct weir_start *start, struct weir_error *error) = {
    look_at_topics,     make_missing,     look_at_external_again,
    make_internal,      look_at_internal, read_commit,
    look_at_partitions, cut_tails,        make_tasks,
};

int weir_start_new(struct weir_streams *streams, struct weir_error *error)
{
    struct weir_start *start = weir_alloc_zero(&streams->budget, sizeof *start);
    if (start == NULL) return no_memory(error);
    start->streams = streams;
    weir_arena_init(&start->arena, &streams->budget, 0);
    streams->start = start;
    return 0;
}

void weir_start_free(struct weir_streams *streams)
{
    if (streams->start == NULL) return;
    weir_arena_close(&streams->start->arena);
    weir_free(streams->start);
    streams->start = NULL;
}

void weir_start_step(struct weir_streams *streams)
{
    struct weir_start *start = streams->start;
    struct weir_error error = {0};
    int rc = 0;
    while (rc >= 0 && start->outstanding == 0 && start->step < sizeof steps / sizeof steps[0]) {
        rc = steps[start->step++](start, &error);
    }
    if (rc < 0) weir_streams_fail(streams, rc, &error);
    if (rc >= 0 && start->outstanding == 0) weir_start_free(streams);
}
