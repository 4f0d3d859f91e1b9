#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/streams_internal.h"

/**
 * The commit of a job, as its actor drives it. When one begins, what it waits for and what follows is
 * decided by weir_commit_step (commit_step.h); this file does what that says.
 *
 * One commit request for the group named after the application says it all: for each input
 * partition the next offset (with its partition time and the task's timers), for each changelog
 * partition the end offset that is covered, for a repartition partition both. It is sent only after
 * everything it names is durable, so what it says is true whenever it can be read; what lies beyond
 * the named ends is cut off at the next start. Source: DESIGN.md "Commit"; docs/format/commit.md.
 *
 * What threads hand in goes into the job's partitions at once, as `sealed_` and `next_end`; what has
 * changed there is gathered when all of them have handed in, and is committed when it is durable.
 */
enum { TRIM_INTERVAL_MS = 30000 };

void weir_commit_init(struct weir_streams *streams)
{
    streams->commit.state = (struct weir_commit_state){
        .interval_ms = streams->options.commit_interval_ms,
        .is_manual = streams->drive.is_manual,
    };
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

/* What the record says is so. */
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
        weir_histogram_add(&streams->commit_us, (now.ns - commit->state.begun.ns) / 1000);
    }
    weir_arena_reset(&commit->arena);
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_committed(streams->threads[i]);
    }
    trim_repartitions(streams, now);
    weir_signal(streams->env);
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

/* ---- doing what the step says ---------------------------------------------------------------- */

static void step(struct weir_streams *streams, struct weir_commit_event event);

static void on_committed(struct weir_request *request)
{
    struct weir_streams *streams = request->context;
    streams->outstanding--;
    step(streams, (struct weir_commit_event){.type = WEIR_COMMIT_ANSWERED, .rc = request->rc});
}

static void send(struct weir_streams *streams)
{
    struct weir_commit *commit = &streams->commit;
    weir_assert(commit->request.entry_count > 0);
    commit->request.request =
        (struct weir_request){.reply_to = streams->actor, .done = on_committed, .context = streams};
    streams->outstanding++;
    weir_broker_commit_offsets(streams->broker, &commit->request);
}

static void say_it_waits(const struct weir_streams *streams)
{
    const struct weir_request *request = &streams->commit.request.request;
    char why[2 * WEIR_ERROR_TEXT_SIZE];
    weir_log(&streams->env->logger, WEIR_LOG_WARN, "commit.waits", "application=%s code=%s why=%s",
             streams->options.application_id, weir_code_name(request->rc),
             weir_log_quote(why, sizeof why, request->error.text));
}

static void fail(struct weir_streams *streams, const struct weir_commit_event *event)
{
    struct weir_error error = {0};
    if (event->type == WEIR_COMMIT_ANSWERED) {
        error = streams->commit.request.request.error;
        (void)weir_error_wrap(&error, event->rc, "commit of '%s'", streams->options.application_id);
    } else {
        (void)weir_error_set(&error, (enum weir_code)event->rc, "no memory for a commit");
    }
    weir_streams_fail(streams, event->rc, &error);
}

static void gather(struct weir_streams *streams)
{
    int rc = build(streams);
    step(streams, (struct weir_commit_event){.type = WEIR_COMMIT_GATHERED,
                                             .count = streams->commit.request.entry_count,
                                             .rc = rc});
}

static void perform(struct weir_streams *streams, const struct weir_commit_event *event,
                    const struct weir_commit_update *update)
{
    for (size_t i = 0; update->prepares && i < streams->thread_count; i++) {
        weir_stream_thread_prepare(streams->threads[i], update->is_last);
    }
    for (size_t i = 0; update->releases && i < streams->thread_count; i++) {
        weir_stream_thread_release(streams->threads[i]);
    }
    if (update->gathers) gather(streams); /* and what comes of that */
    if (update->writes) send(streams);
    if (update->finishes) finish(streams);
    if (update->waits) say_it_waits(streams);
    if (update->wakes) weir_actor_wake_at(streams->actor, update->wake_at);
    if (update->rc < 0) fail(streams, event);
}

/* The event is filled in with the time. */
static void step(struct weir_streams *streams, struct weir_commit_event event)
{
    struct weir_commit_state *state = &streams->commit.state;
    enum weir_commit_phase before = state->phase;
    struct weir_commit_update update;
    event.now = weir_mono_now(streams->env);
    weir_commit_step(state, &event, &update);
    if (state->phase != before) {
        weir_log(&streams->env->logger, WEIR_LOG_DEBUG, "commit.phase", "application=%s phase=%s",
                 streams->options.application_id, weir_commit_phase_name(state->phase));
    }
    perform(streams, &event, &update);
}

void weir_commit_handle(struct weir_streams *streams, enum weir_commit_event_type type)
{
    step(streams, (struct weir_commit_event){.type = type, .count = streams->thread_count});
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
    step(streams, (struct weir_commit_event){.type = WEIR_COMMIT_HANDED_IN});
}
