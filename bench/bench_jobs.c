/* Jobs: stateless and keyed, over a topic that is filled first; and the restart of one with state. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "client/client.h"
#include "weir/weir.h"

/* ---- the input: 100 B records ------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* `count` records of a 16 B key out of `keys`, and a value of 84 B. */
static void fill(struct weir_log *log, int64_t count, uint64_t keys)
{
    struct weir_error error;
    char key[32], value[128];
    struct weir_config retention = {"retention.ms", "-1"};
    BENCH_TRY(weir_topic_create(log, "input", 1, &retention, 1, &error), &error);
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.batch_size = 1 << 18;
    struct weir_producer *producer = weir_producer_new(log, &options, &error);
    if (producer == NULL) bench_fail("weir_producer_new", error.code, &error);
    memset(value, 'v', sizeof value);
    double from = bench_wall();
    for (int64_t i = 0; i < count; i++) {
        (void)snprintf(key, sizeof key, "key-%012llu",
                       (unsigned long long)(mix((uint64_t)i) % keys));
        value[0] = (char)('a' + i % 16);
        struct weir_record record = {
            .key = weir_slice(key, 16),
            .value = weir_slice(value, 84),
            .timestamp_ms = 1700000000000 + i / 1000,
        };
        BENCH_TRY(weir_producer_send(producer, "input", 0, &record, NULL, &error), &error);
    }
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    double seconds = bench_wall() - from;
    bench_note("filled by one producer, acks=all: %.2f M records/s", (double)count / 1e6 / seconds);
}

/* ---- a job over all of it ------------------------------------------------------------------------- */

struct job {
    const char *name;
    int64_t count;
    int64_t cache_bytes;
    double goal; /* records per second and core */
};

/* Start, drain, close; rates by the wall and by the CPU of all threads. */
static void run_job(struct weir_log *log, const struct weir_topology *topology,
                    const struct job *job)
{
    struct weir_error error;
    struct weir_streams_metrics metrics;
    struct weir_streams_options options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "bench",
        .cache_max_bytes = job->cache_bytes,
    };
    uint64_t allocations = atomic_load(&log->env->heap->allocation_count);
    double wall = bench_wall(), cpu = bench_process_cpu();
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    wall = bench_wall() - wall;
    cpu = bench_process_cpu() - cpu;
    allocations = atomic_load(&log->env->heap->allocation_count) - allocations;
    weir_streams_metrics(streams, &metrics);
    BENCH_TRY(weir_streams_close(streams, &error), &error);
    double count = (double)job->count;
    char name[64];
    bench_row(
        &(struct bench_row){job->name, count / cpu / 1e6, "M rec/s/core", job->goal, false, 0});
    (void)snprintf(name, sizeof name, "  by the wall, all threads");
    bench_row(&(struct bench_row){name, count / wall / 1e6, "M rec/s", 0, false, 0});
    bench_row(&(struct bench_row){"  allocations per 1,000 records",
                                  (double)allocations / count * 1000, "", 0, true, 0});
    bench_note("%lld commits, p50 %.1f ms, p99 %.1f ms; state %.0f MB", (long long)metrics.commits,
               (double)metrics.commit_p50_us / 1000, (double)metrics.commit_p99_us / 1000,
               (double)metrics.state_bytes / 1e6);
}

static struct weir_log *open_log(const char *name)
{
    char path[300];
    struct weir_error error;
    (void)snprintf(path, sizeof path, "%s/%s", bench_directory(), name);
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) bench_fail("weir_open", error.code, &error);
    return log;
}

static struct weir_topology *build(struct weir_builder *builder)
{
    struct weir_error error;
    struct weir_topology *topology = weir_build(builder, &error);
    if (topology == NULL) bench_fail("weir_build", error.code, &error);
    weir_builder_free(builder);
    return topology;
}

static int is_wanted(struct weir_call *call, const void *key, const void *value)
{
    const struct weir_slice *text = value;
    (void)call, (void)key;
    return text->data[0] < 'i'; /* half of them */
}

static int shorten(struct weir_call *call, const void *key, const void *value,
                   const void **value_out)
{
    const struct weir_slice *text = value;
    struct weir_slice *half = WEIR_NEW(call, struct weir_slice);
    (void)key;
    if (half == NULL) return WEIR_NO_MEMORY;
    *half = weir_slice(text->data, text->size / 2);
    *value_out = half;
    return 0;
}

void bench_stateless(void)
{
    struct weir_log *log = open_log("data");
    const struct job job = {"filter and map, 100 B", 8000000, 0, 4};
    fill(log, job.count, 1000000);
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *input = weir_stream(builder, "input", WEIR_BYTES, WEIR_BYTES);
    weir_to(weir_map_values(weir_filter(input, is_wanted, NULL), shorten, NULL, WEIR_BYTES),
            "output");
    struct weir_topology *topology = build(builder);
    run_job(log, topology, &job);
    weir_topology_free(topology);
    (void)weir_close(log, NULL);
}

static struct weir_topology *count_topology(enum weir_store_kind kind)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *input = weir_stream(builder, "input", WEIR_BYTES, WEIR_BYTES);
    (void)weir_count(weir_group_by_key(input), WEIR_STORE(.name = "counts", .store = kind));
    return build(builder);
}

static void bench_count(const struct job *job, uint64_t keys, enum weir_store_kind kind)
{
    struct weir_log *log = open_log("data");
    fill(log, job->count, keys);
    struct weir_topology *topology = count_topology(kind);
    run_job(log, topology, job);
    weir_topology_free(topology);
    (void)weir_close(log, NULL);
}

void bench_count_100k(void)
{
    const struct job job = {"keyed count, 100 k keys", 8000000, 256 << 20, 3};
    bench_count(&job, 100000, WEIR_STORE_ROCKSDB);
}

void bench_count_10m(void)
{
    const struct job job = {"keyed count, 10 M keys", 20000000, (int64_t)4 << 30, 1};
    bench_count(&job, 10000000, WEIR_STORE_MEMORY);
}

/* ---- restart ----------------------------------------------------------------------------------------- */

static void count_and_die(void)
{
    struct weir_error error;
    struct weir_log *log = open_log("data");
    fill(log, 4000000, 1000000);
    struct weir_topology *topology = count_topology(WEIR_STORE_ROCKSDB);
    struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "bench"};
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    (void)raise(SIGKILL);
}

void bench_restart(void)
{
    struct weir_error error;
    struct weir_streams_metrics metrics;
    int status;
    pid_t child = fork();
    if (child == 0) count_and_die();
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        bench_fail("count and die", WEIR_IO, NULL);
    }
    struct weir_topology *topology = count_topology(WEIR_STORE_ROCKSDB);
    struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "bench"};
    double from = bench_wall();
    struct weir_log *log = open_log("data");
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    double seconds = bench_wall() - from;
    weir_streams_metrics(streams, &metrics);
    bench_row(&(struct bench_row){"restart of a store of 1 M keys after kill -9", seconds * 1000,
                                  "ms", 0, true, 0});
    bench_note("%lld of the changelog's records were restored: the tail",
               (long long)metrics.restored_records);
    BENCH_TRY(weir_streams_close(streams, &error), &error);
    weir_topology_free(topology);
    (void)weir_close(log, NULL);
}
