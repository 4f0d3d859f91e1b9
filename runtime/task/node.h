#ifndef WEIR_RUNTIME_TASK_NODE_H
#define WEIR_RUNTIME_TASK_NODE_H

#include "base/arena.h"
#include "runtime/task/batch.h"
#include "runtime/task/scope.h" /* weir_scope_alloc, weir_call_printf, weir_call_fail are in scope.c */
#include "runtime/state/state.h"
#include "runtime/topology/plan.h"
#include "weir/stream.h"

/**
 * A node of a task: what an operator sees of the runtime, and the interface it implements. What it may
 * call is the task's: task_node.c.
 *
 * Everything here runs on the task's stream thread, depth-first: weir_node_forward returns when the
 * whole stretch below has processed the batch.
 */
struct weir_task;
struct weir_node;

/** What an operator does with the node's stores. */
enum weir_store_use { WEIR_USES_NO_STORE, WEIR_READS_STORES, WEIR_CHANGES_STORES };

/**
 * What an operator is, for those who place it and look at plans (dsl/): they read fields, and never ask
 * which operator it is. All false: rows go through with their keys and values, each at most once, and
 * nothing is remembered. What is said of rows is said of those that come of a row; a timer's are new.
 */
struct weir_operator_traits {
    /* Rows may go on with another key, whose partition is perhaps another's: what needs its keys together
     * below wants a repartition first. A windowed key goes where its inner key goes, so it is no change. */
    bool is_key_changing;
    bool is_value_changing;
    bool makes_rows;      /* a row may give several, and some come of no row */
    bool drops_null_keys; /* and does nothing else */
    enum weir_store_use store_use;
    bool fills_table; /* store 0 is its table, into which others may look */
    bool
        forwards_on_flush; /* where store 0 is cached, its rows go on before the commit, not at once */
    bool meets_by_key;     /* rows of one key have to come to one task, of all its inputs */
    bool is_named_by_parent; /* what it keeps (observed time, number) is of its parents' work */
    bool has_timers;
    bool observes_time; /* stream time decides, though no store of it has keys with a time */
};

struct weir_operator_ops {
    const char *name; /* "filter"; commits hold it (mark_names.c), so it stays what it is */
    enum weir_plan_node_kind kind;
    struct weir_operator_traits traits;
    size_t state_size; /* of node->state, zeroed */
    /** Once per task, parents before children. May be NULL. */
    int (*open)(struct weir_node *node, struct weir_error *error);
    /** One batch; at least one row. Negative stops the task (record failures go through
     * weir_node_record_failed, which decides). */
    int (*process)(struct weir_node *node, const struct weir_batch *batch);
    /** Before a commit: forward what a cache held back. Called parents first. May be NULL. */
    int (*flush)(struct weir_node *node);
    /** `node->observed_ms` has moved on without a row: what closes with it may be forwarded. Parents first, between
     * batches. May be NULL. */
    int (*time_advanced)(struct weir_node *node);
    /** Of one that holds rows back until time has come: what it still has to forward is not older than this, whatever the
     * observed time is; INT64_MAX: it has nothing. NULL: it forwards at once, or with the flush. */
    int64_t (*holds_from_ms)(const struct weir_node *node);
    void (*close)(struct weir_node *node); /* may be NULL */
};

/** The same rows give the same rows, whatever came before: it may be moved along a path, or made one with
 * its neighbour. */
static inline bool weir_operator_is_stateless(const struct weir_operator_ops *ops)
{
    return ops->kind == WEIR_PLAN_OPERATOR && ops->state_size == 0 && !ops->traits.has_timers &&
           ops->traits.store_use == WEIR_USES_NO_STORE;
}

/** What an operator has dropped as late, since the application's first commit: it is state. */
struct weir_late {
    int64_t count;
    int64_t late_max_ms;     /* the most by which one was behind the observed time */
    int64_t grace_enough_ms; /* with that grace none would have been late */
};

