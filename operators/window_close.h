#ifndef WEIR_OPERATORS_WINDOW_CLOSE_H
#define WEIR_OPERATORS_WINDOW_CLOSE_H

#include "runtime/state/key_schema.h"
#include "runtime/task/node.h"

/**
 * Windows that emit when they close: each once, with its last value, when a record moves the close
 * time past its end. Looking through the store is not done per record but once in a while of
 * wall-clock time (window_emit_interval_ms, as Kafka Streams): what closed meanwhile goes with the
 * next record that is looked at.
 *
 *     look ──> what has closed, in order ──> the first rows ──next batch──> more ──commit──> the rest
 *
 * A look notes which windows have closed, by time and then by key, without their values, which
 * nobody changes any more. They are given on WEIR_WINDOW_CLOSE_ROWS at a time, so that a million
 * windows that end at once do not hold the task up; nobody looks again before all of them are
 * through. How far it has got, node->emitted_ms, is written with each commit: so a commit's flush
 * gives on what is left.
 */
enum { WEIR_WINDOW_CLOSE_ROWS = 1024 };

struct weir_closed_window {
    struct weir_slice key; /* of the store; of slices: the record's, and the window's start */
    int64_t time_ms;
    int64_t other_ms; /* a session's start */
};

struct weir_window_close {
    int64_t next_wall_ms; /* not before */
    struct weir_arena arena;
    bool is_open;
    /* Of the last look; in the arena. */
    struct weir_closed_window *windows;
    size_t count;
    size_t capacity;
    size_t given;
    int64_t close_ms;            /* emitted_ms once all are given */
    struct weir_headers headers; /* of the row that closed them */
};

/** Which rows have closed by now: those whose time lies in [from_ms, to_ms]; none if to_ms is
 * smaller. */
struct weir_closed_range {
    int64_t from_ms;
    int64_t to_ms;
    int64_t close_ms; /* the close time, emitted_ms from then on */
};

/** When the node is opened, and when it is closed; zeroed is fine. */
void weir_window_close_open(struct weir_window_close *close, struct weir_node *node);
void weir_window_close_close(struct weir_window_close *close);

/** Whether it is time to look, wall-clock time that is, and nothing is left of the last look. */
bool weir_window_close_is_due(const struct weir_window_close *close, const struct weir_node *node);
/** It has been looked: not again before the interval is over. */
void weir_window_close_looked(struct weir_window_close *close, const struct weir_node *node);
/** As weir_operator_ops.holds_from_ms: windows that begin further back have been emitted. */
int64_t weir_window_close_holds_from(const struct weir_node *node);

/** Whether something of the last look is still to be given on. */
static inline bool weir_window_close_has_rest(const struct weir_window_close *close)
{
    return close->given < close->count;
}
/** Give on the rows of the range, of the node's store, by time and then by key, with the headers of
 * the row that closed them; `batch` NULL: no row has, but the writers' times (writer_times.h). The
 * first of them now: the others come with weir_window_close_go_on. Nothing is left of the last
 * look. */
int weir_window_close_emit(struct weir_window_close *close, struct weir_node *node,
                           const struct weir_closed_range *range, const struct weir_batch *batch,
                           uint32_t row);
/** The next of them, or all; nothing if there are none. */
int weir_window_close_go_on(struct weir_window_close *close, struct weir_node *node);
int weir_window_close_finish(struct weir_window_close *close, struct weir_node *node);

/* ---- of what is not a row of the store ------------------------------------------------------- */

/** Note a window that has closed, whose key and times are in the close's arena. WEIR_NO_MEMORY. */
int weir_window_close_note(struct weir_window_close *close, struct weir_closed_window window);
/** The last values of some that have closed, in their order; null: there is none. They are read
 * before the next call on the state. */
typedef int (*weir_closed_values_fn)(struct weir_node *node,
                                     const struct weir_closed_window *windows, size_t count,
                                     struct weir_slice *values_out, int64_t *timestamps_out);
/** All that has closed is noted. */
int weir_window_close_begin(struct weir_window_close *close, struct weir_node *node,
                            int64_t close_ms, const struct weir_batch *batch, uint32_t row);
/** Give on the next of what is noted, or all; `batch` NULL: not with the row that closed them. */
int weir_window_close_give(struct weir_window_close *close, struct weir_node *node,
                           weir_closed_values_fn values_of, const struct weir_batch *batch,
                           uint32_t row, bool is_all);

#endif
