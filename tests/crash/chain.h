/*
 * Record i of the chain's inputs (chain_job.c), known from i alone: what the job writes, and what the judge
 * computes in one go.
 *
 *   data    key a(i), value i, time t(i)           partition i mod 4
 *   other   key b(j), value j, time t(j) + o(j)    by its key; of ten j one is missing
 *
 * a and b go through all 20,000 keys. Two records in a row have one b, and the next two of it are 400 s
 * away, so that what meets within 2 s is told by i and j.
 */
#ifndef WEIR_TESTS_CRASH_CHAIN_H
#define WEIR_TESTS_CRASH_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

enum { CHAIN_KEYS = 20000, CHAIN_PARTITIONS = 4, CHAIN_RECORDS_MAX = 4000000 };
enum { CHAIN_STEP_MS = 10, CHAIN_WITHIN_MS = 2000, CHAIN_GRACE_MS = 86400000 };

static const int64_t chain_first_ms = 1700000000000;

/* Odd, not a multiple of 5: coprime to the number of keys. 4 divides that, so a key stays in its partition. */
static inline int chain_a(int64_t i)
{
    return (int)(i * 7919 % CHAIN_KEYS);
}

static inline int chain_b(int64_t i)
{
    return (int)(i / 2 * 4241 % CHAIN_KEYS);
}

static inline int64_t chain_value(int64_t i)
{
    return i * 37 % 1009 - 300;
}

static inline int64_t chain_time_ms(int64_t i)
{
    return chain_first_ms + i * CHAIN_STEP_MS;
}

static inline bool chain_has_other(int64_t j)
{
    return j % 10 != 3;
}

static inline int64_t chain_other_ms(int64_t j)
{
    return chain_time_ms(j) + (j * 13 % 7 - 3) * 1000;
}

/* Same b, and no further apart than the window: both ends belong to it. */
static inline bool chain_meets(int64_t i, int64_t j)
{
    int64_t apart = chain_other_ms(j) - chain_time_ms(i);
    return i / 2 == j / 2 && chain_has_other(j) && apart >= -CHAIN_WITHIN_MS &&
           apart <= CHAIN_WITHIN_MS;
}

#endif
