#include "bench/bench_job.h"

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

void bench_fill(struct weir_log *log, const struct bench_input *input)
{
    struct weir_error error;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    struct weir_config retention = {"retention.ms", "-1"};
    const int32_t partitions = input->partitions > 0 ? input->partitions : 1;
    BENCH_TRY(weir_topic_create(log, input->topic, partitions, &retention, 1, &error), &error);
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.batch_size = partitions > 1 ? 1 << 14 : 1 << 18;
    struct weir_producer *producer = weir_producer_new(log, &options, &error);
    if (producer == NULL) bench_fail("weir_producer_new", error.code, &error);
    memset(value, 'v', sizeof value);
    double from = bench_wall();
    for (int64_t i = 0; i < input->count; i++) {
        const uint64_t number = input->key(input, i);
        const int32_t partition = (int32_t)(number % (uint64_t)partitions);
        bench_key_write(key, number);
        uint64_t first = input->value(input, i);
        memcpy(value, &first, sizeof first);
        struct weir_record record = {
            .key = weir_slice(key, sizeof key),
            .value = weir_slice(value, sizeof value),
            .timestamp_ms = BENCH_START_MS + i / input->records_per_ms,
        };
        BENCH_TRY(weir_producer_send(producer, input->topic, partition, &record, NULL, &error),
                  &error);
    }
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    bench_note("%s: filled by one producer, acks=all: %.2f M records/s", input->topic,
               (double)input->count / 1e6 / (bench_wall() - from));
}

/* ---- the job ------------------------------------------------------------------------------------ */

void bench_run_job(struct weir_log *log, const struct weir_topology *topology,
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
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    wall = bench_wall() - wall;
    cpu = bench_process_cpu() - cpu;
    allocations = atomic_load(&log->env->heap->allocation_count) - allocations;
    weir_streams_metrics(streams, &metrics);
    const double resident = (double)bench_resident_bytes() / 1e6;
    BENCH_TRY(weir_streams_close(streams, &error), &error);

    const double count = (double)job->count;
    bench_row(&(struct bench_row){
        .name = job->name,
        .value = count / cpu / 1e6,
        .unit = "M rec/s/core",
        .goal = job->goal,
        .floor = job->floor,
    });
    bench_note("%.0f ns of CPU a record; %.2f M rec/s by the wall; %.1f allocations per 1,000 "
               "records; %lld commits, p50 %.0f ms, p99 %.0f ms; state %.0f MB, resident %.0f MB",
               cpu / count * 1e9, count / wall / 1e6, (double)allocations / count * 1000,
               (long long)metrics.commits, (double)metrics.commit_p50_us / 1000,
               (double)metrics.commit_p99_us / 1000, (double)metrics.state_bytes / 1e6, resident);
    const double commits = metrics.commits > 0 ? (double)metrics.commits * 1000 : 1000;
    bench_note(
        "a commit waits, mean (p99), ms: seal %.1f (%.0f), flush %.1f (%.0f), write %.1f (%.0f)",
        (double)metrics.commit_seal_us / commits, (double)metrics.commit_seal_p99_us / 1000,
        (double)metrics.commit_flush_us / commits, (double)metrics.commit_flush_p99_us / 1000,
        (double)metrics.commit_write_us / commits, (double)metrics.commit_write_p99_us / 1000);
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
