#include "runtime/task/stream_thread.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"

/**
 * Outputs on their way: finished batches become produce requests, and stay until they are answered. What belongs to a
 * transaction is sent while one is open (thread_step.h); the rest at once, with acks=all.
 *
 * A batch that the log cannot take for want of something (room, descriptors, memory) is tried again. It
 * keeps its place in its partition, so that those behind it are refused as out of order, and wait
 * with it, also those of other threads that write there:
 *
 *   sent ──shortage, or out of order behind one──> retries ──nothing on its way, and due──> resent
 *
 * Until all of them are stored nothing new is sent and no commit is sealed. Two minutes of it fail the
 * job, and so does a batch behind which another may have been taken (weir_output_producer_may_resend).
 */
enum { UNACKNOWLEDGED_BYTES_MAX = 32 << 20 };

static struct weir_output_producer *producer_of(struct weir_stream_thread *thread,
                                                const struct weir_output *output)
{
    return output->is_in_transaction ? thread->options.transaction : &thread->outside;
}

/* Only a batch that the log refused for its content may be skipped, and never state. */
static bool may_skip(const struct weir_stream_thread *thread, const struct weir_output *output)
{
    const struct weir_task_config *config = thread->options.config;
    int rc = output->produce.request.rc;
    return weir_code_action(rc) == WEIR_ACTION_REFUSE && rc != WEIR_OUT_OF_ORDER_SEQUENCE &&
           !config->topics[output->topic].is_internal &&
           config->on_production_error == WEIR_ON_ERROR_SKIP;
}

/* What is sent behind it takes its place. */
static int give_up(struct weir_stream_thread *thread, const struct weir_output *output)
{
    return weir_output_producer_given_up(producer_of(thread, output), output->topic,
                                         output->produce.to.partition, output->record_count,
                                         &output->place);
}

static void refused(struct weir_stream_thread *thread, const struct weir_output *output)
{
    const struct weir_request *request = &output->produce.request;
    const char *topic = thread->options.config->topics[output->topic].name;
    if (may_skip(thread, output) && give_up(thread, output) >= 0) {
        weir_counter_add(&thread->metrics.records_failed, output->record_count);
        weir_log(&thread->env->logger, WEIR_LOG_WARN, "output.refused",
                 "topic=%s partition=%" PRId32 " records=%" PRId64 " code=%s", topic,
                 output->produce.to.partition, output->record_count, weir_code_name(request->rc));
        return;
    }
    struct weir_error error = request->error;
    (void)weir_error_wrap(&error, request->rc, "write to '%s' partition %" PRId32, topic,
                          output->produce.to.partition);
    weir_thread_fail(thread, request->rc, &error);
}

/* ---- shortage -------------------------------------------------------------------------------- */

/* One before it in its partition has failed, of this thread or of another, or was given up. */
static bool waits_for_another(struct weir_stream_thread *thread, const struct weir_output *output)
{
    if (thread->retries != NULL) return true;
    bool may_be_another = output->is_in_transaction && thread->options.shares_transaction;
    bool may_have_moved = !thread->options.config->topics[output->topic].is_internal &&
                          thread->options.config->on_production_error == WEIR_ON_ERROR_SKIP;
    if (!may_be_another && !may_have_moved) return false;
    return weir_backoff_wait(&thread->send_backoff, weir_mono_now(thread->env));
}

static bool is_tried_again(struct weir_stream_thread *thread, const struct weir_output *output)
{
    int rc = output->produce.request.rc;
    if (thread->state.has_failed || thread->state.phase == WEIR_THREAD_STOPPING) return false;
    if (rc == WEIR_OUT_OF_ORDER_SEQUENCE) return waits_for_another(thread, output);
    if (!weir_output_producer_may_resend(producer_of(thread, output), output->topic,
                                         output->produce.to.partition)) {
        return false;
    }
    bool is_first = !thread->send_backoff.is_waiting;
    if (!weir_backoff_failed(&thread->send_backoff, rc, weir_mono_now(thread->env))) return false;
    if (!is_first) return true;
    char why[2 * WEIR_ERROR_TEXT_SIZE];
    weir_log(&thread->env->logger, WEIR_LOG_WARN, "output.waits",
             "application=%s topic=%s partition=%" PRId32 " code=%s why=%s",
             thread->options.application_id, thread->options.config->topics[output->topic].name,
             output->produce.to.partition, weir_code_name(rc),
             weir_log_quote(why, sizeof why, output->produce.request.error.text));
    return true;
}

