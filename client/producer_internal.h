#ifndef WEIR_CLIENT_PRODUCER_INTERNAL_H
#define WEIR_CLIENT_PRODUCER_INTERNAL_H

#include "base/map.h"
#include "client/access.h"
#include "client/client_internal.h"
#include "client/partitioner.h"
#include "client/producer_step.h"
#include "client/transaction_step.h"
#include "wire/record_batch.h"

/**
 * What the parts of a producer share.
 *
 *   producer.c           the public calls
 *   producer_state.c     who is inside; what the parts know of a transaction
 *   producer_flush.c     waiting until what was sent is answered
 *   producer_buffers.c   the memory of batches
 *   producer_batches.c   records into batches: filling, sealing
 *   producer_step.c      which batch goes when, and what comes of an answer: pure
 *   producer_flight.c    batches into the log and back: requests, deliveries
 *   producer_transaction.c  transactions: what transaction_step.h wants, done
 *   transaction_step.c   where the producer's transaction stands: pure
 *
 * Thread: one at a time, and a second is refused (access.h); except on_answered, which runs on a shard and only pushes into
 * `answered`. No locks.
 */
struct weir_producer_partition;

struct weir_producer_batch {
    struct weir_produce_request produce; /* first: its message comes back through `answered` */
    struct weir_producer *producer;
    struct weir_producer_partition *partition;
    struct weir_queued_batch queued;  /* in its partition's queue */
    struct weir_producer_batch *next; /* of the done, or the free ones */
    struct weir_shared *bytes;        /* being filled, then being sent; NULL when done */
    size_t charged;                   /* of buffer_memory */
    struct weir_buffer contexts;      /* record_context of each record, if deliveries are wanted */
    struct weir_mono opened;          /* for linger */
};

struct weir_producer_partition {
    struct weir_producer_topic *topic;
    int32_t index;
    struct weir_batch_builder builder; /* its plain buffer is lent: the bytes of `open` */
    struct weir_producer_batch *open;
    struct weir_producer_queue queue; /* by weir_producer_step only */
    uint64_t transaction_number;      /* the producer's, of the last one that wrote here */
    struct weir_producer_partition *next_busy;
    bool is_busy; /* linked in the producer's list: something is open or unanswered */
};

struct weir_producer_topic {
    char *name;
    int32_t partition_count;
    int64_t max_message_bytes;
    bool is_compacted; /* as the last batch was told: so each record needs a key */
    bool is_stale;     /* the log answered that it is not what we think: look it up again */
    struct weir_partitioner partitioner;
    struct weir_producer_partition **partitions; /* each made when first written to */
    int32_t partition_capacity; /* of the array; a topic made anew may have fewer partitions */
};

enum { WEIR_PRODUCER_POOL_MAX = 64, WEIR_PRODUCER_MAGIC = 0x50524f44 };

struct weir_producer {
    uint32_t magic;
    struct weir_access access;
    struct weir_log *log;
    struct weir_producer_options options;
    enum weir_codec codec;
    enum weir_acks acks;
    bool is_idempotent;
    int64_t producer_id; /* WEIR_NO_PRODUCER_ID until the first record */
    /* with a transactional id, which is the options' and a copy of ours */
    bool is_transactional;
    int16_t producer_epoch;
    uint64_t transaction_number;                  /* counts epochs */
    struct weir_producer_transaction transaction; /* by weir_producer_transaction_step only */

    struct weir_map topics;
    struct weir_producer_topic *last_topic; /* most calls name the one of the call before */
    struct weir_producer_partition *busy;   /* in order of first use since it was idle */
    struct weir_producer_partition **busy_end;

    struct weir_mono linger_until; /* when the first open batch has lingered long enough */
    size_t unanswered;             /* batches READY or IN_FLIGHT */
    size_t memory_used;            /* bytes of batches open, ready or in flight */
    struct weir_buffer compressed; /* lent to a builder while it seals */
    struct weir_shared *pool[WEIR_PRODUCER_POOL_MAX]; /* buffers of batch_size, oldest first */
    size_t pool_start, pool_count, pool_max;

    struct weir_mailbox answered;
    struct weir_producer_batch *free_batches;
    struct weir_producer_batch *done; /* waiting for their deliveries to run */
    struct weir_producer_batch **done_end;
    size_t done_bytes;         /* of their contexts */
    int done_silently;         /* records that nobody wants a delivery for, since the last poll */
    bool is_delivering;        /* inside on_delivery */
    struct weir_error failure; /* first since the last flush; code 0: none */
};

