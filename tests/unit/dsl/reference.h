#ifndef WEIR_TESTS_DSL_REFERENCE_H
#define WEIR_TESTS_DSL_REFERENCE_H

#include "tests/unit/dsl/functions.h"

/**
 * A stream processor written to be obviously right: one record at a time, depth first, stores are
 * lists, nothing is fast. It follows STREAMS.md (sections 1 and 3) and knows nothing of the DSL.
 *
 * A graph is a list of nodes. Nodes that hang together by edges or stores are a *component*; a task
 * is a component in one partition. It takes the record with the smallest timestamp among the heads
 * of its inputs, at a tie from the input declared first.
 *
 * Some runs have no defined order: two tasks write to one partition of a repartition topic, or a
 * task gets records over a repartition topic and another input at once. And some no defined time: behind
 * a repartition topic it is the least of what the writers have reached, so that where there are several,
 * what is late, what has closed and when a timer fires depends on which was heard of first. Then `is_ambiguous` is set, and
 * nothing behind that point can be compared.
 */
enum {
    REF_NODES = 96,
    REF_CHILDREN = 24,
    REF_TOPICS = 48,
    REF_STORES = 16,
    REF_PARTITIONS = 3,
    REF_ENTRIES = 1024,
    REF_JOINS = 4,
    REF_KEPT = 512,
    REF_VERSIONS = 4,
    REF_VERSIONS_KEPT = 2048,
};

enum ref_kind {
    REF_SOURCE,
    REF_SINK,
    REF_FILTER,
    REF_FILTER_NOT,
    REF_MAP,
    REF_MAP_VALUES,
    REF_SELECT_KEY,
    REF_FLAT_MAP,
    REF_PASS, /* merge, peek, to_stream, a branch */
    REF_BRANCH,
    REF_FILTER_NULL_KEYS, /* in front of a repartition */
    REF_TABLE,
    REF_AGGREGATE,
    REF_JOIN,
    REF_JOIN_WINDOW,
    REF_STREAM_JOIN,
    REF_PROCESS,
    REF_VERSIONED_TABLE,
    REF_VERSIONED_AGGREGATE,
    REF_VERSIONED_JOIN, /* with grace, or without */
};

enum ref_fold { REF_COUNT, REF_REDUCE, REF_FOLD };

struct ref_node {
    enum ref_kind kind;
    int salt;
    int children[REF_CHILDREN];
    int child_count;
    int store; /* -1: none */
    int topic; /* sources and sinks */
    enum ref_fold fold;
    int64_t window_ms; /* 0: none */
    int64_t advance_ms;
    int64_t grace_ms;
    bool is_cached; /* tables: forward at a commit */
    bool is_left;
    /* Joins of two streams; all their nodes have the join's number, -1 elsewhere. */
    int join;
    bool is_right;
    bool is_outer;  /* what finds no match goes on alone */
    bool waits;     /* but not before its window has closed */
    bool is_memory; /* the side is kept in memory */
    bool is_single; /* both sides have one store: they count once, and learn of time together */
    int64_t before_ms;
    int64_t after_ms;
    int versions; /* of versioned tables and their joins: which; and how far back they go */
    int64_t history_ms;
    int graces;          /* of such a join: what waits */
    int predicate_count; /* branches; one child more is the default */
    bool keeps_key;
    bool may_fail;    /* its function fails now and then; such records are skipped */
    int64_t timer_ms; /* processors: a stream-time timer; 0: none */
    int component;
};

struct ref_record {
    struct text key;
    struct text value;
    int64_t timestamp_ms;
    int writer; /* the task that wrote it, outputs only */
};

struct ref_log {
    struct ref_record *records;
    int count;
    int capacity;
};

struct ref_topic {
    const char *name;
    bool is_repartition;
    int partition_count;
    struct ref_log logs[REF_PARTITIONS];
};

struct ref_entry {
    struct text key;
    int64_t start_ms; /* of its window */
    struct text value;
    int64_t timestamp_ms;
    bool is_told; /* what was forwarded last had a value */
    int changed;  /* order of the first change since it was forwarded; 0: forwarded */
};

