#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"
#include "weir/export.h"
#include "weir/log.h"
#include "weir/serde.h"
#include "weir/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Declare a graph of operators over topics. Semantics are those of Kafka Streams.
 *
 * Errors are deferred: every call returns a handle, the first mistake is kept, and weir_build says
 * what and where. Handles belong to the builder and die with it. Strings, option structs and
 * serdes: strings are copied; serdes and contexts must outlive every job of the topology.
 *
 * Thread: one at a time. User functions run on stream threads, one task at a time; several tasks
 * may run the same function at once with the same context.
 */
struct weir_builder;
struct weir_stream;          /* records, each on its own (KStream) */
struct weir_table;           /* the latest value per key (KTable) */
struct weir_grouped;         /* a stream on its way to an aggregate */
struct weir_windowed_stream; /* the same, by windows of time */
struct weir_cogrouped;       /* several of them on their way to one aggregate */
struct weir_split;
struct weir_topology;

WEIR_API struct weir_builder *weir_builder_new(void); /* NULL when memory is out */
WEIR_API void weir_builder_free(struct weir_builder *builder);

/**
 * Check the graph and make it runnable: missing serdes, cycles, doubled names, unequal partition
 * counts known at this point, unused stores.
 * Errors: WEIR_INVALID_TOPOLOGY with the node and what would be right; NULL is returned. A handle that
 *         was NULL in a call belongs to no builder: no builder that the thread had then is built.
 * Owns:   free with weir_topology_free, after its jobs are closed; independent of the builder.
 */
WEIR_API struct weir_topology *weir_build(struct weir_builder *builder, struct weir_error *error);
WEIR_API void weir_topology_free(struct weir_topology *topology);
/** Kafka Streams' text form ("Topologies:\n   Sub-topology: 0\n …"); lives with the topology. */
WEIR_API const char *weir_topology_describe(const struct weir_topology *topology);
/** What it keeps between two starts, and finds again by name: inputs, stores and what their bytes are, repartition topics,
 * nodes that go by time. `weir topology diff OLD NEW` compares two of these, each in a file. The topology's. */
WEIR_API const char *weir_topology_dump(const struct weir_topology *topology);

/* ---- user functions -------------------------------------------------------------------------- */

struct weir_function_types;

/** What a user function is told about the record at hand, and where its results live. */
struct weir_call {
    void *context; /* as given with the function */
    int64_t timestamp_ms;
    const struct weir_header *headers;
    size_t header_count;
    const char *topic; /* the record's source; NULL in a timer */
    int32_t partition;
    int64_t offset;
    struct weir_scope *scope;
    struct weir_error *error;
    const void *layouts;                     /* the runtime's: of the objects in and out */
    const struct weir_function_types *types; /* of the function that was found to fit (typed.h) */
};

/** Zeroed memory for a result; lives as long as the batch. Handed over under a serde of another kind
 * than `type`'s, or one of larger objects, it is refused. */
#define WEIR_NEW(call, type)                                                                       \
    ((type *)weir_scope_new((call)->scope, sizeof(type), WEIR_KIND_OF(type)))
/** Results of the plain kinds: C converts the value, so an int is a good argument to all three. NULL
 * only when memory is out. */
WEIR_API const int32_t *weir_call_int32(struct weir_call *call, int32_t value);
WEIR_API const int64_t *weir_call_int64(struct weir_call *call, int64_t value);
WEIR_API const double *weir_call_double(struct weir_call *call, double value);
/** A string or bytes object; what it points to is not copied. NULL for the null slice, too. */
WEIR_API const struct weir_slice *weir_call_slice(struct weir_call *call, struct weir_slice value);
/** A formatted text as a string object (never NULL unless memory is out). */
WEIR_API const struct weir_slice *weir_call_printf(struct weir_call *call, const char *format, ...)
    WEIR_PRINTF(2, 3);
/** Say why; returns WEIR_USER_FUNCTION. The record goes to the error handler. */
WEIR_API int weir_call_fail(struct weir_call *call, const char *format, ...) WEIR_PRINTF(2, 3);

/* All return a negative code to have the record handled as failed (weir_call_fail); a code that is
 * not the record's fault (WEIR_ACTION_RETRY, WEIR_ACTION_STOP) stops the job in any case.
 *
 * Results are pointers to objects of the output serde: new ones (weir_call_int64, weir_call_printf,
 * WEIR_NEW), or parts of the input. One that is known to be of another kind fails the record with
 * WEIR_SERDE; typed.h has the compiler check all of them. They are read after the function has
 * returned: never the address of one of its variables. NULL is null. */
