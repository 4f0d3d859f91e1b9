#ifndef WEIR_OPERATORS_WINDOW_CLOSE_H
#define WEIR_OPERATORS_WINDOW_CLOSE_H

#include "runtime/task/node.h"

/**
 * Windows that emit when they close: each once, with its last value, when a record moves the close time
 * past its end. Looking through the store is not done per record but once in a while of wall-clock time
 * (window_emit_interval_ms, as Kafka Streams): what closed meanwhile goes with the next record that is
 * looked at. How far it has got, node->emitted_ms, is written with each commit.
 */
struct weir_window_close {
    int64_t next_wall_ms; /* not before */
};

/** Which rows have closed by now: those whose time lies in [from_ms, to_ms]; none if to_ms is smaller. */
struct weir_closed_range {
    int64_t from_ms;
    int64_t to_ms;
    int64_t close_ms; /* the close time, emitted_ms from then on */
};

/** Whether it is time to look, wall-clock time that is. */
bool weir_window_close_is_due(const struct weir_window_close *close, const struct weir_node *node);
/** It has been looked: not again before the interval is over. */
void weir_window_close_looked(struct weir_window_close *close, const struct weir_node *node);
/** As weir_operator_ops.holds_from_ms: windows that begin further back have been emitted. */
int64_t weir_window_close_holds_from(const struct weir_node *node);
/** Forward the rows of the range, of the node's store, by time and then by key, with the headers of the
 * row that closed them; `batch` NULL: no row has, but the writers' times (writer_times.h). */
int weir_window_close_emit(struct weir_node *node, const struct weir_closed_range *range,
                           const struct weir_batch *batch, uint32_t row);

#endif
