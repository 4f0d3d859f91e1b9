/* Counts by key, as people have them: few keys and many, evenly met or by Zipf's law, in memory and in
 * RocksDB, with a cache that holds them and with one that does not; and by windows of time.
 *
 * The floor is the same computation over arrays of numbers, which needs no keys, no log and no commits.
 * It is also the batch answer: each cell reads the job's changelog to the end, and what it folds to must
 * be equal to it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "bench/bench.h"
#include "bench/bench_job.h"

enum { DEFAULT_CACHE = 0, LARGE_CACHE = 512 << 20, SMALL_CACHE = 2 << 20 };

/* ---- inputs ------------------------------------------------------------------------------------- */

/* Zipf's law with exponent 1: keys^u for an even u has a density of 1/k. */
static uint64_t skewed_key(const struct bench_input *input, int64_t index)
{
    double even = (double)(bench_mix((uint64_t)index) >> 11) * 0x1p-53;
    return (uint64_t)pow((double)input->keys, even) - 1;
}

/* A price in cents. */
static uint64_t cents(const struct bench_input *input, int64_t index)
{
    (void)input;
    return bench_mix((uint64_t)index * 3) % 100000;
}

/* ---- the answer, over arrays -------------------------------------------------------------------- */

struct revenue {
    int64_t count;
    int64_t cents;
};

/* Cells are numbered window · keys + key; a count without windows has one. */
struct answer {
    uint64_t keys;
    int64_t window_ms; /* 0: none */
    size_t cell_count;
    struct revenue *cells;
};

static size_t window_count(const struct bench_input *input, int64_t window_ms)
{
    if (window_ms == 0) return 1;
    int64_t last_ms = BENCH_START_MS + (input->count - 1) / input->records_per_ms;
    return (size_t)(last_ms / window_ms - BENCH_START_MS / window_ms + 1);
}

static size_t cell_at(const struct answer *answer, uint64_t key, int64_t time_ms)
{
    if (answer->window_ms == 0) return key;
    int64_t window = time_ms / answer->window_ms - BENCH_START_MS / answer->window_ms;
    return (size_t)window * answer->keys + key;
}

static struct answer empty_answer(const struct bench_input *input, int64_t window_ms)
{
    const size_t cell_count = window_count(input, window_ms) * input->keys;
    return (struct answer){
        .keys = input->keys,
        .window_ms = window_ms,
        .cell_count = cell_count,
        .cells = bench_array(cell_count, sizeof(struct revenue)),
    };
}

/* Returns the rate, in millions of records per second: the numbers are drawn before it counts. */
static double compute(const struct bench_input *input, struct answer *answer)
{
    const size_t count = (size_t)input->count;
    uint32_t *keys = bench_array(count, sizeof *keys);
    uint32_t *prices = bench_array(count, sizeof *prices);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (uint32_t)input->key(input, (int64_t)i);
        prices[i] = (uint32_t)input->value(input, (int64_t)i);
    }
    double cpu = bench_thread_cpu();
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms = BENCH_START_MS + (int64_t)i / input->records_per_ms;
        struct revenue *cell = &answer->cells[cell_at(answer, keys[i], time_ms)];
        cell->count += 1;
        cell->cents += prices[i];
    }
    cpu = bench_thread_cpu() - cpu;
    free(keys);
    free(prices);
    return (double)count / cpu / 1e6;
}

/* ---- what the job left -------------------------------------------------------------------------- */

/* The last value of a cell stands. A struct's bytes begin with its version. */
static void fold(void *context, const struct weir_record *record)
{
    struct answer *state = context;
    int64_t start_ms = 0;
    if (state->window_ms > 0) {
        start_ms = (int64_t)weir_load_u64(record->key.data + BENCH_KEY_SIZE);
    }
    size_t cell = cell_at(state, bench_key_read(record->key), start_ms);
    if (cell >= state->cell_count) bench_fail("a key that was never there", WEIR_CORRUPT, NULL);
    const uint8_t *value = record->value.data;
    const bool is_struct = record->value.size == 1 + 2 * sizeof(int64_t);
    if (!is_struct && record->value.size != sizeof(int64_t)) {
        bench_fail("a value of another size", WEIR_CORRUPT, NULL);
    }
    state->cells[cell].count = (int64_t)weir_load_u64(value + is_struct);
    if (is_struct) state->cells[cell].cents = (int64_t)weir_load_u64(value + 1 + sizeof(int64_t));
}

