/* The log: appends into the page cache, durable appends, opening. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "bench/bench.h"
#include "broker/broker.h"
#include "broker/log/partition_log.h"
#include "client/client.h"
#include "weir/log.h"

/* One batch of about `size` bytes of 100 B records. */
static struct weir_shared *make_batch(struct weir_budget *budget, size_t size)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    uint8_t value[90];
    memset(value, 'v', sizeof value);
    weir_batch_builder_init(&builder, budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    while (weir_batch_builder_size(&builder) + 110 < size) {
        struct weir_record record = {.value = weir_slice(value, sizeof value), .timestamp_ms = 1};
        BENCH_TRY(weir_batch_builder_add(&builder, &record), NULL);
    }
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    BENCH_TRY(weir_batch_builder_finish(&builder, &finish, &bytes), NULL);
    struct weir_shared *shared = weir_shared_new(budget, bytes.size);
    if (shared == NULL) bench_fail("make a batch", WEIR_NO_MEMORY, NULL);
    memcpy(shared->data, bytes.data, bytes.size);
    shared->size = bytes.size;
    weir_batch_builder_close(&builder);
    return shared;
}

/* ---- append ------------------------------------------------------------------------------------- */

/* The floor: the crc of the bytes and one write into the page cache, nothing else. CPU s/GB. */
static double append_floor(const struct weir_shared *batch, int64_t total)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/floor", bench_directory());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint32_t crc = 0;
    double from = bench_thread_cpu();
    for (int64_t at = 0; at < total; at += (int64_t)batch->size) {
        crc ^= weir_crc32c(0, batch->data, batch->size);
        if (pwrite(file, batch->data, batch->size, at) < 0) bench_fail("pwrite", WEIR_IO, NULL);
    }
    double cpu = bench_thread_cpu() - from;
    if (crc == 1) bench_note("(the crc was 1)"); /* keep it from being optimised away */
    (void)close(file);
    (void)unlink(path);
    return cpu / ((double)total / 1e9);
}

static double append_once(struct weir_env *env, struct weir_shared *batch, const char *name,
                          int64_t total)
{
    char path[300];
    struct weir_error error;
    struct weir_partition_log *log;
    struct weir_log_recovery recovery;
    struct weir_append_result result;
    (void)snprintf(path, sizeof path, "%s/%s", bench_directory(), name);
    struct weir_partition_log_options options = {
        .env = env,
        .budget = env->budget,
        .path = path,
        .config = weir_topic_config_default(),
    };
    const struct weir_batch_check check = {
        .size_max = 1 << 20, .plain_size_max = 1 << 20, .budget = env->budget};
    BENCH_TRY(weir_partition_log_open(&options, &log, &recovery, &error), &error);
    double from = bench_thread_cpu();
    for (int64_t done = 0; done < total; done += (int64_t)batch->size) {
        struct weir_append append = {.batches = batch, .now = weir_wall_now(env)};
        BENCH_TRY(weir_batch_check(weir_slice(batch->data, batch->size), &check, &error), &error);
        BENCH_TRY(weir_partition_log_append(log, &append, &result, &error), &error);
    }
    double cpu = bench_thread_cpu() - from;
    BENCH_TRY(weir_partition_log_close(log, &error), &error);
    return cpu / ((double)total / 1e9);
}

