/* Compaction: what a core gets through, and what appends beside it lose. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "bench/bench.h"
#include "broker/log/cleaning.h"
#include "broker/log/partition_log.h"

enum {
    KEYS = 100000,
    BATCH_RECORDS = 150, /* of 100 B: 16 KB */
    RECORDS_MIN = 30000,
    PAIRS = 5,
    REST_NS = 1000000,
    SLICE = 8 << 20,
    SEGMENT = 32 << 20,
};

static struct weir_partition_log *open_log(struct weir_env *env, const char *name)
{
    char path[300];
    struct weir_error error;
    struct weir_partition_log *log;
    (void)snprintf(path, sizeof path, "%s/%s", bench_directory(), name);
    struct weir_partition_log_options options = {
        .env = env,
        .budget = env->budget,
        .path = path,
        .config = weir_topic_config_default(),
    };
    options.config.cleanup_compact = true;
    options.config.cleanup_delete = false;
    options.config.segment_bytes = bench_is_small() ? SEGMENT / 64 : SEGMENT;
    BENCH_TRY(weir_partition_log_open(&options, &log, NULL, &error), &error);
    return log;
}

/* Keys at random, each batch another. */
static struct weir_shared *make_batch(struct weir_env *env, uint64_t *seed, enum weir_codec codec)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    uint8_t value[80];
    char key[16];
    weir_batch_builder_init(&builder, env->budget, codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < BATCH_RECORDS; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        (void)snprintf(key, sizeof key, "key-%d", (int)(*seed >> 33) % KEYS);
        memset(value, (int)(*seed >> 40), sizeof value);
        struct weir_record record = {.key = weir_text(key),
                                     .value = weir_slice(value, sizeof value),
                                     .timestamp_ms = 1700000000000};
        BENCH_TRY(weir_batch_builder_add(&builder, &record), NULL);
    }
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    BENCH_TRY(weir_batch_builder_finish(&builder, &finish, &bytes), NULL);
    struct weir_shared *shared = weir_shared_new(env->budget, bytes.size);
    if (shared == NULL) bench_fail("make a batch", WEIR_NO_MEMORY, NULL);
    memcpy(shared->data, bytes.data, bytes.size);
    shared->size = bytes.size;
    weir_batch_builder_close(&builder);
    return shared;
}

static void append(struct weir_partition_log *log, struct weir_env *env, struct weir_shared *batch)
{
    struct weir_error error;
    struct weir_append_result result;
    BENCH_TRY(weir_partition_log_append(
                  log, &(struct weir_append){.batches = batch, .now = weir_wall_now(env)}, &result,
                  &error),
              &error);
}

static void fill(struct weir_partition_log *log, struct weir_env *env, int64_t records,
                 enum weir_codec codec)
{
    struct weir_error error;
    uint64_t seed = 1;
    for (int64_t done = 0; done < records; done += BATCH_RECORDS) {
        struct weir_shared *batch = make_batch(env, &seed, codec);
        append(log, env, batch);
        weir_shared_unref(batch);
    }
    BENCH_TRY(weir_partition_log_end_segment(log, &error), &error);
}

/* All of it; the bytes that it began with. */
static int64_t clean(struct weir_partition_log *log, struct weir_env *env)
{
    struct weir_error error;
    static struct weir_log_cleaning cleaning;
    struct weir_cleaning_options options = {
        .bound_offset = INT64_MAX,
        .is_forced = true,
        .table_bytes_max = 128 << 20,
        .now = weir_wall_now(env),
    };
    int rc = weir_log_cleaning_begin(log, &options, &cleaning, &error);
    while (rc == WEIR_END) {
        while (weir_log_cleaning_run(&cleaning, SLICE) == WEIR_END) {
        }
        rc = weir_log_cleaning_end(&cleaning, &error);
    }
    BENCH_TRY(rc, &error);
    int64_t bytes = cleaning.counts.bytes_before;
    if (cleaning.counts.records_after > KEYS) {
        bench_fail("compact: a key has more than one record", WEIR_CORRUPT, NULL);
    }
    weir_log_cleaning_close(&cleaning);
    return bytes;
}

static int64_t record_count(void)
{
    int64_t records = bench_scaled(6000000);
    return records > RECORDS_MIN ? records : RECORDS_MIN;
}

static void speed(struct weir_env *env, const char *name, enum weir_codec codec)
{
    struct weir_error error;
    struct weir_partition_log *log = open_log(env, name);
    fill(log, env, record_count(), codec);
    double from = bench_thread_cpu();
    int64_t bytes = clean(log, env);
    double cpu = bench_thread_cpu() - from;
    bench_row(&(struct bench_row){name, (double)bytes / 1e6 / cpu, "MB/s and core", 0, false, 0});
    BENCH_TRY(weir_partition_log_close(log, &error), &error);
}