static void check(struct weir_log *log, const struct bench_input *input,
                  const struct answer *answer, const char *application, bool has_cents)
{
    char topic[100];
    struct answer state = empty_answer(input, answer->window_ms);
    (void)snprintf(topic, sizeof topic, "%s-counts-changelog", application);
    bench_read_topic(log, topic, fold, &state);
    for (size_t i = 0; i < answer->cell_count; i++) {
        const struct revenue *want = &answer->cells[i];
        const struct revenue *have = &state.cells[i];
        if (want->count == have->count && (!has_cents || want->cents == have->cents)) continue;
        fprintf(stderr, "cell %zu: %lld of %lld\n", i, (long long)have->count,
                (long long)want->count);
        bench_fail("the state is not the batch answer", WEIR_CORRUPT, NULL);
    }
    free(state.cells);
}

/* ---- counts ------------------------------------------------------------------------------------- */

struct cell {
    const char *name;
    const char *application; /* of its own for each cell of a log */
    enum weir_store_kind kind;
    int64_t cache_bytes;
    double goal;
};

static struct weir_topology *count_topology(const char *topic, enum weir_store_kind kind)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES);
    (void)weir_count(weir_group_by_key(stream), WEIR_STORE(.name = "counts", .store = kind));
    return bench_build(builder);
}

static void run_cells(struct weir_log *log, const struct bench_input *input,
                      const struct cell *cells, size_t cell_count)
{
    struct answer answer = empty_answer(input, 0);
    double floor = compute(input, &answer);
    bench_fill(log, input);
    for (size_t i = 0; i < cell_count; i++) {
        char name[64], application[64];
        (void)snprintf(name, sizeof name, "%s, %s", input->topic, cells[i].name);
        (void)snprintf(application, sizeof application, "%s-%s", input->topic,
                       cells[i].application);
        struct weir_topology *topology = count_topology(input->topic, cells[i].kind);
        bench_run_job(log, topology,
                      &(struct bench_job){
                          .name = name,
                          .application = application,
                          .count = input->count,
                          .cache_bytes = cells[i].cache_bytes,
                          .goal = cells[i].goal,
                          .floor = floor,
                      });
        weir_topology_free(topology);
        check(log, input, &answer, application, false);
    }
    free(answer.cells);
}

/* Each cell over keys that come evenly, and again over keys that do not. */
static void count(uint64_t keys, int64_t records, const struct cell *cells, size_t cell_count)
{
    struct weir_log *log = bench_open_log("data");
    struct bench_input input = {
        .topic = "uniform",
        .count = records,
        .records_per_ms = 1000,
        .key = bench_uniform_key,
        .value = cents,
        .keys = keys,
    };
    run_cells(log, &input, cells, cell_count);
    input.topic = "skewed";
    input.key = skewed_key;
    run_cells(log, &input, cells, cell_count);
    (void)weir_close(log, NULL);
}

/* The same records over more partitions: a task each. */
void bench_job_partitions(void)
{
    static const int32_t counts[] = {2, 100, 1000};
    static const struct cell cells[] = {{"RocksDB", "rocks", WEIR_STORE_ROCKSDB, DEFAULT_CACHE, 0}};
    struct weir_log *log = bench_open_log("data");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "over-%d", counts[i]);
        const struct bench_input input = {
            .topic = topic,
            .count = 2000000,
            .records_per_ms = 1000,
            .key = bench_uniform_key,
            .value = cents,
            .keys = 10000,
            .partitions = counts[i],
        };
        run_cells(log, &input, cells, sizeof cells / sizeof cells[0]);
    }
    (void)weir_close(log, NULL);
}

void bench_count_1k(void)
{
    const struct cell cells[] = {
        {"RocksDB", "rocksdb", WEIR_STORE_ROCKSDB, DEFAULT_CACHE, 3},
        {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 3},
    };
    count(1000, 4000000, cells, 2);
}

void bench_count_100k(void)
{
    const struct cell cells[] = {
        {"RocksDB", "rocksdb", WEIR_STORE_ROCKSDB, LARGE_CACHE, 3},
        {"RocksDB, cache of 2 MiB", "small", WEIR_STORE_ROCKSDB, SMALL_CACHE, 0},
        {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 3},
    };
    count(100000, 4000000, cells, 3);
}