void bench_append(void)
{
    static const struct {
        const char *name;
        size_t size;
    } cases[] = {{"append, 64 KB batches", 65536}, {"append, 16 KB batches", 16384}};
    struct weir_error error;
    struct weir_env *env;
    BENCH_TRY(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    for (size_t i = 0; i < 2; i++) {
        struct weir_shared *batch = make_batch(env->budget, cases[i].size);
        (void)append_once(env, batch, "warm", 256 << 20);
        (void)append_floor(batch, 768 << 20); /* the pages are touched for the first time */
        double floor = append_floor(batch, 768 << 20);
        double value = append_once(env, batch, cases[i].name, 768 << 20);
        bench_row(&(struct bench_row){cases[i].name, value, "CPU s/GB", 0, true, floor});
        weir_shared_unref(batch);
    }
}

/* ---- durable --------------------------------------------------------------------------------------- */

enum { IN_FLIGHT_MAX = 512, DURABLE_BATCHES = 8000, PARTITIONS_MAX = 1000 };

struct flight {
    struct weir_produce_request request;
    struct weir_shared *batch;
    double sent;
    struct durable *durable;
};

struct durable {
    struct weir_log *log;
    struct flight flights[IN_FLIGHT_MAX];
    double latencies[DURABLE_BATCHES];
    int in_flight, count, sent, done;
    int partitions;
    int rc;
    _Atomic bool is_finished;
};

static void send_next(struct durable *durable, struct flight *flight)
{
    struct weir_produce_request *request = &flight->request;
    flight->sent = bench_wall();
    request->to.partition = durable->sent++ % durable->partitions;
    request->acks = WEIR_ACKS_ALL;
    request->is_internal = true; /* batches of our own builder */
    weir_log_produce(durable->log, request);
}

/* On the shard's thread: the next batch goes out as soon as one is acknowledged. */
static void on_durable(struct weir_request *request)
{
    struct flight *flight = request->context;
    struct durable *durable = flight->durable;
    if (request->rc < 0) durable->rc = request->rc;
    durable->latencies[durable->done++] = bench_wall() - flight->sent;
    if (durable->sent < durable->count) send_next(durable, flight);
    if (durable->done == durable->count) {
        atomic_store(&durable->is_finished, true);
        weir_signal(durable->log->env);
    }
}

static bool is_finished(void *context)
{
    return atomic_load(&((struct durable *)context)->is_finished);
}

static void send_all(struct durable *durable, int count)
{
    durable->count = count;
    durable->sent = 0;
    durable->done = 0;
    atomic_store(&durable->is_finished, false);
    int first = count < durable->in_flight ? count : durable->in_flight;
    for (int i = 0; i < first; i++)
        send_next(durable, &durable->flights[i]);
    BENCH_TRY(weir_wait(durable->log->env, is_finished, durable, WEIR_MONO_NEVER), NULL);
}

/* The floor: write and fdatasync each batch, no grouping. MB/s. */
static double durable_floor(const struct weir_shared *batch)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/floor", bench_directory());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    double from = bench_wall();
    int64_t at = 0;
    for (int i = 0; i < 1000; i++, at += (int64_t)batch->size) {
        if (pwrite(file, batch->data, batch->size, at) < 0 || fdatasync(file) < 0) {
            bench_fail("write and sync", WEIR_IO, NULL);
        }
    }
    double seconds = bench_wall() - from;
    (void)close(file);
    (void)unlink(path);
    return (double)at / 1e6 / seconds;
}

/* MB/s over `partitions`. */
static double durable_run(int partitions, int in_flight, double *p50_out, double *p99_out,
                          double *floor_out)
{
    char path[300];
    struct weir_error error;
    static struct durable durable;
    (void)snprintf(path, sizeof path, "%s/data-%d", bench_directory(), partitions);
    durable = (struct durable){.partitions = partitions, .in_flight = in_flight};
    durable.log = weir_open(path, NULL, &error);
    if (durable.log == NULL) bench_fail("weir_open", error.code, &error);
    BENCH_TRY(weir_topic_create(durable.log, "topic", partitions, NULL, 0, &error), &error);
    struct weir_env *env = durable.log->env;
    struct weir_shared *batch = make_batch(env->budget, 65536);
    *floor_out = durable_floor(batch);
    for (int i = 0; i < in_flight; i++) {
        struct flight *flight = &durable.flights[i];
        flight->durable = &durable;
        flight->batch = weir_shared_new(env->budget, batch->size);
        memcpy(flight->batch->data, batch->data, batch->size);
        flight->batch->size = batch->size;
        flight->request.batches = flight->batch;
        flight->request.to.topic = weir_text("topic");
        flight->request.request.done = on_durable;
        flight->request.request.context = flight;
    }
    /* The first round opens every partition; the second is counted. */
    send_all(&durable, partitions);
    double from = bench_wall();
    send_all(&durable, DURABLE_BATCHES);
    double seconds = bench_wall() - from;
    if (durable.rc < 0) bench_fail("produce", durable.rc, NULL);
    *p50_out = bench_quantile_us(durable.latencies, DURABLE_BATCHES, 0.50);
    *p99_out = bench_quantile_us(durable.latencies, DURABLE_BATCHES, 0.99);
    double rate = (double)batch->size * DURABLE_BATCHES / 1e6 / seconds;
    BENCH_TRY(weir_close(durable.log, &error), &error);
    return rate;
}

