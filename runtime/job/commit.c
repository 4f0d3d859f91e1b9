#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/streams_internal.h"

/**
 * The commit of a job, as its actor drives it.
 *
 *   idle ──due or wanted──> sealing ──all threads have handed in──> writing ──durable──> idle
 *
 * One commit request for the group named after the application says it all: for each input
 * partition the next offset (with its partition time and the task's timers), for each changelog
 * partition the end offset that is covered, for a repartition partition both. It is sent only after
 * everything it names is durable, so what it says is true whenever it can be read; what lies beyond
 * the named ends is cut off at the next start. Source: DESIGN.md "Commit"; docs/format/commit.md.
 */
enum { TRIM_INTERVAL_MS = 30000 };

static const char *const phase_names[] = {
    [WEIR_COMMIT_IDLE] = "idle",
    [WEIR_COMMIT_SEALING] = "sealing",
    [WEIR_COMMIT_WRITING] = "writing",
};

static void move(struct weir_streams *streams, enum weir_commit_phase phase)
{
    struct weir_commit *commit = &streams->commit;
    bool is_next = (int)phase == ((int)commit->phase + 1) % 3;
    bool is_empty = commit->phase == WEIR_COMMIT_SEALING && phase == WEIR_COMMIT_IDLE;
    weir_assert(is_next || is_empty);
    commit->phase = phase;
    weir_log(&streams->env->logger, WEIR_LOG_DEBUG, "commit.phase", "application=%s phase=%s",
             streams->options.application_id, phase_names[phase]);
}

void weir_commit_init(struct weir_streams *streams)
{
    weir_arena_init(&streams->commit.arena, &streams->budget, 0);
}

void weir_commit_close(struct weir_streams *streams)
{
    weir_arena_close(&streams->commit.arena);
}

/* ---- trimming -------------------------------------------------------------------------------- */

struct trim {
    struct weir_cut_request cut; /* first */
    struct weir_streams *streams;
    struct weir_job_partition *partition;
};

static void on_trimmed(struct weir_request *request)
{
    struct trim *trim = (struct trim *)request;
    struct weir_streams *streams = trim->streams;
    streams->commit.trimming--;
    if (request->rc >= 0) {
        trim->partition->trimmed = trim->cut.offset;
    } else {
        weir_log(&streams->env->logger, WEIR_LOG_WARN, "repartition.trim_failed", "code=%s",
                 weir_code_name(request->rc));
    }
    weir_free(trim);
}

static bool is_repartition(const struct weir_streams *streams, size_t topic)
{
    return topic < streams->topology->topic_count &&
           streams->topology->topics[topic].is_repartition;
}

static void trim(struct weir_streams *streams, struct weir_job_partition *partition)
{
    struct trim *trim = weir_alloc_zero(&streams->budget, sizeof *trim);
    if (trim == NULL) return; /* next time */
    *trim = (struct trim){
        .cut = {.request = {.reply_to = streams->actor, .done = on_trimmed},
                .partition = {weir_text(streams->topics[partition->topic].name),
                              partition->partition},
                .what = WEIR_CUT_HEAD,
                .offset = partition->committed},
        .streams = streams,
        .partition = partition,
    };
    streams->commit.trimming++;
    weir_broker_cut(streams->broker, &trim->cut);
}

/* Repartition topics are kept until they are processed: what is committed goes, now and then. */
static void trim_repartitions(struct weir_streams *streams, struct weir_mono now)
{
    struct weir_commit *commit = &streams->commit;
    if (commit->trimming > 0 || now.ns < commit->trim_due.ns) return;
    commit->trim_due = weir_mono_after_ms(now, TRIM_INTERVAL_MS);
    for (size_t t = 0; t < streams->topology->topic_count; t++) {
        if (!is_repartition(streams, t) || streams->partitions[t] == NULL) continue;
        for (int32_t p = 0; p < streams->topics[t].partition_count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            if (partition->committed > partition->trimmed) trim(streams, partition);
        }
    }
}

/* ---- the commit record ----------------------------------------------------------------------- */

