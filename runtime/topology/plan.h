#ifndef WEIR_RUNTIME_TOPOLOGY_PLAN_H
#define WEIR_RUNTIME_TOPOLOGY_PLAN_H

#include "base/arena.h"
#include "runtime/state/state.h"
#include "weir/serde.h"
#include "weir/stream.h"

/**
 * A topology, as built and checked: what the DSL lowers to and what tasks are made from. Immutable,
 * shared by all tasks of all jobs; everything it points to lives in its arena.
 *
 * A *sub-topology* is a connected component of nodes, joined by edges and shared stores, between
 * topics; numbered in order of declaration. A *task* is one sub-topology on one partition.
 */
struct weir_operator_ops;

enum { WEIR_TOPOLOGY_MAGIC = 0x57546f70 };

/** What a serde writes: its text, as the settings weir.key.format and weir.value.format have it
 * (base/data_type.h). NULL: not known; "": the nodes of a topic say different things, or one writes
 * what has no text. */
struct weir_plan_format {
    const char *text;
    uint8_t version; /* of a declared struct, or of one in a windowed key; 0: there is none */
};

static inline bool weir_plan_format_is_known(struct weir_plan_format format)
{
    return format.text != NULL && format.text[0] != '\0';
}

struct weir_plan_formats {
    struct weir_plan_format key;
    struct weir_plan_format value;
};

/** Where a node stands: between others, or at a topic. */
enum weir_plan_node_kind { WEIR_PLAN_OPERATOR, WEIR_PLAN_SOURCE, WEIR_PLAN_SINK };

struct weir_plan_topic {
    const char *name;        /* as declared; internal ones (x-repartition) without the prefix */
    bool is_repartition;     /* `<application>-<name>`, made by the job */
    int32_t partition_count; /* repartition: fixed by the user, 0: the largest of its writers' */
    bool is_written;         /* by a sink */
    struct weir_plan_formats formats;
};

/** How objects lie in memory, as the serdes on both sides of a node say; NULL: not known. */
struct weir_plan_layouts {
    const struct weir_struct_type *key_in;
    const struct weir_struct_type *value_in;
    const struct weir_struct_type *other_in;  /* of a join's table */
    const struct weir_struct_type *window_in; /* of the plain key in a windowed one */
    const struct weir_struct_type *key;
    const struct weir_struct_type *value;
    const char *key_serde; /* the names of the serdes that key and value are written with */
    const char *value_serde;
};

struct weir_plan_node {
    int32_t id;       /* index in weir_topology.nodes, in order of declaration: parents first */
    const char *name; /* KSTREAM-FILTER-0000000001 */
    enum weir_plan_node_kind kind;       /* as its ops say */
    const struct weir_operator_ops *ops; /* sources and sinks have theirs too */
    const void *config;                  /* the operator's own struct, in the topology's arena */
    int32_t subtopology;
    const int32_t *children;
    size_t child_count;
    const int32_t *parents;
    size_t parent_count;
    const int32_t *stores; /* indices in weir_topology.stores */
    size_t store_count;
    int32_t topic; /* sources and sinks: index in weir_topology.topics; else -1 */
    const struct weir_serde *key_serde; /* source: to read; sink: to write; else of the output */
    const struct weir_serde *value_serde;
    struct weir_plan_layouts layouts;
    /* Sinks: bytes at the end of a key that the partitioner leaves out. A windowed key goes where
     * its inner key goes, so its start (8 bytes) does not count. */
    uint32_t unhashed_key_suffix;
    /* Two paths from this node meet again at a node or a store: forward row by row, so that the order
     * is that of record-at-a-time, depth-first processing. With caches on, paths end at cached
     * tables, which forward at the flush. Ask weir_node_is_record_by_record. */
    bool is_record_by_record;
    bool is_record_by_record_when_cached;
    /* They meet at topics only, whose sinks gather rows until the batch is through: only rows that come
     * of no input go row by row (weir_node_goes_by_row). dsl/order.c. */
    bool meets_at_topics;
    bool gathers; /* sinks: of such a topic */
};

struct weir_plan_store {
    struct weir_store_spec spec;
    int32_t subtopology;
    /* A table's topic, which may serve as its changelog: the start decides, because it depends on
     * what the topic keeps (weir_task_source_topic). -1: a changelog of its own in any case. */
    int32_t source_topic;
    int64_t changelog_retention_ms; /* of keys with a time: retention + 24 h; 0: compact */
    bool is_changelog_uncompacted;  /* each row has a key of its own: nothing to compact */
    int64_t
        changelog_compaction_lag_ms;  /* versioned: history + 24 h, as long as old versions count */
    struct weir_plan_formats formats; /* of its changelog */
};

struct weir_plan_subtopology {
    const int32_t *nodes; /* in order of declaration */
    size_t node_count;
    const int32_t *sources;
    size_t source_count;
    const int32_t *stores;
    size_t store_count;
    /* Source topics that must have one partition count (joins, merged tables): groups of topic
     * indices, each ended by -1, the whole by -2. */
    const int32_t *copartitioned;
};

struct weir_topology {
    uint32_t magic;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    const struct weir_plan_node *nodes;
    size_t node_count;
    const struct weir_plan_topic *topics;
    size_t topic_count;
    const struct weir_plan_store *stores;
    size_t store_count;
    const struct weir_plan_subtopology *subtopologies;
    size_t subtopology_count;
    const char *description;
    const char *dump; /* what it keeps (runtime/task/topology_dump.h) */
};

/** What holds in all of it, once it is built: whoever built it and whoever runs it look, once each. */
void weir_topology_check(const struct weir_topology *topology);

#endif
