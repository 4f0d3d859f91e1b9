/* Sales by windows of a minute: counts and revenues by product, and the job as people write it: joined with
 * the table of products, grouped by their category, revenue by category and minute, written to a topic.
 * Each cell's state, and the output where there is one, must be equal to the batch answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_answer.h"
#include "bench/bench_job.h"
#include "bench/bench_window.h"

enum { MINUTE_MS = 60 * 1000, RECORDS_PER_WINDOW = 1000000, CATEGORIES = 50 };
enum { DEFAULT_CACHE = 0, LARGE_CACHE = 512 << 20 };

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

/* ---- by category, through the table of products ------------------------------------------------- */

struct sale {
    struct weir_slice category; /* of the product, as a key */
    int64_t cents;
};
static const struct weir_field sale_fields[] = {
    WEIR_FIELD_SLICE(struct sale, category),
    WEIR_FIELD_INT64(struct sale, cents),
};
static const struct weir_struct_type sale_type = {
    .name = "sale",
    .size = sizeof(struct sale),
    .version = 1,
    .fields = sale_fields,
    .field_count = sizeof sale_fields / sizeof *sale_fields,
};
static const struct weir_serde sale_serde = WEIR_STRUCT_SERDE(&sale_type, struct sale);

static int sale_of(struct weir_call *call, const void *key, const void *stream_value,
                   const void *table_value, const void **value_out)
{
    const struct weir_slice *bytes = stream_value, *category = table_value;
    struct sale *sale = WEIR_NEW(call, struct sale);
    uint64_t price;
    (void)key;
    if (sale == NULL) return WEIR_NO_MEMORY;
    memcpy(&price, bytes->data, sizeof price);
    sale->category = *category;
    sale->cents = (int64_t)price;
    *value_out = sale;
    return 0;
}

static int category_of(struct weir_call *call, const void *key, const void *value,
                       const void **key_out)
{
    const struct sale *sale = value;
    (void)call, (void)key;
    *key_out = &sale->category;
    return 0;
}

static int add_sale(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct bench_revenue *revenue = aggregate;
    const struct sale *sale = value;
    (void)call, (void)key;
    revenue->count += 1;
    revenue->cents += sale->cents;
    return 0;
}

struct weir_topology *bench_revenue_topology(enum weir_store_kind kind, const char *output)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *sales = weir_stream(builder, "sales", WEIR_BYTES, WEIR_BYTES);
    struct weir_table *products = weir_table(builder, "products", WEIR_BYTES, WEIR_BYTES,
                                             WEIR_STORE(.name = "products", .store = kind));
    struct weir_stream *joined = weir_join(sales, products, sale_of, NULL, &sale_serde);
    struct weir_windowed_stream *windows =
        weir_windowed_by(weir_group_by(joined, category_of, NULL, WEIR_BYTES),
                         (struct weir_tumbling){.size_ms = bench_window_ms()});
    struct weir_table *revenues =
        weir_windowed_aggregate(windows, NULL, add_sale, NULL, &bench_revenue_serde,
                                WEIR_STORE(.name = "revenue", .store = kind));
    weir_to(weir_to_stream(revenues), output);
    return bench_build(builder);
}

uint32_t *bench_categories(uint64_t products)
{
    uint32_t *categories = bench_array(products, sizeof *categories);
    for (uint64_t i = 0; i < products; i++)
        categories[i] = (uint32_t)(bench_mix(i * 7) % CATEGORIES);
    return categories;
}

struct table {
    const uint32_t *categories;
    char key[BENCH_KEY_SIZE], value[BENCH_KEY_SIZE];
};

/* All rows are older than the first sale, so that the join finds them whatever is read first. */
static void make_row(void *context, int64_t index, struct weir_record *record, int32_t *partition)
{
    struct table *table = context;
    (void)partition;
    bench_key_write(table->key, (uint64_t)index);
    bench_key_write(table->value, table->categories[index]);
    *record = (struct weir_record){
        .key = weir_slice(table->key, sizeof table->key),
        .value = weir_slice(table->value, sizeof table->value),
        .timestamp_ms = BENCH_START_MS - 1,
    };
}

void bench_fill_products(struct weir_log *log, const uint32_t *categories, uint64_t products)
{
    struct table table = {.categories = categories};
    bench_fill_records(log, &(struct bench_records){
                                .topic = "products",
                                .count = (int64_t)products,
                                .partitions = 1,
                                .make = make_row,
                                .context = &table,
                                .batch_size = 1 << 18,
                            });
}

struct bench_answer bench_revenue_answer(const struct bench_input *input,
                                         const uint32_t *categories)
{
    return bench_answer_empty(input, bench_window_ms(), categories, CATEGORIES);
}

void bench_revenue_check(const struct bench_answer *answer, struct weir_log *log,
                         const char *application, const char *output)
{
    char changelog[100];
    (void)snprintf(changelog, sizeof changelog, "%s-revenue-changelog", application);
    bench_answer_check(answer, log, changelog, true);
    bench_answer_check(answer, log, output, true);
}

/* One log for each law by which products are sold. */
static void run_revenue(struct bench_input *input, const char *law)
{
    static const struct {
        const char *name;
        enum weir_store_kind kind;
    } cells[] = {{"RocksDB", WEIR_STORE_ROCKSDB}, {"memory", WEIR_STORE_MEMORY}};
    struct weir_log *log = bench_open_log(law);
    uint32_t *categories = bench_categories(input->keys);
    struct bench_answer answer = bench_revenue_answer(input, categories);
    double floor = bench_answer_compute(&answer, input);
    bench_fill_products(log, categories, input->keys);
    bench_fill(log, input);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char name[64], application[32], output[40];
        (void)snprintf(name, sizeof name, "%s products, %s", law, cells[i].name);
        (void)snprintf(application, sizeof application, "revenue-%d", (int)cells[i].kind);
        (void)snprintf(output, sizeof output, "%s-output", application);
        struct weir_topology *topology = bench_revenue_topology(cells[i].kind, output);
        bench_run_job(log, topology,
                      &(struct bench_job){.name = name,
                                          .application = application,
                                          .count = input->count,
                                          .cache_bytes = DEFAULT_CACHE,
                                          .floor = floor});
        weir_topology_free(topology);
        bench_revenue_check(&answer, log, application, output);
    }
    bench_answer_free(&answer);
    free(categories);
    (void)weir_close(log, NULL);
}

void bench_revenue(void)
{
    struct bench_input input = bench_sales(3000000, 100000);
    run_revenue(&input, "uniform");
    input.key = bench_skewed_key;
    run_revenue(&input, "skewed");
}
