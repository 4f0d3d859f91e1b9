#ifndef WEIR_RUNTIME_TASK_COLLECTOR_H
#define WEIR_RUNTIME_TASK_COLLECTOR_H

#include "client/log_ops.h"
#include "runtime/task/job_topic.h"
#include "runtime/task/output_producer.h"
#include "wire/record_batch.h"

/**
 * What the tasks of a thread put out: one batch builder per topic and partition, finished batches
 * in a queue. The collector does no I/O: the thread takes outputs, sends them as produce requests,
 * and gives them back when they are acknowledged.
 *
 * Builders, requests and slots are kept: a steady state allocates one shared buffer per batch.
 */
struct weir_collector;

/** One batch on its way to a partition. */
struct weir_output {
    struct weir_produce_request produce; /* first; its batches reference is the output's */
    struct weir_output *next;
    struct weir_collector *collector;
    size_t topic;
    int64_t record_count;
    uint64_t number;                /* in the order in which the thread has sent them first */
    struct weir_output_place place; /* as its producer has numbered it */
    bool is_in_transaction;
    bool is_resent;
};

/** Finished batches, oldest first. */
struct weir_output_queue {
    struct weir_output *first;
    struct weir_output *last;
};

struct weir_output_slot;

struct weir_collector {
    struct weir_budget *budget;
    struct weir_budget
        *batch_budget; /* of finished batches: the log may keep them beyond the job */
    const struct weir_job_topic *topics;
    size_t topic_count;
    struct weir_output_slot ***slots;    /* by topic, by partition; made on first use */
    struct weir_output_slot *active;     /* builders with records in them */
    struct weir_output_slot *moved;      /* internal, their end has moved */
    struct weir_output_queue pending[2]; /* finished: outside of the transaction, and in it */
    struct weir_output *pool;
    size_t pending_bytes;
    int64_t wall_now_ms;        /* as told last; 0: timestamps are not compared with today */
    bool sends_outputs_at_once; /* batches to the user's topics are in no transaction */
};

/** `topics` is borrowed and must stay. Cannot fail. */
void weir_collector_init(struct weir_collector *collector, struct weir_budget *budget,
                         struct weir_budget *batch_budget, const struct weir_job_topic *topics,
                         size_t topic_count);
void weir_collector_close(struct weir_collector *collector);

/**
 * Copy one record into the batch of its partition.
 * Errors: WEIR_TOO_LARGE (over max.message.bytes), WEIR_INVALID_RECORD (no key in a compacted
 *         topic), WEIR_INVALID_TIMESTAMP (negative, or further from today than the topic takes):
 *         the record's own failures, nothing changed. WEIR_NO_MEMORY.
 */
int weir_collector_add(struct weir_collector *collector, size_t topic, int32_t partition,
                       const struct weir_record *record, struct weir_error *error);
/** The failures above that are the record's own, without adding it. */
int weir_collector_check(const struct weir_collector *collector, size_t topic,
                         const struct weir_record *record, struct weir_error *error);
/** Bytes of key and value that always fit into a record of the topic without headers; at least 1. */
size_t weir_collector_payload_max(const struct weir_job_topic *topic);
/** What a header takes, at most, besides its key and value. */
enum { WEIR_HEADER_OVERHEAD_MAX = 10 };
/** Finish all batches that have records. WEIR_NO_MEMORY. */
int weir_collector_finish(struct weir_collector *collector, struct weir_error *error);

/** The oldest finished batch, to be sent in the transaction or outside of it; NULL: none. Its producer numbers it. */
struct weir_output *weir_collector_take(struct weir_collector *collector, bool is_in_transaction);
/** It was stored: its last offset + 1 is the partition's end as far as this collector knows. */
void weir_collector_stored(struct weir_collector *collector, struct weir_output *output);
/** Drop the batch and keep the request for reuse. */
void weir_collector_recycle(struct weir_collector *collector, struct weir_output *output);

/** Where an internal partition ends after what was stored through this collector. */
struct weir_output_end {
    size_t topic;
    int32_t partition;
    int64_t end_offset;
};
/** An internal partition whose end has moved since it was last given; false: no more. */
bool weir_collector_next_end(struct weir_collector *collector, struct weir_output_end *end_out);
/** The end of a partition as it was last given; -1: never. */
int64_t weir_collector_given_end(const struct weir_collector *collector, size_t topic,
                                 int32_t partition);
/** True if nothing is being built and nothing waits to be sent. */
bool weir_collector_is_empty(const struct weir_collector *collector);
/** Something is there, finished or being built, that is to be sent in the transaction. */
bool weir_collector_needs_transaction(const struct weir_collector *collector);

#endif