static void finish(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    struct weir_mono now = weir_mono_now(streams->env);
    for (size_t i = 0; i < commit->request.entry_count; i++) {
        struct weir_job_partition *partition = commit->partitions[i];
        const struct weir_offset_entry *entry = &commit->request.entries[i];
        bool is_input = partition->topic < streams->topology->topic_count;
        if (is_input) partition->committed = entry->offset;
        partition->committed_end = partition->next_end;
        partition->is_in_commit = false;
        partition->is_handed_in = false;
    }
    if (commit->request.entry_count > 0) {
        weir_counter_add(&streams->commits, 1);
        weir_histogram_add(&streams->commit_us, (now.ns - commit->begun.ns) / 1000);
    }
    commit->round++;
    commit->due = weir_mono_after_ms(now, streams->options.commit_interval_ms);
    move(streams, WEIR_COMMIT_IDLE);
    weir_arena_reset(&commit->arena);
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_committed(streams->threads[i]);
    }
    trim_repartitions(streams, now);
    weir_signal(streams->env);
}

/* It names what is durable already, and says the same when it is written twice. */
static bool is_tried_again(struct weir_streams *streams, const struct weir_request *request)
{
    struct weir_commit *commit = &streams->commit;
    bool is_first = !commit->backoff.is_waiting;
    if (atomic_load(&streams->failed)) return false;
    if (!weir_backoff_failed(&commit->backoff, request->rc, weir_mono_now(streams->env)))
        return false;
    commit->is_again = true;
    weir_actor_wake_at(streams->actor, commit->backoff.due);
    char why[2 * WEIR_ERROR_TEXT_SIZE];
    if (!is_first) return true;
    weir_log(&streams->env->logger, WEIR_LOG_WARN, "commit.waits", "application=%s code=%s why=%s",
             streams->options.application_id, weir_code_name(request->rc),
             weir_log_quote(why, sizeof why, request->error.text));
    return true;
}

static void on_committed(struct weir_request *request)
{
    struct weir_streams *streams = request->context;
    streams->outstanding--;
    if (request->rc < 0 && is_tried_again(streams, request)) return;
    if (request->rc < 0) {
        struct weir_error error = request->error;
        (void)weir_error_wrap(&error, request->rc, "commit of '%s'",
                              streams->options.application_id);
        weir_streams_fail(streams, request->rc, &error);
        return;
    }
    (void)weir_backoff_over(&streams->commit.backoff, weir_mono_now(streams->env));
    if (atomic_load(&streams->failed)) return;
    finish(streams);
}

static void send(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    weir_assert(commit->phase == WEIR_COMMIT_WRITING);
    commit->request.request =
        (struct weir_request){.reply_to = streams->actor, .done = on_committed, .context = streams};
    streams->outstanding++;
    weir_broker_commit_offsets(streams->broker, &commit->request);
}

void weir_commit_again(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    if (!commit->is_again || !weir_backoff_is_due(&commit->backoff, weir_mono_now(streams->env)))
        return;
    commit->is_again = false;
    send(streams);
}

/* Input offsets that moved and ends that moved, each partition once. */
static size_t collect(struct weir_streams *streams, struct weir_job_partition **partitions)
{
    size_t count = 0;
    for (size_t t = 0; t < streams->topic_count; t++) {
        if (streams->partitions[t] == NULL) continue;
        for (int32_t p = 0; p < streams->topics[t].partition_count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            if (!partition->is_in_commit && !partition->is_handed_in) continue;
            if (partitions != NULL) partitions[count] = partition;
            count++;
        }
    }
    return count;
}

void weir_commit_fill_entry(const struct weir_streams *streams,
                            const struct weir_job_partition *partition, struct weir_arena *arena,
                            struct weir_offset_entry *entry)
{
    const struct weir_job_topic *topic = &streams->topics[partition->topic];
    bool is_changelog = partition->topic >= streams->topology->topic_count;
    struct weir_commit_metadata metadata = {.partition_time_ms = -1, .end_offset = -1};
    if (topic->is_internal) metadata.end_offset = partition->next_end;
    if (!is_changelog) {
        metadata.partition_time_ms = partition->sealed_time_ms;
        metadata.marks = partition->sealed_marks;
        metadata.mark_count = partition->sealed_mark_count;
    }
    *entry = (struct weir_offset_entry){
        .partition = {weir_text(topic->name), partition->partition},
        .offset = is_changelog ? partition->next_end : partition->sealed_offset,
        .leader_epoch = topic->is_internal ? partition->leader_epoch : partition->sealed_epoch,
        .metadata = weir_commit_metadata_encode(&metadata, arena),
    };
}

