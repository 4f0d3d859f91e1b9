#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/options.h"
#include "client/client_internal.h"
#include "runtime/job/streams_internal.h"
#include "runtime/state/backend.h"
#include "runtime/state/folder.h"

enum {
    EMIT_INTERVAL_MS = 1000,
    COMMIT_INTERVAL_MS = 100,
    CACHE_BYTES = 10 << 20,
    CACHE_PART = 8, /* of the bound for all stores, where that makes less */
    TIME_SKEW_MS = 600000,
    TRANSACTION_TIMEOUT_MS = 60000,
};

/* ---- making one ------------------------------------------------------------------------------ */

static const char *keep_text(struct weir_streams *streams, const char *text)
{
    return text != NULL ? weir_arena_printf(&streams->memory, "%s", text) : NULL;
}

static void take_options(struct weir_streams *streams, const struct weir_streams_options *options)
{
    struct weir_streams_options *taken = &streams->options;
    *taken = *options;
    taken->application_id = keep_text(streams, options->application_id);
    taken->state_dir = keep_text(streams, options->state_dir);
    taken->late_topic = keep_text(streams, options->late_topic);
    taken->dead_letter_topic = keep_text(streams, options->dead_letter_topic);
    if (taken->num_stream_threads == 0) {
        taken->num_stream_threads = weir_core_count(streams->env);
    }
    if (taken->commit_interval_ms == 0) taken->commit_interval_ms = COMMIT_INTERVAL_MS;
    if (taken->transaction_timeout_ms == 0) {
        taken->transaction_timeout_ms = TRANSACTION_TIMEOUT_MS;
    }
    if (taken->task_max_time_skew_ms == 0) taken->task_max_time_skew_ms = TIME_SKEW_MS;
    const int64_t part = taken->state_memory_max_bytes / CACHE_PART;
    if (taken->cache_max_bytes == 0) {
        taken->cache_max_bytes = part > 0 && part < CACHE_BYTES ? part : CACHE_BYTES;
    }
    if (taken->window_emit_interval_ms == 0) taken->window_emit_interval_ms = EMIT_INTERVAL_MS;
}

/* The job's table of topics: names are known now, the rest when the log has been asked. A table over a
 * topic has the name of a changelog until the start has decided whether it needs one. */
static void name_topics(struct weir_streams *streams)
{
    const struct weir_topology *topology = streams->topology;
    struct weir_arena *memory = &streams->memory;
    const char *id = streams->options.application_id;
    for (size_t i = 0; i < topology->topic_count; i++) {
        const struct weir_plan_topic *plan = &topology->topics[i];
        struct weir_job_topic *topic = &streams->topics[i];
        topic->is_internal = plan->is_repartition;
        topic->name =
            plan->is_repartition ? weir_arena_printf(memory, "%s-%s", id, plan->name) : plan->name;
    }
    for (size_t i = 0; i < topology->store_count; i++) {
        const struct weir_plan_store *plan = &topology->stores[i];
        if (!plan->spec.is_logged) continue;
        struct weir_job_topic *topic = &streams->topics[weir_changelog_topic(topology, i)];
        topic->is_internal = true;
        topic->name = weir_arena_printf(memory, "%s-%s-changelog", id, plan->spec.name);
    }
}

/* The place in the table of a topic that the job writes besides its topology's; SIZE_MAX: it has none. */
static size_t place_topic(struct weir_streams *streams, const char *name, size_t place)
{
    if (name == NULL) return SIZE_MAX;
    for (size_t i = 0; i < place; i++) {
        const struct weir_job_topic *topic = &streams->topics[i];
        if (topic->name != NULL && strcmp(topic->name, name) == 0) return i;
    }
    streams->topics[place].name = name;
    return place;
}