struct weir_node {
    const struct weir_plan_node *plan;
    struct weir_task *task;
    struct weir_node **children;
    struct weir_store **stores; /* in order of plan->stores */
    void *state;
    struct weir_call
        call; /* prepared: scope, error; an operator sets context and the row's fields */
    /* What the operator has seen of stream time (its own, not the task's): -1 at first. It is state:
     * written with each commit and given back after a restart, so that what is late stays late. */
    int64_t observed_ms;
    int64_t seen_ms; /* the largest timestamp that it has seen; as state, too */
    /* The least that the writers behind the task's repartition topics have reached: the observed time stays at or below
     * it. INT64_MAX where nobody holds it back. The task's; NULL: none. */
    const int64_t *time_bound_ms;
    /* How far its windows have been emitted that do so when they close; -1: none. State as well. */
    int64_t emitted_ms;
    struct weir_late late;
    /* One number more that is state in the same way, of the operator's own meaning; 0 at first. */
    int64_t number;
    const char *mark_name; /* what a commit calls it: stays through edits (task/mark_names.c) */
};

/** The observed time is the largest timestamp seen, but for what writers have not reached yet (writer_times.h). The
 * runtime calls this when the bound has moved, before the rows that come next. */
static inline void weir_node_follow_bound(struct weir_node *node)
{
    const int64_t bound_ms = node->time_bound_ms != NULL ? *node->time_bound_ms : INT64_MAX;
    const int64_t time_ms = node->seen_ms < bound_ms ? node->seen_ms : bound_ms;
    if (time_ms > node->observed_ms) node->observed_ms = time_ms;
}

/** An operator that goes by stream time observes each row before it looks at `observed_ms`. Inline: it runs per record. */
static inline void weir_node_observe(struct weir_node *node, int64_t timestamp_ms)
{
    if (timestamp_ms <= node->seen_ms) return;
    node->seen_ms = timestamp_ms;
    weir_node_follow_bound(node);
}

/** What its stores hold goes by stream time, because rows there have a time to live: it observes each row, and then calls
 * weir_node_advance_lives, before it looks at the row's key in them. */
static inline bool weir_node_has_lives(const struct weir_node *node)
{
    for (size_t i = 0; i < node->plan->store_count; i++) {
        if (weir_store_has_ttl(node->stores[i])) return true;
    }
    return false;
}
/** Those of its stores whose rows have a time to live observe what it has observed. */
static inline void weir_node_advance_lives(struct weir_node *node)
{
    for (size_t i = 0; i < node->plan->store_count; i++) {
        if (weir_store_has_ttl(node->stores[i]))
            weir_store_advance(node->stores[i], node->observed_ms);
    }
}

/** Hand a batch to all children in order; row by row where the plan says so. */
int weir_node_forward(struct weir_node *node, const struct weir_batch *batch);
/** To one child (branch). */
int weir_node_forward_to(struct weir_node *node, size_t child, const struct weir_batch *batch);

/** The batch's arena: reset after the batch has gone through the sub-topology. */
struct weir_arena *weir_node_arena(struct weir_node *node);
struct weir_scope *weir_node_scope(struct weir_node *node);
/** Of the task: for what a node keeps from batch to batch, and frees in its close. */
struct weir_budget *weir_node_budget(struct weir_node *node);
/** Fill `node->call` with a row's timestamp, headers and source. Inline: it runs per record. */
static inline void weir_node_call_row(struct weir_node *node, const struct weir_batch *batch,
                                      uint32_t row)
{
    struct weir_call *call = &node->call;
    call->timestamp_ms = batch->timestamps[row];
    call->headers = batch->headers != NULL ? batch->headers[row].headers : NULL;
    call->header_count = batch->headers != NULL ? batch->headers[row].count : 0;
    call->offset = batch->offsets != NULL ? batch->offsets[row] : -1;
    call->topic = batch->source != NULL ? batch->source->topic : NULL;
    call->partition = batch->source != NULL ? batch->source->partition : -1;
}

/** The same for what belongs to no row: an opening, a timer. */
static inline void weir_node_call_no_row(struct weir_node *node, int64_t time_ms)
{
    struct weir_call *call = &node->call;
    call->timestamp_ms = time_ms;
    call->headers = NULL;
    call->header_count = 0;
    call->offset = -1;
    call->topic = NULL;
    call->partition = -1;
}

