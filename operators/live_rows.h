#ifndef WEIR_OPERATORS_LIVE_ROWS_H
#define WEIR_OPERATORS_LIVE_ROWS_H

#include "runtime/state/key_schema.h"
#include "runtime/state/slabs.h"
#include "runtime/task/node.h"

/**
 * Which rows of a store with times are not over, by record key and in order of time: where a
 * session or a sliding window is looked for, which is asked per record and would be a scan of the
 * store each time.
 *
 *     "a"  ──>  [end 15, start 10]  [end 31, start 26]
 *     "b"  ──>  [end 12, start 12]
 *
 * It has the times alone, values are the store's. It is made of the store when the node is opened
 * and follows each change, so it always has all rows that are not over: about 100 bytes and the key
 * for each key that has one. What is over goes when its key is met, and by a sweep when the keys
 * have doubled.
 *
 * Its memory has a budget of its own, WEIR_LIVE_ROWS_BYTES_MAX in each task: it cannot be evicted
 * from, for a window that is not found would be begun a second time. A job whose keys need more
 * stops (WEIR_LIMIT).
 */
enum { WEIR_LIVE_ROWS_BYTES_MAX = 1 << 30 };

struct weir_live_row {
    int64_t time_ms;  /* the one that decides: a session's end, a sliding window's start */
    int64_t other_ms; /* a session's start; the largest timestamp in a sliding window */
};

struct weir_live_key {
    struct weir_live_row *rows; /* in order of time_ms, each once */
    uint32_t
        first; /* places before `rows` in its memory: of rows that went, at no cost, at the front */
    uint32_t count;
    uint32_t capacity; /* of all of the memory */
    uint32_t key_size;
    uint8_t key[];
};

/** With the hash beside it a key that is another's is passed over without a look at it. */
struct weir_live_slot {
    uint64_t hash;
    struct weir_live_key *key; /* NULL: free */
};

struct weir_live_rows {
    struct weir_budget budget;
    struct weir_slabs slabs;
    struct weir_live_slot *slots; /* open addressing */
    size_t slot_count;            /* a power of two */
    size_t key_count;
    size_t sweep_at; /* keys */
};

/** In a budget within `budget`, of `bytes_max` bytes; 0: WEIR_LIVE_ROWS_BYTES_MAX. */
void weir_live_rows_init(struct weir_live_rows *live, struct weir_budget *budget, size_t bytes_max);
/** Frees; zeroed is fine. */
void weir_live_rows_close(struct weir_live_rows *live);

/** What a call below returned that is negative: the same, with a text for WEIR_LIMIT. */
int weir_live_rows_failed(const struct weir_live_rows *live, const struct weir_node *node, int rc,
                          struct weir_error *error);
/** The rows of a key, of that hash, without those at or before `expired_ms`; made if there are none.
 * The pointer is good until the next call of this. WEIR_NO_MEMORY; WEIR_LIMIT: more than its
 * budget. */
int weir_live_rows_find(struct weir_live_rows *live, struct weir_slice key, uint64_t hash,
                        int64_t expired_ms, struct weir_live_key **key_out);
/** Have the memory that a find will want come to the cache meanwhile: where the key is noted, then,
 * a few rows later, what is noted of it, and at last its rows. Per record, so inline. */
static inline void weir_live_rows_prefetch_slot(const struct weir_live_rows *live, uint64_t hash)
{
    if (live->slot_count > 0) {
        __builtin_prefetch(&live->slots[(size_t)hash & (live->slot_count - 1)]);
    }
}
/** The key of a hash; NULL: there is none, as far as the hash tells. */
static inline const struct weir_live_key *weir_live_rows_peek(const struct weir_live_rows *live,
                                                              uint64_t hash)
{
    if (live->slot_count == 0) return NULL;
    const size_t mask = live->slot_count - 1;
    size_t at = (size_t)hash & mask;
    while (live->slots[at].key != NULL && live->slots[at].hash != hash) {
        at = (at + 1) & mask;
    }
    return live->slots[at].key;
}
static inline void weir_live_rows_prefetch_key(const struct weir_live_rows *live, uint64_t hash)
{
    const struct weir_live_key *key = weir_live_rows_peek(live, hash);
    if (key != NULL) __builtin_prefetch(key);
}
static inline void weir_live_rows_prefetch_rows(const struct weir_live_rows *live, uint64_t hash)
{
    const struct weir_live_key *key = weir_live_rows_peek(live, hash);
    if (key != NULL) __builtin_prefetch(key->rows);
}
/** Of a batch: the hashes of its keys are made, then each row's find is prepared a few rows
 * ahead. */
enum { WEIR_LIVE_SLOTS_AHEAD = 16, WEIR_LIVE_KEYS_AHEAD = 10, WEIR_LIVE_ROWS_AHEAD = 5 };
static inline void weir_live_rows_prefetch(const struct weir_live_rows *live,
                                           const uint64_t *hashes, size_t at, size_t count)
{
    if (at + WEIR_LIVE_SLOTS_AHEAD >= count) return;
    weir_live_rows_prefetch_slot(live, hashes[at + WEIR_LIVE_SLOTS_AHEAD]);
    weir_live_rows_prefetch_key(live, hashes[at + WEIR_LIVE_KEYS_AHEAD]);
    weir_live_rows_prefetch_rows(live, hashes[at + WEIR_LIVE_ROWS_AHEAD]);
}
uint64_t weir_live_rows_hash(const struct weir_live_rows *live, struct weir_slice key);
/** Room for `count` rows more, so that the next puts cannot fail. WEIR_NO_MEMORY, WEIR_LIMIT. */
int weir_live_key_reserve(struct weir_live_rows *live, struct weir_live_key *key, uint32_t count);
/** The first row at or after `time_ms`; `count` where there is none. */
uint32_t weir_live_key_at(const struct weir_live_key *key, int64_t time_ms);
/** Add a row, or change the one of its time. There is room (weir_live_key_reserve). */
void weir_live_key_put(struct weir_live_key *key, struct weir_live_row row);
void weir_live_key_remove(struct weir_live_key *key, uint32_t at, uint32_t count);

/** The row of a store's entry, of the node's first store. */
typedef struct weir_live_row (*weir_live_row_fn)(struct weir_slice key, int64_t timestamp_ms);
/** What the node's store has after `expired_ms`, when it is opened. */
int weir_live_rows_load(struct weir_live_rows *live, struct weir_node *node, int64_t expired_ms,
                        weir_live_row_fn row_of, struct weir_error *error);

#endif
