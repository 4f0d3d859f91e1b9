#ifndef WEIR_OPERATORS_SHARED_ROWS_H
#define WEIR_OPERATORS_SHARED_ROWS_H

#include "operators/live_rows.h"

/**
 * What a store's rows and its time are to those who look for them (live_rows.h). An aggregate has it of its own. The
 * inputs of a cogroup share one store, so they share this as well: the merge behind them keeps it, and each has a stream
 * time of its own all the same, by which it decides what is late.
 */
struct weir_shared_rows {
    struct weir_live_rows live;
    int64_t store_ms;    /* sliding windows: the last start that was put; -1: none */
    int64_t observed_ms; /* the largest that any of them has observed; -1: none */
    bool is_open;
};

/** `own` is the node's, unless it is one input of several. */
struct weir_shared_rows *weir_shared_rows_of(struct weir_node *node, struct weir_shared_rows *own);
/** False: another input has opened it before. */
bool weir_shared_rows_open(struct weir_shared_rows *shared, struct weir_node *node);
/** Frees; zeroed is fine. */
void weir_shared_rows_close(struct weir_shared_rows *shared);
/** The node has moved on. */
static inline void weir_shared_rows_observe(struct weir_shared_rows *shared,
                                            const struct weir_node *node)
{
    if (node->observed_ms > shared->observed_ms) shared->observed_ms = node->observed_ms;
}

#endif