typedef int (*weir_predicate_fn)(struct weir_call *call, const void *key, const void *value);
typedef int (*weir_map_fn)(struct weir_call *call, const void *key, const void *value,
                           const void **key_out, const void **value_out);
typedef int (*weir_map_values_fn)(struct weir_call *call, const void *key, const void *value,
                                  const void **value_out);
typedef int (*weir_select_key_fn)(struct weir_call *call, const void *key, const void *value,
                                  const void **key_out);
struct weir_emitter;
typedef int (*weir_flat_map_fn)(struct weir_call *call, const void *key, const void *value,
                                struct weir_emitter *emitter);
/** One more result. As above, key and value are read later, not within this call. */
WEIR_API int weir_emit(struct weir_emitter *emitter, const void *key, const void *value);
typedef int (*weir_visit_fn)(struct weir_call *call, const void *key, const void *value);
/** Fill in a zeroed aggregate. */
typedef int (*weir_initialize_fn)(struct weir_call *call, void *aggregate);
/** Change the aggregate in place; return WEIR_DELETE to remove the key from the table. */
typedef int (*weir_aggregate_fn)(struct weir_call *call, const void *key, const void *value,
                                 void *aggregate);
/** Take `other` into the aggregate, in place; return WEIR_DELETE to have none: who is called next, to merge or to
 * aggregate, is given a zeroed one, without the initializer. It is removed if the aggregator then returns WEIR_DELETE. */
typedef int (*weir_merge_fn)(struct weir_call *call, const void *key, const void *other,
                             void *aggregate);
typedef int (*weir_reduce_fn)(struct weir_call *call, const void *aggregate, const void *value,
                              const void **aggregate_out);
/** Of a stream and a table; of two streams, first the left one's value. `table_value` is NULL only in a
 * left join, `stream_value` only in an outer one. */
typedef int (*weir_join_fn)(struct weir_call *call, const void *key, const void *stream_value,
                            const void *table_value, const void **value_out);
enum { WEIR_DELETE = 2 };

/* ---- streams --------------------------------------------------------------------------------- */

WEIR_API struct weir_stream *weir_stream(struct weir_builder *builder, const char *topic,
                                         const struct weir_serde *key,
                                         const struct weir_serde *value);

WEIR_API struct weir_stream *weir_filter(struct weir_stream *stream, weir_predicate_fn predicate,
                                         void *context);
WEIR_API struct weir_stream *weir_filter_not(struct weir_stream *stream,
                                             weir_predicate_fn predicate, void *context);
/** New key and value: marks the stream for repartition before the next stateful operator. */
WEIR_API struct weir_stream *weir_map(struct weir_stream *stream, weir_map_fn map, void *context,
                                      const struct weir_serde *key, const struct weir_serde *value);
WEIR_API struct weir_stream *weir_map_values(struct weir_stream *stream, weir_map_values_fn map,
                                             void *context, const struct weir_serde *value);
WEIR_API struct weir_stream *weir_select_key(struct weir_stream *stream, weir_select_key_fn select,
                                             void *context, const struct weir_serde *key);
WEIR_API struct weir_stream *weir_flat_map(struct weir_stream *stream, weir_flat_map_fn map,
                                           void *context, const struct weir_serde *key,
                                           const struct weir_serde *value);
WEIR_API struct weir_stream *weir_peek(struct weir_stream *stream, weir_visit_fn visit,
                                       void *context);
WEIR_API void weir_foreach(struct weir_stream *stream, weir_visit_fn visit, void *context);
WEIR_API struct weir_stream *weir_merge(struct weir_stream *stream, struct weir_stream *other);

/** The first branch whose predicate holds takes the record; else the default, if there is one. */
WEIR_API struct weir_split *weir_split(struct weir_stream *stream);
WEIR_API struct weir_stream *weir_branch(struct weir_split *split, weir_predicate_fn predicate,
                                         void *context);
WEIR_API struct weir_stream *weir_branch_default(struct weir_split *split);

/** Through an internal topic `<application>-<name>-repartition`; count 0: as many as the source.
 * Records without a key stay behind, unless a left join further down wants them. */
