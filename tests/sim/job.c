#include "tests/sim/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state.h"
#include "runtime/job/streams_internal.h"

#define BASE_MS 1700000000000

enum { DRAIN_MS = 60000, THREADS_MAX = 4 };

/* ---- values ---------------------------------------------------------------------------------- */

static uint64_t scramble(int64_t value)
{
    struct weir_test_random random = {(uint64_t)value};
    return weir_test_random_next(&random);
}

int64_t job_timestamp_ms(int64_t value)
{
    return BASE_MS + 5 * history_value_counter(value) + (int64_t)(scramble(value) % 200);
}

/* Keys of two partitions differ, as if the producer had partitioned by them. */
size_t job_key(int64_t value, int32_t partition, char key[16])
{
    return (size_t)snprintf(key, 16, "p%d-k%d", (int)partition,
                            (int)(scramble(value) / 256 % JOB_KEYS));
}

bool job_is_kept(int64_t value)
{
    return scramble(value) % 3 != 0;
}

int job_group(int64_t value)
{
    return (int)(scramble(value) / 65536 % JOB_GROUPS);
}

int64_t job_fold(int64_t aggregate, int64_t value)
{
    return (int64_t)((uint64_t)aggregate * 31 + (uint64_t)value);
}

int64_t job_join(int64_t click, int64_t row)
{
    return (int64_t)((uint64_t)click ^ (uint64_t)row * 1000003);
}

/* ---- the user's functions -------------------------------------------------------------------- */

static int is_kept(struct weir_call *call, const void *key, const void *value)
{
    (void)call, (void)key;
    return job_is_kept(*(const int64_t *)value);
}

static int select_group(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    (void)key;
    *key_out = weir_call_printf(call, "g%d", job_group(*(const int64_t *)value));
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int fold(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)call, (void)key;
    int64_t *sum = aggregate;
    *sum = job_fold(*sum, *(const int64_t *)value);
    return 0;
}

static int join(struct weir_call *call, const void *key, const void *stream_value,
                const void *table_value, const void **value_out)
{
    (void)key;
    int64_t *joined = WEIR_NEW(call, int64_t);
    if (joined == NULL) return WEIR_NO_MEMORY;
    *joined = job_join(*(const int64_t *)stream_value, *(const int64_t *)table_value);
    *value_out = joined;
    return 0;
}

static int add_one(struct weir_process *process, const void *key)
{
    struct weir_store *store = weir_process_store(process, "seen");
    const void *found = NULL;
    int rc = weir_store_get(process, store, key, &found);
    if (rc < 0) return rc;
    int64_t count = 1 + (found != NULL ? *(const int64_t *)found : 0);
    return weir_store_put(process, store, key, &count);
}

/* A timer's tick is counted under its time: twice would show. */
static int tick(struct weir_process *process, void *state, struct weir_call *call, int64_t time_ms)
{
    (void)state;
    const struct weir_slice *key = weir_call_printf(call, "@%lld", (long long)time_ms);
    return key != NULL ? add_one(process, key) : WEIR_NO_MEMORY;
}

static int begin_seen(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state, (void)call;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, JOB_TIMER_MS, tick);
}

static int see(struct weir_process *process, void *state, struct weir_call *call, const void *key,
               const void *value)
{
    (void)state, (void)call, (void)value;
    return add_one(process, key);
}

/* ---- the topology ---------------------------------------------------------------------------- */

static const struct weir_materialized *stored(const struct job_shape *shape, const char *name,
                                              struct weir_materialized *materialized)
{
    *materialized = (struct weir_materialized){
        WEIR_MATERIALIZED_INIT,
        .name = name,
        .store = shape->store,
        .cache = shape->is_uncached ? WEIR_CACHE_OFF : WEIR_CACHE_DEFAULT,
    };
    return materialized;
}

