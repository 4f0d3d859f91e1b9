/* Counts by key, as people have them: few keys and many, evenly met or by Zipf's law, in memory and in
 * RocksDB, with a cache that holds them and with one that does not. Each cell reads the job's changelog to
 * the end: what it folds to must be equal to the batch answer. */
#include <stdio.h>

#include "bench/bench.h"
#include "bench/bench_answer.h"
#include "bench/bench_count.h"
#include "bench/bench_job.h"

enum {
    DEFAULT_CACHE = 0, /* 10 MiB */
    LARGE_CACHE = 512 << 20,
    SMALL_CACHE = 2 << 20,
    TINY_CACHE = 32 << 10,
};

/* ---- counts ------------------------------------------------------------------------------------- */

struct cell {
    const char *name;
    const char *application; /* of its own for each cell of a log */
    enum weir_store_kind kind;
    int64_t cache_bytes;
    double goal;
};

struct weir_topology *bench_count_topology(const char *topic, enum weir_store_kind kind)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES);
    (void)weir_count(weir_group_by_key(stream), WEIR_STORE(.name = "counts", .store = kind));
    return bench_build(builder);
}

/* In small it holds as large a part of the keys. */
static int64_t cache_bytes_of(const struct cell *cell)
{
    return cell->cache_bytes > 0 ? bench_scaled(cell->cache_bytes) : cell->cache_bytes;
}

static void run_cells(struct weir_log *log, const struct bench_input *input,
                      const struct cell *cells, size_t cell_count)
{
    struct bench_answer answer = bench_answer_empty(input, 0, NULL, 0);
    double floor = bench_answer_compute(&answer, input);
    bench_fill(log, input);
    for (size_t i = 0; i < cell_count; i++) {
        char name[64], application[64], changelog[100];
        (void)snprintf(name, sizeof name, "%s, %s", input->topic, cells[i].name);
        (void)snprintf(application, sizeof application, "%s-%s", input->topic,
                       cells[i].application);
        struct weir_topology *topology = bench_count_topology(input->topic, cells[i].kind);
        bench_run_job(log, topology,
                      &(struct bench_job){
                          .name = name,
                          .application = application,
                          .count = input->count,
                          .cache_bytes = cache_bytes_of(&cells[i]),
                          .goal = cells[i].goal,
                          .floor = floor,
                      });
        weir_topology_free(topology);
        (void)snprintf(changelog, sizeof changelog, "%s-counts-changelog", application);
        bench_answer_check(&answer, log, changelog, false);
    }
    bench_answer_free(&answer);
}

struct bench_input bench_count_input(int64_t keys, int64_t count)
{
    return (struct bench_input){
        .topic = "uniform",
        .count = bench_scaled(count),
        .records_per_ms = 1000,
        .key = bench_uniform_key,
        .value = bench_cents,
        .keys = (uint64_t)bench_scaled(keys),
    };
}

/* In the log `name`: each cell over keys that come evenly, and again over keys that do not. */
static void count(const char *name, int64_t keys, int64_t records, const struct cell *cells,
                  size_t cell_count)
{
    struct weir_log *log = bench_open_log(name);
    struct bench_input input = bench_count_input(keys, records);
    run_cells(log, &input, cells, cell_count);
    input.topic = "skewed";
    input.key = bench_skewed_key;
    run_cells(log, &input, cells, cell_count);
    (void)weir_close(log, NULL);
}

void bench_count_1k(void)
{
    static const struct cell cells[] = {
        {"RocksDB", "rocksdb", WEIR_STORE_ROCKSDB, DEFAULT_CACHE, 3},
        {"RocksDB, cache of 32 KiB", "small", WEIR_STORE_ROCKSDB, TINY_CACHE, 0},
        {"RocksDB, no cache", "off", WEIR_STORE_ROCKSDB, WEIR_CACHE_OFF, 0},
        {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 3},
    };
    count("data", 1000, 4000000, cells, sizeof cells / sizeof *cells);
}

void bench_count_100k(void)
{
    static const struct cell cells[] = {
        {"RocksDB", "rocksdb", WEIR_STORE_ROCKSDB, LARGE_CACHE, 3},
        {"RocksDB, cache of 2 MiB", "small", WEIR_STORE_ROCKSDB, SMALL_CACHE, 0},
        {"RocksDB, no cache", "off", WEIR_STORE_ROCKSDB, WEIR_CACHE_OFF, 0},
        {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 3},
    };
    count("data", 100000, 4000000, cells, sizeof cells / sizeof *cells);
}

void bench_count_1m(void)
{
    static const struct cell cells[] = {
        {"RocksDB", "rocksdb", WEIR_STORE_ROCKSDB, LARGE_CACHE, 1},
        {"RocksDB, cache of 10 MiB", "default", WEIR_STORE_ROCKSDB, DEFAULT_CACHE, 0},
        {"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 1},
    };
    count("data", 1000000, 2000000, cells, sizeof cells / sizeof *cells);
}

/* Neither cache holds them. In RocksDB a record costs some ten microseconds: there are fewer. */
void bench_count_10m(void)
{
    static const struct cell memory[] = {{"memory", "memory", WEIR_STORE_MEMORY, DEFAULT_CACHE, 1}};
    static const struct cell rocksdb[] = {
        {"RocksDB, cache of 512 MiB", "rocksdb", WEIR_STORE_ROCKSDB, LARGE_CACHE, 0},
        {"RocksDB, cache of 10 MiB", "default", WEIR_STORE_ROCKSDB, DEFAULT_CACHE, 0},
    };
    count("memory", 10000000, 20000000, memory, 1);
    count("rocksdb", 10000000, 4000000, rocksdb, sizeof rocksdb / sizeof *rocksdb);
}
