#ifndef WEIR_BENCH_JOBS_H
#define WEIR_BENCH_JOBS_H

#include "bench/bench_job.h"

/* The job without state (bench_jobs.c), for the benchmark that times it and for the one that sets it beside
 * Kafka Streams: half of the records of the topic `input`, and half of their values. */

struct bench_input bench_stateless_input(void);
struct weir_topology *bench_stateless_topology(const char *output);
/** Each output, in order, or the benchmark fails. */
void bench_stateless_check(const struct bench_input *input, struct weir_log *log,
                           const char *output);
/** The same copies between arrays, in millions of records per second. */
double bench_stateless_floor(const struct bench_input *input);

#endif