static void build_counts(struct weir_stream *events, const struct job_shape *shape)
{
    struct weir_materialized materialized;
    struct weir_stream *kept = weir_filter(events, is_kept, NULL);
    weir_to(kept, "filtered");
    struct weir_grouped *grouped = weir_group_by(kept, select_group, NULL, WEIR_STRING);
    struct weir_table *counts = weir_count(grouped, stored(shape, "counts", &materialized));
    weir_to(weir_to_stream(counts), "counts");
}

static void build_windows(struct weir_stream *events, const struct job_shape *shape)
{
    struct weir_materialized materialized;
    struct weir_windowed_stream *windowed = weir_windowed_by(
        weir_group_by_key(events),
        (struct weir_tumbling){.size_ms = JOB_WINDOW_MS, .grace_ms = JOB_GRACE_MS});
    struct weir_table *counts =
        weir_windowed_count(windowed, stored(shape, "windows", &materialized));
    weir_to(weir_to_stream(counts), "windows");
}

static void build_folds(struct weir_stream *events, const struct job_shape *shape)
{
    struct weir_materialized materialized;
    (void)stored(shape, "folds", &materialized);
    materialized.cache = WEIR_CACHE_OFF;
    struct weir_table *folds =
        weir_aggregate(weir_group_by_key(events), NULL, fold, NULL, WEIR_INT64, &materialized);
    weir_to(weir_to_stream(folds), "folds");
}

static void build_seen(struct weir_builder *builder, struct weir_stream *events,
                       const struct job_shape *shape)
{
    static const char *const stores[] = {"seen", NULL};
    static const struct weir_processor processor = {
        .init = begin_seen, .process = see, .stores = stores};
    struct weir_materialized materialized;
    weir_add_store(builder, "seen", WEIR_STRING, WEIR_INT64, stored(shape, "seen", &materialized));
    (void)weir_process(events, &processor, NULL, NULL);
}

static void build_closed(struct weir_stream *events, const struct job_shape *shape)
{
    struct weir_materialized materialized;
    const struct weir_time_windows hopping = {WEIR_TIME_WINDOWS_INIT, .size_ms = JOB_WINDOW_MS,
                                              .advance_ms = JOB_ADVANCE_MS,
                                              .grace_ms = JOB_GRACE_MS};
    struct weir_table *counts =
        weir_windowed_count(weir_windowed_by_time(weir_group_by_key(events), &hopping),
                            stored(shape, "hopping", &materialized));
    weir_to(weir_to_stream(weir_suppress(counts, NULL)), "closed");
}

/* No row is too late for another: what meets is told by the inputs alone. */
static void build_met(struct weir_builder *builder, struct weir_stream *events,
                      const struct job_shape *shape)
{
    enum { DAY_MS = 86400000 };
    struct weir_stream *clicks = weir_stream(builder, "clicks", WEIR_STRING, WEIR_INT64);
    weir_to(weir_stream_join(events, clicks, join, NULL, WEIR_INT64,
                             WEIR_WITHIN(.before_ms = JOB_WITHIN_MS, .after_ms = JOB_WITHIN_MS,
                                         .grace_ms = DAY_MS, .store = shape->store,
                                         .store_name = "met")),
            "met");
}

static void build_joined(struct weir_builder *builder, const struct job_shape *shape)
{
    struct weir_materialized materialized;
    struct weir_stream *clicks = weir_stream(builder, "clicks", WEIR_STRING, WEIR_INT64);
    struct weir_table *rows =
        weir_table(builder, "rows", WEIR_STRING, WEIR_INT64, stored(shape, "rows", &materialized));
    weir_to(weir_join(clicks, rows, join, NULL, WEIR_INT64), "joined");
}

static void build_graced(struct weir_builder *builder, const struct job_shape *shape)
{
    struct weir_materialized materialized;
    struct weir_stream *clicks = weir_stream(builder, "clicks", WEIR_STRING, WEIR_INT64);
    (void)stored(shape, "versions", &materialized);
    materialized.is_versioned = true;
    materialized.history_ms = JOB_HISTORY_MS;
    struct weir_table *rows = weir_table(builder, "rows", WEIR_STRING, WEIR_INT64, &materialized);
    weir_to(weir_join_table(clicks, rows, join, NULL, WEIR_INT64,
                            WEIR_JOINED(.grace_ms = JOB_JOIN_GRACE_MS, .name = "waits")),
            "graced");
}

