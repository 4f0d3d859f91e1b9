/* Sales by windows of a minute: counts and revenues by product. Each cell's state must be equal to the batch
 * answer. */
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_answer.h"
#include "bench/bench_job.h"
#include "bench/bench_window.h"

enum { MINUTE_MS = 60 * 1000, RECORDS_PER_WINDOW = 1000000 };
enum { LARGE_CACHE = 512 << 20 };

int64_t bench_window_ms(void)
{
    return bench_scaled(MINUTE_MS);
}

/* As many windows as millions of records. */
struct bench_input bench_sales(int64_t count, int64_t products)
{
    return (struct bench_input){
        .topic = "sales",
        .count = bench_scaled(count),
        .records_per_ms = (RECORDS_PER_WINDOW + MINUTE_MS - 1) / MINUTE_MS,
        .key = bench_uniform_key,
        .value = bench_cents,
        .keys = (uint64_t)bench_scaled(products),
    };
}

/* ---- by product --------------------------------------------------------------------------------- */

static int add_price(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct bench_revenue *revenue = aggregate;
    const struct weir_slice *bytes = value;
    uint64_t price;
    (void)call, (void)key;
    memcpy(&price, bytes->data, sizeof price);
    revenue->count += 1;
    revenue->cents += (int64_t)price;
    return 0;
}

static struct weir_topology *window_topology(enum weir_store_kind kind, bool has_cents)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "sales", WEIR_BYTES, WEIR_BYTES);
    struct weir_windowed_stream *windows = weir_windowed_by(
        weir_group_by_key(stream), (struct weir_tumbling){.size_ms = bench_window_ms()});
    if (has_cents) {
        (void)weir_windowed_aggregate(windows, NULL, add_price, NULL, &bench_revenue_serde,
                                      WEIR_STORE(.name = "counts", .store = kind));
    } else {
        (void)weir_windowed_count(windows, WEIR_STORE(.name = "counts", .store = kind));
    }
    return bench_build(builder);
}

struct weir_topology *bench_window_topology(enum weir_store_kind kind)
{
    return window_topology(kind, false);
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
    struct weir_log *log = bench_open_log("data");
    const struct bench_input input = bench_sales(6000000, 100000);
    struct bench_answer answer = bench_answer_empty(&input, bench_window_ms(), NULL, 0);
    double floor = bench_answer_compute(&answer, &input);
    bench_fill(log, &input);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char changelog[100];
        struct weir_topology *topology = window_topology(cells[i].kind, cells[i].has_cents);
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
        (void)snprintf(changelog, sizeof changelog, "%s-counts-changelog", cells[i].application);
        bench_answer_check(&answer, log, changelog, cells[i].has_cents);
    }
    bench_answer_free(&answer);
    (void)weir_close(log, NULL);
}
