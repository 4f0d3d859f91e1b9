#include "bench/bench_job.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "client/client.h"

uint64_t bench_mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15u;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

void *bench_array(size_t count, size_t size)
{
    void *made = calloc(count, size);
    if (made == NULL) bench_fail("calloc", WEIR_NO_MEMORY, NULL);
    return made;
}

struct weir_log *bench_open_log(const char *name)
{
    char path[300];
    struct weir_error error;
    (void)snprintf(path, sizeof path, "%s/%s", bench_directory(), name);
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) bench_fail("weir_open", error.code, &error);
    return log;
}

struct weir_topology *bench_build(struct weir_builder *builder)
{
    struct weir_error error;
    struct weir_topology *topology = weir_build(builder, &error);
    if (topology == NULL) bench_fail("weir_build", error.code, &error);
    weir_builder_free(builder);
    return topology;
}

/* ---- the input ---------------------------------------------------------------------------------- */

static const char key_lead[] = "key-";
enum { KEY_LEAD_SIZE = sizeof key_lead - 1 };

void bench_key_write(char *to, uint64_t number)
{
    char key[BENCH_KEY_SIZE + 1];
    (void)snprintf(key, sizeof key, "%s%0*llu", key_lead, BENCH_KEY_SIZE - KEY_LEAD_SIZE,
                   (unsigned long long)(number % 1000000000000u));
    memcpy(to, key, BENCH_KEY_SIZE);
}

uint64_t bench_key_read(struct weir_slice key)
{
    char text[BENCH_KEY_SIZE - KEY_LEAD_SIZE + 1] = "";
    if (key.size < BENCH_KEY_SIZE) bench_fail("a key of another size", WEIR_CORRUPT, NULL);
    memcpy(text, key.data + KEY_LEAD_SIZE, sizeof text - 1);
    return strtoull(text, NULL, 10);
}

uint64_t bench_uniform_key(const struct bench_input *input, int64_t index)
{
    return bench_mix((uint64_t)index) % input->keys;
}

uint64_t bench_skewed_key(const struct bench_input *input, int64_t index)
{
    /* keys^u for an even u has a density of 1/k. */
    double even = (double)(bench_mix((uint64_t)index) >> 11) * 0x1p-53;
    return (uint64_t)pow((double)input->keys, even) - 1;
}

uint64_t bench_cents(const struct bench_input *input, int64_t index)
{
    (void)input;
    return bench_mix((uint64_t)index * 3) % 100000;
}

void bench_fill_records(struct weir_log *log, const struct bench_records *records)
{
    struct weir_error error;
    struct weir_config retention = {"retention.ms", "-1"};
    BENCH_TRY(weir_topic_create(log, records->topic, records->partitions, &retention, 1, &error),
              &error);
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT,
                                            .batch_size = records->batch_size};
    struct weir_producer *producer = weir_producer_new(log, &options, &error);
    if (producer == NULL) bench_fail("weir_producer_new", error.code, &error);
    double from = bench_wall(), told = 0;
    for (int64_t i = 0; i < records->count; i++) {
        struct weir_record record = {0};
        int32_t partition = 0;
        records->make(records->context, i, &record, &partition);
        BENCH_TRY(weir_producer_send(producer, records->topic, partition, &record, NULL, &error),
                  &error);
        if (i % 1024 == 0) bench_progress(&told, records->topic, i, records->count);
    }
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    bench_note("%s: filled by one producer, acks=all: %.3g M records/s", records->topic,
               (double)records->count / 1e6 / (bench_wall() - from));
}

/* One record of an input at a time. */
struct filling {
    const struct bench_input *input;
    int32_t partitions;
    char key[BENCH_KEY_SIZE];
    char value[BENCH_VALUE_SIZE];
};

static void make_record(void *context, int64_t index, struct weir_record *record,
                        int32_t *partition)
{
    struct filling *filling = context;
    const struct bench_input *input = filling->input;
    const uint64_t number = input->key(input, index);
    const uint64_t first = input->value(input, index);
    bench_key_write(filling->key, number);
    memcpy(filling->value, &first, sizeof first);
    *partition = (int32_t)(number % (uint64_t)filling->partitions);
    *record = (struct weir_record){
        .key = weir_slice(filling->key, sizeof filling->key),
        .value = weir_slice(filling->value, sizeof filling->value),
        .timestamp_ms = BENCH_START_MS + index / input->records_per_ms,
    };
}

void bench_fill(struct weir_log *log, const struct bench_input *input)
{
    struct filling filling = {.input = input,
                              .partitions = input->partitions > 0 ? input->partitions : 1};
    memset(filling.value, 'v', sizeof filling.value);
    bench_fill_records(log, &(struct bench_records){
                                .topic = input->topic,
                                .count = input->count,
                                .partitions = filling.partitions,
                                .make = make_record,
                                .context = &filling,
                                .batch_size = filling.partitions > 1 ? 1 << 14 : 1 << 18,
                            });
}

