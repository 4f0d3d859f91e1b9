#ifndef WEIR_BENCH_WINDOW_H
#define WEIR_BENCH_WINDOW_H

#include "bench/bench_answer.h"
#include "bench/bench_job.h"

/* The jobs over sales (bench_window.c), for the benchmark that times them and for the one that sets them
 * beside Kafka Streams. */

/** A minute; less in small. */
int64_t bench_window_ms(void);
/** The topic `sales`: a million a minute, keyed by product, the price first in the value. */
struct bench_input bench_sales(int64_t count, int64_t products);

/** How many sales by product and minute: in the store `counts`. */
struct weir_topology *bench_window_topology(enum weir_store_kind kind);

/** Revenue by category and minute, in the store `revenue` and the topic `output`. */
struct weir_topology *bench_revenue_topology(enum weir_store_kind kind, const char *output);
/** By product: its category; freed with free. */
uint32_t *bench_categories(uint64_t products);
/** The topic `products`: a row for each, with its category. */
void bench_fill_products(struct weir_log *log, const uint32_t *categories, uint64_t products);
/** Empty, to be computed; `categories` is borrowed. */
struct bench_answer bench_revenue_answer(const struct bench_input *input,
                                         const uint32_t *categories);
/** State and output, or the benchmark fails. */
void bench_revenue_check(const struct bench_answer *answer, struct weir_log *log,
                         const char *application, const char *output);

#endif
