#include "base/metrics.h"

#include <string.h>

#include "base/assert.h"

/*
 * Bucket numbers: values below 32 have one bucket each. Above, each power of two is cut in 32 equal
 * parts: a value whose highest bit is `e` falls in row e - 4, at the five bits below the highest.
 * With e up to 62 that makes 59 rows of 32.
 */
enum { SUB_BITS = 5, SUB_COUNT = 1 << SUB_BITS };

_Static_assert(WEIR_HISTOGRAM_BUCKETS == (63 - SUB_BITS + 1) * SUB_COUNT, "one row per power of 2");

static size_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return (size_t)(shift + 1) * SUB_COUNT + (size_t)((value >> shift) - SUB_COUNT);
}

/* The largest value that falls in `bucket`. */
static int64_t bucket_bound(size_t bucket)
{
    if (bucket < SUB_COUNT) return (int64_t)bucket;
    size_t shift = bucket / SUB_COUNT - 1;
    uint64_t first_of_next = (uint64_t)(SUB_COUNT + bucket % SUB_COUNT + 1) << shift;
    return (int64_t)(first_of_next - 1);
}

/* One writer: a load and a store, no locked instruction. */
static void add_relaxed(_Atomic uint64_t *to, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(to, memory_order_relaxed);
    atomic_store_explicit(to, now + amount, memory_order_relaxed);
}

/* Stays at the largest number rather than turning negative. */
static void add_sum(struct weir_histogram *histogram, int64_t amount)
{
    int64_t sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    if (__builtin_add_overflow(sum, amount, &sum)) sum = INT64_MAX;
    atomic_store_explicit(&histogram->sum, sum, memory_order_relaxed);
}

static void raise_max(struct weir_histogram *histogram, int64_t value)
{
    if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed)) {
        atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
    }
}

void weir_histogram_add(struct weir_histogram *histogram, int64_t value)
{
    if (value < 0) value = 0;
    add_relaxed(&histogram->counts[bucket_of((uint64_t)value)], 1);
    add_relaxed(&histogram->count, 1);
    add_sum(histogram, value);
    raise_max(histogram, value);
}

/* How many of `count` values, in order, a quantile spans: at least the first. */
static uint64_t rank_of(uint64_t count, double quantile)
{
    if (quantile <= 0) return 1;
    if (quantile >= 1) return count;
    /* 0.007 * 10000 comes out a little above 70; that must not mean the 71st. */
    double exact = quantile * (double)count * (1 - 1e-12);
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact) rank++;
    return rank > 0 ? rank : 1;
}

int64_t weir_histogram_quantile(const struct weir_histogram *histogram, double quantile)
{
    uint64_t count = atomic_load_explicit(&histogram->count, memory_order_relaxed);
    int64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    if (count == 0) return 0;

    uint64_t rank = rank_of(count, quantile);
    uint64_t seen = 0;
    for (size_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        if (seen >= rank) {
            int64_t bound = bucket_bound(i);
            return bound < max ? bound : max;
        }
    }
    return max; /* the writer was between two of its stores */
}

void weir_histogram_reset(struct weir_histogram *histogram)
{
    for (size_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++) {
        atomic_store_explicit(&histogram->counts[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&histogram->count, 0, memory_order_relaxed);
    atomic_store_explicit(&histogram->sum, 0, memory_order_relaxed);
    atomic_store_explicit(&histogram->max, 0, memory_order_relaxed);
}

void weir_histogram_merge(struct weir_histogram *histogram, const struct weir_histogram *from)
{
    weir_assert(histogram != from);
    for (size_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&from->counts[i], memory_order_relaxed);
        if (count > 0) add_relaxed(&histogram->counts[i], count);
    }
    add_relaxed(&histogram->count, atomic_load_explicit(&from->count, memory_order_relaxed));
    add_sum(histogram, atomic_load_explicit(&from->sum, memory_order_relaxed));
    raise_max(histogram, atomic_load_explicit(&from->max, memory_order_relaxed));
}