static int build(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    size_t count = collect(streams, NULL);
    struct weir_offset_entry *entries = weir_arena_array(&commit->arena, count, sizeof *entries);
    commit->partitions = weir_arena_array(&commit->arena, count, sizeof *commit->partitions);
    if (weir_arena_failed(&commit->arena)) return WEIR_NO_MEMORY;
    (void)collect(streams, commit->partitions);
    for (size_t i = 0; i < count; i++) {
        weir_commit_fill_entry(streams, commit->partitions[i], &commit->arena, &entries[i]);
    }
    commit->request = (struct weir_commit_request){
        .group = weir_text(streams->options.application_id),
        .entries = entries,
        .entry_count = count,
        .metadata_size_max = WEIR_COMMIT_METADATA_SIZE_MAX,
        .is_application = true,
    };
    return weir_arena_failed(&commit->arena) ? WEIR_NO_MEMORY : 0;
}

/* All have handed in: the cut is clean, outputs of the next interval may go. */
static void write_record(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_release(streams->threads[i]);
    }
    if (build(streams) < 0) {
        struct weir_error error = {0};
        int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
        weir_streams_fail(streams, rc, &error);
        return;
    }
    if (commit->request.entry_count == 0) {
        finish(streams);
        return;
    }
    move(streams, WEIR_COMMIT_WRITING);
    send(streams);
}

static void take_input(struct weir_streams *streams, const struct weir_input_progress *input)
{
    struct weir_job_partition *partition =
        weir_job_partition(streams, input->topic, input->partition);
    weir_assert(partition != NULL && input->offset >= partition->committed);
    partition->is_handed_in = true;
    partition->sealed_offset = input->offset;
    partition->sealed_epoch = input->leader_epoch;
    partition->sealed_time_ms = input->partition_time_ms;
    partition->sealed_marks = input->marks;
    partition->sealed_mark_count = input->mark_count;
}

void weir_commit_handed_in(struct weir_streams *streams, const struct weir_thread_commit *handed)
{
    struct weir_commit *commit = &streams->commit;
    weir_assert(commit->phase == WEIR_COMMIT_SEALING && commit->sealing > 0);
    for (const struct weir_input_progress *input = handed->inputs; input != NULL;
         input = input->next) {
        take_input(streams, input);
    }
    for (size_t i = 0; i < handed->end_count; i++) {
        const struct weir_output_end *end = &handed->ends[i];
        struct weir_job_partition *partition =
            weir_job_partition(streams, end->topic, end->partition);
        weir_assert(partition != NULL);
        partition->is_in_commit = true;
        if (end->end_offset > partition->next_end) partition->next_end = end->end_offset;
    }
    commit->sealing--;
    if (commit->sealing == 0 && !atomic_load(&streams->failed)) write_record(streams);
}

static void begin(struct weir_streams *streams, bool is_last)
{
    struct weir_commit *commit = &streams->commit;
    commit->is_wanted = false;
    commit->begun = weir_mono_now(streams->env);
    commit->sealing = streams->thread_count;
    move(streams, WEIR_COMMIT_SEALING);
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_prepare(streams->threads[i], is_last);
    }
    if (streams->thread_count == 0) write_record(streams);
}

void weir_commit_step(struct weir_streams *streams, bool is_last)
{
    struct weir_commit *commit = &streams->commit;
    weir_commit_again(streams);
    if (commit->phase != WEIR_COMMIT_IDLE) return;
    struct weir_mono now = weir_mono_now(streams->env);
    if (is_last || commit->is_wanted || (now.ns >= commit->due.ns && !streams->hand.is_manual)) {
        begin(streams, is_last);
        return;
    }
    weir_actor_wake_at(streams->actor, streams->hand.is_manual ? WEIR_MONO_NEVER : commit->due);
}