/* ---- producer_state.c ------------------------------------------------------------------------ */

/** What holds between the fields, after each call but a send, of which there is one a record. */
void weir_producer_check(const struct weir_producer *producer);
/** Every public call comes in here, and goes out through leave. */
int weir_producer_enter(struct weir_producer *producer, const char *call, struct weir_error *error);
int weir_producer_leave(struct weir_producer *producer, int rc);
/** Something that was sent in the transaction has failed. Nothing for a producer without. */
void weir_producer_note_failure(struct weir_producer *producer, int rc,
                                const struct weir_error *why);
/** A record is going to be sent: may it? Without a transactional id: yes. */
int weir_producer_check_send(struct weir_producer *producer, struct weir_error *error);
/** The partition's queue is of the transaction at hand. */
void weir_producer_renew(struct weir_producer *producer, struct weir_producer_partition *partition);

/* ---- producer_flush.c ------------------------------------------------------------------------ */

/** May `call` wait on this thread, here? */
int weir_producer_may_wait(const struct weir_producer *producer, const char *call,
                           struct weir_error *error);
/** Wait until nothing is unanswered; nothing is open. WEIR_CRASHED. */
int weir_producer_await_all(struct weir_producer *producer, struct weir_error *error);
/** The first failure since it was asked for last; 0: there was none. */
int weir_producer_take_failure(struct weir_producer *producer, struct weir_error *error);
/** Wait until all that was sent is answered, and run the deliveries; the first failure. It may wait. */
int weir_producer_flush_all(struct weir_producer *producer, struct weir_error *error);

/* ---- producer_transaction.c ------------------------------------------------------------------ */

/** The new producer's id and epoch; what its predecessor has open is aborted. Waits. */
int weir_producer_init_transactions(struct weir_producer *producer, struct weir_error *error);
/** Abort what is open, for closing; carry through what is being ended. WEIR_CRASHED. */
int weir_producer_end_for_close(struct weir_producer *producer, struct weir_error *error);

/* ---- producer_buffers.c ---------------------------------------------------------------------- */

/** What holds between its fields in each of its states; of a done one, once it is settled. */
void weir_producer_batch_check(const struct weir_producer_batch *batch);
/** A buffer that nobody else refers to; NULL when memory is out. */
struct weir_shared *weir_producer_take_buffer(struct weir_producer *producer, size_t capacity);
/** A batch that is free; NULL when memory is out. */
struct weir_producer_batch *weir_producer_take_batch(struct weir_producer *producer);
/** The same batch, as it was taken. */
void weir_producer_give_back(struct weir_producer *producer, struct weir_producer_batch *batch);
/** The batch's bytes are not needed any more. */
void weir_producer_drop_bytes(struct weir_producer *producer, struct weir_producer_batch *batch);
/** Back to the free ones: it is done, or was open. */
void weir_producer_free_batch(struct weir_producer *producer, struct weir_producer_batch *batch);

/* ---- producer_batches.c ---------------------------------------------------------------------- */

/**
 * Put a record (timestamp set) into its partition's batch. WEIR_END: that one was full and is on
 * its way, the record was not added; choose a partition again.
 */
int weir_producer_add(struct weir_producer *producer, struct weir_producer_partition *partition,
                      const struct weir_record *record, void *record_context,
                      struct weir_error *error);
/** Finish the open batch, if there is one, and queue it. On failure it stays open. */
int weir_producer_seal(struct weir_producer *producer, struct weir_producer_partition *partition,
                       struct weir_error *error);
/** Take the open batch's records back: nothing of it is sent. */
struct weir_producer_batch *weir_producer_take_open(struct weir_producer_partition *partition);

/* ---- producer_flight.c ----------------------------------------------------------------------- */

/** Send what is ready and may go. */
void weir_producer_pump(struct weir_producer *producer, struct weir_producer_partition *partition);
/** The same for all partitions; forgets those that are idle. */
void weir_producer_pump_all(struct weir_producer *producer);
/** Take up the answers that are there. */
void weir_producer_take_answers(struct weir_producer *producer);
/** Wait for an answer, or a retry that falls due, and go on. Something must be unanswered. */
int weir_producer_await(struct weir_producer *producer, struct weir_error *error);
/** A batch's fate is known; it is DONE. */
void weir_producer_settle(struct weir_producer *producer, struct weir_producer_batch *batch, int rc,
                          const struct weir_error *error);
/** Run the deliveries that are due; how many records. */
int weir_producer_deliver(struct weir_producer *producer);

#endif
