#ifndef WEIR_OPERATORS_OPERATORS_H
#define WEIR_OPERATORS_OPERATORS_H

#include "runtime/task/node.h"

/**
 * The operators, as the DSL places them in a plan: an ops table each, which says what the operator
 * is (weir_operator_traits), and the struct that `weir_plan_node.config` points to. Semantics:
 * STREAMS.md, row by row.
 *
 * Each works on a batch: user functions are called per row, everything else once per batch.
 */

/* Source: bytes become objects with the node's serdes. Sink: objects become bytes. No config. */
extern const struct weir_operator_ops weir_source_ops;
extern const struct weir_operator_ops weir_sink_ops;

struct weir_filter_config {
    weir_predicate_fn predicate;
    void *context;
    bool is_negated;
};
extern const struct weir_operator_ops weir_filter_ops;

/** Rows with a null key go: silently, before the sink of a repartition topic. No config. */
extern const struct weir_operator_ops weir_filter_null_keys_ops;

struct weir_map_config {
    weir_map_fn map;
    void *context;
};
extern const struct weir_operator_ops weir_map_ops;

struct weir_map_values_config {
    weir_map_values_fn map;
    void *context;
};
extern const struct weir_operator_ops weir_map_values_ops;

struct weir_select_key_config {
    weir_select_key_fn select;
    void *context;
};
extern const struct weir_operator_ops weir_select_key_ops;

struct weir_flat_map_config {
    weir_flat_map_fn map;
    void *context;
};
extern const struct weir_operator_ops weir_flat_map_ops;

/** Calls `visit`; forwards to its children (peek), or has none (foreach). */
struct weir_peek_config {
    weir_visit_fn visit;
    void *context;
};
extern const struct weir_operator_ops weir_peek_ops;

/** Passes batches on: merge, and the table side of to_stream when nothing is stored. No config. */
extern const struct weir_operator_ops weir_pass_ops;

/** Child i takes the rows whose first holding predicate is i; child `count`, if there, the rest. */
struct weir_branch_config {
    const weir_predicate_fn *predicates;
    void *const *contexts;
    size_t count;
};
extern const struct weir_operator_ops weir_branch_ops;

/** count, reduce and aggregate, over keys or over time or unlimited windows; store 0 is the node's
 * table. */
enum weir_aggregate_kind { WEIR_AGGREGATE_COUNT, WEIR_AGGREGATE_REDUCE, WEIR_AGGREGATE_FOLD };
struct weir_aggregate_config {
    enum weir_aggregate_kind kind;
    weir_initialize_fn initialize;
    weir_aggregate_fn aggregate;
    weir_reduce_fn reduce;
    weir_merge_fn merge; /* sessions that become one */
    void *context;
    void *initialize_context;
    const struct weir_serde *key_serde;   /* of the incoming keys */
    const struct weir_serde *value_serde; /* of the aggregate */
    int64_t window_size_ms;    /* 0: not windowed; INT64_MAX: one window from its start on */
    int64_t window_advance_ms; /* 0: the size */
    int64_t window_start_ms;   /* of the one without an end */
    int64_t slice_ms;          /* windows are kept as slices of this size; 0: each has a row */
    int64_t session_gap_ms;    /* sessions: no window size */
    int64_t grace_ms;
    bool emits_on_close;
    int64_t retention_ms;  /* sessions, sliding: how far back rows are found */
    /* One of several inputs of one table (cogroup): its only child is a weir_cogroup_merge_ops, and merge is called
     * with the initializer's context. */
    bool is_cogrouped;
    size_t live_bytes_max; /* of where they are found (live_rows.h); 0: its default */
};
extern const struct weir_operator_ops weir_aggregate_ops;
/** The same where a row is in several windows, or closes some that emit then. */
extern const struct weir_operator_ops weir_hopping_ops;
/** The same where a window is made of slices; store 0 has those. */
extern const struct weir_operator_ops weir_slices_ops;
/** The same over sessions; store 0 has their keys. */
extern const struct weir_operator_ops weir_session_ops;
/** The same over sliding windows, whose size is the difference. */
extern const struct weir_operator_ops weir_sliding_ops;

