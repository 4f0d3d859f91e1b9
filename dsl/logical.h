#ifndef WEIR_DSL_LOGICAL_H
#define WEIR_DSL_LOGICAL_H

#include "base/alloc.h"
#include "base/arena.h"
#include "operators/operators.h"
#include "runtime/topology/plan.h"
#include "weir/stream.h"

/**
 * The logical plan: what was declared, in order of declaration, with the numbers that Kafka Streams
 * would have given (STREAMS.md N1). Parents come before their children, so a cycle cannot be built.
 *
 * weir_build takes it through three steps: weir_optimize decides what is needed at all,
 * weir_validate refuses what cannot run, weir_lower copies the rest into the arena of a topology.
 * None of them changes what was declared: a builder can be built twice and be freed before the
 * topology.
 */

/** Which struct a node's config is, for those who copy it; what the node is, its ops say. */
enum weir_logical_kind {
    WEIR_LOGICAL_PLAIN, /* plain data, or there is none */
    WEIR_LOGICAL_BRANCH,
    WEIR_LOGICAL_TABLE,
    WEIR_LOGICAL_AGGREGATE,
    WEIR_LOGICAL_JOIN,
    WEIR_LOGICAL_JOIN_WINDOW,
    WEIR_LOGICAL_STREAM_JOIN,
    WEIR_LOGICAL_PROCESS,
};

/** Filter, sink and source around an internal topic: three nodes that share their names' origin. */
struct weir_logical_repartition {
    const char *prefix;      /* given by the user or by a store; NULL: the name of `prefix_node` */
    int32_t prefix_node;     /* whatever it is called in the end */
    int32_t partition_count; /* 0: the largest of its writers' */
    /* Made by weir_optimize: */
    const char *topic; /* <prefix>-repartition */
    bool keeps_null_keys;
};

struct weir_logical_store {
    const char *name;
    struct weir_store_spec spec;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    int32_t table_node; /* the table that fills it from a topic; -1 */
    bool is_declared;   /* weir_add_store: somebody has to use it */
    bool is_named;      /* by the user: kept even if nobody reads it */
    /* Made by weir_optimize: */
    bool is_needed;
};

struct weir_logical_node {
    int32_t id;
    enum weir_logical_kind kind;
    const char *auto_name;
    const char *given_name; /* weir_named; NULL: the automatic one */
    const struct weir_operator_ops *ops;
    const void *config; /* the operator's own struct */
    size_t config_size;
    const int32_t *parents; /* one, or several of a merge */
    size_t parent_count;
    const int32_t *stores;
    size_t store_count;
    const char *topic;                            /* sources and sinks of a user's topic */
    struct weir_logical_repartition *repartition; /* of the three nodes of a repartition */
    const struct weir_serde *key_serde;           /* of its output; sinks: to write with */
    const struct weir_serde *value_serde;
    bool
        is_left_join; /* it has a use for null keys: a left join with a table, a side of one with a stream */
    /* Made by weir_optimize: */
    const char *name;
    int32_t merged_into; /* a source of the same topic that came first; else its own id */
};

/** A grouped stream's windows, as they were checked. */
enum weir_logical_window_kind {
    WEIR_WINDOW_NONE,
    WEIR_WINDOW_TIME,
    WEIR_WINDOW_UNLIMITED,
    WEIR_WINDOW_SESSION,
    WEIR_WINDOW_SLIDING, /* size: the difference */
};
struct weir_logical_window {
    enum weir_logical_window_kind kind;
    int64_t size_ms;    /* of all that are of one size: INT64_MAX where they have no end */
    int64_t advance_ms; /* time */
    int64_t gap_ms;     /* session */
    int64_t grace_ms;
    int64_t start_ms; /* unlimited */
    bool emits_on_close;
};