WEIR_API struct weir_stream *weir_repartition(struct weir_stream *stream, const char *name,
                                              int32_t partition_count);

/** Write to a topic, partitioned by murmur2 of the key (sticky without a key). */
WEIR_API void weir_to(struct weir_stream *stream, const char *topic);

/** Name the node that made this stream, in the topology's text and in the topic through which its
 * joins repartition. (Tables go by the names of their stores, repartitions by their own.) */
WEIR_API struct weir_stream *weir_named(struct weir_stream *stream, const char *name);

/* ---- grouping and aggregates ----------------------------------------------------------------- */

WEIR_API struct weir_grouped *weir_group_by_key(struct weir_stream *stream);
WEIR_API struct weir_grouped *weir_group_by(struct weir_stream *stream, weir_select_key_fn select,
                                            void *context, const struct weir_serde *key);

enum weir_store_kind { WEIR_STORE_ROCKSDB = 0, WEIR_STORE_MEMORY = 1 };
enum weir_cache { WEIR_CACHE_DEFAULT = 0, WEIR_CACHE_OFF = -1 };
/** What a table of windows keeps: a row for each window, as Kafka Streams; or one for each slice of them, of the
 * greatest common divisor of size and advance, out of which windows are merged when they are told of. A record
 * changes one slice, however many windows it is in, and results are the same. For windows that overlap; a count, a
 * reduce whose reducer is associative (a sum, a minimum), an aggregate with a merger that is; nobody else reads the
 * store. */
enum weir_window_layout { WEIR_LAYOUT_ROWS = 0, WEIR_LAYOUT_SLICES = 1 };

/** How a table is kept. NULL options: RocksDB, cached, logged, named after the node. */
struct weir_materialized {
    WEIR_SIZE(struct weir_materialized);
    const char *name; /* of the store; its changelog is `<application>-<name>-changelog` */
    enum weir_store_kind store;
    enum weir_cache cache; /* off: every update is forwarded, not only the last before a commit */
    bool is_logging_disabled;
    int64_t
        retention_ms; /* windowed: 0: as long as records come; more keeps closed windows longer */
    /* Not windowed: a row whose timestamp is so far behind the stream time is not read any more, and is removed; nobody
     * downstream is told. 0: rows stay for ever. docs/guide/tables.md. */
    int64_t ttl_ms;
    enum weir_window_layout layout;
    /* A key's values by the times of their records, not only the last to come: what is joined with it meets what it
     * was then. Never cached; not of windows. docs/guide/tables.md */
    bool is_versioned;
    int64_t history_ms; /* of stream time: so far back is a version taken, and read */
};
/** `struct weir_materialized options = {WEIR_MATERIALIZED_INIT, .name = "counts"};` */
#define WEIR_MATERIALIZED_INIT .size = sizeof(struct weir_materialized)
/* For C; in C++ a variable of its own does it. */
#define WEIR_STORE(...) (&(struct weir_materialized){WEIR_MATERIALIZED_INIT, __VA_ARGS__})

/** Values are int64_t. */
WEIR_API struct weir_table *weir_count(struct weir_grouped *grouped,
                                       const struct weir_materialized *materialized);
WEIR_API struct weir_table *weir_reduce(struct weir_grouped *grouped, weir_reduce_fn reduce,
                                        void *context,
                                        const struct weir_materialized *materialized);
WEIR_API struct weir_table *weir_aggregate(struct weir_grouped *grouped,
                                           weir_initialize_fn initialize,
                                           weir_aggregate_fn aggregate, void *context,
                                           const struct weir_serde *value,
                                           const struct weir_materialized *materialized);

/** Windows of `size_ms`, aligned to the epoch, that take records until `grace_ms` after their end.
 * Later records are dropped and counted. */
struct weir_tumbling {
    int64_t size_ms;
    int64_t grace_ms;
};
WEIR_API struct weir_windowed_stream *weir_windowed_by(struct weir_grouped *grouped,
                                                       struct weir_tumbling window);

/** When a windowed table gives results on: each change of a window, or each window once, with its last
 * value, when no record changes it any more (docs/guide/time-and-windows.md). */
enum weir_emit { WEIR_EMIT_ON_WINDOW_UPDATE = 0, WEIR_EMIT_ON_WINDOW_CLOSE = 1 };

