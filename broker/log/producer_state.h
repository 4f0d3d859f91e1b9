#ifndef WEIR_BROKER_LOG_PRODUCER_STATE_H
#define WEIR_BROKER_LOG_PRODUCER_STATE_H

#include "base/env/env.h"
#include "base/bytes.h"
#include "base/map.h"
#include "wire/record_batch.h"
#include "wire/request/transaction_requests.h"

/**
 * What a partition remembers of each idempotent producer: its epoch and its last five batches. A
 * repeated batch gets the offset it had; a gap is refused (CLIENTS.md c, idempotent producer).
 *
 * And of each transactional one where its open transaction begins. Its first batch with the
 * transactional bit opens it, a control batch of the producer (the marker) ends it. A marker is remembered
 * of a producer that is not known, too: its epoch fences what may still come of that transaction. A producer has
 * one open at most, and offsets only rise, so the list in which they are opened is in order of their
 * first offsets: its head is the first unstable offset, below which every transaction is decided.
 * Open ones are never forgotten, however idle: only the marker ends them (Kafka's
 * ProducerStateManager, KIP-98). Their number is bounded by that of the producers.
 *
 * A marker carries an epoch. In version 1 of transactions it is the transaction's own, or a newer one that fences
 * who has let it time out; in version 2 (KIP-890) always a newer one, so that each epoch names one transaction.
 * And it carries the epoch of the coordinator that wrote it, of which an older one has nothing more to say.
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
    int64_t id;                       /* the key */
    int16_t epoch;                    /* -1: reserved by name only, as good as not known */
    uint8_t batch_count;              /* 0: no batch of this epoch yet, a marker has begun it */
    int32_t coordinator_epoch;        /* of the last marker, as far as it is known; -1: it is not */
    int64_t transaction_first_offset; /* of the open transaction; -1: none is */
    struct weir_mono used;
    struct weir_producer_batch batches[WEIR_PRODUCER_BATCHES]; /* oldest first */
    struct weir_producer *older;                               /* by last use */
    struct weir_producer *newer;
    struct weir_producer *opened_before; /* with an open transaction: by its first offset */
    struct weir_producer *opened_after;
};

struct weir_producer_state {
    struct weir_budget *budget;
    struct weir_map map; /* by the bytes of `id` */
    struct weir_producer *oldest;
    struct weir_producer *newest;
    struct weir_producer *first_open; /* of those with an open transaction */
    struct weir_producer *last_open;
    size_t count_max;   /* WEIR_PRODUCERS_MAX, unless a test wants fewer */
    size_t count_limit; /* WEIR_PRODUCERS_LIMIT, as well */
};

void weir_producer_state_init(struct weir_producer_state *state, struct weir_budget *budget);
void weir_producer_state_close(struct weir_producer_state *state);
/** Its invariants; those of each producer only where assertions may be slow. */
void weir_producer_state_check(const struct weir_producer_state *state);

/**
 * May this batch be appended? `previous` is the batch before it in the same append, or NULL.
 * 0: yes. WEIR_END: it is a repetition of `*duplicate_out`.
 * Errors: WEIR_OUT_OF_ORDER_SEQUENCE, WEIR_PRODUCER_FENCED, WEIR_INVALID_TXN_STATE (a transaction is open, and
 *         this is not in it).
 */
int weir_producer_state_admit(const struct weir_producer_state *state,
                              const struct weir_batch_header *header,
                              const struct weir_batch_header *previous,
                              struct weir_producer_batch *duplicate_out, struct weir_error *error);
/** Has it had a place here? What it sends next needs no memory then. */
bool weir_producer_state_knows(const struct weir_producer_state *state, int64_t producer_id);
/** A batch of transactions of version 2: its producer begins at sequence 0 where nothing is known of it, for
 * there is a state for as long as its epoch may be in use. WEIR_OUT_OF_ORDER_SEQUENCE. */
int weir_producer_state_check_new(const struct weir_producer_state *state,
                                  const struct weir_batch_header *header, struct weir_error *error);
