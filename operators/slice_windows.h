#ifndef WEIR_OPERATORS_SLICE_WINDOWS_H
#define WEIR_OPERATORS_SLICE_WINDOWS_H

#include "operators/row_fold.h"

/**
 * The values of windows, out of the slices that they are made of. A slice is as long as the
 * greatest common divisor of the windows' size and advance, so that each window is a whole number
 * of them:
 *
 *     size 10, advance 4: slices of 2        |0 |2 |4 |6 |8 |10|12|14|16|18|
 *                                            [0 ─────── 10)
 *                                                  [4 ─────── 14)
 *                                                        [8 ─────── 18)
 *
 * Several windows of a key that follow each other are made together, in about three merges for each
 * slice however many slices a window has. The slices are cut into blocks of a window's length; with
 * the aggregates from each slice to its block's end, and from its block's beginning to it, a window
 * is one merge:
 *
 *     blocks   |  .  .  .  .  .  |  .  .  .  .  .  |
 *     window            [ to the end )( from the beginning ]
 *
 * Aggregates are merged in the order of time, so a merger need not commute; that it associates is
 * asked of it.
 */
struct weir_slice_windows {
    struct weir_node *node;
    const struct weir_aggregate_config *config;
    struct weir_arena
        scratch; /* one call's, but for what is merged: that is in the batch's arena */
    int64_t slice_ms;
    size_t slices_per_window;
    size_t slices_per_advance;
};

struct weir_window_value {
    struct weir_slice bytes; /* null: no record was in it */
    int64_t timestamp_ms;    /* the largest of them */
};

void weir_slice_windows_init(struct weir_slice_windows *windows, struct weir_node *node);
/** Frees; zeroed is fine. */
void weir_slice_windows_close(struct weir_slice_windows *windows);

/** Which windows of a key are asked for: `count` of them, the first from `first_ms` on. */
struct weir_windows_of_key {
    struct weir_slice record_key;
    const void *key; /* the same as an object: mergers are given it */
    int64_t first_ms;
    size_t count;
};
/**
 * Their values; and, where `olds_out` is not NULL, what they were by what was last forwarded of the
 * slices. Each has `count` places.
 *
 * Errors:  WEIR_NO_MEMORY, those of the store, of a serde and of weir_fold_two.
 * Owns:    bytes are good until the next call on the state.
 */
int weir_slice_windows_find(struct weir_slice_windows *windows, struct weir_row_fold *fold,
                            const struct weir_windows_of_key *asked,
                            struct weir_window_value *values_out,
                            struct weir_window_value *olds_out);

#endif