/** Windows [start, start + size_ms) at each multiple of advance_ms: hopping ones, which overlap. A
 * record is in each that it falls into, at most WEIR_WINDOWS_PER_RECORD_MAX. */
struct weir_time_windows {
    WEIR_SIZE(struct weir_time_windows);
    int64_t size_ms;
    int64_t advance_ms; /* from one start to the next, at most size_ms; 0: size_ms (tumbling) */
    int64_t grace_ms;   /* after a window's end: as long does it take records */
    enum weir_emit emit;
};
/** `struct weir_time_windows windows = {WEIR_TIME_WINDOWS_INIT, .size_ms = 10000};` */
#define WEIR_TIME_WINDOWS_INIT .size = sizeof(struct weir_time_windows)
enum { WEIR_WINDOWS_PER_RECORD_MAX = 100000 };
WEIR_API struct weir_windowed_stream *
weir_windowed_by_time(struct weir_grouped *grouped, const struct weir_time_windows *windows);

/** One window [start_ms, end of time) per key, which never closes; records before it are in none. */
struct weir_unlimited_windows {
    WEIR_SIZE(struct weir_unlimited_windows);
    int64_t start_ms; /* not negative */
};
#define WEIR_UNLIMITED_WINDOWS_INIT .size = sizeof(struct weir_unlimited_windows)
WEIR_API struct weir_windowed_stream *
weir_windowed_by_unlimited(struct weir_grouped *grouped,
                           const struct weir_unlimited_windows *windows);

/** A key's records that are no further apart than the gap, however many: [first, last], both inclusive.
 * One that grows, or joins others, is given on as a deletion of what was, and the new one. */
struct weir_session_windows {
    WEIR_SIZE(struct weir_session_windows);
    int64_t gap_ms; /* of inactivity */
    int64_t grace_ms;
    enum weir_emit emit;
};
#define WEIR_SESSION_WINDOWS_INIT .size = sizeof(struct weir_session_windows)
WEIR_API struct weir_windowed_stream *
weir_windowed_by_session(struct weir_grouped *grouped, const struct weir_session_windows *windows);

/** All records of a key within a difference, both ends inclusive: for each record the window that ends
 * with it, and the one that begins right behind it as soon as there is a record in it. */
struct weir_sliding_windows {
    WEIR_SIZE(struct weir_sliding_windows);
    int64_t difference_ms;
    int64_t grace_ms;
    enum weir_emit emit;
};
#define WEIR_SLIDING_WINDOWS_INIT .size = sizeof(struct weir_sliding_windows)
WEIR_API struct weir_windowed_stream *
weir_windowed_by_sliding(struct weir_grouped *grouped, const struct weir_sliding_windows *windows);

/** The key object of a windowed table: the key, and [start, end); of sessions and sliding windows
 * [start, end]. */
struct weir_windowed_key {
    const void *key;
    int64_t start_ms;
    int64_t end_ms;
};
WEIR_API struct weir_table *weir_windowed_count(struct weir_windowed_stream *windowed,
                                                const struct weir_materialized *materialized);
WEIR_API struct weir_table *weir_windowed_reduce(struct weir_windowed_stream *windowed,
                                                 weir_reduce_fn reduce, void *context,
                                                 const struct weir_materialized *materialized);
WEIR_API struct weir_table *weir_windowed_aggregate(struct weir_windowed_stream *windowed,
                                                    weir_initialize_fn initialize,
                                                    weir_aggregate_fn aggregate, void *context,
                                                    const struct weir_serde *value,
                                                    const struct weir_materialized *materialized);
/** The same with what makes one of two aggregates: sessions need it. */
WEIR_API struct weir_table *
weir_windowed_aggregate_merging(struct weir_windowed_stream *windowed,
                                weir_initialize_fn initialize, weir_aggregate_fn aggregate,
                                weir_merge_fn merge, void *context, const struct weir_serde *value,
                                const struct weir_materialized *materialized);
/** The bytes of a session's key in a topic: the key's, then end_ms and start_ms as 8 bytes each. */
WEIR_API const struct weir_serde *weir_session_serde(struct weir_builder *builder,
                                                     const struct weir_serde *key);
/** The bytes of a windowed key in a topic: the key's, then start_ms as 8 bytes. For readers. */
WEIR_API const struct weir_serde *
weir_windowed_serde(struct weir_builder *builder, const struct weir_serde *key, int64_t size_ms);