static int prepare_tables(struct weir_streams *streams, struct weir_error *error)
{
    const struct weir_topology *topology = streams->topology;
    struct weir_arena *memory = &streams->memory;
    streams->topic_count = topology->topic_count + topology->store_count + WEIR_JOB_TOPICS_BEHIND;
    streams->topics = weir_arena_alloc_zero(memory, streams->topic_count * sizeof *streams->topics);
    streams->partitions =
        weir_arena_alloc_zero(memory, streams->topic_count * sizeof *streams->partitions);
    streams->origins =
        weir_arena_alloc_zero(memory, streams->topic_count * sizeof *streams->origins);
    streams->task_counts =
        weir_arena_alloc_zero(memory, topology->subtopology_count * sizeof(int32_t));
    if (!weir_arena_failed(memory)) name_topics(streams);
    if (weir_arena_failed(memory)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a job");
    }
    const struct weir_streams_options *options = &streams->options;
    const size_t behind = streams->topic_count - WEIR_JOB_TOPICS_BEHIND;
    streams->task_config = (struct weir_task_config){
        .topology = topology,
        .backend = streams->backend,
        .topics = streams->topics,
        .dead_letter_topic = place_topic(streams, options->dead_letter_topic, behind),
        .late_topic = place_topic(streams, options->late_topic, behind + 1),
        .on_deserialization_error = options->on_deserialization_error,
        .on_processing_error = options->on_processing_error,
        .on_production_error = options->on_production_error,
        .idle_close_ms = options->idle_close_ms,
        .timestamp_after_max_ms = options->timestamp_after_max_ms,
        .on_timestamp_after_max = options->on_timestamp_after_max,
        .caches = options->cache_max_bytes != WEIR_CACHE_OFF,
        .emit_interval_ms =
            options->window_emit_interval_ms > 0 ? options->window_emit_interval_ms : 0,
    };
    return 0;
}

/* DIR/state/<application>, locked: two logs may have been given one state directory. */
static int take_lock(struct weir_streams *streams, struct weir_error *error)
{
    struct weir_arena *memory = &streams->memory;
    struct weir_env *env = streams->env;
    const char *id = streams->options.application_id;
    const char *base = streams->options.state_dir;
    weir_assert(streams->lock == NULL && streams->state_path == NULL);
    if (base == NULL) base = weir_arena_printf(memory, "%s/state", streams->log->directory);
    if (base != NULL) streams->state_path = weir_arena_printf(memory, "%s/%s", base, id);
    const char *lock_path = weir_arena_printf(memory, "%s/lock", streams->state_path);
    if (weir_arena_failed(memory)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a job");
    }
    struct weir_file *held = NULL;
    struct weir_file *lock = NULL;
    int rc = weir_folder_add(env, base, error);
    if (rc >= 0) rc = weir_folder_add(env, streams->state_path, error);
    /* The directory itself as well, which stays locked where somebody removes the file. */
    if (rc >= 0) rc = weir_directory_lock(env, streams->state_path, &held, error);
    if (rc >= 0)
        rc = weir_file_open(env, lock_path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &lock, error);
    if (rc >= 0) rc = weir_file_lock(lock, error);
    if (rc == WEIR_LOCKED) {
        (void)weir_error_set(error, WEIR_LOCKED,
                             "'%s' is in use by another job of application '%s': close that job "
                             "first, or give this one a state_dir of its own",
                             streams->state_path, id);
    }
    if (rc < 0) {
        weir_file_close(lock);
        weir_file_close(held);
        return rc;
    }
    streams->lock = lock;
    streams->held = held;
    return 0;
}

static struct weir_streams *streams_new(struct weir_log *log, const struct weir_topology *topology,
                                        const struct weir_streams_options *options,
                                        const struct weir_streams_hooks *hooks)
{
    struct weir_streams *streams = weir_alloc_zero(log->env->budget, sizeof *streams);
    if (streams == NULL) return NULL;
    streams->magic = WEIR_STREAMS_MAGIC;
    streams->log = log;
    streams->env = log->env;
    streams->topology = topology;
    weir_budget_init(&streams->budget, "streams", log->env->heap, log->env->budget, 0);
    weir_arena_init(&streams->memory, &streams->budget, 4096);
    take_options(streams, options);
    streams->backend = hooks->backend;
    streams->drive.is_manual = hooks->is_manual;
    streams->drive.wall_ms = hooks->wall_ms;
    streams->drain_wake = WEIR_MONO_NEVER;
    weir_job_listen(streams);
    return streams;
}

