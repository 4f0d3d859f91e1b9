#ifndef WEIR_BENCH_FRAUD_H
#define WEIR_BENCH_FRAUD_H

#include "weir/weir.h"

/* The example's job (bench_fraud.c), for the benchmark that times it and for the one that sets it beside
 * Kafka Streams. */

/** What its rules compute, over arrays: millions of payments per second. */
double bench_fraud_floor(int64_t payment_count);
/** The topics `payments` and `blocked-merchants`. */
void bench_fraud_fill(struct weir_log *log, int64_t payment_count);
/** Alerts go to the topic `alerts`. */
struct weir_topology *bench_fraud_topology(void);
/** Each state and each alert, or the benchmark fails. */
void bench_fraud_check(struct weir_log *log, const char *application, int64_t payment_count);

#endif