/* ---- beside appends -------------------------------------------------------------------------- */

struct appender {
    struct weir_env *env;
    struct weir_partition_log *log;
    struct weir_shared *batch;
    _Atomic bool is_over;
    double seconds;
    double cpu;
    int64_t bytes;
};

struct append_cost {
    double rate;   /* MB/s */
    double cpu_us; /* of the thread that appends, per MB */
};

static void *append_on(void *context)
{
    struct appender *appender = context;
    double from = bench_wall(), cpu = bench_thread_cpu();
    while (!atomic_load(&appender->is_over)) {
        append(appender->log, appender->env, appender->batch);
        appender->bytes += (int64_t)appender->batch->size;
    }
    appender->seconds = bench_wall() - from;
    appender->cpu = bench_thread_cpu() - cpu;
    return NULL;
}

/* Appends of one thread for as long as compaction of `other` takes on this one, or for a while beside one that rests. */
static struct append_cost append_beside(struct weir_env *env, const char *name, int number,
                                        struct weir_partition_log *other)
{
    static const struct timespec rest = {.tv_nsec = REST_NS};
    pthread_t thread;
    struct weir_error error;
    uint64_t seed = 9;
    char path[64];
    (void)snprintf(path, sizeof path, "%s-%d", name, number);
    struct appender appender = {
        .env = env,
        .log = open_log(env, path),
        .batch = make_batch(env, &seed, WEIR_CODEC_NONE),
    };
    if (pthread_create(&thread, NULL, append_on, &appender) != 0) {
        bench_fail("pthread_create", WEIR_NO_MEMORY, NULL);
    }
    double until = bench_wall() + (bench_is_small() ? 0.05 : 1);
    if (other != NULL) (void)clean(other, env);
    while (other == NULL && bench_wall() < until)
        (void)nanosleep(&rest, NULL);
    atomic_store(&appender.is_over, true);
    (void)pthread_join(thread, NULL);
    weir_shared_unref(appender.batch);
    BENCH_TRY(weir_partition_log_close(appender.log, &error), &error);
    double megabytes = (double)appender.bytes / 1e6;
    return (struct append_cost){megabytes / appender.seconds, appender.cpu * 1e6 / megabytes};
}

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double median(double *values)
{
    qsort(values, PAIRS, sizeof *values, compare_doubles);
    return values[PAIRS / 2];
}

/* In turns, so that what else the machine does meets both. */
static void beside(struct weir_env *env)
{
    struct weir_error error;
    double rates[2][PAIRS], cpu[2][PAIRS], rate_ratios[PAIRS], cpu_ratios[PAIRS];
    int64_t records = record_count() / PAIRS;
    for (int pair = 0; pair < PAIRS; pair++) {
        char path[64];
        (void)snprintf(path, sizeof path, "other-%d", pair);
        struct weir_partition_log *log = open_log(env, path);
        fill(log, env, records > RECORDS_MIN ? records : RECORDS_MIN, WEIR_CODEC_NONE);
        for (int i = 0; i < 2; i++) {
            int is_beside = (pair + i) % 2;
            struct append_cost cost =
                append_beside(env, is_beside ? "beside" : "alone", pair, is_beside ? log : NULL);
            rates[is_beside][pair] = cost.rate;
            cpu[is_beside][pair] = cost.cpu_us;
        }
        rate_ratios[pair] = rates[1][pair] / rates[0][pair];
        cpu_ratios[pair] = cpu[1][pair] / cpu[0][pair];
        BENCH_TRY(weir_partition_log_close(log, &error), &error);
    }
    double alone = median(rates[0]), alone_cpu = median(cpu[0]);
    bench_row(&(struct bench_row){"appends beside nothing", alone, "MB/s", 0, false, 0});
    bench_row(&(struct bench_row){"appends beside compaction", median(rates[1]), "MB/s",
                                  alone * 0.9, false, 0});
    bench_row(
        &(struct bench_row){"CPU of an MB appended, beside nothing", alone_cpu, "us", 0, true, 0});
    bench_row(&(struct bench_row){"CPU of an MB appended, beside compaction", median(cpu[1]), "us",
                                  alone_cpu / 0.9, true, 0});
    bench_note("in pairs: %.3f times the rate, %.3f times the CPU", median(rate_ratios),
               median(cpu_ratios));
}

void bench_compact(void)
{
    struct weir_error error;
    struct weir_env *env;
    BENCH_TRY(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    speed(env, "compaction, 100 B records", WEIR_CODEC_NONE);
    speed(env, "compaction, the same as lz4", WEIR_CODEC_LZ4);
    beside(env);
    weir_env_uv_free(env);
}
