#ifndef WEIR_TESTS_UNIT_RUNTIME_TASK_STAGE_H
#define WEIR_TESTS_UNIT_RUNTIME_TASK_STAGE_H

#include "base/env/sim/sim.h"
#include "runtime/task/node.h"
#include "runtime/job/streams_internal.h"
#include "tests/support/support.h"

/**
 * A stage for the runtime without the DSL: topologies put together by hand from a few operators
 * that work on bytes, a simulated node with a log, and a job on it.
 */

/* ---- topologies ------------------------------------------------------------------------------ */

enum { PLAN_NODES = 16, PLAN_TOPICS = 12, PLAN_STORES = 4, PLAN_SUBTOPOLOGIES = 4 };

/** Built with the calls below, finished by plan_done. */
struct plan {
    struct weir_topology topology;
    struct weir_plan_node nodes[PLAN_NODES];
    int32_t children[PLAN_NODES][PLAN_NODES];
    int32_t parents[PLAN_NODES][PLAN_NODES];
    int32_t node_stores[PLAN_NODES][PLAN_STORES];
    struct weir_plan_topic topics[PLAN_TOPICS];
    struct weir_plan_store stores[PLAN_STORES];
    struct weir_plan_subtopology subtopologies[PLAN_SUBTOPOLOGIES];
    int32_t sub_nodes[PLAN_SUBTOPOLOGIES][PLAN_NODES];
    int32_t sub_sources[PLAN_SUBTOPOLOGIES][PLAN_NODES];
    int32_t sub_stores[PLAN_SUBTOPOLOGIES][PLAN_STORES];
};

int32_t plan_topic(struct plan *plan, const char *name, bool is_repartition);
/** `parent` -1: none. A node without a topic: -1. */
int32_t plan_node(struct plan *plan, int32_t subtopology, enum weir_plan_node_kind kind,
                  const struct weir_operator_ops *ops, int32_t parent, int32_t topic,
                  const void *config);
int32_t plan_store(struct plan *plan, int32_t subtopology, int32_t node, const char *name,
                   enum weir_store_kind kind);
const struct weir_topology *plan_done(struct plan *plan);

/* Operators on bytes. */
extern const struct weir_operator_ops stage_source; /* hands the rows on */
extern const struct weir_operator_ops stage_sink;
extern const struct weir_operator_ops
    stage_filter; /* keeps rows whose value does not begin with 'x' */
extern const struct weir_operator_ops stage_refuse; /* rows whose value begins with '!' fail */
extern const struct weir_operator_ops stage_count;  /* per key; forwards on flush, or each when not
                                                       caching: key, 8 bytes of count */
extern const struct weir_operator_ops stage_table; /* the latest value per key, nothing forwarded */
extern const struct weir_operator_ops stage_trace; /* config: struct stage_log */

/** What a trace node saw: "key@timestamp " per row, "| " at the end of each batch. */
struct stage_log {
    char text[4096];
    size_t size;
};

/* source -> filter -> sink: "in" -> "out" */
const struct weir_topology *plan_filter(struct plan *plan);
/* source -> count -> sink: "in" -> "counts", store "counts" */
const struct weir_topology *plan_count(struct plan *plan, enum weir_store_kind kind);
/* "in" -> sink to "again-repartition" | source -> count -> sink "counts" */
const struct weir_topology *plan_repartition(struct plan *plan, enum weir_store_kind kind);

/* ---- a node with a log ----------------------------------------------------------------------- */

struct stage {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_log *log;
    struct weir_streams *streams;
    struct weir_error error;
    bool flush_policy_os;                   /* of the log */
    const struct weir_commit_kind *commits; /* of the next job; NULL: as they are made now */
};

/** As they were before there were transactions. */
extern const struct weir_commit_kind stage_commits_before;

void stage_open(struct stage *stage, uint64_t seed);
/** With `flush.policy=os` for all topics that do not say otherwise. */
void stage_open_os(struct stage *stage, uint64_t seed);
/** On a log that is not the engine (tests/unit/client/memory_log.h). Nothing of it outlives a crash. */
void stage_open_memory(struct stage *stage, uint64_t seed);
/** The same on libuv, in a directory that goes away. */
void stage_open_real(struct stage *stage);
void stage_close(struct stage *stage);
/** Kill the node and open its log again. */
void stage_crash(struct stage *stage, enum weir_sim_crash_kind kind);
/** After a crash of the simulator's own making. */
void stage_revive(struct stage *stage);
void stage_topic(struct stage *stage, const char *name, int32_t partitions);
/** Acknowledged on return. */
void stage_produce(struct stage *stage, const char *topic, int32_t partition, const char *key,
                   const char *value, int64_t timestamp_ms);
/** The same, whatever is in it. */
void stage_produce_record(struct stage *stage, const char *topic, int32_t partition,
                          const struct weir_record *record);
/** As weir_streams_start; on a simulated node, with its stores on the node's disk. */
struct weir_streams *stage_try_start(struct stage *stage, const struct weir_topology *topology,
                                     const struct weir_streams_options *options,
                                     struct weir_error *error);
/** Asserts that it runs. */
void stage_start(struct stage *stage, const struct weir_topology *topology,
                 const struct weir_streams_options *options);
/** Asserts that the start is refused with WEIR_MISMATCH and `text` in why. */
void stage_start_refused(struct stage *stage, const struct weir_topology *topology,
                         const struct weir_streams_options *options, int code, const char *text,
                         struct weir_error *why);
/** A start with a crash at the node's disk operation `at`: a kill or a loss of power, before or after it (`kind`,
 * 0 to 3). True: it has crashed, and the log is open again. False: the start needs fewer operations, and
 * is left as it has ended. */
bool stage_start_crashing(struct stage *stage, const struct weir_topology *topology,
                          const struct weir_streams_options *options, uint64_t at, int kind,
                          struct weir_error *why);
void stage_stop(struct stage *stage);
void stage_drain(struct stage *stage);
/** A store's value of a key, as a number (8 bytes) or 1; 0: not there. The job runs, in the
 * simulator. */
uint64_t stage_stored(struct stage *stage, int32_t partition, const char *key);
/** All records of a partition: "key=value@timestamp " each; 8-byte values as numbers. */
const char *stage_read(struct stage *stage, const char *topic, int32_t partition, char *to,
                       size_t size);
/** The same, and "name:value " of each record's headers behind it. */
const char *stage_read_headers(struct stage *stage, const char *topic, int32_t partition, char *to,
                               size_t size);
/** One past the last committed record; 0: there is none. */
int64_t stage_end(struct stage *stage, const char *topic, int32_t partition);
/** How many committed records there are. */
int64_t stage_count_records(struct stage *stage, const char *topic, int32_t partition);
/** One past the last readable offset, markers of transactions too. */
int64_t stage_log_end(struct stage *stage, const char *topic, int32_t partition);
/** What the group "app" has committed of a partition; -1: nothing. */
int64_t stage_committed(struct stage *stage, const char *topic, int32_t partition);

#define STAGE_OPTIONS(...)                                                                         \
    (&(struct weir_streams_options){WEIR_STREAMS_OPTIONS_INIT, .application_id = "app",            \
                                    __VA_ARGS__})

#endif
