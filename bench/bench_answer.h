#ifndef WEIR_BENCH_ANSWER_H
#define WEIR_BENCH_ANSWER_H

#include "bench/bench_job.h"
#include "weir/weir.h"

/* Counts and revenues by key or group and window, over arrays of numbers: what a job over the same input is
 * held against. It is the job's floor, since it needs no keys, no log and no commits, and its batch answer. */

/** What a job keeps of a key, or of a group of them, and a window. */
struct bench_revenue {
    int64_t count;
    int64_t cents;
};
extern const struct weir_serde bench_revenue_serde;

struct bench_answer {
    uint64_t keys;          /* or groups, where there are any */
    const uint32_t *groups; /* by key: which group it is of; NULL: each is its own */
    int64_t window_ms;      /* 0: none */
    size_t cell_count;
    struct bench_revenue *cells; /* numbered window · keys + key */
};

/** All cells zero; `groups` is borrowed. */
struct bench_answer bench_answer_empty(const struct bench_input *input, int64_t window_ms,
                                       const uint32_t *groups, uint64_t group_count);
/** Returns the rate, in millions of records per second of CPU: the numbers are drawn before it counts. */
double bench_answer_compute(struct bench_answer *answer, const struct bench_input *input);
void bench_answer_free(struct bench_answer *answer);

/** Fold a topic, a changelog or an output with the latest value of each cell, and fail the benchmark unless
 * it is the answer. Values are a count of eight bytes or, with `has_cents`, a struct bench_revenue. */
void bench_answer_check(const struct bench_answer *answer, struct weir_log *log, const char *topic,
                        bool has_cents);

#endif
