#ifndef WEIR_RUNTIME_TASK_INPUT_QUEUE_H
#define WEIR_RUNTIME_TASK_INPUT_QUEUE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "runtime/task/read_batch.h"
#include "wire/request/batches.h"
#include "wire/request/committed_filter.h"
#include "weir/error.h"
#include "weir/record.h"

/**
 * What was fetched of one input partition and not yet processed.
 *
 * Fetched bytes are held by reference, one *chunk* per record batch; a chunk is checked (crc) and
 * decoded when it comes to the head. Records that were taken stay readable until they are released,
 * so that a batch of rows may span chunks. Chunks, and what they are decoded into, come from a pool: a
 * steady state allocates nothing.
 *
 *   fetched ──push──> waiting ──decode at the head──> advance ──> taken ──release──> pool
 */
struct weir_input_chunk;
struct weir_input_rows;

/**
 * What queues have in common that are read in turn: a thousand inputs decode into the memory of the few that
 * are at work. Zeroed it may be closed. One thread.
 */
struct weir_input_pool {
    struct weir_budget *budget;
    struct weir_input_chunk *chunks;
    struct weir_input_rows *rows;
};
void weir_input_pool_init(struct weir_input_pool *pool, struct weir_budget *budget);
/** Its queues are closed. */
void weir_input_pool_close(struct weir_input_pool *pool);

struct weir_input_queue {
    struct weir_input_pool *pool;  /* not its own */
    struct weir_input_chunk *head; /* oldest; decoded or not */
    struct weir_input_chunk *tail;
    struct weir_input_chunk *taken; /* wholly processed, still readable */
    int64_t position;               /* next offset to hand out; records below are skipped */
    int64_t fetch_offset;           /* next offset to fetch */
    int64_t durable_offset;      /* as the last fetch said; set before it is pushed. 0: not known */
    struct weir_read_batch read; /* the batch of the last record that was handed out */
    size_t buffered_records;     /* counted from the headers */
    size_t buffered_bytes;
    int64_t damaged_offset; /* of the batch that a peek has found to be WEIR_CORRUPT; -1: none */
};

/** Records from `position` on are wanted. Cannot fail. The pool outlives it. */
void weir_input_queue_init(struct weir_input_queue *queue, struct weir_input_pool *pool,
                           int64_t position);
void weir_input_queue_close(struct weir_input_queue *queue);

/**
 * Add what a fetch gave; takes references of its own to what it keeps. Control batches and what lies below
 * the position are left out. WEIR_CORRUPT, WEIR_NO_MEMORY.
 */
int weir_input_queue_push(struct weir_input_queue *queue, const struct weir_log_batches *batches,
                          struct weir_error *error);
/** The same of a fetch that read committed: what it says was aborted is left out, too. The list is put into another
 * order. */
int weir_input_queue_push_committed(struct weir_input_queue *queue,
                                    const struct weir_log_batches *batches,
                                    struct weir_aborted_transaction *aborted, size_t aborted_count,
                                    struct weir_error *error);

/**
 * The records at the head that lie in one chunk: their number, 0 when nothing is buffered, or
 * WEIR_CORRUPT, WEIR_NO_MEMORY.
 */
int weir_input_queue_peek(struct weir_input_queue *queue, const struct weir_record **records_out,
                          struct weir_error *error);
/** The first `count` of what peek gave are taken. */
void weir_input_queue_advance(struct weir_input_queue *queue, size_t count);
/** Views of taken records end. */
void weir_input_queue_release(struct weir_input_queue *queue);

static inline bool weir_input_queue_is_empty(const struct weir_input_queue *queue)
{
    return queue->buffered_records == 0;
}

/** Say behind a text of damage that a peek has found what is to be done about it. */
void weir_input_say_repair(const struct weir_topic_partition *of, struct weir_error *error);

#endif
