#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/streams_internal.h"

/** What threads say, handled on the job's actor. */

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

static struct weir_commit_group *group_of(struct weir_message *message)
{
    return weir_commit_group_of(job_of(message), thread_of(message)->options.index);
}

static void on_opened(struct weir_message *message)
{
    struct weir_streams *streams = job_of(message);
    weir_assert(streams->threads_opened < streams->thread_count);
    streams->threads_opened++;
}

static void on_restored(struct weir_message *message)
{
    struct weir_streams *streams = job_of(message);
    weir_assert(streams->threads_restored < streams->thread_count);
    streams->threads_restored++;
}

static void on_handed_in(struct weir_message *message)
{
    weir_commit_handed_in(group_of(message), &thread_of(message)->commit);
}

static void on_failed(struct weir_message *message)
{
    const struct weir_stream_thread *thread = thread_of(message);
    struct weir_error error = thread->error;
    weir_assert(error.code < 0); /* it says why */
    (void)weir_error_wrap(&error, error.code, "stream thread %zu", thread->options.index);
    weir_streams_fail(job_of(message), error.code, &error);
}

static void on_stopped(struct weir_message *message)
{
    struct weir_streams *streams = job_of(message);
    weir_assert(streams->threads_running > 0 && streams->is_stopping);
    streams->threads_running--;
}

static void on_wants_commit(struct weir_message *message)
{
    atomic_store(&thread_of(message)->is_asking_commit, false);
    weir_commit_handle_group(group_of(message), WEIR_COMMIT_WANT);
}

static void on_wants_transaction(struct weir_message *message)
{
    atomic_store(&thread_of(message)->is_asking_transaction, false);
    weir_transaction_want(group_of(message));
}

struct weir_thread_listener weir_job_thread_listener(struct weir_streams *streams)
{
    weir_assert(streams->actor != NULL);
    return (struct weir_thread_listener){
        .actor = streams->actor,
        .context = streams,
        .on_opened = on_opened,
        .on_restored = on_restored,
        .on_handed_in = on_handed_in,
        .on_failed = on_failed,
        .on_stopped = on_stopped,
        .on_wants_commit = on_wants_commit,
        .on_wants_transaction = on_wants_transaction,
    };
}