struct weir_builder {
    uint32_t magic;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    int32_t next_number;
    struct weir_logical_node **nodes;
    size_t node_count;
    size_t node_capacity;
    struct weir_logical_store **stores;
    size_t store_count;
    size_t store_capacity;
    bool has_failed;
    struct weir_error error; /* the first mistake */
    const void *thread; /* which declares; and its calls with NULL handles before this builder */
    uint64_t missing_before;
};

struct weir_stream {
    uint32_t magic;
    struct weir_builder *builder;
    int32_t node;                       /* -1: a dead handle, left by a mistake */
    const struct weir_serde *key_serde; /* NULL: not known */
    const struct weir_serde *value_serde;
    bool is_marked;           /* its keys may lie in the wrong partition */
    int32_t join_repartition; /* source behind the repartition that its joins share; -1 */
};

struct weir_grouped {
    uint32_t magic;
    struct weir_stream stream;
};

struct weir_windowed_stream {
    uint32_t magic;
    struct weir_stream stream;
    struct weir_logical_window window;
};

struct weir_cogroup_part {
    struct weir_stream stream;
    weir_aggregate_fn aggregate;
    void *context;
};

struct weir_cogrouped {
    uint32_t magic;
    struct weir_builder *builder;
    struct weir_cogroup_part *parts;
    size_t count; /* 0: dead */
    size_t capacity;
    bool is_dead; /* left by a mistake: nothing more is added */
};

struct weir_table {
    uint32_t magic;
    struct weir_builder *builder;
    int32_t node; /* -1: dead */
    int32_t store;
    bool is_suppressed;                 /* its store is a buffer: nobody looks into it */
    struct weir_logical_window window;  /* that its keys are of */
    const struct weir_serde *key_serde; /* windowed: of the windowed key */
    const struct weir_serde *value_serde;
};

struct weir_split {
    uint32_t magic;
    struct weir_stream stream;
    struct weir_logical_node *node;
    struct weir_branch_config *config; /* over the arrays below; grows with each branch */
    weir_predicate_fn *predicates;
    void **contexts;
    size_t capacity;
    int32_t branch_count;
    bool has_default;
};

enum {
    WEIR_STREAM_MAGIC = 0x57537472,
    WEIR_GROUPED_MAGIC = 0x57477270,
    WEIR_WINDOWED_MAGIC = 0x5757696e,
    WEIR_COGROUPED_MAGIC = 0x57436f67,
    WEIR_TABLE_MAGIC = 0x57546162,
    WEIR_SPLIT_MAGIC = 0x5753706c,
    WEIR_BUILDER_MAGIC = 0x57427564,
};

/* ---- builder.c: what all declarations share -------------------------------------------------- */

/** False for NULL, which knows no builder: the mistake is of each builder that the thread has then. */
bool weir_handle_is_given(const void *handle, const char *call, const char *what);
bool weir_grouped_is_given(const struct weir_grouped *grouped, const char *call);
/** Such a mistake becomes the builder's own, so that it is there at the next build too. */
void weir_builder_take_missing(struct weir_builder *builder);
bool weir_builder_is_live(const struct weir_builder *builder);
bool weir_stream_is_live(const struct weir_stream *stream);
bool weir_table_is_live(const struct weir_table *table);

/** What holds between the fields, each time that something has been declared. */
void weir_builder_check(const struct weir_builder *builder);

/** Keep the first mistake: `<node>: <what>`. Returns WEIR_INVALID_TOPOLOGY. */
int weir_builder_fail(struct weir_builder *builder, const char *node, const char *format, ...)
    WEIR_PRINTF(3, 4);
int weir_builder_no_memory(struct weir_builder *builder);

/** The next number, behind a prefix: KSTREAM-FILTER-0000000001. Empty when memory is out. */
const char *weir_builder_name(struct weir_builder *builder, const char *prefix);
/** Append a node with one parent (-1: none); `config` is copied. NULL when memory is out. */
struct weir_logical_node *weir_builder_add(struct weir_builder *builder,
                                           enum weir_logical_kind kind, const char *name,
                                           const struct weir_operator_ops *ops, const void *config,
                                           size_t config_size, int32_t parent);