/* In the order in which they were sent first: those of a partition stay in theirs. */
static void keep(struct weir_stream_thread *thread, struct weir_output *output)
{
    struct weir_output **at = &thread->retries;
    while (*at != NULL && (*at)->number < output->number) {
        at = &(*at)->next;
    }
    output->next = *at;
    *at = output;
    thread->retry_count++;
    weir_assert(thread->retry_count <= thread->produces_out);
}

static void done_with(struct weir_stream_thread *thread, struct weir_output *output)
{
    weir_assert(thread->produces_out > 0);
    thread->produces_out--;
    if (output->number < thread->sealed_count) {
        weir_assert(thread->sealed_out > 0);
        thread->sealed_out--;
    }
    thread->produce_bytes -= output->produce.batches->size;
    weir_collector_recycle(&thread->collector, output);
}

static void stored(struct weir_stream_thread *thread, struct weir_output *output)
{
    weir_collector_stored(&thread->collector, output);
    weir_output_producer_stored(producer_of(thread, output), output->topic,
                                output->produce.to.partition);
    if (!output->is_resent) return;
    weir_assert(thread->resent_count > 0);
    thread->resent_count--;
    if (thread->resent_count > 0 || thread->retries != NULL) return;
    int64_t took_ms = weir_backoff_over(&thread->send_backoff, weir_mono_now(thread->env));
    if (took_ms < 0) return;
    weir_log(&thread->env->logger, WEIR_LOG_INFO, "output.goes_on",
             "application=%s waited_ms=%" PRId64, thread->options.application_id, took_ms);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void on_produced(struct weir_request *request)
{
    struct weir_output *output = (struct weir_output *)request;
    struct weir_stream_thread *thread = request->context;
    weir_output_producer_answered(producer_of(thread, output), output->topic,
                                  output->produce.to.partition);
    if (request->rc < 0 && is_tried_again(thread, output)) {
        keep(thread, output);
        return;
    }
    if (request->rc < 0) {
        refused(thread, output);
    } else {
        stored(thread, output);
    }
    done_with(thread, output);
}

static void send(struct weir_stream_thread *thread, struct weir_output *output)
{
    output->produce.request =
        (struct weir_request){.reply_to = thread->actor, .done = on_produced, .context = thread};
    weir_output_producer_send(producer_of(thread, output), thread->options.log, output->topic,
                              output->record_count, &output->place, &output->produce);
}

void weir_thread_send_again(struct weir_stream_thread *thread)
{
    if (thread->retries == NULL || thread->retry_count < thread->produces_out) return;
    if (!weir_backoff_is_due(&thread->send_backoff, weir_mono_now(thread->env))) return;
    struct weir_output *output = thread->retries;
    thread->retries = NULL;
    thread->resent_count = thread->retry_count;
    thread->retry_count = 0;
    while (output != NULL) {
        struct weir_output *next = output->next;
        output->next = NULL;
        output->is_resent = true;
        send(thread, output);
        output = next;
    }
}

bool weir_thread_is_resending(const struct weir_stream_thread *thread)
{
    return thread->retries != NULL || thread->resent_count > 0;
}

void weir_thread_drop_retries(struct weir_stream_thread *thread)
{
    while (thread->retries != NULL) {
        struct weir_output *output = thread->retries;
        thread->retries = output->next;
        thread->retry_count--;
        done_with(thread, output);
    }
    weir_assert(thread->retry_count == 0);
}

static void send_queue(struct weir_stream_thread *thread, bool is_in_transaction)
{
    struct weir_output *output;
    while ((output = weir_collector_take(&thread->collector, is_in_transaction)) != NULL) {
        output->number = thread->sent_count++;
        thread->produces_out++;
        thread->produce_bytes += output->produce.batches->size;
        send(thread, output);
    }
}

int weir_thread_send(struct weir_stream_thread *thread, bool all)
{
    if (weir_thread_is_resending(thread)) return 0;
    struct weir_error error = {0};
    int rc = all ? weir_collector_finish(&thread->collector, &error) : 0;
    if (rc < 0) {
        weir_thread_fail(thread, rc, &error);
        return rc;
    }
    if (thread->state.is_open) send_queue(thread, true);
    send_queue(thread, false);
    return 0;
}

/* What is dirty puts its changes out when it is sealed. */
bool weir_thread_needs_transaction(const struct weir_stream_thread *thread)
{
    bool is_sealing = thread->state.seal == WEIR_SEAL_ASKED;
    for (size_t i = 0; is_sealing && i < thread->task_count; i++) {
        if (thread->tasks[i].task->is_dirty) return true;
    }
    return weir_collector_needs_transaction(&thread->collector);
}

bool weir_thread_is_full(const struct weir_stream_thread *thread)
{
    return thread->produce_bytes + thread->collector.pending_bytes > UNACKNOWLEDGED_BYTES_MAX;
}