struct ref_kept {
    struct text key;
    struct text value;
    int64_t time_ms;
};

struct ref_side {
    struct ref_kept rows[REF_KEPT]; /* in order of arrival */
    int count;
    int64_t observed_ms;
};

struct ref_waiting {
    struct text key;
    struct text value;
    int64_t time_ms;
    bool is_right;
    int number;
};

struct ref_join {
    struct ref_side sides[2]; /* left, right */
    struct ref_waiting waiting[REF_KEPT];
    int waiting_count;
    int next_number;
    bool has_failed;  /* the record at hand, on the left side */
    int64_t time_ms;  /* the largest of both sides */
    int64_t least_ms; /* where the next look for closed windows begins */
};

struct ref_versions {
    struct ref_kept rows[REF_VERSIONS_KEPT]; /* in order of arrival */
    int count;
    int64_t observed_ms;
};

struct ref_graces {
    struct ref_waiting waiting[REF_KEPT];
    int count;
    int next_number;
    int64_t observed_ms;
};

/** What a crash takes back to the last commit. */
struct ref_state {
    struct {
        struct ref_entry entries[REF_PARTITIONS][REF_ENTRIES];
        int counts[REF_PARTITIONS];
    } stores[REF_STORES];
    struct ref_join joins[REF_JOINS][REF_PARTITIONS];
    struct ref_versions versions[REF_VERSIONS][REF_PARTITIONS];
    struct ref_graces graces[REF_JOINS][REF_PARTITIONS];
    int64_t observed_ms[REF_NODES][REF_PARTITIONS];
    int64_t next_timer_ms[REF_NODES][REF_PARTITIONS];
    int64_t stream_time_ms[REF_NODES][REF_PARTITIONS]; /* by component */
    int read[REF_NODES][REF_PARTITIONS];               /* by source: next record */
    int written[REF_TOPICS][REF_PARTITIONS];           /* repartition topics: records there are */
};

struct reference {
    struct ref_node nodes[REF_NODES];
    int node_count;
    struct ref_topic topics[REF_TOPICS];
    int topic_count;
    int store_count;
    int join_count;
    int versions_count;
    int graces_count;
    bool caches;
    struct ref_state now;
    struct ref_state committed;
    int64_t dropped_null;
    int64_t dropped_late;
    int64_t failed;
    bool is_ambiguous;
    /* Of the run at hand: */
    int writers[REF_TOPICS][REF_PARTITIONS]; /* task + 1; -1: several */
    bool went_by_time[REF_NODES];            /* by component: stream time has decided something */
    int change_count;
};

/* ---- declaring ------------------------------------------------------------------------------- */

void ref_init(struct reference *reference, bool caches);
void ref_close(struct reference *reference);
int ref_topic(struct reference *reference, const char *name, bool is_repartition,
              int partition_count);
/** A node below `parent` (-1: none). */
int ref_add(struct reference *reference, struct ref_node node, int parent);
void ref_connect(struct reference *reference, int parent, int child);
/** When all is declared: components, what repartitions keep, times at their start. */
void ref_finish(struct reference *reference);

/* ---- running --------------------------------------------------------------------------------- */

void ref_pipe(struct reference *reference, int topic, int partition,
              const struct ref_record *record);
/** Process until nothing is left. */
void ref_run(struct reference *reference);
/** Forward what caches held back, process what comes of it, remember the state. */
void ref_commit(struct reference *reference);
/** Back to the last commit, and process again what came since. Outputs stay and are repeated. */
void ref_crash(struct reference *reference);

/** What a key of a versioned table was as of a time. */
struct text ref_as_of(const struct ref_versions *versions, int64_t history_ms,
                      const struct text *key, int64_t as_of_ms);
const struct ref_entry *ref_find(const struct reference *reference, int store, int partition,
                                 const struct text *key, int64_t start_ms);

#endif