/** The updates of all inputs of one table; and what those of sessions or sliding windows know together. No config. */
extern const struct weir_operator_ops weir_cogroup_merge_ops;

/** A table's updates held back; store 0 is the buffer. Keys and values are the plan's. */
struct weir_suppress_config {
    bool is_final; /* by the end of a windowed key, and deletions are not told; else by timestamp */
    int64_t delay_ms;    /* grace, or the limit */
    int64_t records_max; /* 0: no bound */
    int64_t bytes_max;
    bool stops_when_full; /* else the first rows go on early */
    bool
        comes_by_flush; /* the table's store is cached: with caches on its rows come before a commit */
};
extern const struct weir_operator_ops weir_suppress_ops;

/** A table over a topic: store 0, if there is one, holds the latest value per key. */
struct weir_table_config {
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
};
extern const struct weir_operator_ops weir_table_ops;
/** The same whose store keeps versions. */
extern const struct weir_operator_ops weir_versioned_table_ops;

/** Stream-table join: store 0 is the table's. One that keeps versions is read as of the row's time. */
struct weir_join_config {
    weir_join_fn join;
    void *context;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde; /* the stream's; with grace */
    const struct weir_serde *table_value_serde;
    bool is_left;
    int64_t grace_ms;
};
extern const struct weir_operator_ops weir_join_ops;
/** The same with grace: rows wait in store 1 until time is so far ahead of them. Store 0 keeps versions. */
extern const struct weir_operator_ops weir_grace_join_ops;

/** A side of a stream-stream join: store 0 keeps its rows, each on its own, for the other side's. */
struct weir_join_window_config {
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    int64_t span_ms; /* before and after; a row is kept so long, and the grace */
};
extern const struct weir_operator_ops weir_join_window_ops;

/** A right row meets a left one of time t if its own time is in [t - before_ms, t + after_ms]. */
struct weir_stream_join_config {
    weir_join_fn join;
    void *context;
    const struct weir_serde *key_serde;
    const struct weir_serde *left_serde;
    const struct weir_serde *right_serde;
    int64_t before_ms;
    int64_t after_ms;
    int64_t grace_ms;
    int64_t emit_interval_ms; /* of wall-clock time between looks for closed windows; 0: none */
    bool is_right;            /* the node's rows are those of the right side */
    bool is_outer;            /* and go on without a match, too */
};
/** Rows of one side meet those of store 0, the other side's. A row that finds none, of a side that
 * is outer, goes on at once. */
extern const struct weir_operator_ops weir_stream_join_ops;
/** The same; store 1, shared with the other side's node, holds the rows that wait for a match until
 * their windows have closed. Its only child is a weir_join_merge_ops. */
extern const struct weir_operator_ops weir_outer_join_ops;
/** A stream meets itself; store 0 keeps its rows, and is filled by the node above. */
extern const struct weir_operator_ops weir_self_join_ops;
/** The results of both sides; and what they know together. No config. */
extern const struct weir_operator_ops weir_join_merge_ops;

/** A user's processor; stores in the order of the node's, with their serdes and names. */
struct weir_process_config {
    struct weir_processor processor;
    const char *const *store_names;
    const struct weir_serde *const *store_keys;
    const struct weir_serde *const *store_values;
    const struct weir_serde *const *store_records; /* of the keys in windowed ones; NULL: plain */
    const bool *store_is_declared;                 /* for processors alone: no table fills it */
    size_t store_count;
};
extern const struct weir_operator_ops weir_process_ops;
/** The same, but a record's rows keep its key. */
extern const struct weir_operator_ops weir_process_values_ops;

#endif
