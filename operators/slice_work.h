#ifndef WEIR_OPERATORS_SLICE_WORK_H
#define WEIR_OPERATORS_SLICE_WORK_H

#include "operators/rows.h"
#include "operators/slice_changes.h"
#include "operators/slice_windows.h"
#include "operators/time_windows.h"
#include "runtime/state/key_schema.h"

/**
 * What the operator over slices has in hand while it is at a batch, or at a flush. slices.c says how
 * it works and has the rows; slice_told.h is what is told of windows with a row and at the flush,
 * slice_close.h what is told when they close.
 */

/** A window that was over before a record came that belongs to one of its slices. */
struct weir_kept_window {
    struct weir_slice key; /* of the records */
    int64_t start_ms;
    int64_t timestamp_ms;
    struct weir_slice value;
    struct weir_slice old;
};

/** The node's state. */
struct weir_slices {
    struct weir_window_close close;
    struct weir_slice_windows windows;
    struct weir_slice_changes changes; /* of a cached table */
    struct weir_kept_window *kept;     /* in its arena */
    size_t kept_count;
    size_t kept_capacity;
};

enum { WEIR_SLICES_PIECE_ROWS = 4096 };
/** A piece of a batch: each change is a row and its slice. */
struct weir_slices_piece {
    size_t count;
    uint32_t *rows;
    int64_t *starts;
    int64_t *firsts; /* the first window that is open */
    struct weir_slice *keys;
    struct weir_store_entry **entries;
};

/** Work on one batch. */
struct weir_slices_work {
    struct weir_node *node;
    const struct weir_aggregate_config *config;
    struct weir_slices *state;
    const struct weir_batch *batch;
    struct weir_row_fold fold;
    struct weir_rows rows;
    struct weir_slices_piece piece;
    bool is_cached;
    bool is_noted;     /* and somebody is told of it at the flush */
    bool is_forwarded; /* with each row */
    int64_t late;
    /* The slice of the row before, and its first window: most rows are of the same. At first 0 and
     * 0. */
    int64_t slice_start_ms;
    int64_t first_start_ms;
};

/** A window, and what is told of it. */
struct weir_told_window {
    struct weir_slice record_key;
    const void *key;
    int64_t start_ms;
    struct weir_window_value value;
    struct weir_window_value old;
    bool has_initial_old; /* an old value that is not there is what the aggregate begins with */
};

/** For one batch, or none (NULL). WEIR_NO_MEMORY. */
int weir_slices_work_init(struct weir_slices_work *work, struct weir_node *node,
                          const struct weir_batch *batch);
/** The last window that a slice is in. */
static inline int64_t weir_slices_last_window(const struct weir_slices_work *work,
                                              int64_t slice_start_ms)
{
    return slice_start_ms - slice_start_ms % work->config->window_advance_ms;
}
/** The store goes by the newest window's start; what the flush has still to tell of stays. */
void weir_slices_advance(struct weir_node *node);

#endif
