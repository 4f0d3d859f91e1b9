#ifndef WEIR_BROKER_LOG_PRODUCER_STATE_H
#define WEIR_BROKER_LOG_PRODUCER_STATE_H

#include "base/env/env.h"
#include "base/bytes.h"
#include "base/map.h"
#include "wire/record_batch.h"

/**
 * What a partition remembers of each idempotent producer: its epoch and its last five batches. A
 * repeated batch gets the offset it had; a gap is refused (CLIENTS.md c, idempotent producer).
 *
 * Idle time runs on the monotonic clock and is carried over in the durable mark, so a wall clock
 * that jumps forgets nobody; time during which the log was closed does not count.
 *
 * Anybody may ask for producer ids without end, so their number is bounded. Beyond
 * WEIR_PRODUCERS_MAX those are forgotten that were idle for WEIR_PRODUCER_KEEP_MS, as if their day
 * were over: what they send next is taken with whatever sequence it has. That is longer than a
 * client repeats a batch (delivery.timeout.ms, two minutes), so a flood of ids does not have the
 * batches of others stored twice. At WEIR_PRODUCERS_LIMIT new ones are refused instead.
 */
enum {
    WEIR_PRODUCER_BATCHES = 5,
    WEIR_PRODUCERS_MAX = 10000,
    WEIR_PRODUCERS_LIMIT = 50000,
    WEIR_PRODUCER_KEEP_MS = 15 * 60 * 1000,
};

struct weir_producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t base_offset;
    int64_t last_offset;
    int64_t timestamp_ms; /* the batch's largest */
};

struct weir_producer {
    int64_t id; /* the key */
    int16_t epoch;
    uint8_t batch_count; /* 0: known by name only, as good as not known */
    struct weir_mono used;
    struct weir_producer_batch batches[WEIR_PRODUCER_BATCHES]; /* oldest first */
    struct weir_producer *older;                               /* by last use */
    struct weir_producer *newer;
};

struct weir_producer_state {
    struct weir_budget *budget;
    struct weir_map map; /* by the bytes of `id` */
    struct weir_producer *oldest;
    struct weir_producer *newest;
    size_t count_max;   /* WEIR_PRODUCERS_MAX, unless a test wants fewer */
    size_t count_limit; /* WEIR_PRODUCERS_LIMIT, as well */
};

void weir_producer_state_init(struct weir_producer_state *state, struct weir_budget *budget);
void weir_producer_state_close(struct weir_producer_state *state);

/**
 * May this batch be appended? `previous` is the batch before it in the same append, or NULL.
 * 0: yes. WEIR_END: it is a repetition of `*duplicate_out`.
 * Errors: WEIR_OUT_OF_ORDER_SEQUENCE, WEIR_PRODUCER_FENCED.
 */
int weir_producer_state_check(const struct weir_producer_state *state,
                              const struct weir_batch_header *header,
                              const struct weir_batch_header *previous,
                              struct weir_producer_batch *duplicate_out, struct weir_error *error);
/** Is the producer of `header` known, or is there a place for it? */
bool weir_producer_state_has_place(const struct weir_producer_state *state,
                                   const struct weir_batch_header *header, struct weir_mono now);
/** Room for the producer of `header`, so that add cannot fail; it lasts until the next reservation.
 * WEIR_NO_MEMORY. */
int weir_producer_state_reserve(struct weir_producer_state *state,
                                const struct weir_batch_header *header);
/** The batch is in the log; reserved before. Without a producer id nothing happens. With too many
 * producers the longest idle are forgotten. */
void weir_producer_state_add(struct weir_producer_state *state,
                             const struct weir_batch_header *header, struct weir_mono now);
/** Copy from `other` what it knows of batches that end below `offset`; where it knows any, it
 * knows better. WEIR_NO_MEMORY. */
int weir_producer_state_copy_below(struct weir_producer_state *state,
                                   const struct weir_producer_state *other, int64_t offset);
/** Forget who was idle for longer. How many went. */
size_t weir_producer_state_expire(struct weir_producer_state *state, struct weir_mono now,
                                  int64_t idle_ms_max);
/** Our own form, in the durable mark: all five batches and the idle time. */
void weir_producer_state_encode(const struct weir_producer_state *state, struct weir_mono now,
                                struct weir_buffer *to);
/** Adds to `state`, which is empty. WEIR_CORRUPT, WEIR_NO_MEMORY. */
int weir_producer_state_decode(struct weir_producer_state *state, struct weir_reader *reader,
                               struct weir_mono now, struct weir_error *error);

/** Kafka's `.snapshot`: the last batch of each producer. Without memory `to` has failed. */
void weir_producer_snapshot_write(const struct weir_producer_state *state, struct weir_buffer *to);
/** Adds to `state`, which is empty. WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY. */
int weir_producer_snapshot_read(struct weir_producer_state *state, struct weir_slice bytes,
                                struct weir_mono now, struct weir_error *error);

#endif
