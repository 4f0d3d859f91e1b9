/**
 * A replay gives the windows of the batch computation, under random seeds: a history whose
 * partitions are each in order within grace is written first, then a job reads it through one
 * repartition topic or two into windows, with as many partitions and threads as are drawn, with
 * caches and without, while the node crashes and its disk fails. In nine of ten seeds the job
 * is stopped on its way, and as much again is written before it goes on. No record may be late, so the
 * counts are those of all records.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/clients.h"
#include "tests/sim/job.h"
#include "tests/sim/seeds.h"

#define START_MS 1700000000000

enum {
    PARTITIONS_MAX = 8,
    STEP_MS = 1000,
    WINDOW_MS = 10000,
    GRACE_MS = 5000,
    GROUPS = 7,
    TURNS_MAX = 800,
    STOPPED_AFTER_MAX = 200,
    EVENTS_MAX = 1000,
    WINDOWS_MAX = 4096,
};

struct shape {
    int32_t partition_count;
    bool is_chain;    /* two repartition topics, one behind the other */
    bool is_filtered; /* partitions of which nothing is left */
    bool is_joined;   /* with a table */
    bool is_uncached;
};

/* ---- the history ----------------------------------------------------------------------------- */

static uint64_t scramble(int64_t value)
{
    struct weir_test_random random = {(uint64_t)value};
    return weir_test_random_next(&random);
}

/* In order but for less than grace, in each partition: all go to them in order of their counters,
 * and what process 3 writes comes behind what process 2 has written. */
static int64_t timestamp_of(int64_t value)
{
    const int64_t before = history_value_process(value) == 3 ? EVENTS_MAX : 0;
    return START_MS + STEP_MS * (before + history_value_counter(value)) +
           (int64_t)(scramble(value) % (GRACE_MS - 1));
}

static size_t key_of(int64_t value, int32_t partition, char key[16])
{
    (void)value;
    return (size_t)snprintf(key, 16, "p%d", (int)partition);
}

static int group_of(int64_t value)
{
    return (int)(scramble(value) / 65536 % GROUPS);
}

/* All that a partition of an odd number has, for a while: its task goes on with nothing to say but
 * its time. */
static bool is_kept(int64_t value)
{
    return history_value_counter(value) / 64 % 2 == 0 || group_of(value) != 0;
}

/* ---- the job --------------------------------------------------------------------------------- */

static int keep(struct weir_call *call, const void *key, const void *value)
{
    (void)key;
    if (call->partition % 2 == 1) return is_kept(*(const int64_t *)value);
    return 1;
}

static int select_first(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    (void)key;
    *key_out = weir_call_printf(call, "r%d", (int)(scramble(*(const int64_t *)value) % 31));
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int select_group(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    (void)key;
    *key_out = weir_call_printf(call, "g%d", group_of(*(const int64_t *)value));
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int keep_left(struct weir_call *call, const void *key, const void *left, const void *right,
                     const void **value_out)
{
    (void)call, (void)key, (void)right;
    *value_out = left;
    return 0;
}

static struct weir_topology *topology_of(struct simulation *simulation, const struct shape *shape)
{
    struct weir_error error = {0};
    struct weir_builder *builder = weir_builder_new();
    if (builder == NULL) abort();
    struct weir_stream *events = weir_stream(builder, "events", WEIR_STRING, WEIR_INT64);
    if (shape->is_filtered) events = weir_filter(events, keep, NULL);
    if (shape->is_joined) {
        struct weir_table *labels = weir_table(builder, "labels", WEIR_STRING, WEIR_INT64, NULL);
        events = weir_left_join(events, labels, keep_left, NULL, WEIR_INT64);
    }
    if (shape->is_chain) {
        events =
            weir_repartition(weir_select_key(events, select_first, NULL, WEIR_STRING), "first", 0);
    }
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by(events, select_group, NULL, WEIR_STRING),
                         (struct weir_tumbling){.size_ms = WINDOW_MS, .grace_ms = GRACE_MS});
    const struct weir_materialized materialized = {
        WEIR_MATERIALIZED_INIT,
        .name = "windows",
        .cache = shape->is_uncached ? WEIR_CACHE_OFF : WEIR_CACHE_DEFAULT,
    };
    weir_to(weir_to_stream(weir_windowed_count(windowed, &materialized)), "windows");
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) simulation_fail(simulation, "does-not-build", "%s", error.text);
    return topology;
}

/* ---- the batch answer ------------------------------------------------------------------------ */

struct window {
    int group;
    int64_t start_ms;
    int64_t count; /* of the records of the inputs */
    int64_t
        answered; /* the largest that came out: counts do not go back, outputs may be repeated */
};

struct answer {
    const struct shape *shape;
    struct window *windows;
    size_t window_count;
    int32_t partition;
};

static struct window *window_of(struct answer *answer, int group, int64_t start_ms)
{
    for (size_t i = 0; i < answer->window_count; i++) {
        struct window *window = &answer->windows[i];
        if (window->group == group && window->start_ms == start_ms) return window;
    }
    if (answer->window_count == WINDOWS_MAX) abort();
    struct window *window = &answer->windows[answer->window_count++];
    *window = (struct window){.group = group, .start_ms = start_ms};
    return window;
}

static void count_record(void *context, const struct weir_record *record)
{
    struct answer *answer = context;
    int64_t value = record_value(record);
    bool is_out = answer->shape->is_filtered && answer->partition % 2 == 1 && !is_kept(value);
    if (is_out) return;
    int64_t start_ms = record->timestamp_ms - record->timestamp_ms % WINDOW_MS;
    window_of(answer, group_of(value), start_ms)->count++;
}

