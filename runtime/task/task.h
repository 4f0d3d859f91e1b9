#ifndef WEIR_RUNTIME_TASK_TASK_H
#define WEIR_RUNTIME_TASK_TASK_H

#include "base/metrics.h"
#include "runtime/state/memory.h"
#include "runtime/task/node.h"
#include "runtime/task/collector.h"
#include "runtime/task/input_queue.h"
#include "runtime/task/time_state.h"
#include "runtime/task/timers.h"
#include "weir/streams.h"

/**
 * A task: one sub-topology on one partition. The pure core of the runtime: records go in, it
 * chooses and processes, outputs are in the collector. It reads no clock but the one it is told,
 * and does no I/O but its stores'.
 *
 * Choice (STREAMS.md R2, T1): the input partition whose head record has the smallest timestamp; at
 * a tie the source declared first. From it a run of rows is processed as one batch, as long as
 * record-at-a-time processing would have chosen the same partition again: up to the head of any
 * sibling, up to the row that makes a stream-time timer due, up to WEIR_TASK_ROWS_MAX.
 *
 * A sibling that is empty here but known to have records in the log (or not yet known not to) is
 * waited for: max.task.idle.ms = 0.
 *
 * Its states (enum weir_task_state of weir/streams.h, a table in task_state.c):
 *
 *   created ──stores opened──> restoring ──stores are as committed──> running ─┐
 *      │                           └───────────────────────┬───────────────────┘
 *      └───────────────────────────────────────────────────┴──stop──> suspended ──stores closed──> closed
 *
 * Only one that runs is given records, timers and a share in a commit. One that restores says nothing of its time behind
 * repartition topics, so that their readers take it to be no further than they knew it to be.
 */
enum {
    WEIR_TASK_ROWS_MAX = 1024,
    WEIR_TASK_FALLS_BEHIND = 1000, /* records in the log that make a task catch up again */
};

/** What the tasks of a thread count; written by that thread, read by anyone. */
struct weir_task_metrics {
    struct weir_counter records_in;
    struct weir_counter records_out;
    struct weir_counter dropped[2]; /* by enum weir_drop */
    struct weir_counter records_failed;
    struct weir_counter records_ahead;
    struct weir_counter restored_records;
};

/** What the tasks of a thread count by operator: the topology's nodes in their order. The same threads. */
struct weir_operator_counts {
    struct weir_counter late;
    struct weir_counter late_max_ms;
    struct weir_counter grace_enough_ms;
};

/** The job's part, the same for all tasks. */
struct weir_task_config {
    const struct weir_topology *topology;
    const struct weir_backend_kind *backend; /* of the stores; runtime/state/backend.h */
    const struct weir_job_topic *topics;     /* the job's table */
    size_t dead_letter_topic;                /* index in it; SIZE_MAX: none */
    size_t late_topic;                       /* likewise */
    enum weir_on_error on_deserialization_error;
    enum weir_on_error on_processing_error;
    enum weir_on_error on_production_error;
    int64_t idle_close_ms;          /* at the end of its inputs for so long; 0: never */
    int64_t timestamp_after_max_ms; /* ahead of the wall clock; 0: no bound */
    enum weir_on_timestamp_after on_timestamp_after_max;
    bool caches;
    int64_t emit_interval_ms;         /* of windows that emit when they close; 0: at each record */
    size_t cache_bytes_max;           /* per task */
    struct weir_state_shares shares;  /* of one bound for all stores; zero: there is none */
    struct weir_backend_cache *cache; /* likewise; NULL */
    size_t task_count;                /* of the job */
    const int32_t *task_counts;       /* by sub-topology; NULL: no topic is timed */
};

struct weir_task_input {
    struct weir_input_queue queue; /* its position is the next offset to process */
    const struct weir_plan_node *plan;
    struct weir_node *node;
    size_t topic; /* in the job's table */
    struct weir_source_position source;
    int64_t partition_time_ms;         /* largest timestamp seen; -1: none */
    int64_t log_end;                   /* as far as known; -1: not known */
    int32_t leader_epoch;              /* of the last fetch */
    bool is_repartition;               /* headers of its records may say what its writers do */
    bool has_notes;                    /* what writers said was read, since the last seal */
    struct weir_writer_times *writers; /* of a timed topic; NULL: it is not */
};