/** Index of the new store, or WEIR_NO_MEMORY (kept). */
int32_t weir_builder_add_store(struct weir_builder *builder,
                               const struct weir_logical_store *store);
/** Index of a store by name; -1. */
int32_t weir_builder_find_store(const struct weir_builder *builder, const char *name);
int weir_builder_set_stores(struct weir_builder *builder, struct weir_logical_node *node,
                            const int32_t *stores, size_t count);

/** A handle for what `node` forwards; `node` NULL gives a dead one. NULL only without memory. */
struct weir_stream *weir_stream_new(struct weir_builder *builder,
                                    const struct weir_logical_node *node,
                                    const struct weir_serde *key_serde,
                                    const struct weir_serde *value_serde, bool is_marked);
struct weir_stream *weir_stream_dead(struct weir_builder *builder);
struct weir_table *weir_table_dead(struct weir_builder *builder);

/** Append filter, sink and source; returns the source. `prefix` NULL: the name of `parent`. */
struct weir_logical_node *weir_builder_repartition(struct weir_builder *builder,
                                                   const struct weir_stream *stream,
                                                   const char *prefix, int32_t partition_count);

/** The node that a join reads: the stream's own, or the source behind the one repartition that all its
 * joins share; its numbers are taken each time. -1: no memory. */
int32_t weir_builder_join_parent(struct weir_stream *stream);
/** One more parent, whose rows come in like those of the first. */
int weir_builder_add_parent(struct weir_builder *builder, struct weir_logical_node *node,
                            int32_t parent);
/** Refuses the name of a store that is there already. */
int weir_builder_check_new_store(struct weir_builder *builder, const char *node, const char *store);
int weir_builder_check_store_kind(struct weir_builder *builder, const char *node,
                                  enum weir_store_kind kind);
/** Of one that the program declares for processors: its serdes are given, and its name is new. */
int weir_builder_check_declared_store(struct weir_builder *builder, const char *name,
                                      const struct weir_serde *key, const struct weir_serde *value);

/* ---- windows.c ------------------------------------------------------------------------------- */

/** The keys of its rows. */
const struct weir_key_schema *weir_window_key_schema(const struct weir_logical_window *window);
/** Of time windows: what they are whole numbers of, all of them. */
int64_t weir_window_slice(const struct weir_logical_window *window);
/** How long its rows are kept where nothing else is asked for: as long as a record may change one. */
int64_t weir_window_retention(const struct weir_logical_window *window);

/* ---- split.c --------------------------------------------------------------------------------- */

/** What holds between the fields, before and after each branch. */
void weir_split_check(const struct weir_split *split);

/* ---- names.c --------------------------------------------------------------------------------- */

/** What topics, nodes and stores may be called. On failure `what '…' …` is kept as the mistake. */
int weir_name_check(struct weir_builder *builder, const char *node, const char *what,
                    const char *name);
/** True for names of our own making, KSTREAM…-0000000001. */
bool weir_name_is_automatic(const char *name);

/* ---- materialized.c -------------------------------------------------------------------------- */

/** Read a user's options over the defaults of a table (cached, logged, timestamped). */
int weir_materialized_read(struct weir_builder *builder, const char *node,
                           const struct weir_materialized *materialized,
                           struct weir_logical_window window, struct weir_materialized *read_out);
/** The store they describe; `auto_name` serves where no name is given. */
struct weir_logical_store weir_materialized_store(const struct weir_materialized *materialized,
                                                  const char *auto_name,
                                                  struct weir_logical_window window);

/* ---- grouped.c ------------------------------------------------------------------------------- */

/** The operator of such windows, and their part of its config. `read`: the table's options. */
const struct weir_operator_ops *weir_window_ops(const struct weir_logical_window *window,
                                                enum weir_window_layout layout);
void weir_window_configure(struct weir_aggregate_config *config,
                           const struct weir_logical_window *window,
                           const struct weir_materialized *read);
