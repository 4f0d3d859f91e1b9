#ifndef WEIR_BENCH_COUNT_H
#define WEIR_BENCH_COUNT_H

#include "bench/bench_job.h"

/* Counts by key (bench_count.c), for the benchmark that times them and for the one that sets them beside
 * Kafka Streams. */

/** The topic `uniform`, whose keys come evenly. */
struct bench_input bench_count_input(int64_t keys, int64_t count);
/** How many records by key: in the store `counts`. */
struct weir_topology *bench_count_topology(const char *topic, enum weir_store_kind kind);

#endif