int weir_streams_start_begin(struct weir_log *log, const struct weir_topology *topology,
                             const struct weir_streams_options *options,
                             const struct weir_streams_hooks *hooks,
                             struct weir_streams **streams_out, struct weir_error *error)
{
    int rc = weir_streams_check_options(options, error);
    if (rc < 0) return rc;
    weir_assert(hooks->backend != NULL && hooks->commit != NULL);
    weir_topology_check(topology);
    struct weir_streams *streams = streams_new(log, topology, options, hooks);
    if (streams == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a job");
    rc = prepare_tables(streams, error);
    if (rc >= 0) rc = weir_commit_open(streams, hooks->commit, error);
    if (rc >= 0) {
        rc = weir_log_claim_group(streams->log, weir_text(streams->options.application_id),
                                  &streams->claim, error);
    }
    if (rc >= 0) rc = take_lock(streams, error);
    if (rc >= 0) rc = weir_start_new(streams, error);
    if (rc >= 0) {
        rc =
            weir_actor_start(streams->env,
                             &(struct weir_actor_options){
                                 .name = "streams", .run_once = weir_job_run_once, .impl = streams},
                             &streams->actor, error);
    }
    if (rc < 0) {
        weir_streams_free(streams);
        return weir_error_wrap(error, rc, "start '%s'", options->application_id);
    }
    atomic_fetch_add(&log->job_count, 1);
    weir_actor_post(streams->actor, &streams->begin_message);
    *streams_out = streams;
    return 0;
}

void weir_streams_close_begin(struct weir_streams *streams)
{
    weir_actor_post(streams->actor, &streams->close_message);
}

bool weir_streams_is_finished(const struct weir_streams *streams)
{
    return atomic_load(&streams->is_finished);
}

void weir_streams_free(struct weir_streams *streams)
{
    if (streams == NULL) return;
    weir_assert(streams->magic == WEIR_STREAMS_MAGIC);
    weir_assert(streams->actor == NULL || weir_streams_is_finished(streams));
    struct weir_log *log = streams->log;
    bool is_counted = streams->actor != NULL;
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_stream_thread_free(streams->threads[i]);
    }
    if (streams->task_config.cache != NULL)
        streams->backend->cache_free(streams->task_config.cache);
    weir_actor_stop(streams->actor);
    weir_start_free(streams);
    weir_commit_close(streams);
    weir_file_close(streams->lock);
    weir_file_close(streams->held);
    weir_log_release_group(log, &streams->claim);
    weir_arena_close(&streams->memory);
    weir_free(streams);
    /* Last: a weir_close that sees none frees the log and the memory that all of this was in. */
    if (is_counted) atomic_fetch_sub(&log->job_count, 1);
}

void weir_streams_commit_begin(struct weir_streams *streams)
{
    weir_actor_post(streams->actor, &streams->commit_message);
}

/* ---- the public calls ------------------------------------------------------------------------ */

static bool has_started(void *context)
{
    const struct weir_streams *streams = context;
    enum weir_streams_state state = weir_streams_state(context);
    if (state == WEIR_STREAMS_RUNNING || state == WEIR_STREAMS_ERROR) return true;
    return streams->options.returns_while_restoring && atomic_load(&streams->has_begun);
}

static bool has_finished(void *context)
{
    return weir_streams_is_finished(context);
}