/** The serde of the store's keys; NULL without memory. */
const struct weir_serde *weir_window_key_serde(struct weir_builder *builder,
                                               const struct weir_serde *key,
                                               const struct weir_logical_window *window);

/* ---- windowed_serde.c ------------------------------------------------------------------------ */

/** A serde of sessions' keys in `arena`, or NULL. */
const struct weir_serde *weir_session_serde_make(struct weir_arena *arena,
                                                 const struct weir_serde *key);
/** How many bytes its times take, behind the key's; 0: it is not windowed. */
uint32_t weir_serde_times_size(const struct weir_serde *serde);
bool weir_serde_is_session(const struct weir_serde *serde);
/** A serde of windowed keys in `arena`, or NULL. */
const struct weir_serde *weir_windowed_serde_make(struct weir_arena *arena,
                                                  const struct weir_serde *key, int64_t size_ms);
/** `serde` for a topology: windowed ones are copied into its arena, all others stay. */
const struct weir_serde *weir_serde_move(struct weir_arena *arena, const struct weir_serde *serde);
bool weir_serde_is_windowed(const struct weir_serde *serde);
/** The serde of the plain key of a windowed one; NULL for all others. */
const struct weir_serde *weir_windowed_serde_key(const struct weir_serde *serde);
/** The size of its windows; 0: sessions. Of a windowed one. */
int64_t weir_windowed_serde_size(const struct weir_serde *serde);
/** weir_serde_layout, and that of windowed keys. */
const struct weir_struct_type *weir_serde_object_layout(const struct weir_serde *serde);
/** The same bytes and objects, as far as can be told. */
bool weir_serde_equal(const struct weir_serde *a, const struct weir_serde *b);
/** False where `reader` surely misreads what `writer` wrote: plain values of another kind. Bytes read
 * anything, declared structs may be versions of each other, and a user's own serde is not known. */
bool weir_serde_may_read(const struct weir_serde *reader, const struct weir_serde *writer);

/* ---- serde_format.c -------------------------------------------------------------------------- */

/** What `serde` writes, as a text of base/data_type.h in `arena`. NULL: there is no text for it (bytes, a serde of
 * the user's own, a name of a field that the text cannot hold), or no memory, which is in `arena`. `is_changelog`:
 * as the key of a windowed store's changelog. */
const char *weir_serde_format(struct weir_arena *arena, const struct weir_serde *serde,
                              bool is_changelog);
/** The same of the keys of slices of windows; `serde` is that of the windowed keys. Never NULL but for want of memory: where
 * the plain key has no text, the windows' size alone is told. */
const char *weir_slice_format(struct weir_arena *arena, const struct weir_serde *serde,
                              int64_t window_size_ms);
/** The same of the values of a versioned store. Never NULL but for want of memory: where the value has no text, that
 * it has versions is told. */
const char *weir_versioned_format(struct weir_arena *arena, const struct weir_serde *serde);
/** The version that a declared struct's serde writes, or that of the struct in a windowed key; 0: of all others. */
uint8_t weir_serde_version(const struct weir_serde *serde);

/* ---- the steps of weir_build ----------------------------------------------------------------- */

int weir_optimize(struct weir_builder *builder, struct weir_error *error);
int weir_validate(struct weir_builder *builder, struct weir_error *error);
int weir_lower(const struct weir_builder *builder, struct weir_topology *topology,
               struct weir_error *error);
/** order.c: which nodes forward record by record; over the lowered nodes. */
int weir_order_mark(struct weir_topology *topology, struct weir_plan_node *nodes,
                    struct weir_error *error);
/** subtopologies.c: the connected components, and whose topics must have one partition count. */
int weir_partition(struct weir_topology *topology, struct weir_plan_node *nodes,
                   struct weir_plan_store *stores, struct weir_error *error);
/** describe.c: the text, in the topology's arena; NULL when memory is out. */
const char *weir_describe(struct weir_topology *topology);

#endif
