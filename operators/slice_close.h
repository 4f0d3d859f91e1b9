#ifndef WEIR_OPERATORS_SLICE_CLOSE_H
#define WEIR_OPERATORS_SLICE_CLOSE_H

#include "operators/slice_work.h"

/** Windows of slices that emit when they close: which have, and their last values. */

/** Look for what has closed, and give on the first of it; `batch` NULL: no row has moved the
 * time. */
int weir_slices_emit_closed(struct weir_slices_work *work, const struct weir_batch *batch,
                            uint32_t row);
/** What of the last look is left: the next of it, or all. */
int weir_slices_give_closed(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                            bool is_all);
/** Before a record that is late for some of its windows: what has closed goes on without it. */
int weir_slices_emit_before(struct weir_slices_work *work, uint32_t row);

#endif
