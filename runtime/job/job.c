#include "base/assert.h"
#include "runtime/job/streams_internal.h"

/**
 * The job's actor: it starts the job, has it commit, and stops it. A turn does what the state asks for,
 * and a new state has the next turn at once. Messages only leave a note of what is wanted.
 */

/* ---- messages from outside ------------------------------------------------------------------- */

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
    weir_commit_handle(streams, WEIR_COMMIT_WANT);
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
    weir_assert(weir_streams_state(streams) > WEIR_STREAMS_RUNNING);
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

/* Tasks that run are committed while others restore. */
static void begun_step(struct weir_streams *streams)
{
    if (streams->close_asked) {
        weir_streams_move(streams, WEIR_STREAMS_PENDING_SHUTDOWN);
        return;
    }
    weir_commit_handle(streams, WEIR_COMMIT_TURN);
    if (atomic_load(&streams->failed)) return;
    if (streams->threads_restored == streams->thread_count) {
        weir_streams_move(streams, WEIR_STREAMS_RUNNING);
    }
}

static void restoring_step(struct weir_streams *streams)
{
    if (atomic_load(&streams->has_begun)) {
        begun_step(streams);
        return;
    }
    /* What a start has not come to by then the next one does. */
    if (streams->start != NULL && !streams->close_asked) weir_start_step(streams);
    if (atomic_load(&streams->failed)) return;
    if (streams->close_asked) {
        weir_streams_move(streams, WEIR_STREAMS_PENDING_SHUTDOWN);
        stop_threads(streams, true);
        return;
    }
    if (streams->start != NULL || streams->threads_opened < streams->thread_count) return;
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_run(streams->threads[i]);
    }
    weir_commit_handle(streams, WEIR_COMMIT_START);
    atomic_store(&streams->has_begun, true);
    weir_signal(streams->env);
    begun_step(streams);
}

static void running_step(struct weir_streams *streams)
{
    if (streams->close_asked) {
        weir_streams_move(streams, WEIR_STREAMS_PENDING_SHUTDOWN);
        return;
    }
    weir_commit_handle(streams, WEIR_COMMIT_TURN);
    weir_drain_step(streams);
}

/* The last commits are under way; threads stop when all of them are durable. A job that was closed while it started has
 * none. */
static void shutdown_step(struct weir_streams *streams)
{
    if (!streams->is_stopping && !weir_commit_last(streams)) return;
    stop_threads(streams, true);
    if (!has_stopped(streams)) return;
    weir_drain_end_all(streams, WEIR_CLOSED);
    weir_streams_move(streams, WEIR_STREAMS_NOT_RUNNING);
}

static void error_step(struct weir_streams *streams)
{
    stop_threads(streams, false);
    if (!has_stopped(streams) || weir_transactions_abort(streams)) return;
    weir_drain_end_all(streams, streams->error.code);
    if (streams->close_asked) weir_streams_move(streams, WEIR_STREAMS_NOT_RUNNING);
}

int weir_job_run_once(void *impl)
{
    struct weir_streams *streams = impl;
    weir_streams_check(streams);
    weir_alarm_went_off(streams);
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
    if (streams->commit.group_count > 0) weir_alarm_set(streams);
    weir_streams_check(streams);
    return weir_streams_state(streams) != before; /* a new state has a turn at once */
}