struct weir_streams *weir_streams_start_in(struct weir_log *log,
                                           const struct weir_topology *topology,
                                           const struct weir_streams_options *options,
                                           const struct weir_streams_hooks *hooks,
                                           struct weir_error *error)
{
    struct weir_streams *streams = NULL;
    if (weir_streams_start_begin(log, topology, options, hooks, &streams, error) < 0) return NULL;
    int rc = weir_wait(streams->env, has_started, streams, WEIR_MONO_NEVER);
    if (rc >= 0 && weir_streams_state(streams) != WEIR_STREAMS_ERROR) return streams;
    if (rc < 0) {
        (void)weir_error_set(error, (enum weir_code)rc, "start '%s': %s", options->application_id,
                             weir_code_text(rc));
        if (rc == WEIR_CRASHED) return NULL; /* the node's memory is gone, the job with it */
    }
    struct weir_error why = {0};
    (void)weir_streams_close(streams, &why); /* says again why it failed */
    if (rc >= 0 && error != NULL) {
        *error = why;
        (void)weir_error_wrap(error, why.code, "start job");
    }
    return NULL;
}

struct weir_streams *weir_streams_start(struct weir_log *log, const struct weir_topology *topology,
                                        const struct weir_streams_options *options,
                                        struct weir_error *error)
{
    weir_error_clear(error);
    if (log == NULL || topology == NULL || options == NULL) {
        (void)weir_error_set(error, WEIR_INVALID_ARGUMENT, "weir_streams_start: %s",
                             log == NULL        ? "the log is NULL: weir_open gives one"
                             : topology == NULL ? "the topology is NULL: weir_build gives one"
                                                : "the options are NULL: give some that begin with "
                                                  "WEIR_STREAMS_OPTIONS_INIT");
        return NULL;
    }
    struct weir_streams_options taken;
    if (weir_options_take(&taken, sizeof taken, options, "WEIR_STREAMS_OPTIONS_INIT", error) < 0) {
        return NULL;
    }
    if (!weir_may_block(log->env)) {
        (void)weir_error_set(error, WEIR_WRONG_THREAD, "weir_streams_start waits");
        return NULL;
    }
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_rocksdb,
                                             .commit = &weir_commit_transaction};
    return weir_streams_start_in(log, topology, &taken, &hooks, error);
}

int weir_streams_close(struct weir_streams *streams, struct weir_error *error)
{
    if (streams == NULL) return 0;
    weir_assert(streams->magic == WEIR_STREAMS_MAGIC);
    if (!weir_may_block(streams->env)) {
        return weir_error_set(error, WEIR_WRONG_THREAD, "weir_streams_close waits");
    }
    weir_streams_close_begin(streams);
    int rc = weir_wait(streams->env, has_finished, streams, WEIR_MONO_NEVER);
    if (rc == WEIR_CRASHED) return rc;
    if (atomic_load(&streams->failed)) {
        if (error != NULL) *error = streams->error;
        rc = streams->error.code;
    }
    weir_streams_free(streams);
    return rc;
}

