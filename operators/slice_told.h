#ifndef WEIR_OPERATORS_SLICE_TOLD_H
#define WEIR_OPERATORS_SLICE_TOLD_H

#include "operators/slice_work.h"

/**
 * Windows of slices, as somebody is told of them: the values they have now, or had when they were
 * over.
 */

/** One window more among the rows to be forwarded; `row` < 0: it comes of no row. */
int weir_slices_tell(struct weir_slices_work *work, const struct weir_told_window *told,
                     int64_t row);
/** Before a record of the key that is late for the windows before `open_ms`: those that have changed
 * are kept as they are. */
int weir_slices_keep_over(struct weir_slices_work *work, struct weir_slice record_key,
                          const void *key, int64_t open_ms);
/** Of a cached table: tell of all that has changed. */
int weir_slices_flush(struct weir_node *node);

#endif