/**
 * Several grouped streams into one table, each with an aggregator of its own, and one initializer: the
 * first value of a key from whichever stream begins the aggregate. All are of one kind of keys; windowed, a
 * record is late by the stream time of its own stream.
 *
 *     struct weir_cogrouped *both = weir_cogroup(clicks, add_click, NULL);
 *     weir_cogroup_add(both, orders, add_order, NULL);
 *     weir_cogrouped_aggregate(both, begin, NULL, &visit_serde, NULL);
 */
WEIR_API struct weir_cogrouped *weir_cogroup(struct weir_grouped *grouped,
                                             weir_aggregate_fn aggregate, void *context);
/** One more stream; returns `cogrouped`. */
WEIR_API struct weir_cogrouped *weir_cogroup_add(struct weir_cogrouped *cogrouped,
                                                 struct weir_grouped *grouped,
                                                 weir_aggregate_fn aggregate, void *context);
/** `context` is the initializer's. */
WEIR_API struct weir_table *weir_cogrouped_aggregate(struct weir_cogrouped *cogrouped,
                                                     weir_initialize_fn initialize, void *context,
                                                     const struct weir_serde *value,
                                                     const struct weir_materialized *materialized);
/** By windows: `windows` is one of the grouped streams, windowed; its windows are those of all. Each stream has a stream
 * time of its own, by which its records are late. */
WEIR_API struct weir_table *weir_cogrouped_windowed_aggregate(
    struct weir_cogrouped *cogrouped, const struct weir_windowed_stream *windows,
    weir_initialize_fn initialize, void *context, const struct weir_serde *value,
    const struct weir_materialized *materialized);
/** The same with what makes one of two aggregates: sessions need it. `context` is that of both. */
WEIR_API struct weir_table *weir_cogrouped_windowed_aggregate_merging(
    struct weir_cogrouped *cogrouped, const struct weir_windowed_stream *windows,
    weir_initialize_fn initialize, weir_merge_fn merge, void *context,
    const struct weir_serde *value, const struct weir_materialized *materialized);

/* ---- tables ---------------------------------------------------------------------------------- */

/** The latest value per key of a topic; a null value deletes, a null key is dropped. */
WEIR_API struct weir_table *weir_table(struct weir_builder *builder, const char *topic,
                                       const struct weir_serde *key, const struct weir_serde *value,
                                       const struct weir_materialized *materialized);
/** The updates of a table, deletions as null values. */
WEIR_API struct weir_stream *weir_to_stream(struct weir_table *table);

/** When a suppressed table gives a key's update on: when its window has closed, which is the last one; or
 * when so much stream time has gone by since the first that was held back, with the latest then. */
enum weir_suppress_until {
    WEIR_SUPPRESS_UNTIL_WINDOW_CLOSES = 0,
    WEIR_SUPPRESS_UNTIL_TIME_LIMIT = 1
};
/** What happens when more is held back than was asked for: default is to emit early for a time limit, and
 * to stop until windows close, whose results are to be final. */
enum weir_suppress_full {
    WEIR_SUPPRESS_FULL_DEFAULT = 0,
    WEIR_SUPPRESS_FULL_EMIT_EARLY = 1,
    WEIR_SUPPRESS_FULL_STOP = 2
};

/** The buffer is a store: its rows go to the disk as others do, and its changelog is Kafka Streams'. */
struct weir_suppress_options {
    WEIR_SIZE(struct weir_suppress_options);
    enum weir_suppress_until until;
    int64_t time_limit_ms; /* of a time limit; 0: nothing is held back for longer than it takes */
    int64_t records_max;   /* 0: no bound, in either */
    int64_t bytes_max;     /* of keys, values, headers and what is noted with them */
    enum weir_suppress_full full;
    const char *name; /* of the node; its store is `<name>-store` */
    bool is_logging_disabled;
};
#define WEIR_SUPPRESS_OPTIONS_INIT .size = sizeof(struct weir_suppress_options)
/** The updates of a table, fewer of them. NULL options: until windows close. What comes out cannot be
 * joined with: join first. */
WEIR_API struct weir_table *weir_suppress(struct weir_table *table,
                                          const struct weir_suppress_options *options);