struct weir_topology *job_topology(struct simulation *simulation, const struct job_shape *shape)
{
    struct weir_error error = {0};
    struct weir_builder *builder = weir_builder_new();
    if (builder == NULL) abort();
    if ((shape->parts & ~(unsigned)(JOB_JOINED | JOB_GRACED)) != 0) {
        struct weir_stream *events = weir_stream(builder, "events", WEIR_STRING, WEIR_INT64);
        if (shape->parts & JOB_COUNTS) build_counts(events, shape);
        if (shape->parts & JOB_WINDOWS) build_windows(events, shape);
        if (shape->parts & JOB_FOLDS) build_folds(events, shape);
        if (shape->parts & JOB_SEEN) build_seen(builder, events, shape);
        if (shape->parts & JOB_CLOSED) build_closed(events, shape);
        if (shape->parts & JOB_MET) build_met(builder, events, shape);
    }
    if (shape->parts & JOB_JOINED) build_joined(builder, shape);
    if (shape->parts & JOB_GRACED) build_graced(builder, shape);
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) simulation_fail(simulation, "does-not-build", "%s", error.text);
    return topology;
}

/* ---- the job as a client --------------------------------------------------------------------- */

struct job {
    struct client client; /* first */
    const struct weir_topology *topology;
    struct weir_streams_options options;
    struct weir_streams *streams; /* NULL: not started, or gone with the node */
    bool is_closing;
    bool is_held;
    bool is_resting;
};

/* Whatever is lost of a task's folder comes back from the changelogs. */
static void lose_state(struct simulation *simulation)
{
    char path[64];
    (void)snprintf(path, sizeof path, SIMULATION_PATH "/state/" JOB_APPLICATION "/%d_%d",
                   (int)simulation_draw(simulation, 3), (int)simulation_draw(simulation, 3));
    /* A fault may meet it half way. */
    (void)weir_state_wipe(&weir_backend_model, simulation->env, path, NULL);
}

static void start(struct job *job)
{
    struct simulation *simulation = job->client.simulation;
    struct weir_error error = {0};
    job->is_closing = false;
    if (!simulation->is_calm && simulation_chance(simulation, 200)) lose_state(simulation);
    if (!simulation_is_up(simulation)) return;
    /* Each life with as many threads as it likes: those of the one before may have left transactions open. */
    job->options.num_stream_threads = 1 + (int32_t)simulation_draw(simulation, THREADS_MAX);
    job->options.repartition_isolation_level = simulation_chance(simulation, 500)
                                                   ? WEIR_REPARTITION_READ_COMMITTED
                                                   : WEIR_REPARTITION_READ_UNCOMMITTED;
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    int rc = weir_streams_start_begin(simulation->log, job->topology, &job->options, &hooks,
                                      &job->streams, &error);
    if (rc == 0) return;
    job->streams = NULL;
    if (rc == WEIR_CRASHED) return;
    simulation_note_error(simulation, rc, error.text);
    if (!simulation_excuses(simulation, rc)) {
        simulation_fail(simulation, "job-does-not-start", "%s", error.text);
    }
}

/* Why it stopped: a fault, or something that must not be. */
static void judge(struct job *job)
{
    struct simulation *simulation = job->client.simulation;
    struct weir_error error = {0};
    int rc = weir_streams_error(job->streams, &error);
    if (rc >= 0) return;
    simulation_note_error(simulation, rc, error.text);
    if (!simulation_excuses(simulation, rc)) {
        simulation_fail(simulation, "job-failed-without-fault", "%s", error.text);
    }
}

static void close_begin(struct job *job)
{
    if (job->is_closing) return;
    job->is_closing = true;
    weir_streams_close_begin(job->streams);
}

static void let_go(struct job *job)
{
    weir_streams_free(job->streams);
    job->streams = NULL;
}

