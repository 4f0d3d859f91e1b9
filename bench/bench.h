#ifndef WEIR_BENCH_BENCH_H
#define WEIR_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"

/**
 * What a benchmark says: one row per figure, with the goal from PERFORMANCE.md or the issue where there
 * is one, and the machine's own floor for the same bytes, taken in the same minute, where there is one.
 */
struct bench_row {
    const char *name;
    double value;
    const char *unit;
    double goal; /* 0: none */
    bool less_is_better;
    double floor; /* 0: none */
};
void bench_row(const struct bench_row *row);
/** A row that has more to say in docs/benchmarks.md: allocations per record (negative: not counted), and a
 * remark, which may be NULL. */
void bench_row_with(const struct bench_row *row, double allocations, const char *remark);
/** A plain remark under the rows. */
void bench_note(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/** One line on stderr that tells how far long work is; at most one per few seconds: `last` is the caller's,
 * zero at first. */
void bench_progress(double *last, const char *what, int64_t done, int64_t count);

/**
 * A name for the time from `from` (seconds of bench_wall) until now, in which the thing that is measured ran:
 * `./dev bench --profile` says of that time alone where the CPU went. Times of one name count together.
 */
void bench_measured(const char *name, double from);

/** `--small`: every job in a size that takes no time, for its answer and not for its figures. */
bool bench_is_small(void);
/** A count of records, keys or milliseconds as it is, or a two-hundredth of it in small. */
int64_t bench_scaled(int64_t count);

/** Seconds: the wall's, this thread's CPU, and the whole process's. */
double bench_wall(void);
double bench_thread_cpu(void);
double bench_process_cpu(void);
int64_t bench_resident_bytes(void);

/** The benchmark's own fresh directory (below $TMPDIR or /tmp: on a disk, not tmpfs, for honest
 * figures); removed when it is done. */
const char *bench_directory(void);

/** fork, of a child that does not outlive the thread that has made it: it is killed with it, also when this process is
 * killed itself. */
int bench_fork(void);
/** End this benchmark with a message: nothing measured after a failure means anything. */
void bench_fail(const char *what, int rc, const struct weir_error *error);
#define BENCH_TRY(call, error)                                                                     \
    do {                                                                                           \
        int bench_rc = (int)(call);                                                                \
        if (bench_rc < 0) bench_fail(#call, bench_rc, (error));                                    \
    } while (0)

/** p of a sorted list of seconds, in microseconds. */
double bench_quantile_us(double *seconds, size_t count, double quantile);

/* The benchmarks; each runs in a process of its own. */
void bench_append(void);
void bench_transactions(void);
void bench_compact(void);
void bench_durable(void);
void bench_partitions(void);
void bench_job_partitions(void);
void bench_job_threads(void);
void bench_stateless(void);
void bench_count_1k(void);
void bench_count_100k(void);
void bench_count_1m(void);
void bench_count_10m(void);
void bench_window(void);
void bench_windows(void);
void bench_revenue(void);
void bench_join(void);
void bench_sizes(void);
void bench_chain(void);
void bench_hops(void);
void bench_fraud(void);
void bench_open(void);
void bench_reopen(void);
void bench_restart(void);
void bench_idle(void);
void bench_serve_produce(void);
void bench_serve_fetch(void);
void bench_serve_partitions(void);
void bench_serve_durable(void);
void bench_serve_latency(void);
void bench_serve_idle(void);
void bench_serve_reopen(void);
void bench_serve_unused(void);
void bench_groups(void);
void bench_group_offsets(void);
/* Beside Kafka Streams (bench_streams.c): only when named, for they need what ./dev bench --peers starts. */
void bench_peers_stateless(void);
void bench_peers_count_1k(void);
void bench_peers_count_100k(void);
void bench_peers_count_1m(void);
void bench_peers_window(void);
void bench_peers_revenue(void);
void bench_peers_fraud(void);
/* Beside Apache Kafka, likewise. */
void bench_peers_groups(void);
void bench_peers_group_offsets(void);

#endif