/** Look the stream's key up in the table. Only the stream triggers; inner drops what finds none. */
WEIR_API struct weir_stream *weir_join(struct weir_stream *stream, struct weir_table *table,
                                       weir_join_fn join, void *context,
                                       const struct weir_serde *value);
WEIR_API struct weir_stream *weir_left_join(struct weir_stream *stream, struct weir_table *table,
                                            weir_join_fn join, void *context,
                                            const struct weir_serde *value);

/** How a stream and a table meet. */
struct weir_joined {
    WEIR_SIZE(struct weir_joined);
    bool is_left;
    /* A record of the stream waits until stream time is so far ahead of it, so that the table's records of its time
     * have come. The table is versioned, with a history of at least that; 0: nothing waits. */
    int64_t grace_ms;
    const char *name; /* of the node; what waits is in the store `<name>-Buffer` */
};
/** `struct weir_joined joined = {WEIR_JOINED_INIT, .grace_ms = 1000};` */
#define WEIR_JOINED_INIT .size = sizeof(struct weir_joined)
/* For C; in C++ a variable of its own does it. */
#define WEIR_JOINED(...) (&(struct weir_joined){WEIR_JOINED_INIT, __VA_ARGS__})
/** weir_join, or weir_left_join, with options; NULL: none. */
WEIR_API struct weir_stream *weir_join_table(struct weir_stream *stream, struct weir_table *table,
                                             weir_join_fn join, void *context,
                                             const struct weir_serde *value,
                                             const struct weir_joined *joined);

/* ---- joins of streams ------------------------------------------------------------------------ */

enum weir_join_kind { WEIR_JOIN_INNER = 0, WEIR_JOIN_LEFT = 1, WEIR_JOIN_OUTER = 2 };

/**
 * How two streams meet. A right record joins a left one with the same key and the timestamp t if its own
 * lies in [t - before_ms, t + after_ms]; a result has the larger of both times.
 *
 * Left and outer joins give a record that has met nobody on its own, the other value NULL, once its window
 * and the grace have closed: when stream time is past t + after_ms + grace_ms (a right one's: before_ms).
 * Inner ones, and what is late, go by what is still kept: before_ms + after_ms + grace_ms of stream time.
 */
struct weir_stream_join_options {
    WEIR_SIZE(struct weir_stream_join_options);
    enum weir_join_kind kind;
    int64_t before_ms; /* either may be negative, but not both together */
    int64_t after_ms;
    int64_t grace_ms;
    const char *name; /* of the join: its nodes are called after it, and its repartition topics */
    const char *store_name; /* its stores are called after it; NULL: after the nodes */
    enum weir_store_kind store;
    bool is_logging_disabled;
    /* A record without a match goes on at once, and again when it meets one later: Kafka Streams before
     * KIP-633, JoinWindows.of. */
    bool is_eager;
    /* The streams are one, and the kind is inner: one store is enough (single.store.self.join). */
    bool is_single_store;
    /* Of wall-clock time, at least, between two looks for windows that have closed; 0: whenever stream time
     * moves, so that results depend on the records alone. Kafka Streams has 1000. */
    int64_t emit_interval_ms;
};
/** `&(struct weir_stream_join_options){WEIR_STREAM_JOIN_OPTIONS_INIT, .before_ms = 1000}` */
#define WEIR_STREAM_JOIN_OPTIONS_INIT .size = sizeof(struct weir_stream_join_options)
/* For C; in C++ a variable of its own does it. */
#define WEIR_WITHIN(...)                                                                           \
    (&(struct weir_stream_join_options){WEIR_STREAM_JOIN_OPTIONS_INIT, __VA_ARGS__})

/**
 * Join two streams. `join` is called with the left value, then the right one; the one that is missing in a
 * left or outer join is NULL. A stream whose keys have changed is repartitioned first. A null value is
 * dropped and counted, and so is a null key; but on the left side of a left join, and on both of an outer
 * one, a record without a key goes on at once, alone (KIP-962).
 *
 * Errors:  kept by the builder: no common key, no time between before_ms and after_ms, negative grace.
 * Owns:    `options` are read here; NULL: the same timestamp, inner.
 */
WEIR_API struct weir_stream *weir_stream_join(struct weir_stream *left, struct weir_stream *right,
                                              weir_join_fn join, void *context,
                                              const struct weir_serde *value,
                                              const struct weir_stream_join_options *options);

