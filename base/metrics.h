#ifndef WEIR_BASE_METRICS_H
#define WEIR_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

/**
 * Counters, gauges and histograms. Each has one writer, its actor; anyone may read. Relaxed
 * atomics: a load and a store, no locked instruction.
 */
struct weir_counter {
    _Atomic int64_t value;
};

static inline void weir_counter_add(struct weir_counter *counter, int64_t amount)
{
    int64_t now = atomic_load_explicit(&counter->value, memory_order_relaxed);
    atomic_store_explicit(&counter->value, now + amount, memory_order_relaxed);
}
static inline void weir_counter_set(struct weir_counter *counter, int64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}
static inline int64_t weir_counter_get(const struct weir_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/**
 * Values in log-linear buckets: 32 per power of two, so a quantile is at most 3.2 % off. Values are
 * non-negative (negative ones count as 0), in the unit the owner's name says.
 */
enum { WEIR_HISTOGRAM_BUCKETS = 1888 };

struct weir_histogram {
    _Atomic uint64_t counts[WEIR_HISTOGRAM_BUCKETS];
    _Atomic uint64_t count;
    _Atomic int64_t sum;
    _Atomic int64_t max;
};

void weir_histogram_add(struct weir_histogram *histogram, int64_t value);
static inline int64_t weir_histogram_sum(const struct weir_histogram *histogram)
{
    return atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}
/** The smallest bucket bound at or above the `quantile` (0..1) of what was added, but never more
 * than the largest value added; 0 when empty. */
int64_t weir_histogram_quantile(const struct weir_histogram *histogram, double quantile);
void weir_histogram_reset(struct weir_histogram *histogram);
/** Add all of `from` to `histogram`. */
void weir_histogram_merge(struct weir_histogram *histogram, const struct weir_histogram *from);

#endif
