#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/start_internal.h"

/**
 * How a job starts, one round of requests after the other:
 *
 *   look at the topics ──> make the internal ones ──> look at those ──> read the last commit
 *     ──> look at the partitions ──> cut what no commit covers ──> make tasks and threads
 *
 * The cut comes before anything is read: outputs may repeat, state may not. What lies in a
 * changelog or repartition partition beyond the end offset of the last commit belongs to records
 * that will be processed again.
 */

int weir_start_no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to start the job");
}

static void on_answer(struct weir_request *request)
{
    struct weir_start *start = request->context;
    start->outstanding--;
    start->streams->outstanding--;
}

struct weir_request weir_start_asked(struct weir_start *start)
{
    start->outstanding++;
    start->streams->outstanding++;
    return (struct weir_request){
        .reply_to = start->streams->actor, .done = on_answer, .context = start};
}

/* ---- partitions ------------------------------------------------------------------------------ */

/* Topics whose partitions the job keeps track of: what it reads, and what it writes as its own. */
static bool is_tracked(const struct weir_streams *streams, size_t topic)
{
    if (streams->topics[topic].name == NULL) return false;
    if (streams->topics[topic].is_internal) return true;
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
    int rc = weir_start_take_internal(start, error);
    if (rc < 0) return rc;
    if (make_partitions(streams, &start->partition_count) < 0) return weir_start_no_memory(error);
    start->committed = (struct weir_committed_request){
        .request = weir_start_asked(start),
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
    if (start->partitions == NULL) return weir_start_no_memory(error);
    size_t count = 0;
    for (size_t t = 0; t < streams->topic_count; t++) {
        for (int32_t p = 0;
             streams->partitions[t] != NULL && p < streams->topics[t].partition_count; p++) {
            struct weir_describe_partition_request *request = &start->partitions[count++];
            *request = (struct weir_describe_partition_request){
                .request = weir_start_asked(start),
                .of = {weir_text(streams->topics[t].name), p},
            };
            weir_broker_describe_partition(streams->broker, request);
        }
    }
    weir_assert(count == start->partition_count);
    return 0;
}

/* ---- the cut --------------------------------------------------------------------------------- */

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
        .request = weir_start_asked(start),
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
    if (rc >= 0 && start->cuts == NULL) return weir_start_no_memory(error);
    for (size_t t = 0; rc >= 0 && t < streams->topic_count; t++) {
        if (streams->partitions[t] == NULL || !streams->topics[t].is_internal) continue;
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

/* ---- tasks and threads ----------------------------------------------------------------------- */

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
    if (streams->threads == NULL) return weir_start_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        int rc = weir_stream_thread_new(streams, i, capacity, &streams->threads[i], error);
        if (rc < 0) return rc;
        streams->thread_count = i + 1;
    }
    return 0;
}

/* Tasks go round the threads: those of one sub-topology, which cost alike, spread over them. */
static int make_tasks(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = take_cuts(start, error);
    if (rc >= 0 && place_inputs(streams) < 0) rc = weir_start_no_memory(error);
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

/* ---- the steps ------------------------------------------------------------------------------- */

static int (*const steps[])(struct weir_start *start, struct weir_error *error) = {
    weir_start_look_at_topics,
    weir_start_make_missing,
    weir_start_look_again,
    weir_start_make_internal,
    weir_start_look_at_internal,
    read_commit,
    look_at_partitions,
    cut_tails,
    make_tasks,
};

int weir_start_new(struct weir_streams *streams, struct weir_error *error)
{
    struct weir_start *start = weir_alloc_zero(&streams->budget, sizeof *start);
    if (start == NULL) return weir_start_no_memory(error);
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