/* ---- processors: state and timers of one's own ----------------------------------------------- */

struct weir_process; /* one processor in one task */
struct weir_store;   /* one store in one task */

enum weir_punctuation { WEIR_PUNCTUATE_STREAM_TIME, WEIR_PUNCTUATE_WALL_CLOCK };

struct weir_processor {
    size_t state_size; /* bytes per task, zeroed: not durable, for handles and caches */
    /** Once per task, before its first record: look stores up, schedule timers. May be NULL. */
    int (*init)(struct weir_process *process, void *state, struct weir_call *call);
    int (*process)(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value);
    void (*close)(struct weir_process *process, void *state); /* may be NULL */
    const char *const *stores;                                /* NULL-terminated names */
    void *context;
};

/** A key-value store for processors, made with the builder and connected by name. */
WEIR_API void weir_add_store(struct weir_builder *builder, const char *name,
                             const struct weir_serde *key, const struct weir_serde *value,
                             const struct weir_materialized *materialized);
/** A store of windows for processors: rows by key and start. What starts retention_ms or more before the last
 * start that was put is over: it is not found, and not taken. After a start of the job the last that is there counts,
 * which is looked for. */
struct weir_window_store_options {
    WEIR_SIZE(struct weir_window_store_options);
    int64_t window_size_ms; /* at least 1 */
    int64_t retention_ms;   /* at least the size; 0: the size */
    bool
        keeps_duplicates; /* each put is a row; else the last of a key and start. One processor's */
    enum weir_store_kind store;
    bool is_logging_disabled;
};
#define WEIR_WINDOW_STORE_OPTIONS_INIT .size = sizeof(struct weir_window_store_options)
WEIR_API void weir_add_window_store(struct weir_builder *builder, const char *name,
                                    const struct weir_serde *key, const struct weir_serde *value,
                                    const struct weir_window_store_options *options);
/** A store of sessions: rows by key, end and start, over by their end. */
struct weir_session_store_options {
    WEIR_SIZE(struct weir_session_store_options);
    int64_t retention_ms; /* at least 1 */
    enum weir_store_kind store;
    bool is_logging_disabled;
};
#define WEIR_SESSION_STORE_OPTIONS_INIT .size = sizeof(struct weir_session_store_options)
WEIR_API void weir_add_session_store(struct weir_builder *builder, const char *name,
                                     const struct weir_serde *key, const struct weir_serde *value,
                                     const struct weir_session_store_options *options);
/** Key and value serdes of what is forwarded; NULL: the input's. Marks for repartition. */
WEIR_API struct weir_stream *weir_process(struct weir_stream *stream,
                                          const struct weir_processor *processor,
                                          const struct weir_serde *key,
                                          const struct weir_serde *value);
/** The same with the key kept: no mark. Forwarding another key is an error. */
WEIR_API struct weir_stream *weir_process_values(struct weir_stream *stream,
                                                 const struct weir_processor *processor,
                                                 const struct weir_serde *value);

WEIR_API struct weir_store *weir_process_store(struct weir_process *process, const char *name);
/** Send a record on; `timestamp_ms` -1: that of the record (or timer) at hand. Key and value are
 * read later, not within this call: parts of the input, results of a store, WEIR_NEW or
 * weir_call_printf, never the address of a variable of the calling function. */
WEIR_API int weir_process_forward(struct weir_process *process, const void *key, const void *value,
                                  int64_t timestamp_ms);
/** Call `punctuate` every `interval_ms`: by stream time the first is due at once, by wall clock
 * after one interval; missed ones are skipped. Those that are due together fire in the order in
 * which they fell due. How far a stream-time timer got is state and survives. A failure of
 * `punctuate` is handled as a record's would be, by on_processing_error. */
WEIR_API int weir_process_schedule(struct weir_process *process, enum weir_punctuation type,
                                   int64_t interval_ms,
                                   int (*punctuate)(struct weir_process *process, void *state,
                                                    struct weir_call *call, int64_t time_ms));
/** Stream time of the task: the largest timestamp it has processed; -1 before the first. */
WEIR_API int64_t weir_process_stream_time(const struct weir_process *process);

/* Stores by object. Keys and values that are given are read within the call. Results live as long
 * as the batch, or the timer. `*value_out` NULL: not there. */
WEIR_API int weir_store_get(struct weir_process *process, struct weir_store *store, const void *key,
                            const void **value_out);