void weir_streams_metrics(const struct weir_streams *streams,
                          struct weir_streams_metrics *metrics_out)
{
    if (metrics_out == NULL) return;
    if (streams == NULL) {
        *metrics_out = (struct weir_streams_metrics){0};
        return;
    }
    struct weir_streams_metrics metrics = {
        .commits = weir_counter_get(&streams->commits),
        .commit_p50_us = weir_histogram_quantile(&streams->commit_us, 0.5),
        .commit_p99_us = weir_histogram_quantile(&streams->commit_us, 0.99),
        .commit_seal_us = weir_histogram_sum(&streams->commit_seal_us),
        .commit_seal_p99_us = weir_histogram_quantile(&streams->commit_seal_us, 0.99),
        .commit_flush_us = weir_histogram_sum(&streams->commit_flush_us),
        .commit_flush_p99_us = weir_histogram_quantile(&streams->commit_flush_us, 0.99),
        .commit_write_us = weir_histogram_sum(&streams->commit_write_us),
        .commit_write_p99_us = weir_histogram_quantile(&streams->commit_write_us, 0.99),
    };
    const bool has_threads = atomic_load(&streams->has_begun);
    for (size_t i = 0; has_threads && i < streams->thread_count; i++) {
        const struct weir_stream_thread *thread = streams->threads[i];
        const struct weir_task_metrics *counts = &thread->metrics;
        metrics.records_in += weir_counter_get(&counts->records_in);
        metrics.records_out += weir_counter_get(&counts->records_out);
        metrics.records_dropped_late += weir_counter_get(&counts->dropped[WEIR_DROP_LATE]);
        metrics.records_dropped_null += weir_counter_get(&counts->dropped[WEIR_DROP_NULL]);
        metrics.records_failed += weir_counter_get(&counts->records_failed);
        metrics.records_ahead += weir_counter_get(&counts->records_ahead);
        metrics.restored_records += weir_counter_get(&counts->restored_records);
        metrics.records_lag += weir_counter_get(&thread->lag);
        metrics.state_bytes += weir_counter_get(&thread->state_bytes);
        metrics.cache_bytes += weir_counter_get(&thread->cache_bytes);
        metrics.state_memory_bytes += weir_counter_get(&thread->memory_bytes);
        metrics.tasks += (int64_t)thread->task_total;
        for (size_t t = 0; t < thread->task_total; t++) {
            const int64_t task_state = weir_counter_get(&thread->tasks[t].shown_state);
            metrics.tasks_restoring += task_state == WEIR_TASK_RESTORING;
        }
    }
    if (has_threads && streams->task_config.cache != NULL) {
        metrics.state_memory_bytes +=
            (int64_t)streams->backend->cache_used(streams->task_config.cache);
    }
    *metrics_out = metrics;
}

static struct weir_operator_metrics operator_metrics(const struct weir_streams *streams,
                                                     size_t number)
{
    struct weir_operator_metrics metrics = {.name = streams->topology->nodes[number].name};
    for (size_t i = 0; i < streams->thread_count; i++) {
        const struct weir_operator_counts *counts = &streams->threads[i]->operators[number];
        const int64_t late_ms = weir_counter_get(&counts->late_max_ms);
        const int64_t grace_ms = weir_counter_get(&counts->grace_enough_ms);
        metrics.records_late += weir_counter_get(&counts->late);
        if (late_ms > metrics.late_max_ms) metrics.late_max_ms = late_ms;
        if (grace_ms > metrics.grace_enough_ms) metrics.grace_enough_ms = grace_ms;
    }
    return metrics;
}

size_t weir_streams_operator_metrics(const struct weir_streams *streams,
                                     struct weir_operator_metrics *metrics_out, size_t capacity)
{
    size_t count = 0;
    if (streams == NULL || !atomic_load(&streams->has_begun)) return 0;
    for (size_t n = 0; n < streams->topology->node_count; n++) {
        const struct weir_operator_metrics metrics = operator_metrics(streams, n);
        if (metrics.records_late == 0) continue;
        if (count < capacity && metrics_out != NULL) metrics_out[count] = metrics;
        count++;
    }
    return count;
}

size_t weir_streams_task_metadata(const struct weir_streams *streams,
                                  struct weir_task_metadata *metadata_out, size_t capacity)
{
    size_t count = 0;
    if (streams == NULL || !atomic_load(&streams->has_begun)) return 0;
    for (size_t i = 0; i < streams->thread_count; i++) {
        const struct weir_stream_thread *thread = streams->threads[i];
        for (size_t t = 0; t < thread->task_total; t++, count++) {
            const struct weir_thread_task *owned = &thread->tasks[t];
            if (count >= capacity || metadata_out == NULL) continue;
            metadata_out[count] = (struct weir_task_metadata){
                .subtopology = owned->subtopology,
                .partition = owned->partition,
                .state = (enum weir_task_state)weir_counter_get(&owned->shown_state),
                .restored_records = weir_counter_get(&owned->restored),
                .restore_left = weir_counter_get(&owned->restore_left),
            };
        }
    }
    return count;
}