void bench_count_1m(void)
{
    const struct cell cells[] = {
        {"RocksDB", "rocksdb", WEIR_STORE_ROCKSDB, LARGE_CACHE, 1},
        {"RocksDB, cache of 10 MiB", "default", WEIR_STORE_ROCKSDB, DEFAULT_CACHE, 0},
        {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 1},
    };
    count(1000000, 2000000, cells, 3);
}

void bench_count_10m(void)
{
    struct weir_log *log = bench_open_log("data");
    const struct cell cell = {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 1};
    const struct bench_input input = {
        .topic = "uniform",
        .count = 20000000,
        .records_per_ms = 1000,
        .key = bench_uniform_key,
        .value = cents,
        .keys = 10000000,
    };
    run_cells(log, &input, &cell, 1);
    (void)weir_close(log, NULL);
}

/* ---- windows ------------------------------------------------------------------------------------ */

static const struct weir_field revenue_fields[] = {
    WEIR_FIELD_INT64(struct revenue, count),
    WEIR_FIELD_INT64(struct revenue, cents),
};
static const struct weir_struct_type revenue_type = {
    .name = "revenue",
    .size = sizeof(struct revenue),
    .version = 1,
    .fields = revenue_fields,
    .field_count = sizeof revenue_fields / sizeof *revenue_fields,
};
static const struct weir_serde revenue_serde = WEIR_STRUCT_SERDE(&revenue_type, struct revenue);

static int add_price(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct revenue *revenue = aggregate;
    const struct weir_slice *bytes = value;
    uint64_t price;
    (void)call, (void)key;
    memcpy(&price, bytes->data, sizeof price);
    revenue->count += 1;
    revenue->cents += (int64_t)price;
    return 0;
}

static struct weir_topology *window_topology(const char *topic, int64_t size_ms,
                                             enum weir_store_kind kind, bool has_cents)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES);
    struct weir_windowed_stream *windows =
        weir_windowed_by(weir_group_by_key(stream), (struct weir_tumbling){.size_ms = size_ms});
    if (has_cents) {
        (void)weir_windowed_aggregate(windows, NULL, add_price, NULL, &revenue_serde,
                                      WEIR_STORE(.name = "counts", .store = kind));
    } else {
        (void)weir_windowed_count(windows, WEIR_STORE(.name = "counts", .store = kind));
    }
    return bench_build(builder);
}

/* Six windows of a minute, each with ten records of a key: five of them end on the way. */
void bench_window(void)
{
    static const struct {
        const char *name;
        const char *application;
        enum weir_store_kind kind;
        bool has_cents;
        double goal;
    } cells[] = {
        {"windowed count, 100 k keys, RocksDB", "count-rocksdb", WEIR_STORE_ROCKSDB, false, 3},
        {"windowed count, 100 k keys, memory", "count-memory", WEIR_STORE_MEMORY, false, 3},
        {"windowed revenue, 100 k keys, RocksDB", "revenue-rocksdb", WEIR_STORE_ROCKSDB, true, 0},
        {"windowed revenue, 100 k keys, memory", "revenue-memory", WEIR_STORE_MEMORY, true, 0},
    };
    enum { WINDOW_MS = 60 * 1000, RECORDS_PER_WINDOW = 1000000, WINDOWS = 6 };
    struct weir_log *log = bench_open_log("data");
    const struct bench_input input = {
        .topic = "sales",
        .count = (int64_t)RECORDS_PER_WINDOW * WINDOWS,
        .records_per_ms = (RECORDS_PER_WINDOW + WINDOW_MS - 1) / WINDOW_MS,
        .key = bench_uniform_key,
        .value = cents,
        .keys = 100000,
    };
    struct answer answer = empty_answer(&input, WINDOW_MS);
    double floor = compute(&input, &answer);
    bench_fill(log, &input);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        struct weir_topology *topology =
            window_topology(input.topic, WINDOW_MS, cells[i].kind, cells[i].has_cents);
        bench_run_job(log, topology,
                      &(struct bench_job){
                          .name = cells[i].name,
                          .application = cells[i].application,
                          .count = input.count,
                          .cache_bytes = LARGE_CACHE,
                          .goal = cells[i].goal,
                          .floor = floor,
                      });
        weir_topology_free(topology);
        check(log, &input, &answer, cells[i].application, cells[i].has_cents);
    }
    free(answer.cells);
    (void)weir_close(log, NULL);
}
