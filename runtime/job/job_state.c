#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "runtime/job/streams_internal.h"

/**
 * What all parts of a job stand on: its state, its failure, its partitions. The states are those of
 * include/weir/streams.h; a move outside of the table is a mistake of ours.
 */

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

void weir_streams_check(const struct weir_streams *streams)
{
    const enum weir_streams_state state = weir_streams_state(streams);
    const struct weir_topology *topology = streams->topology;
    const struct weir_commit *commit = &streams->commit;
    const bool is_running = state == WEIR_STREAMS_RUNNING;
    const bool has_begun_to_end = state > WEIR_STREAMS_RUNNING;
    weir_assert(streams->magic == WEIR_STREAMS_MAGIC);
    weir_assert(streams->topic_count ==
                topology->topic_count + topology->store_count + WEIR_JOB_TOPICS_BEHIND);
    weir_assert(streams->threads_opened <= streams->thread_count);
    weir_assert(streams->threads_restored <= streams->threads_opened);
    weir_assert(streams->threads_running <= streams->thread_count);
    weir_assert(!is_running || streams->threads_restored == streams->thread_count);
    weir_assert(!is_running || streams->threads_running == streams->thread_count);
    weir_assert(!is_running || atomic_load(&streams->has_begun));
    weir_assert(!atomic_load(&streams->has_begun) || streams->start == NULL);
    weir_assert(!is_running || streams->start == NULL);
    weir_assert(!streams->is_stopping || has_begun_to_end);
    weir_assert(state != WEIR_STREAMS_ERROR || atomic_load(&streams->failed));
    weir_assert(state != WEIR_STREAMS_NOT_RUNNING || streams->threads_running == 0);
    weir_assert(!atomic_load(&streams->is_finished) || state == WEIR_STREAMS_NOT_RUNNING);
    weir_assert(commit->kind != NULL);
    weir_assert(!is_running || commit->group_count > 0 || streams->thread_count == 0);
    for (size_t i = 0; i < commit->group_count; i++) {
        const struct weir_commit_group *group = &commit->groups[i];
        /* Without memory for them the commit has failed, and the job with it. */
        weir_assert(group->seal.entry_count == 0 || group->partitions != NULL ||
                    atomic_load(&streams->failed));
    }
}

enum weir_streams_state weir_streams_state(const struct weir_streams *streams)
{
    if (streams == NULL) return WEIR_STREAMS_NOT_RUNNING;
    return (enum weir_streams_state)atomic_load(&streams->state);
}

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
    weir_assert(rc < 0);
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
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        struct weir_commit_update nothing;
        weir_commit_step(&streams->commit.groups[i].state,
                         &(struct weir_commit_event){.type = WEIR_COMMIT_FAILED}, &nothing);
    }
    weir_streams_move(streams, WEIR_STREAMS_ERROR);
}

int weir_streams_error(const struct weir_streams *streams, struct weir_error *error_out)
{
    weir_error_clear(error_out);
    if (streams == NULL) {
        return weir_error_set(error_out, WEIR_INVALID_ARGUMENT,
                              "weir_streams_error: the job is NULL");
    }
    if (!atomic_load(&streams->failed)) return 0;
    if (error_out != NULL) *error_out = streams->error;
    return streams->error.code;
}

bool weir_streams_reads_uncommitted(const struct weir_streams *streams)
{
    return streams->options.repartition_isolation_level == WEIR_REPARTITION_READ_UNCOMMITTED;
}

struct weir_job_partition *weir_job_partition(const struct weir_streams *streams, size_t topic,
                                              int32_t partition)
{
    if (topic >= streams->topic_count || streams->partitions[topic] == NULL) return NULL;
    if (partition < 0 || partition >= streams->topics[topic].partition_count) return NULL;
    return &streams->partitions[topic][partition];
}

void weir_job_partition_check(const struct weir_job_partition *partition)
{
    weir_assert(partition->partition >= 0);
    weir_assert(partition->sealed_offset >= partition->committed);
    weir_assert(partition->next_end >= partition->committed_end);
    weir_assert(partition->trimmed == 0 || partition->trimmed <= partition->committed);
    weir_assert(partition->sealed_mark_count == 0 || partition->sealed_marks != NULL);
}