/** A user function or a serde failed on a row (node->call.error says why): fail, skip or dead letter,
 * as configured. 0: go on without the row; negative: stop. */
int weir_node_record_failed(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                            int rc);

/** A row is late: how late, and with which grace it would not have been. weir_node_dropped counts it. */
static inline void weir_node_note_late(struct weir_node *node, int64_t timestamp_ms,
                                       int64_t grace_enough_ms)
{
    const int64_t late_ms = node->observed_ms - timestamp_ms; /* neither is negative */
    if (late_ms > node->late.late_max_ms) node->late.late_max_ms = late_ms;
    if (grace_enough_ms > node->late.grace_enough_ms) node->late.grace_enough_ms = grace_enough_ms;
}

/** And where the job has a topic for late records, it goes there: once, however many `windows` it is missing from. 0, or
 * what stops the task. */
int weir_node_send_late(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                        int64_t windows);

enum weir_drop { WEIR_DROP_NULL, WEIR_DROP_LATE };
/** Count dropped rows; the first of each kind and a few per second are logged. Of late ones weir_node_note_late has been
 * told before. */
void weir_node_dropped(struct weir_node *node, enum weir_drop why, int64_t count);

/** Serialised keys (or values) of the selected rows, by row number: the column that is there, or made
 * with `serde`. Rows that fail go to weir_node_record_failed and are left out of `batch_out`. */
int weir_node_key_bytes(struct weir_node *node, const struct weir_batch *batch,
                        const struct weir_serde *serde, struct weir_batch *batch_out);
int weir_node_value_bytes(struct weir_node *node, const struct weir_batch *batch,
                          const struct weir_serde *serde, struct weir_batch *batch_out);
/** Objects of a run of bytes: of a store's values, say. All or a negative code. */
int weir_node_deserialize(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                          const struct weir_slice *bytes, size_t count, const void **objects_out);
/** One object's bytes, into the batch's arena. */
int weir_node_serialize(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                        const void *object, struct weir_slice *bytes_out);

/** Sinks: append the rows to the node's topic, now or when the input's batch is through; `batch` has both
 * bytes columns. */
int weir_node_send(struct weir_node *node, const struct weir_batch *batch);

/** Stream time of the task: largest timestamp processed so far, the record at hand (node->call)
 * included; -1 before the first. */
int64_t weir_node_stream_time(const struct weir_node *node);
/** The wall clock as the task was told it last: it stands still within a turn. And the pause between two looks at what has
 * closed (window_emit_interval_ms). */
int64_t weir_node_wall_ms(const struct weir_node *node);
int64_t weir_node_emit_interval_ms(const struct weir_node *node);
bool weir_node_caches(const struct weir_node *node); /* statestore.cache.max.bytes is not off */
/** Whether the node forwards row by row, as the plan says for a job with or without caches. */
static inline bool weir_node_is_record_by_record(const struct weir_node *node)
{
    const struct weir_plan_node *plan = node->plan;
    if (plan->is_record_by_record == plan->is_record_by_record_when_cached) {
        return plan->is_record_by_record;
    }
    return !weir_node_caches(node);
}

/** Whether this batch goes on row by row. */
static inline bool weir_node_goes_by_row(const struct weir_node *node,
                                         const struct weir_batch *batch)
{
    return weir_node_is_record_by_record(node) ||
           (node->plan->meets_at_topics && batch->offsets == NULL);
}

/** Timers of processors. `fire` runs between batches, on the stream thread; rows of a stream-time
 * timer's batch end where it falls due. `id` numbers the node's timers in order of their making, so
 * that progress found in the last commit is given back to the same one. */
typedef int (*weir_timer_fn)(struct weir_node *node, void *context, int64_t time_ms);
int weir_node_schedule(struct weir_node *node, enum weir_punctuation type, int64_t interval_ms,
                       weir_timer_fn fire, void *context);

#endif