/* ---- the job ------------------------------------------------------------------------------------ */

/* Until all is processed, with a word now and then. */
static void drain(struct weir_streams *streams, const struct bench_job *job)
{
    enum { TURN_MS = 1000 };
    struct weir_error error;
    struct weir_streams_metrics metrics;
    double told = 0;
    int rc;
    while ((rc = weir_streams_drain(streams, TURN_MS, &error)) == WEIR_TIMED_OUT) {
        weir_streams_metrics(streams, &metrics);
        bench_progress(&told, job->name, metrics.records_in, job->count);
    }
    BENCH_TRY(rc, &error);
}

static void tell(const struct bench_job *job, double cpu, double wall, double allocations,
                 const struct weir_streams_metrics *metrics)
{
    char remark[160];
    const double count = (double)job->count;
    const double p50_ms = (double)metrics->commit_p50_us / 1000;
    const double p99_ms = (double)metrics->commit_p99_us / 1000;
    const double resident = (double)bench_resident_bytes() / 1e6;
    (void)snprintf(remark, sizeof remark,
                   "%.3g M rec/s/core; commits p50 %.0f, p99 %.0f ms; resident %.0f MB",
                   count / cpu / 1e6, p50_ms, p99_ms, resident);
    bench_row_with(
        &(struct bench_row){
            .name = job->name,
            .value = cpu / count * 1e9,
            .unit = "ns/rec",
            .goal = job->goal > 0 ? 1000 / job->goal : 0,
            .less_is_better = true,
            .floor = job->floor > 0 ? 1000 / job->floor : 0,
        },
        allocations / count, remark);
    bench_note("%.3g M rec/s/core; %.3g M rec/s by the wall; %.1f allocations per 1,000 "
               "records; %lld commits, p50 %.0f ms, p99 %.0f ms; state %.0f MB, resident %.0f MB",
               count / cpu / 1e6, count / wall / 1e6, allocations / count * 1000,
               (long long)metrics->commits, p50_ms, p99_ms, (double)metrics->state_bytes / 1e6,
               resident);
    const double commits = metrics->commits > 0 ? (double)metrics->commits * 1000 : 1000;
    bench_note(
        "a commit waits, mean (p99), ms: seal %.1f (%.0f), flush %.1f (%.0f), write %.1f (%.0f)",
        (double)metrics->commit_seal_us / commits, (double)metrics->commit_seal_p99_us / 1000,
        (double)metrics->commit_flush_us / commits, (double)metrics->commit_flush_p99_us / 1000,
        (double)metrics->commit_write_us / commits, (double)metrics->commit_write_p99_us / 1000);
}

double bench_run_job(struct weir_log *log, const struct weir_topology *topology,
                     const struct bench_job *job)
{
    struct weir_error error;
    struct weir_streams_metrics metrics;
    struct weir_streams_options options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = job->application,
        .cache_max_bytes = job->cache_bytes,
    };
    uint64_t allocations = atomic_load(&log->env->heap->allocation_count);
    double wall = bench_wall(), cpu = bench_process_cpu();
    const double from = wall;
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    drain(streams, job);
    bench_measured(job->name, from);
    wall = bench_wall() - wall;
    cpu = bench_process_cpu() - cpu;
    allocations = atomic_load(&log->env->heap->allocation_count) - allocations;
    weir_streams_metrics(streams, &metrics);
    if (!job->is_quiet) tell(job, cpu, wall, (double)allocations, &metrics);
    BENCH_TRY(weir_streams_close(streams, &error), &error);
    return cpu / (double)job->count * 1e9;
}

/* ---- what it left ------------------------------------------------------------------------------- */

void bench_read_topic(struct weir_log *log, const char *topic,
                      void (*each)(void *context, const struct weir_record *record), void *context)
{
    struct weir_error error;
    struct weir_batch_view batch;
    struct weir_consumer *consumer = weir_consumer_new(log, NULL, &error);
    if (consumer == NULL) bench_fail("weir_consumer_new", error.code, &error);
    BENCH_TRY(weir_consumer_assign_topic(consumer, topic, WEIR_POSITION_BEGINNING, &error), &error);
    int rc;
    while ((rc = weir_consumer_poll(consumer, 0, &batch, &error)) == WEIR_OK) {
        for (size_t i = 0; i < batch.record_count; i++) {
            each(context, &batch.records[i]);
        }
    }
    BENCH_TRY(rc, &error);
    BENCH_TRY(weir_consumer_close(consumer, &error), &error);
}
