#include "runtime/task/stream_thread.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

/**
 * What all parts of a stream thread stand on: its phases, its failure, its clock, and where partitions
 * stood at the start. Calls none of the other parts.
 */

#define TO(phase) WEIR_STATE_BIT(WEIR_THREAD_##phase)
static const struct weir_state_row phase_rows[] = {
    [WEIR_THREAD_CREATED] = {"created", TO(OPENING) | TO(STOPPING)},
    [WEIR_THREAD_OPENING] = {"opening", TO(RESTORING) | TO(STOPPING)},
    [WEIR_THREAD_RESTORING] = {"restoring", TO(READY) | TO(STOPPING)},
    [WEIR_THREAD_READY] = {"ready", TO(RUNNING) | TO(STOPPING)},
    [WEIR_THREAD_RUNNING] = {"running", TO(STOPPING)},
    [WEIR_THREAD_STOPPING] = {"stopping", TO(STOPPED)},
    [WEIR_THREAD_STOPPED] = {"stopped", 0},
};
#undef TO
static const struct weir_state_table phase_table = WEIR_STATE_TABLE("stream thread", phase_rows);

#define TO(phase) WEIR_STATE_BIT(WEIR_SEAL_##phase)
static const struct weir_state_row seal_rows[] = {
    [WEIR_SEAL_NONE] = {"none", TO(ASKED)},
    [WEIR_SEAL_ASKED] = {"asked", TO(SENDING)},
    [WEIR_SEAL_SENDING] = {"sending", TO(HANDED_IN)},
    [WEIR_SEAL_HANDED_IN] = {"handed in", TO(NONE)},
};
#undef TO
static const struct weir_state_table seal_table =
    WEIR_STATE_TABLE("seal of a stream thread", seal_rows);

void weir_thread_move(struct weir_stream_thread *thread, enum weir_thread_phase phase)
{
    thread->phase = weir_state_move(&phase_table, thread->name, thread->phase, phase);
}

void weir_thread_move_seal(struct weir_stream_thread *thread, enum weir_seal_phase seal)
{
    thread->seal = weir_state_move(&seal_table, thread->name, thread->seal, seal);
    /* Outputs of the next interval wait from the seal on; the job says when they may go. */
    weir_assert(seal != WEIR_SEAL_SENDING || thread->is_held);
    weir_assert(seal != WEIR_SEAL_HANDED_IN || thread->produces_out == 0);
    weir_assert(seal != WEIR_SEAL_NONE || !thread->is_held);
}

void weir_thread_fail(struct weir_stream_thread *thread, int rc, const struct weir_error *error)
{
    if (thread->has_failed) return;
    thread->has_failed = true;
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
