/**
 * Engine plus job under random seeds: while producers write, the node crashes and its disk fails, the
 * clock jumps, the job is stopped and started. Then all heals, the job drains its input, and every
 * state and every output is compared with the answer computed in one go.
 */
#include "tests/sim/checker.h"
#include "tests/sim/job.h"
#include "tests/sim/seeds.h"

enum { CLICKS = JOB_JOINED | JOB_GRACED };
enum { INPUTS = 3, PARTITIONS_MAX = 3, PRODUCERS_MAX = 3, TURNS_MAX = 1500, LAST_READER = 50 };

static void draw_shape(struct simulation *simulation, struct job_shape *shape)
{
    *shape = (struct job_shape){
        .parts = 1 + (unsigned)simulation_draw(simulation, JOB_ALL),
        .partition_count = 1 + (int32_t)simulation_draw(simulation, PARTITIONS_MAX),
        .store = simulation_chance(simulation, 300) ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .is_uncached = simulation_chance(simulation, 300),
        .is_at_least_once = simulation_chance(simulation, 250),
    };
}

static bool make_topics(struct simulation *simulation, const struct job_shape *shape)
{
    static const char *const topics[] = {"events", "clicks",  "rows",  "filtered",
                                         "counts", "windows", "folds", "joined",
                                         "graced", "closed",  "met"};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        int64_t segment_bytes = (int64_t)200 << simulation_draw(simulation, 10);
        bool is_input = i < INPUTS;
        bool is_there =
            is_input
                ? create_topic(simulation, topics[i], shape->partition_count, segment_bytes)
                : create_output_topic(simulation, topics[i], shape->partition_count, segment_bytes);
        if (!is_there) return false;
    }
    return true;
}

static void add_producer(struct simulation *simulation, const struct job_shape *shape, int process,
                         const char *topic, int64_t value_count, const int *logs)
{
    producer_new(simulation, &(struct producer_options){
                                 .process = process,
                                 .topic = topic,
                                 .partition_count = shape->partition_count,
                                 .logs = logs,
                                 .acks = HISTORY_ACKS_ALL,
                                 .is_idempotent = true,
                                 .in_flight_max = 1 + (int)simulation_draw(simulation, 5),
                                 .records_max = 1 + (int)simulation_draw(simulation, 10),
                                 .value_count = value_count,
                                 .shape = {job_timestamp_ms, job_key},
                             });
}

static bool all_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

static bool end_job(struct simulation *simulation)
{
    return job_stop(simulation->hooks.context);
}

/* What the inputs hold at the end, for the checker of histories. */
static void read_inputs(struct simulation *simulation)
{
    const struct history *history = &simulation->history;
    for (size_t i = 0; i < history->log_count; i++) {
        const struct history_log *log = &history->logs[i];
        reader_new(simulation, &(struct reader_options){.process = LAST_READER,
                                                        .topic = log->topic,
                                                        .partition = log->partition,
                                                        .log = (int)i,
                                                        .is_final = true});
    }
    (void)simulation_settle(simulation, all_are_done, "the last readers have not read all");
}

static void check(struct simulation *simulation, const struct job_shape *shape)
{
    if (simulation_has_failed(simulation)) return;
    struct checker_anomaly anomaly = checker_check(&simulation->history);
    if (anomaly.name != NULL) simulation_fail(simulation, anomaly.name, "%s", anomaly.text);
    job_check(simulation, shape);
}

static void play(struct simulation *simulation, const struct job_shape *shape,
                 const struct weir_topology *topology)
{
    int logs[3][PARTITIONS_MAX];
    static const char *const inputs[3] = {"events", "clicks", "rows"};
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < shape->partition_count; j++)
            logs[i][j] = history_log_add(&simulation->history, inputs[i], j);
    }
    /* The table first, so that it does not matter which click meets which row. */
    add_producer(simulation, shape, 1, "rows", shape->parts & CLICKS ? 8 : 1, logs[2]);
    struct job *job = job_new(simulation, topology, shape);
    simulation->hooks = (struct simulation_hooks){.end = end_job, .context = job};
    if (!simulation_settle(simulation, all_are_done, "the job does not run")) return;
    if (!job_drain(job)) return;

    int producer_count = 1 + (int)simulation_draw(simulation, PRODUCERS_MAX);
    for (int i = 0; i < producer_count; i++) {
        bool has_events = (shape->parts & ~(unsigned)CLICKS) != 0;
        bool is_click = (shape->parts & (CLICKS | JOB_MET)) != 0 &&
                        (!has_events || simulation_chance(simulation, 400));
        add_producer(simulation, shape, 2 + i, inputs[is_click],
                     20 + simulation_draw(simulation, 500), logs[is_click]);
    }
    simulation_trouble(simulation);
    simulation_play(simulation, 200 + (int)simulation_draw(simulation, TURNS_MAX));
    simulation_heal(simulation);
    if (!simulation_settle(simulation, all_are_done, "producers and job are not done")) return;
    if (!job_drain(job)) return;
    read_inputs(simulation);
    check(simulation, shape);
    simulation_finish(simulation);
}

static void run(struct simulation *simulation)
{
    struct job_shape shape;
    draw_shape(simulation, &shape);
    simulation_draw_flush_policy(simulation);
    struct weir_topology *topology = job_topology(simulation, &shape);
    if (topology == NULL) return;
    if (simulation_start(simulation) && make_topics(simulation, &shape)) {
        play(simulation, &shape, topology);
    }
    weir_topology_free(topology);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"job", 1000, run});
}