/* As a thread asks whose store is full: its group commits, and others do not. */
static void want_commit(const struct job *job)
{
    struct weir_streams *streams = job->streams;
    if (weir_streams_state(streams) != WEIR_STREAMS_RUNNING || streams->thread_count == 0) return;
    const size_t index =
        (size_t)simulation_draw(job->client.simulation, (int64_t)streams->thread_count);
    struct weir_stream_thread *thread = streams->threads[index];
    if (atomic_exchange(&thread->is_asking_commit, true)) return;
    weir_actor_post(streams->actor, &thread->wants_commit.message);
}

static void act(struct client *client)
{
    struct job *job = (struct job *)client;
    struct simulation *simulation = client->simulation;
    if (job->streams == NULL) {
        if (!job->is_held && !job->is_resting) start(job);
    } else if (job->is_closing) {
        if (weir_streams_is_finished(job->streams)) let_go(job);
    } else if (weir_streams_state(job->streams) == WEIR_STREAMS_ERROR) {
        judge(job);
        close_begin(job);
    } else if (job->is_resting || (!simulation->is_calm && simulation_chance(simulation, 3))) {
        close_begin(job);
    } else if (simulation_chance(simulation, 100)) {
        want_commit(job);
    }
}

static void forget(struct client *client)
{
    ((struct job *)client)->streams = NULL;
}

static bool is_done(const struct client *client)
{
    const struct job *job = (const struct job *)client;
    if (job->is_held) return true;
    return job->streams != NULL && !job->is_closing &&
           weir_streams_state(job->streams) == WEIR_STREAMS_RUNNING;
}

static void close_job(struct client *client)
{
    free(client);
}

struct job *job_new(struct simulation *simulation, const struct weir_topology *topology,
                    const struct job_shape *shape)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) abort();
    job->topology = topology;
    job->options = (struct weir_streams_options){
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = JOB_APPLICATION,
        .processing_guarantee = shape->is_at_least_once ? WEIR_AT_LEAST_ONCE : WEIR_EXACTLY_ONCE,
        .commit_interval_ms = (int64_t)1 << simulation_draw(simulation, 8),
        .cache_max_bytes =
            simulation_chance(simulation, 300) ? 1000 + simulation_draw(simulation, 5000) : 0,
    };
    job->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_job};
    simulation_add(simulation, &job->client);
    return job;
}

struct weir_streams_options *job_options(struct job *job)
{
    return &job->options;
}

void job_hold(struct job *job, bool is_held)
{
    job->is_held = is_held;
}

void job_rest(struct job *job, bool is_resting)
{
    job->is_resting = is_resting;
}

struct weir_streams *job_streams(const struct job *job)
{
    return job->streams;
}

bool job_drain(struct job *job)
{
    struct weir_error error = {0};
    struct simulation *simulation = job->client.simulation;
    if (simulation_has_failed(simulation)) return false;
    int rc = weir_streams_drain(job->streams, DRAIN_MS, &error);
    if (rc >= 0) return true;
    if (rc == WEIR_TIMED_OUT) {
        return simulation_fail(simulation, "stuck",
                               "no fault is left, and after a minute the job has not processed "
                               "all of its input: %s",
                               error.text);
    }
    return simulation_fail(simulation, "job-failed-without-fault", "%s", error.text);
}

static bool has_finished(void *context)
{
    return weir_streams_is_finished(((struct job *)context)->streams);
}

bool job_stop(struct job *job)
{
    struct simulation *simulation = job->client.simulation;
    if (job->streams == NULL || !simulation_is_up(simulation)) return true;
    close_begin(job);
    (void)weir_sim_run(simulation->sim, has_finished, job, (int64_t)DRAIN_MS * 1000000);
    if (!simulation_is_up(simulation)) return true; /* its memory went with the node */
    if (has_finished(job)) {
        let_go(job);
        return true;
    }
    if (!simulation->is_calm) return false;
    return simulation_fail(simulation, "stuck", "a minute after the job was closed it still runs");
}
