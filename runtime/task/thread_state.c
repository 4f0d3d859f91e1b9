#include "runtime/task/stream_thread.h"

#include "base/assert.h"
#include "base/error.h"

/**
 * What all parts of a stream thread stand on: its failure, its clock, and where partitions stood at the
 * start. Calls none of the other parts.
 */

void weir_thread_fail(struct weir_stream_thread *thread, int rc, const struct weir_error *error)
{
    struct weir_thread_update update;
    weir_thread_step(&thread->state, &(struct weir_thread_event){.type = WEIR_THREAD_FAILED},
                     &update);
    if (!update.says_failed) return;
    thread->error = error != NULL ? *error : (struct weir_error){0};
    if (thread->error.code != (enum weir_code)rc) {
        (void)weir_error_set(&thread->error, (enum weir_code)rc, "%s", weir_code_text(rc));
    }
    weir_actor_post(thread->options.listener.actor, &thread->failed.message);
}

const struct weir_partition_origin *weir_thread_origin(const struct weir_stream_thread *thread,
                                                       size_t topic, int32_t partition)
{
    const struct weir_stream_thread_options *options = &thread->options;
    weir_assert(topic < options->topic_count);
    if (options->origins[topic] == NULL) return NULL;
    if (partition < 0 || partition >= options->config->topics[topic].partition_count) return NULL;
    return &options->origins[topic][partition];
}

int64_t weir_thread_wall_now_ms(const struct weir_stream_thread *thread)
{
    if (thread->options.drive->is_manual) return thread->options.drive->wall_ms;
    return weir_wall_now(thread->env).ms;
}