void bench_durable(void)
{
    double p50, p99, floor;
    double rate = durable_run(1, 64, &p50, &p99, &floor);
    bench_row(&(struct bench_row){"durable appends, 1 partition", rate, "MB/s", 300, false, floor});
    bench_row(&(struct bench_row){"  ack, p50 (64 in flight)", p50 / 1000, "ms", 0, true, 0});
    bench_row(&(struct bench_row){"  ack, p99", p99 / 1000, "ms", 0, true, 0});
}

void bench_partitions(void)
{
    double p50, p99, floor;
    double one = durable_run(1, IN_FLIGHT_MAX, &p50, &p99, &floor);
    double many = durable_run(PARTITIONS_MAX, IN_FLIGHT_MAX, &p50, &p99, &floor);
    bench_row(&(struct bench_row){"durable appends, 1,000 partitions", many, "MB/s", one / 2, false,
                                  floor});
    bench_row(&(struct bench_row){"  ack, p99", p99 / 1000, "ms", 0, true, 0});
    bench_note("one partition in the same run: %.0f MB/s; %d batches in flight in both", one,
               IN_FLIGHT_MAX);
}

/* ---- opening --------------------------------------------------------------------------------------- */

static double open_seconds(const char *path)
{
    struct weir_error error;
    double from = bench_wall();
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) bench_fail("weir_open", error.code, &error);
    double seconds = bench_wall() - from;
    BENCH_TRY(weir_close(log, &error), &error);
    return seconds;
}

void bench_open(void)
{
    char path[300];
    double seconds[21];
    for (size_t i = 0; i < 21; i++) {
        (void)snprintf(path, sizeof path, "%s/empty-%zu", bench_directory(), i);
        seconds[i] = open_seconds(path);
    }
    bench_row(&(struct bench_row){"open an empty directory, median of 21",
                                  bench_quantile_us(seconds, 21, 0.5) / 1000, "ms", 50, true, 0});
}

/* Fill a topic in a process that is then killed. */
static void fill_and_die(const char *path, int64_t total)
{
    struct weir_error error;
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) bench_fail("weir_open", error.code, &error);
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.batch_size = 1 << 18;
    struct weir_producer *producer = weir_producer_new(log, &options, &error);
    if (producer == NULL) bench_fail("weir_producer_new", error.code, &error);
    static uint8_t value[1000];
    for (int64_t done = 0; done < total; done += (int64_t)sizeof value) {
        struct weir_record record = {.value = weir_slice(value, sizeof value), .timestamp_ms = -1};
        BENCH_TRY(weir_producer_send(producer, "topic", 0, &record, NULL, &error), &error);
    }
    (void)raise(SIGKILL);
}

void bench_reopen(void)
{
    char path[300];
    struct weir_error error;
    int64_t start, end;
    (void)snprintf(path, sizeof path, "%s/data", bench_directory());
    pid_t child = bench_fork();
    if (child == 0) fill_and_die(path, 1000000000);
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        bench_fail("fill a log", WEIR_IO, NULL);
    }
    double from = bench_wall();
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) bench_fail("weir_open", error.code, &error);
    BENCH_TRY(weir_topic_offsets(log, "topic", 0, &start, &end, &error), &error);
    double seconds = bench_wall() - from;
    bench_row(&(struct bench_row){"reopen after kill -9, 1 GB of log", seconds * 1000, "ms", 1000,
                                  true, 0});
    bench_note("%lld records of 1,000 B are there", (long long)(end - start));
    BENCH_TRY(weir_close(log, &error), &error);
}

void bench_idle(void)
{
    char path[300];
    struct weir_error error;
    (void)snprintf(path, sizeof path, "%s/data", bench_directory());
    int64_t before = bench_resident_bytes();
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) bench_fail("weir_open", error.code, &error);
    BENCH_TRY(weir_topic_create(log, "topic", 8, NULL, 0, &error), &error);
    bench_row(&(struct bench_row){"resident memory, idle", (double)bench_resident_bytes() / 1e6,
                                  "MB", 16, true, (double)before / 1e6});
    bench_note("the floor is the same process before weir_open, shared libraries included");
    BENCH_TRY(weir_close(log, &error), &error);
}
