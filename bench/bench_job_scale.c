/* A keyed count over more partitions, and on more threads: does a record cost the same, and what stays resident.
 *
 * Each cell is filled and run in processes of its own, so that what is resident is the job's and nobody else's.
 * What a record costs is the CPU of the whole process from when the job runs until all is committed; its start and
 * its close, which go by partitions and not by records, are told beside it. The changelog is read back and has
 * to fold to the counts that arrays give. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/env/env.h"
#include "bench/bench.h"
#include "bench/bench_job.h"
#include "client/client.h"

enum { KEYS = 10000, RECORDS = 8000000, GOAL_RESIDENT_MB = 256 };
static const double goal_partitions = 1.5; /* times what a record costs over 6 */
static const double goal_threads = 1.1;    /* times what it costs on one */
static const double goal_wall = 1.8;       /* times as fast as on one, where there are four cores */

static uint64_t no_value(const struct bench_input *input, int64_t index)
{
    (void)input, (void)index;
    return 'a';
}

static struct bench_input input_over(int32_t partitions, int64_t count)
{
    return (struct bench_input){
        .topic = "input",
        .count = count,
        .records_per_ms = 1000,
        .key = bench_uniform_key,
        .value = no_value,
        .keys = KEYS,
        .partitions = partitions,
    };
}

/* ---- a cell -------------------------------------------------------------------------------------- */

struct cell {
    const char *log; /* the log's name */
    int32_t partitions;
    int32_t threads;
    int64_t count;
    char application[32];
    /* What came of it. */
    double start_seconds, run_seconds, close_seconds;
    double start_cpu, run_cpu;
    double resident_bytes;
    double allocations;   /* while it ran */
    double floor_seconds; /* the counts over arrays */
};

static void fold(void *context, const struct weir_record *record)
{
    int64_t *counts = context;
    counts[bench_key_read(record->key)] = (int64_t)weir_load_u64(record->value.data);
}

static void check(struct weir_log *log, struct cell *cell)
{
    char topic[64];
    int64_t *have = bench_array(KEYS, sizeof *have);
    int64_t *want = bench_array(KEYS, sizeof *want);
    const struct bench_input input = input_over(cell->partitions, cell->count);
    const double from = bench_thread_cpu();
    for (int64_t i = 0; i < input.count; i++) {
        want[input.key(&input, i)]++;
    }
    cell->floor_seconds = bench_thread_cpu() - from;
    (void)snprintf(topic, sizeof topic, "%s-counts-changelog", cell->application);
    bench_read_topic(log, topic, fold, have);
    for (size_t i = 0; i < KEYS; i++) {
        if (have[i] != want[i]) {
            bench_fail("the state is not the batch answer", WEIR_CORRUPT, NULL);
        }
    }
    free(have);
    free(want);
}

static bool is_running(const struct weir_streams *streams)
{
    const enum weir_streams_state state = weir_streams_state(streams);
    return state != WEIR_STREAMS_CREATED && state != WEIR_STREAMS_RESTORING;
}

static void run_job(struct weir_log *log, struct cell *cell)
{
    char name[64];
    struct weir_error error;
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "input", WEIR_BYTES, WEIR_BYTES);
    (void)weir_count(weir_group_by_key(stream), WEIR_STORE(.name = "counts"));
    struct weir_topology *topology = bench_build(builder);
    const struct weir_streams_options options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = cell->application,
        .num_stream_threads = cell->threads,
    };
    double wall = bench_wall(), cpu = bench_process_cpu();
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    while (!is_running(streams)) {
        (void)usleep(500);
    }
    cell->start_seconds = bench_wall() - wall;
    cell->start_cpu = bench_process_cpu() - cpu;
    const uint64_t allocations = atomic_load(&log->env->heap->allocation_count);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    cell->allocations = (double)(atomic_load(&log->env->heap->allocation_count) - allocations);
    (void)snprintf(name, sizeof name, "%d partitions, %d threads", cell->partitions, cell->threads);
    bench_measured(name, wall + cell->start_seconds);
    cell->run_seconds = bench_wall() - wall - cell->start_seconds;
    cell->run_cpu = bench_process_cpu() - cpu - cell->start_cpu;
    cell->resident_bytes = (double)bench_resident_bytes();
    wall = bench_wall();
    BENCH_TRY(weir_streams_close(streams, &error), &error);
    cell->close_seconds = bench_wall() - wall;
    weir_topology_free(topology);
}

/* `act` in a process of its own, which `cell` is shared with. */
static void in_child(void (*act)(struct cell *cell), struct cell *cell)
{
    int status = 0;
    (void)fflush(stdout);
    const pid_t child = bench_fork();
    if (child == 0) {
        act(cell);
        (void)fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        bench_fail("a cell", WEIR_IO, NULL);
    }
}

static void fill_cell(struct cell *cell)
{
    struct weir_log *log = bench_open_log(cell->log);
    const struct bench_input input = input_over(cell->partitions, cell->count);
    bench_fill(log, &input);
    (void)weir_close(log, NULL);
}

static void run_cell(struct cell *cell)
{
    struct weir_log *log = bench_open_log(cell->log);
    run_job(log, cell);
    check(log, cell);
    (void)weir_close(log, NULL);
}

static struct cell *shared_cells(size_t count)
{
    void *memory = mmap(NULL, count * sizeof(struct cell), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) bench_fail("mmap", WEIR_NO_MEMORY, NULL);
    return memory;
}