/**
 * May this marker be appended? 0: yes. WEIR_END: it, or one that does the same, is there already.
 * Errors: WEIR_PRODUCER_FENCED, WEIR_TRANSACTION_COORDINATOR_FENCED.
 */
int weir_producer_state_admit_marker(const struct weir_producer_state *state,
                                     const struct weir_transaction_marker *marker,
                                     bool is_version_2, struct weir_error *error);
/** The open transaction of a producer. */
struct weir_open_transaction {
    int64_t first_offset; /* -1: it has none */
    int16_t producer_epoch;
};
struct weir_open_transaction
weir_producer_state_transaction(const struct weir_producer_state *state, int64_t producer_id);
/** Is the producer of `header` known, or is there a place for it? */
bool weir_producer_state_has_place(const struct weir_producer_state *state,
                                   const struct weir_batch_header *header, struct weir_mono now);
/** An append begins: the names that one which failed has reserved give way, so that they do not pile up. */
void weir_producer_state_drop_names(struct weir_producer_state *state);
/** Room for the producer of `header`, so that add cannot fail; it lasts until names are dropped. WEIR_NO_MEMORY. */
int weir_producer_state_reserve(struct weir_producer_state *state,
                                const struct weir_batch_header *header);
/** The batch is in the log; reserved before. Without a producer id nothing happens. With too many
 * producers the longest idle are forgotten. A marker, of which only the header is known here, ends its producer's
 * transaction: what is known of coordinators stays. */
void weir_producer_state_add(struct weir_producer_state *state,
                             const struct weir_batch_header *header, struct weir_mono now);
/** What a marker has ended. */
struct weir_transaction_end {
    int64_t producer_id;
    int64_t first_offset;       /* -1: nothing was open */
    int64_t last_offset;        /* the marker's */
    int64_t last_stable_offset; /* of the log up to the marker, with it */
    bool is_abort;              /* of something: records that are not to be read */
};
/** The same for a marker whose record has been read; reserved before. */
struct weir_transaction_end weir_producer_state_end_transaction(
    struct weir_producer_state *state, const struct weir_batch_header *header,
    const struct weir_transaction_marker *marker, struct weir_mono now);
/** Copy from `other` what it knows of batches that end below `offset`; where it knows any, it
 * knows better. WEIR_NO_MEMORY. */
int weir_producer_state_copy_below(struct weir_producer_state *state,
                                   const struct weir_producer_state *other, int64_t offset);
/** Where the first open transaction begins; -1: none is open. */
int64_t weir_producer_state_first_unstable(const struct weir_producer_state *state);
/**
 * Those that are known at `now`, who wrote last at the end; `list` has room for all of them, or is NULL. How many. Of one
 * that has no batch with a sequence (offsets have none, nor has a marker) the last time is what it has been idle since.
 */
struct weir_producer_clocks {
    struct weir_mono now;
    int64_t wall_ms;
};
size_t weir_producer_state_list(const struct weir_producer_state *state,
                                struct weir_producer_clocks at, struct weir_producer_info *list);
/** Forget who was idle for longer and has no transaction open. How many went. */
size_t weir_producer_state_expire(struct weir_producer_state *state, struct weir_mono now,
                                  int64_t idle_ms_max);
/** Our own form, in the durable mark: all five batches, the idle time, the open transaction. */
void weir_producer_state_encode(const struct weir_producer_state *state, struct weir_mono now,
                                struct weir_buffer *to);
/** Adds to `state`, which is empty. The form of a mark of version 2 has no transactions.
 * WEIR_CORRUPT, WEIR_NO_MEMORY. */
int weir_producer_state_decode(struct weir_producer_state *state, struct weir_reader *reader,
                               bool has_transactions, struct weir_mono now,
                               struct weir_error *error);

/** Kafka's `.snapshot`: the last batch of each producer, and its open transaction. Without memory
 * `to` has failed. */
void weir_producer_snapshot_write(const struct weir_producer_state *state, struct weir_buffer *to);
/** Adds to `state`, which is empty. WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY. */
int weir_producer_snapshot_read(struct weir_producer_state *state, struct weir_slice bytes,
                                struct weir_mono now, struct weir_error *error);

#endif
