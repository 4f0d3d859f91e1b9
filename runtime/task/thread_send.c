#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/streams_internal.h"

/**
 * Outputs on their way: finished batches become produce requests with acks=all, and stay until they
 * are acknowledged. Between the seal of a commit and its release nothing is sent.
 */
enum { UNACKNOWLEDGED_BYTES_MAX = 32 << 20 };

/* Only a batch that the log refused for its content may be skipped, and never state. */
static bool may_skip(const struct weir_stream_thread *thread, const struct weir_output *output)
{
    const struct weir_task_config *config = &thread->streams->task_config;
    return weir_code_action(output->produce.request.rc) == WEIR_ACTION_REFUSE &&
           !config->topics[output->topic].is_internal &&
           config->on_production_error == WEIR_ON_ERROR_SKIP;
}

static void refused(struct weir_stream_thread *thread, const struct weir_output *output)
{
    const struct weir_request *request = &output->produce.request;
    const char *topic = thread->streams->topics[output->topic].name;
    if (may_skip(thread, output)) {
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

static void on_produced(struct weir_request *request)
{
    struct weir_output *output = (struct weir_output *)request;
    struct weir_stream_thread *thread = request->context;
    weir_assert(thread->produces_out > 0);
    thread->produces_out--;
    thread->produce_bytes -= output->produce.batches->size;
    if (request->rc < 0) {
        refused(thread, output);
    } else {
        weir_collector_stored(&thread->collector, output);
    }
    weir_collector_recycle(&thread->collector, output);
}

int weir_thread_send(struct weir_stream_thread *thread, bool all)
{
    if (thread->is_held) return 0;
    struct weir_error error = {0};
    int rc = all ? weir_collector_finish(&thread->collector, &error) : 0;
    if (rc < 0) {
        weir_thread_fail(thread, rc, &error);
        return rc;
    }
    struct weir_output *output;
    while ((output = weir_collector_take(&thread->collector)) != NULL) {
        output->produce.request = (struct weir_request){
            .reply_to = thread->actor, .done = on_produced, .context = thread};
        thread->produces_out++;
        thread->produce_bytes += output->produce.batches->size;
        weir_broker_produce(thread->streams->broker, &output->produce);
    }
    return 0;
}

bool weir_thread_is_full(const struct weir_stream_thread *thread)
{
    return thread->produce_bytes + thread->collector.pending_bytes > UNACKNOWLEDGED_BYTES_MAX;
}
