#ifndef WEIR_OPERATORS_JOINING_H
#define WEIR_OPERATORS_JOINING_H

#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"

/** What the joins of two streams share: a batch on its way through one, and calls of the joiner. */
struct weir_joining {
    struct weir_node *node;
    const struct weir_stream_join_config *config;
    const struct weir_batch *batch;
    struct weir_object_check check;
    struct weir_rows rows; /* results so far */
};

void weir_joining_begin(struct weir_joining *joining, struct weir_node *node,
                        const struct weir_batch *batch);

/** For results of no row: `none` and what it points to outlive the joining. */
struct weir_joining_none {
    struct weir_batch batch;
    struct weir_slice key;
    int64_t time_ms;
};
void weir_joining_begin_none(struct weir_joining *joining, struct weir_node *node, int64_t time_ms,
                             struct weir_joining_none *none);

/** A row of a side that another one meets, as it was kept. */
struct weir_kept_row {
    const void *value;
    int64_t timestamp_ms;
};
/** The rows of the node's store 0 with the key of a row and a time in [from_ms, to_ms], as objects of
 * `serde` in the batch's arena, in order. */
int weir_joining_fetch(struct weir_joining *joining, uint32_t row, int64_t from_ms, int64_t to_ms,
                       const struct weir_serde *serde, struct weir_kept_row **kept_out,
                       size_t *count_out);

/** One result of a row: joiner(key, left, right), with the headers and the origin of the row. 0, or what
 * the joiner failed with. */
struct weir_join_pair {
    const void *key;
    struct weir_slice key_bytes;
    const void *left;
    const void *right;
    int64_t timestamp_ms;
};
int weir_joining_add(struct weir_joining *joining, uint32_t row, const struct weir_join_pair *pair);

/** [from, to] around a time: `before_ms` and `after_ms` may be negative, and nothing wraps. */
static inline int64_t weir_time_before(int64_t time_ms, int64_t before_ms)
{
    int64_t from;
    if (__builtin_sub_overflow(time_ms, before_ms, &from)) return before_ms > 0 ? 0 : INT64_MAX;
    return from > 0 ? from : 0;
}
static inline int64_t weir_time_after(int64_t time_ms, int64_t after_ms)
{
    int64_t to;
    if (__builtin_add_overflow(time_ms, after_ms, &to)) return INT64_MAX; /* no time is negative */
    return to; /* negative: before all time, and nothing is there */
}

/**
 * What the two sides of a left or outer join know together, kept by the merge behind them: its observed
 * time is the largest of both sides, its number tells the least time in the buffer (join_buffer.c).
 */
struct weir_join_tracker {
    int64_t next_emit_ms;       /* by the wall clock: not before */
    int64_t first_ms;           /* no row of the buffer is older; INT64_MAX: it is empty */
    struct weir_node *sides[2]; /* left and right, those that are outer joins */
};

/** What waits of one key, time and side, in bytes; the changelog's max.message.bytes is less, as a rule. */
enum { WEIR_JOIN_LIST_BYTES_MAX = 64 << 20 };

/* ---- join_buffer.c --------------------------------------------------------------------------- */

/** Rows of closed windows go on without a match; `row`, which has moved time, is their origin (weir_joining_begin_none:
 * no row has). Negative: the task stops. */
int weir_join_buffer_emit(struct weir_joining *joining, uint32_t row);
/** Before the first row: what lies in the buffer from before. */
int weir_join_buffer_open(struct weir_node *node, struct weir_error *error);
/** A row waits for a match. Negative: it cannot be kept. */
int weir_join_buffer_add(struct weir_joining *joining, uint32_t row);
/** What waited on the other side with the key of `row` and a time has met one. */
int weir_join_buffer_remove(struct weir_joining *joining, uint32_t row, int64_t other_ms);

#endif