struct weir_task_options {
    const struct weir_task_config *config;
    struct weir_env *env;
    struct weir_budget *budget;
    struct weir_collector *collector;
    /* Memory of the batch at hand, reset when a call is over: tasks that run in turn share one. */
    struct weir_arena *arena;
    struct weir_input_pool *input_pool; /* of its inputs and restores; shared as well */
    struct weir_task_metrics *metrics;
    struct weir_operator_counts *operators; /* NULL: not counted */
    int32_t subtopology;
    int32_t partition;
};

/** What came of one row of the input for topics at which paths meet. */
struct weir_gathered_output;
struct weir_gathered_list {
    struct weir_gathered_output *first;
    struct weir_gathered_output *last;
};

struct weir_task {
    uint32_t magic;
    enum weir_task_state phase; /* by weir_task_move only */
    struct weir_task_options options;
    const struct weir_plan_subtopology *plan;
    char name[32];                  /* 0_1: sub-topology 0, partition 1 */
    struct weir_arena memory;       /* what lives as long as the task */
    struct weir_node *nodes;        /* in order of plan->nodes */
    size_t open_count;              /* nodes whose open has run */
    struct weir_task_input *inputs; /* in order of plan->sources */
    size_t input_count;
    struct weir_state *state; /* NULL until it is opened, or without stores */
    struct weir_timers timers;
    int64_t stream_time_ms;
    struct weir_task_time time;

    struct weir_arena *arena; /* the batch's; options.arena */
    struct weir_scope scope;
    const struct weir_batch *raw;        /* as it came from the input; NULL in a flush or a timer */
    struct weir_gathered_list *gathered; /* by row of `raw`, in the arena; NULL: nothing */
    struct weir_error record_error;      /* of the row at hand */
    struct weir_error error;             /* what stops the task */
    int32_t *sticky_partitions;          /* by topic, for rows without a key; -1: not chosen */
    struct weir_mono drop_log_at[2];
    struct weir_mono ahead_log_at;
    int64_t wall_now_ms; /* as told last */
    /* See time_alignment.h; without one there is no limit. */
    int64_t time_limit_ms; /* no record above it is chosen: set before each weir_task_process */
    int64_t next_ms;       /* the timestamp that was chosen last, or held */
    bool is_held;          /* the last choice was above the limit */
    bool is_catching_up;
    bool is_dirty; /* something happened since the last seal */
};

/** With all inputs at offset 0 and no store. WEIR_NO_MEMORY. */
int weir_task_new(const struct weir_task_options *options, struct weir_task **task_out,
                  struct weir_error *error);
/** Close nodes and timers and free; the state was closed before (weir_task_close_state). */
void weir_task_free(struct weir_task *task);

/** task_state.c: the only assignment of its state. A move that the drawing does not have ends the program. */
void weir_task_move(struct weir_task *task, enum weir_task_state to);
/** It may process and be committed. */
static inline bool weir_task_is_running(const struct weir_task *task)
{
    return task->phase == WEIR_TASK_RUNNING;
}

/** Where an input goes on: as committed. Before weir_task_open. */
void weir_task_set_input(struct weir_task *task, size_t input, int64_t position,
                         int64_t partition_time_ms);
/** The stores, below `state_path`; blocks on the disk. Positions still have to be checked. It restores from then on. */
int weir_task_open_state(struct weir_task *task, const char *state_path,
                         struct weir_actor *reply_to,
                         void (*on_written)(void *context, int rc, const struct weir_error *error),
                         void *context, struct weir_error *error);
int weir_task_close_state(struct weir_task *task, bool is_clean, struct weir_error *error);
/** Open the nodes, parents first, once the stores are restored. `marks` is borrowed until then. It runs from then on. */
int weir_task_open(struct weir_task *task, const struct weir_node_mark *marks, size_t mark_count,
                   int64_t wall_now_ms, struct weir_error *error);

/** Choose and process one batch: its rows, 0 when there is nothing to choose, or what stops the
 * task (task->error). */
int weir_task_process(struct weir_task *task);
/** Behind weir_task_process: whether it catches up, now that it has had so many rows. */
void weir_task_note_catching_up(struct weir_task *task, int rows);
/** Fire the wall-clock timers that are due; how many, or what stops the task. */
int weir_task_run_timers(struct weir_task *task, int64_t wall_now_ms);
/** Before a seal: caches forward what they held back, parents first. */
int weir_task_flush(struct weir_task *task);
/** Seal the stores: every change since the last seal is in the collector as a changelog record. */
int weir_task_seal(struct weir_task *task);