static double ns_per_record(const struct cell *cell)
{
    return cell->run_cpu / (double)cell->count * 1e9;
}

static int by_size(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

/* ---- partitions ---------------------------------------------------------------------------------- */

/* The same records over one partition, six, and more: a task each. In turns, three times. */
void bench_job_partitions(void)
{
    enum { ROUNDS = 3, COUNTS = 4, SIX = 1 };
    const size_t rounds = bench_is_small() ? 1 : ROUNDS;
    static const int32_t partitions[COUNTS] = {1, 6, 100, 1000};
    static const char *const logs[COUNTS] = {"over-1", "over-6", "over-100", "over-1000"};
    struct cell *cells = shared_cells(1);
    double cost[COUNTS][ROUNDS], resident[COUNTS][ROUNDS], ratio[ROUNDS];
    double allocations[COUNTS][ROUNDS], floors[COUNTS][ROUNDS];
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNTS; i++) {
            *cells = (struct cell){.log = logs[i],
                                   .partitions =
                                       bench_is_small() ? (partitions[i] + 19) / 20 : partitions[i],
                                   .count = bench_scaled(RECORDS)};
            (void)snprintf(cells->application, sizeof cells->application, "count-%zu", round);
            if (round == 0) in_child(fill_cell, cells);
            in_child(run_cell, cells);
            cost[i][round] = ns_per_record(cells);
            allocations[i][round] = cells->allocations / (double)cells->count;
            floors[i][round] = cells->floor_seconds / (double)cells->count * 1e9;
            resident[i][round] = cells->resident_bytes / 1e6;
            bench_note(
                "%d partitions: %.0f ns a record; start %.0f ms (%.0f of CPU), close %.0f ms; "
                "resident %.0f MB",
                partitions[i], cost[i][round], cells->start_seconds * 1e3, cells->start_cpu * 1e3,
                cells->close_seconds * 1e3, resident[i][round]);
        }
        ratio[round] = cost[COUNTS - 1][round] / cost[SIX][round];
    }
    for (size_t i = 0; i < COUNTS; i++) {
        char name[64];
        const bool is_last = i + 1 == COUNTS;
        (void)snprintf(name, sizeof name, "count over %d partitions, CPU", partitions[i]);
        bench_row_with(&(struct bench_row){name, median(cost[i], rounds), "ns/rec", 0, true,
                                           median(floors[i], rounds)},
                       median(allocations[i], rounds), NULL);
        (void)snprintf(name, sizeof name, "count over %d partitions, resident", partitions[i]);
        bench_row(&(struct bench_row){name, median(resident[i], rounds), "MB",
                                      is_last ? GOAL_RESIDENT_MB : 0, true, 0});
    }
    bench_row(&(struct bench_row){"a record over 1,000, times that over 6", median(ratio, rounds),
                                  "times", goal_partitions, true, 0});
}

/* ---- threads ------------------------------------------------------------------------------------- */

/* The same job on one stream thread and on two, in turns; by the wall too, where there are
 * four cores to be had. */
void bench_job_threads(void)
{
    enum { PAIRS = 7 };
    const size_t pairs = bench_is_small() ? 1 : PAIRS;
    struct cell *cells = shared_cells(2);
    double ratio[PAIRS], cost[2][PAIRS], faster[PAIRS];
    char remark[80] = "";
    for (size_t pair = 0; pair < pairs; pair++) {
        for (size_t i = 0; i < 2; i++) {
            struct cell *cell = &cells[(i + pair) % 2];
            const size_t index = (size_t)(cell - cells);
            *cell = (struct cell){.log = "data",
                                  .partitions = 6,
                                  .threads = (int32_t)index + 1,
                                  .count = bench_scaled(RECORDS)};
            (void)snprintf(cell->application, sizeof cell->application, "on-%zu-%zu", index + 1,
                           pair);
            if (pair == 0 && i == 0) in_child(fill_cell, cell);
            in_child(run_cell, cell);
            cost[index][pair] = ns_per_record(cell);
        }
        ratio[pair] = cost[1][pair] / cost[0][pair];
        faster[pair] = cells[0].run_seconds / cells[1].run_seconds;
        bench_note(
            "one thread %.0f ns a record, two %.0f: %.2f times; by the wall %.2f times as fast",
            cost[0][pair], cost[1][pair], ratio[pair], faster[pair]);
    }
    bench_row(&(struct bench_row){"count on one stream thread, CPU", median(cost[0], pairs),
                                  "ns/rec", 0, true, 0});
    bench_row(&(struct bench_row){"count on two stream threads, CPU", median(cost[1], pairs),
                                  "ns/rec", 0, true, 0});
    bench_row(&(struct bench_row){"a record on two threads, times that on one",
                                  median(ratio, pairs), "times", goal_threads, true, 0});
    const bool is_run = weir_env_uv_core_count() >= 4;
    if (!is_run) {
        (void)snprintf(remark, sizeof remark, "%.1f times takes four cores: not run, there are %d",
                       goal_wall, (int)weir_env_uv_core_count());
    }
    bench_row_with(&(struct bench_row){"two threads, by the wall", median(faster, pairs),
                                       "times as fast", is_run ? goal_wall : 0, false, 0},
                   -1, remark);
}
