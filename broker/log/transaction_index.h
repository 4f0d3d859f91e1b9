#ifndef WEIR_BROKER_LOG_TRANSACTION_INDEX_H
#define WEIR_BROKER_LOG_TRANSACTION_INDEX_H

#include "base/buffer.h"
#include "broker/log/producer_state.h"

/**
 * `.txnindex`: which transactions were aborted by markers in a segment, in Kafka's format: 34 bytes each, big-endian,
 * in order of their markers.
 *
 *   0 version i16 = 0     10 first offset i64            26 last stable offset i64: below it everything was decided
 *   2 producer id i64     18 last offset i64: the marker's   when the marker was written, with it
 *
 * A reader that reads committed is told of those that have records among what it is given: which is found from the first
 * entry whose marker does not lie before, and over when an entry's last stable offset says that all that began below
 * the end was decided by then.
 *
 * The entries of every segment are in memory, 32 bytes for each abort (whose marker alone takes 78 in the log), so that no
 * fetch reads the file; it is read once, when the log is opened. The log can make it anew, and does where the file is
 * missing, torn or wrong: the durable mark has the number of entries and their crc. So nothing that is written to it
 * need be durable, and a failure to write it is none of the log's.
 * Thread: the log's owner.
 */
#define WEIR_TRANSACTION_INDEX_SUFFIX ".txnindex"

enum { WEIR_TRANSACTION_INDEX_ENTRY_SIZE = 34 };

struct weir_aborted_entry {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset;
};

struct weir_transaction_index {
    struct weir_budget *budget;
    struct weir_aborted_entry *entries; /* last offsets rise, last stable offsets do not fall */
    size_t count;
    size_t capacity;
    size_t filed; /* how many of them the file has, and nothing else; SIZE_MAX: not known */
};

void weir_transaction_index_init(struct weir_transaction_index *index, struct weir_budget *budget);
void weir_transaction_index_close(struct weir_transaction_index *index);
/** Its invariants; the order of all only where assertions may be slow. */
void weir_transaction_index_check(const struct weir_transaction_index *index);

/** Room for so many more, which add then takes. WEIR_NO_MEMORY. */
int weir_transaction_index_reserve(struct weir_transaction_index *index, size_t count);
/** An abort, behind all that are there; reserved before. */
void weir_transaction_index_add(struct weir_transaction_index *index,
                                const struct weir_transaction_end *end);
/** Without those whose markers are at or behind `offset`. */
void weir_transaction_index_cut(struct weir_transaction_index *index, int64_t offset);
/** How many markers lie before `offset`: the index of the first entry that does not. */
size_t weir_transaction_index_find(const struct weir_transaction_index *index, int64_t offset);
/** The crc-32c of the first `count` entries as they are in the file; of none it is 0. */
uint32_t weir_transaction_index_crc(const struct weir_transaction_index *index, size_t count);
/** And with one entry more. */
uint32_t weir_transaction_index_crc_next(uint32_t crc, const struct weir_aborted_entry *entry);

/** The entries from `from` on, as in the file. */
void weir_transaction_index_encode(const struct weir_transaction_index *index, size_t from,
                                   struct weir_buffer *to);
/** Into an empty index: whole entries, of markers in [base_offset, end_offset), in order.
 * WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY: it is empty as before. */
int weir_transaction_index_decode(struct weir_transaction_index *index, struct weir_slice bytes,
                                  int64_t base_offset, int64_t end_offset,
                                  struct weir_error *error);

/** Have the file of the segment at `base_offset` say the same: what is new is written behind what it has, else it is
 * written anew, or removed where there is nothing. What fails is tried again the next time. */
void weir_transaction_index_save(struct weir_transaction_index *index, struct weir_env *env,
                                 const char *directory, int64_t base_offset);

#endif