WEIR_API int weir_store_put(struct weir_process *process, struct weir_store *store, const void *key,
                            const void *value); /* NULL value: delete; WEIR_TOO_LARGE: more than the
                                                   changelog takes, nothing is changed */
/* The same of a versioned store, which has these two calls only. */
enum { WEIR_STORE_NOT_PUT = -1 };
/** What a key was as of a time, INT64_MAX: is; `*from_ms_out` since when. As of a time behind the history there is
 * only what still is. `*value_out` NULL: nothing, and `*from_ms_out` is -1. Either may be NULL. */
WEIR_API int weir_store_get_as_of(struct weir_process *process, struct weir_store *store,
                                  const void *key, int64_t as_of_ms, const void **value_out,
                                  int64_t *from_ms_out);
/** What a key is from `timestamp_ms` on (0 or more), until the next version of it; NULL value: nothing. `*to_ms_out`,
 * which may be NULL, is the time of that one: INT64_MAX if there is none, WEIR_STORE_NOT_PUT if `timestamp_ms`
 * lies behind the history; that counts as a late record, and nothing has changed. */
WEIR_API int weir_store_put_as_of(struct weir_process *process, struct weir_store *store,
                                  const void *key, const void *value, int64_t timestamp_ms,
                                  int64_t *to_ms_out);
/** Each key from `from` to `to` (inclusive, order of bytes; NULL: open end); do not change the
 * store while walking. A non-zero return of `each` ends the walk and is returned. */
WEIR_API int weir_store_range(struct weir_process *process, struct weir_store *store,
                              const void *from, const void *to,
                              int (*each)(void *context, const void *key, const void *value),
                              void *context);

/** The walks below copy what they give before the first row is given, so stores may be changed meanwhile; they
 * take memory for all of it. */
enum weir_order { WEIR_ASCENDING = 0, WEIR_DESCENDING = 1 };
/** weir_store_range from either end. */
WEIR_API int weir_store_walk(struct weir_process *process, struct weir_store *store,
                             const void *from, const void *to, enum weir_order order,
                             int (*each)(void *context, const void *key, const void *value),
                             void *context);
/** Each key whose bytes begin with `prefix`. */
WEIR_API int weir_store_prefix(struct weir_process *process, struct weir_store *store,
                               struct weir_slice prefix, enum weir_order order,
                               int (*each)(void *context, const void *key, const void *value),
                               void *context);

/* Stores of windows: weir_add_window_store's, and those of tables over time, sliding and unlimited windows that
 * have a name. */
typedef int (*weir_window_each_fn)(void *context, const struct weir_windowed_key *window,
                                   const void *value);
/** The row of the window that starts there; of duplicates the first. */
WEIR_API int weir_window_store_get(struct weir_process *process, struct weir_store *store,
                                   const void *key, int64_t start_ms, const void **value_out);
/** NULL value: delete (of duplicates: nothing). Of a window that is over: dropped and counted. */
WEIR_API int weir_window_store_put(struct weir_process *process, struct weir_store *store,
                                   const void *key, int64_t start_ms, const void *value);
/** The windows of a key that start in [from_ms, to_ms], by their start; NULL key: of all keys, by start and then
 * by the key's bytes. Duplicates in the order in which they were put. */
WEIR_API int weir_window_store_fetch(struct weir_process *process, struct weir_store *store,
                                     const void *key, int64_t from_ms, int64_t to_ms,
                                     enum weir_order order, weir_window_each_fn each,
                                     void *context);

/* Stores of sessions: weir_add_session_store's, and those of tables over sessions that have a name. */
/** `session` has the key, and both times inclusive. NULL value: delete. */
WEIR_API int weir_session_store_put(struct weir_process *process, struct weir_store *store,
                                    const struct weir_windowed_key *session, const void *value);
/** The sessions of a key that end at or after `ends_from_ms` and start at or before `starts_to_ms`, by their end;
 * NULL key: of all keys. Those that a time t joins with a gap of g: t - g, t + g. */
WEIR_API int weir_session_store_find(struct weir_process *process, struct weir_store *store,
                                     const void *key, int64_t ends_from_ms, int64_t starts_to_ms,
                                     enum weir_order order, weir_window_each_fn each,
                                     void *context);

#ifdef __cplusplus
}
#endif

#endif
