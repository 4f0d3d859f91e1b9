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

#endif
