#ifndef WEIR_RUNTIME_TASK_OUTPUT_PRODUCER_H
#define WEIR_RUNTIME_TASK_OUTPUT_PRODUCER_H

#include "client/client.h"
#include "runtime/task/job_topic.h"

/**
 * A producer that several stream threads write with: its id and epoch, and the sequences of each partition. A
 * batch is numbered when it is sent, and sent in the order of its number: whoever numbers holds the partition until
 * the log has the request.
 *
 *   first sent ──> numbered ──> on its way ──┬─ stored
 *                     ^                      ├─ a shortage, or out of order behind one: sent again, as numbered
 *                     │                      └─ refused and given up: those behind it move up
 *                     └── sent again ──────────────┘
 *
 * One of transactions is given the epoch of each by who begins and ends them (commit.c); within an epoch sequences
 * begin at 0 (KIP-890). Between two of them nothing is sent.
 *
 * Thread: what the comments say; the rest any thread that writes.
 */

struct weir_producer_slot; /* output_producer.c */

struct weir_output_producer {
    struct weir_budget *budget;
    const char *transactional_id; /* NULL: what it writes is in no transaction */
    const struct weir_job_topic *topics;
    size_t topic_count;
    struct weir_producer_slot **slots; /* by topic, by partition; NULL: not a topic that is there */
    int64_t id;
    int16_t epoch;
    int64_t number; /* of the epoch that sequences are counted in; 0: none yet */
};

/** A batch's place in the order of its partition. */
struct weir_output_place {
    int32_t sequence;
    size_t moved; /* how often its partition has moved up when it was numbered */
    bool is_numbered;
};

/** Zeroed it may be closed. `topics` are as they will be; borrowed. WEIR_NO_MEMORY. */
int weir_output_producer_open(struct weir_output_producer *producer, struct weir_budget *budget,
                              const char *transactional_id, const struct weir_job_topic *topics,
                              size_t topic_count);
void weir_output_producer_close(struct weir_output_producer *producer);
/** The epoch of what is sent from now on. Nothing is on its way. */
void weir_output_producer_begin(struct weir_output_producer *producer, int64_t id, int16_t epoch);

/** Send a batch of the topic's partition, numbered, for the first time or again. */
void weir_output_producer_send(struct weir_output_producer *producer, struct weir_log *log,
                               size_t topic, int64_t record_count, struct weir_output_place *place,
                               struct weir_produce_request *produce);
/** It has been answered. */
void weir_output_producer_answered(struct weir_output_producer *producer, size_t topic,
                                   int32_t partition);
/**
 * May a batch that failed be sent again without changing the order of its partition? If the log
 * refuses what was sent behind it for its sequence, which it does once it knows the producer; or if
 * nothing was.
 */
bool weir_output_producer_may_resend(struct weir_output_producer *producer, size_t topic,
                                     int32_t partition);
/** It is stored: no more is asked of it. */
void weir_output_producer_stored(struct weir_output_producer *producer, size_t topic,
                                 int32_t partition);
/** It is given up: the log has refused its content, or nothing of it counts any more. Those behind it move up.
 * WEIR_NO_MEMORY: nothing may be sent behind it. */
int weir_output_producer_given_up(struct weir_output_producer *producer, size_t topic,
                                  int32_t partition, int64_t record_count,
                                  const struct weir_output_place *place);
/** Partitions that were written to in this epoch; how many. `to` NULL: only that. Between two transactions. */
size_t weir_output_producer_partitions(const struct weir_output_producer *producer,
                                       struct weir_topic_partition *to);

#endif