/** Index in the job's table of the changelog of the topology's store `store`. */
static inline size_t weir_changelog_topic(const struct weir_topology *topology, size_t store)
{
    return topology->topic_count + store;
}

/** task_output.c: send what its sinks gathered of the batch that is through. */
int weir_task_send_gathered(struct weir_task *task);

/** mark_names.c: what commits call the nodes of a sub-topology, in its order; in `arena`. WEIR_NO_MEMORY. */
int weir_mark_names(const struct weir_topology *topology, size_t subtopology,
                    struct weir_arena *arena, const char ***names_out);
/** The task's nodes get theirs. WEIR_NO_MEMORY. */
int weir_task_name_nodes(struct weir_task *task);

/** The topic that serves as the changelog of the topology's store `store`; -1: it has its own. */
static inline int32_t weir_task_source_topic(const struct weir_task_config *config, size_t store)
{
    const struct weir_topology *topology = config->topology;
    bool has_own = config->topics[weir_changelog_topic(topology, store)].name != NULL;
    return has_own ? -1 : topology->stores[store].source_topic;
}

/* ---- task_time.c, see time_state.h ----------------------------------------------------------- */

/** The task's part of both sides. WEIR_NO_MEMORY. */
int weir_task_time_init(struct weir_task *task);
/** What came with a record of a timed input, or a note: what its writer says is taken from its headers. Changes nothing
 * and returns false where that would move the bound and `may_move` is false. */
bool weir_task_time_take(struct weir_task *task, struct weir_task_input *input,
                         struct weir_record *record, bool may_move);
/** The record has nothing but what its writer says. */
bool weir_is_time_note(const struct weir_record *record);
/** The bound may have moved: nodes and stream time follow, timers that are due fire. 0, or what stops the task. */
int weir_task_time_follow(struct weir_task *task);
/** Rows up to this timestamp are through. */
void weir_task_time_advance(struct weir_task *task, int64_t time_ms);

/** The clock was looked at: where all inputs have stood at their end for idle_close_ms, time goes on with it. 0, or what
 * stops the task. */
int weir_task_time_idle(struct weir_task *task);
/** When it has to be looked at again, by the wall clock; INT64_MAX: it has not. */
int64_t weir_task_time_idle_due(const struct weir_task *task);

/** A batch of so many rows is about to be processed: move on what is said with its rows. */
void weir_task_time_begin_batch(struct weir_task *task, size_t row_count);
/** So many rows have passed that notes are due without further cause. */
bool weir_task_time_is_due(const struct weir_task *task);
/** The record goes to a repartition topic, timed or not, and its first header has the name that is reserved there
 * (WEIR_TIME_HEADER_KEY). Its reader takes the first of that name off: this one goes behind one of ours. */
bool weir_task_time_is_reserved(const struct weir_task *task, size_t topic,
                                const struct weir_record *record);
/** The record that goes to a partition gets what has to be said there in front of its headers, in the batch's arena;
 * returns whether it did. */
bool weir_task_time_say(struct weir_task *task, size_t topic, int32_t partition,
                        struct weir_record *record);
/** It is in the collector. */
void weir_task_time_said(struct weir_task *task, size_t topic, int32_t partition);
/** Nothing is at hand, caches are flushed (`is_flushed`), or many rows have passed: have notes say what has not gone with
 * records. 0 or WEIR_NO_MEMORY. */
int weir_task_time_tell(struct weir_task *task, bool is_flushed);

/* ---- dead_letter.c --------------------------------------------------------------------------- */

/** A row failed at `node` with task->record_error: fail, skip or dead letter. */
int weir_task_record_failed(struct weir_task *task, const struct weir_node *node,
                            const struct weir_batch *batch, uint32_t row, int rc);
/** The record at the head of an input, alone in `batch`, is too far ahead of the wall clock: count it, say so once a second,
 * and send it where it is to go. */
int weir_task_record_ahead(struct weir_task *task, const struct weir_batch *batch);
/** One that stays, but with the largest timestamp that is let through. */
void weir_task_note_ahead(struct weir_task *task, const struct weir_task_input *input,
                          const struct weir_record *record);
/** The partition of a keyed row, or the sticky one of the topic. */
int32_t weir_task_partition(struct weir_task *task, size_t topic, struct weir_slice key);

#endif
