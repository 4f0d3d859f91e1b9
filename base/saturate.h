#ifndef WEIR_BASE_SATURATE_H
#define WEIR_BASE_SATURATE_H

#include <stdint.h>

/** Sums and differences that stay at the end of what a number can say, instead of beginning at the other: times near the
 * end of time, mostly. */
static inline int64_t weir_saturating_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t weir_saturating_sub(int64_t a, int64_t b)
{
    int64_t difference;
    if (!__builtin_sub_overflow(a, b, &difference)) return difference;
    return b > 0 ? INT64_MIN : INT64_MAX;
}

#endif
