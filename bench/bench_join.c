/* Joins: two streams of one rate within three seconds of each other, and a stream with a table. What the joiner
 * was called with, summed up, must be equal to the batch answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_job.h"
#include "bench/bench_window.h"

enum { RECORDS_PER_MS = 17, KEYS = 100000, WITHIN_MS = 3000, LARGE_CACHE = 512 << 20 };

struct sums {
    uint64_t pairs;
    uint64_t products; /* of the prices on both sides, modulo 2^64 */
};

static uint64_t price_of(const void *value)
{
    const struct weir_slice *bytes = value;
    uint64_t price;
    memcpy(&price, bytes->data, sizeof price);
    return price;
}

/* One partition, so one task: it adds up alone. */
static int add_up(struct weir_call *call, const void *key, const void *left, const void *right,
                  const void **value_out)
{
    struct sums *sums = call->context;
    (void)key;
    sums->pairs += 1;
    sums->products += price_of(left) * price_of(right);
    *value_out = left;
    return 0;
}

static void check(const char *name, const struct sums *found, const struct sums *wanted)
{
    if (found->pairs == wanted->pairs && found->products == wanted->products) return;
    fprintf(stderr, "%s: %llu pairs, %llu wanted\n", name, (unsigned long long)found->pairs,
            (unsigned long long)wanted->pairs);
    bench_fail("the joined pairs differ from the batch answer", WEIR_CORRUPT, NULL);
}

/* ---- two streams ----------------------------------------------------------------------------- */

static uint64_t other_key(const struct bench_input *input, int64_t index)
{
    return bench_mix((uint64_t)index * 3 + 1) % input->keys;
}

static struct bench_input side(const char *topic, bool is_right)
{
    return (struct bench_input){
        .topic = topic,
        .count = bench_scaled(2000000),
        .records_per_ms = RECORDS_PER_MS,
        .key = is_right ? other_key : bench_uniform_key,
        .value = bench_cents,
        .keys = (uint64_t)bench_scaled(KEYS),
    };
}

/* The records of a side that came last under each key, as lists from the newest on. */
struct recent {
    const struct bench_input *input;
    int64_t *newest; /* by key; -1: none */
    int64_t *before; /* by record */
};

static struct recent recent_new(const struct bench_input *input)
{
    struct recent recent = {
        .input = input,
        .newest = bench_array(input->keys, sizeof *recent.newest),
        .before = bench_array((size_t)input->count, sizeof *recent.before),
    };
    for (uint64_t key = 0; key < input->keys; key++)
        recent.newest[key] = -1;
    return recent;
}

static void meet(const struct recent *others, uint64_t key, uint64_t price, int64_t time_ms,
                 struct sums *sums)
{
    for (int64_t i = others->newest[key]; i >= 0; i = others->before[i]) {
        if (i / RECORDS_PER_MS < time_ms - WITHIN_MS) break;
        sums->pairs += 1;
        sums->products += price * others->input->value(others->input, i);
    }
}

static void arrive(struct recent *own, const struct recent *others, int64_t index,
                   struct sums *sums)
{
    const uint64_t key = own->input->key(own->input, index);
    meet(others, key, own->input->value(own->input, index), index / RECORDS_PER_MS, sums);
    own->before[index] = own->newest[key];
    own->newest[key] = index;
}

/* Both sides have as many records in each millisecond. Returns nanoseconds a record. */
static double batch_answer(const struct bench_input *left, const struct bench_input *right,
                           struct sums *sums)
{
    struct recent sides[] = {recent_new(left), recent_new(right)};
    const double begun = bench_thread_cpu();
    for (int64_t i = 0; i < left->count; i++) {
        arrive(&sides[0], &sides[1], i, sums);
        arrive(&sides[1], &sides[0], i, sums);
    }
    const double seconds = bench_thread_cpu() - begun;
    for (int s = 0; s < 2; s++) {
        free(sides[s].newest);
        free(sides[s].before);
    }
    return seconds * 1e9 / (double)(2 * left->count);
}