/* A windowed key: g, a digit, eight bytes of the window's start. */
static void take_output(void *context, const struct weir_record *record)
{
    struct answer *answer = context;
    if (record->key.size != 10) abort();
    const struct weir_record start = {.value = weir_slice(record->key.data + 2, 8)};
    struct window *window = window_of(answer, record->key.data[1] - '0', record_value(&start));
    int64_t count = record_value(record);
    if (count > window->answered) window->answered = count;
}

static void check(struct simulation *simulation, const struct shape *shape)
{
    struct answer answer = {.shape = shape, .windows = calloc(WINDOWS_MAX, sizeof(struct window))};
    if (answer.windows == NULL) abort();
    for (int32_t p = 0; p < shape->partition_count; p++) {
        answer.partition = p;
        if (!read_partition(simulation, "events", p, count_record, &answer)) break;
        if (!read_partition(simulation, "windows", p, take_output, &answer)) break;
    }
    size_t wrong = 0;
    const struct window *first = NULL;
    for (size_t i = 0; i < answer.window_count; i++) {
        const struct window *window = &answer.windows[i];
        if (window->count == window->answered) continue;
        if (first == NULL) first = window;
        wrong++;
    }
    if (first != NULL && !simulation_has_failed(simulation)) {
        simulation_fail(simulation, "replay-is-not-the-batch-answer",
                        "%zu of %zu windows are wrong, first that of group %d at %lld: %lld of "
                        "%lld records",
                        wrong, answer.window_count, first->group, (long long)first->start_ms,
                        (long long)first->answered, (long long)first->count);
    }
    free(answer.windows);
}

/* ---- the world ------------------------------------------------------------------------------- */

static bool all_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

static bool end_job(struct simulation *simulation)
{
    return job_stop(simulation->hooks.context);
}

static bool write_history(struct simulation *simulation, const struct shape *shape, int process,
                          const char *topic, int64_t value_count, const int *logs)
{
    producer_new(simulation, &(struct producer_options){
                                 .process = process,
                                 .topic = topic,
                                 .partition_count = shape->partition_count,
                                 .logs = logs,
                                 .acks = HISTORY_ACKS_ALL,
                                 .is_idempotent = true,
                                 .in_flight_max = 1,
                                 .records_max = 1 + (int)simulation_draw(simulation, 20),
                                 .value_count = value_count,
                                 .shape = {timestamp_of, key_of},
                             });
    return simulation_settle(simulation, all_are_done, "the history is not written");
}

static int64_t some_events(struct simulation *simulation)
{
    return 50 + simulation_draw(simulation, EVENTS_MAX - 50);
}

/* The default, none, or any from a record to all of it. */
static int64_t some_skew(struct simulation *simulation)
{
    if (simulation_chance(simulation, 300)) return 0;
    if (simulation_chance(simulation, 300)) return WEIR_TIME_SKEW_OFF;
    return 1 + simulation_draw(simulation, (int64_t)1 << (8 + simulation_draw(simulation, 13)));
}

/* The history, or its first half, at which the job is stopped on its way, and the second. */
static void play(struct simulation *simulation, const struct shape *shape,
                 const struct weir_topology *topology)
{
    int logs[2][PARTITIONS_MAX];
    static const char *const inputs[2] = {"events", "labels"};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < shape->partition_count; j++)
            logs[i][j] = history_log_add(&simulation->history, inputs[i], j);
    }
    if (!write_history(simulation, shape, 1, "labels", 8, logs[1])) return;
    if (!write_history(simulation, shape, 2, "events", some_events(simulation), logs[0])) return;
    struct job *job = job_new(simulation, topology, &(struct job_shape){0});
    job_options(job)->task_max_time_skew_ms = some_skew(simulation);
    simulation->hooks = (struct simulation_hooks){.end = end_job, .context = job};
    if (simulation_chance(simulation, 900)) {
        simulation_play(simulation, (int)simulation_draw(simulation, STOPPED_AFTER_MAX));
        job_hold(job, true);
        if (!job_stop(job)) return;
        if (!write_history(simulation, shape, 3, "events", some_events(simulation), logs[0])) {
            return;
        }
        job_hold(job, false);
    }
    simulation_trouble(simulation);
    simulation_play(simulation, 50 + (int)simulation_draw(simulation, TURNS_MAX));
    simulation_heal(simulation);
    if (!simulation_settle(simulation, all_are_done, "the job does not run")) return;
    if (!job_drain(job)) return;
    if (!simulation_has_failed(simulation)) check(simulation, shape);
    simulation_finish(simulation);
}

static void run(struct simulation *simulation)
{
    struct shape shape = {
        .partition_count = 1 + (int32_t)simulation_draw(simulation, PARTITIONS_MAX),
        .is_chain = simulation_chance(simulation, 400),
        .is_filtered = simulation_chance(simulation, 400),
        .is_joined = simulation_chance(simulation, 300),
        .is_uncached = simulation_chance(simulation, 400),
    };
    struct weir_topology *topology = topology_of(simulation, &shape);
    if (topology == NULL) return;
    bool is_ready = simulation_start(simulation);
    static const char *const topics[] = {"events", "labels", "windows"};
    for (size_t i = 0; is_ready && i < sizeof topics / sizeof topics[0]; i++) {
        int64_t segment_bytes = (int64_t)1000 << simulation_draw(simulation, 10);
        is_ready = create_topic(simulation, topics[i], shape.partition_count, segment_bytes);
    }
    if (is_ready) play(simulation, &shape, topology);
    weir_topology_free(topology);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"replay", 1000, run});
}
