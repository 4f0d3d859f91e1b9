#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "runtime/job/streams_internal.h"

/**
 * The job's actor: it starts the job, has it commit, and stops it. Its states are those of
 * include/weir/streams.h; a move outside of the table is a mistake of ours.
 */

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) WEIR_STATE_BIT(WEIR_STREAMS_##state)
static const struct weir_state_row rows[] = {
    [WEIR_STREAMS_CREATED] = {"created", TO(RESTORING) | TO(ERROR) | TO(NOT_RUNNING)},
    [WEIR_STREAMS_RESTORING] = {"restoring", TO(RUNNING) | TO(PENDING_SHUTDOWN) | TO(ERROR)},
    [WEIR_STREAMS_RUNNING] = {"running", TO(PENDING_SHUTDOWN) | TO(ERROR)},
    [WEIR_STREAMS_PENDING_SHUTDOWN] = {"pending shutdown", TO(NOT_RUNNING) | TO(ERROR)},
    [WEIR_STREAMS_ERROR] = {"error", TO(NOT_RUNNING)},
    [WEIR_STREAMS_NOT_RUNNING] = {"not running", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("job", rows);

void weir_streams_move(struct weir_streams *streams, enum weir_streams_state state)
{
    const char *id = streams->options.application_id;
    (void)weir_state_move(&states, id, weir_streams_state(streams), state);
    weir_log(&streams->env->logger, WEIR_LOG_INFO, "streams.state", "application=%s state=\"%s\"",
             id, weir_state_name(&states, state));
    atomic_store(&streams->state, (int)state);
    weir_signal(streams->env);
}

void weir_streams_fail(struct weir_streams *streams, int rc, const struct weir_error *error)
{
    if (atomic_load(&streams->failed)) return;
    streams->error = error != NULL ? *error : (struct weir_error){0};
    if (streams->error.code != (enum weir_code)rc) {
        (void)weir_error_set(&streams->error, (enum weir_code)rc, "%s", weir_code_text(rc));
    }
    char quoted[WEIR_ERROR_TEXT_SIZE + 8];
    weir_log(&streams->env->logger, WEIR_LOG_ERROR, "streams.failed", "application=%s why=%s",
             streams->options.application_id,
             weir_log_quote(quoted, sizeof quoted, streams->error.text));
    atomic_store(&streams->failed, true);
    weir_commit_event(streams, WEIR_COMMIT_FAILED);
    weir_streams_move(streams, WEIR_STREAMS_ERROR);
}

/* ---- what threads say (on the job's actor) --------------------------------------------------- */

static struct weir_stream_thread *thread_of(struct weir_message *message)
{
    return ((struct weir_note *)message)->thread;
}

static struct weir_streams *job_of(struct weir_message *message)
{
    struct weir_streams *streams = thread_of(message)->options.listener.context;
    weir_assert(streams->magic == WEIR_STREAMS_MAGIC);
    return streams;
}

static void on_restored(struct weir_message *message)
{
    struct weir_streams *streams = job_of(message);
    weir_assert(streams->threads_restored < streams->thread_count);
    streams->threads_restored++;
}

static void on_handed_in(struct weir_message *message)
{
    weir_commit_handed_in(job_of(message), &thread_of(message)->commit);
}

static void on_failed(struct weir_message *message)
{
    const struct weir_stream_thread *thread = thread_of(message);
    struct weir_error error = thread->error;
    (void)weir_error_wrap(&error, error.code, "stream thread %zu", thread->options.index);
    weir_streams_fail(job_of(message), error.code, &error);
}

static void on_stopped(struct weir_message *message)
{
    struct weir_streams *streams = job_of(message);
    weir_assert(streams->threads_running > 0);
    streams->threads_running--;
}

static void on_wants_commit(struct weir_message *message)
{
    atomic_store(&thread_of(message)->is_asking_commit, false);
    weir_commit_event(job_of(message), WEIR_COMMIT_WANT);
}

struct weir_thread_listener weir_job_thread_listener(struct weir_streams *streams)
{
    weir_assert(streams->actor != NULL);
    return (struct weir_thread_listener){
        .actor = streams->actor,
        .context = streams,
        .on_restored = on_restored,
        .on_handed_in = on_handed_in,
        .on_failed = on_failed,
        .on_stopped = on_stopped,
        .on_wants_commit = on_wants_commit,
    };
}

static void on_close(struct weir_message *message)
{
    struct weir_streams *streams =
        (struct weir_streams *)((char *)message - offsetof(struct weir_streams, close_message));
    streams->close_asked = true;
}

static void on_commit(struct weir_message *message)
{
    struct weir_streams *streams =
        (struct weir_streams *)((char *)message - offsetof(struct weir_streams, commit_message));
    weir_commit_event(streams, WEIR_COMMIT_WANT);
}

/* The first message: from here on `actor` is set for everybody. */
static void on_begin(struct weir_message *message)
{
    struct weir_streams *streams =
        (struct weir_streams *)((char *)message - offsetof(struct weir_streams, begin_message));
    weir_streams_move(streams, WEIR_STREAMS_RESTORING);
}

void weir_job_listen(struct weir_streams *streams)
{
    streams->begin_message.handle = on_begin;
    streams->close_message.handle = on_close;
    streams->commit_message.handle = on_commit;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void stop_threads(struct weir_streams *streams, bool is_clean)
{
    if (streams->is_stopping) return;
    streams->is_stopping = true;
    for (size_t i = 0; i < streams->thread_count; i++) {
        if (streams->threads[i]->actor != NULL) {
            weir_stream_thread_stop(streams->threads[i], is_clean);
        }
    }
}

static bool has_stopped(const struct weir_streams *streams)
{
    return streams->is_stopping && streams->threads_running == 0 && streams->outstanding == 0 &&
           streams->commit.trimming == 0;
}

static void restoring_step(struct weir_streams *streams)
{
    if (streams->start != NULL) weir_start_step(streams);
    if (atomic_load(&streams->failed)) return;
    if (streams->close_asked) {
        weir_streams_move(streams, WEIR_STREAMS_PENDING_SHUTDOWN);
        stop_threads(streams, true);
        return;
    }
    if (streams->start != NULL || streams->threads_restored < streams->thread_count) return;
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_run(streams->threads[i]);
    }
    weir_commit_event(streams, WEIR_COMMIT_START);
    weir_streams_move(streams, WEIR_STREAMS_RUNNING);
}

static void running_step(struct weir_streams *streams)
{
    if (streams->close_asked && streams->commit.state.phase == WEIR_COMMIT_IDLE) {
        weir_streams_move(streams, WEIR_STREAMS_PENDING_SHUTDOWN);
        weir_commit_event(streams, WEIR_COMMIT_LAST);
        return;
    }
    weir_commit_event(streams, WEIR_COMMIT_TURN);
    weir_drain_step(streams);
}

/* The last commit is under way; threads stop when it is durable. */
static void shutdown_step(struct weir_streams *streams)
{
    weir_commit_event(streams, WEIR_COMMIT_TURN);
    if (streams->commit.state.phase != WEIR_COMMIT_IDLE) return;
    stop_threads(streams, true);
    if (!has_stopped(streams)) return;
    weir_drain_end_all(streams, WEIR_CLOSED);
    weir_streams_move(streams, WEIR_STREAMS_NOT_RUNNING);
}

static void error_step(struct weir_streams *streams)
{
    stop_threads(streams, false);
    if (!has_stopped(streams)) return;
    weir_drain_end_all(streams, streams->error.code);
    if (streams->close_asked) weir_streams_move(streams, WEIR_STREAMS_NOT_RUNNING);
}

int weir_job_run_once(void *impl)
{
    struct weir_streams *streams = impl;
    weir_assert(streams->magic == WEIR_STREAMS_MAGIC);
    enum weir_streams_state before = weir_streams_state(streams);
    switch (before) {
    case WEIR_STREAMS_CREATED:
        break;
    case WEIR_STREAMS_RESTORING:
        restoring_step(streams);
        break;
    case WEIR_STREAMS_RUNNING:
        running_step(streams);
        break;
    case WEIR_STREAMS_PENDING_SHUTDOWN:
        shutdown_step(streams);
        break;
    case WEIR_STREAMS_ERROR:
        error_step(streams);
        break;
    case WEIR_STREAMS_NOT_RUNNING:
        if (!atomic_load(&streams->is_finished)) {
            atomic_store(&streams->is_finished, true);
            weir_signal(streams->env);
        }
        break;
    }
    return weir_streams_state(streams) != before; /* a new state has a turn at once */
}

struct weir_job_partition *weir_job_partition(const struct weir_streams *streams, size_t topic,
                                              int32_t partition)
{
    if (topic >= streams->topic_count || streams->partitions[topic] == NULL) return NULL;
    if (partition < 0 || partition >= streams->topics[topic].partition_count) return NULL;
    return &streams->partitions[topic][partition];
}