static struct weir_topology *streams(enum weir_store_kind kind, struct sums *sums)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "left", WEIR_BYTES, WEIR_BYTES);
    struct weir_stream *right = weir_stream(builder, "right", WEIR_BYTES, WEIR_BYTES);
    (void)weir_stream_join(
        left, right, add_up, sums, WEIR_BYTES,
        WEIR_WITHIN(.before_ms = WITHIN_MS, .after_ms = WITHIN_MS, .store = kind));
    return bench_build(builder);
}

static void join_streams(struct weir_log *log)
{
    static const struct {
        const char *name;
        const char *application;
        enum weir_store_kind kind;
        double goal;
    } cells[] = {
        {"stream-stream, 100 k keys, memory", "streams-memory", WEIR_STORE_MEMORY, 1},
        {"stream-stream, 100 k keys, RocksDB", "streams-rocksdb", WEIR_STORE_ROCKSDB, 0},
    };
    const struct bench_input left = side("left", false);
    const struct bench_input right = side("right", true);
    struct sums wanted = {0};
    const double floor = batch_answer(&left, &right, &wanted);
    bench_fill(log, &left);
    bench_fill(log, &right);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        struct sums found = {0};
        struct weir_topology *topology = streams(cells[i].kind, &found);
        bench_run_job(log, topology,
                      &(struct bench_job){
                          .name = cells[i].name,
                          .application = cells[i].application,
                          .count = left.count + right.count,
                          .cache_bytes = LARGE_CACHE,
                          .goal = cells[i].goal,
                          .floor = floor,
                      });
        weir_topology_free(topology);
        check(cells[i].name, &found, &wanted);
    }
    bench_note("a record meets one other on average, within 3 s before or after; a record is one "
               "of either side");
}

/* ---- a stream and a table -------------------------------------------------------------------- */

struct table {
    char key[BENCH_KEY_SIZE];
    uint64_t price;
};

static uint64_t table_price(uint64_t key)
{
    return bench_mix(key * 7) % 1000;
}

/* All rows are older than the first record. */
static void make_row(void *context, int64_t index, struct weir_record *record, int32_t *partition)
{
    struct table *table = context;
    (void)partition;
    bench_key_write(table->key, (uint64_t)index);
    table->price = table_price((uint64_t)index);
    *record = (struct weir_record){
        .key = weir_slice(table->key, sizeof table->key),
        .value = weir_slice(&table->price, sizeof table->price),
        .timestamp_ms = BENCH_START_MS - 1,
    };
}

static void join_table(struct weir_log *log)
{
    const struct bench_input sales = bench_sales(4000000, KEYS);
    struct table table;
    struct sums wanted = {0};
    struct sums found = {0};
    const double begun = bench_thread_cpu();
    for (int64_t i = 0; i < sales.count; i++) {
        wanted.pairs += 1;
        wanted.products += sales.value(&sales, i) * table_price(sales.key(&sales, i));
    }
    const double floor = (bench_thread_cpu() - begun) * 1e9 / (double)sales.count;
    bench_fill_records(log, &(struct bench_records){.topic = "prices",
                                                    .count = (int64_t)sales.keys,
                                                    .partitions = 1,
                                                    .make = make_row,
                                                    .context = &table,
                                                    .batch_size = 64 << 10});
    bench_fill(log, &sales);
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "sales", WEIR_BYTES, WEIR_BYTES);
    struct weir_table *prices =
        weir_table(builder, "prices", WEIR_BYTES, WEIR_BYTES,
                   WEIR_STORE(.name = "prices", .store = WEIR_STORE_MEMORY));
    (void)weir_join(stream, prices, add_up, &found, WEIR_BYTES);
    struct weir_topology *topology = bench_build(builder);
    bench_run_job(log, topology,
                  &(struct bench_job){
                      .name = "stream-table, 100 k keys, memory",
                      .application = "table-memory",
                      .count = sales.count + (int64_t)sales.keys,
                      .cache_bytes = LARGE_CACHE,
                      .goal = 2,
                      .floor = floor,
                  });
    weir_topology_free(topology);
    check("stream-table", &found, &wanted);
}

void bench_join(void)
{
    struct weir_log *log = bench_open_log("data");
    join_streams(log);
    join_table(log);
    (void)weir_close(log, NULL);
}
