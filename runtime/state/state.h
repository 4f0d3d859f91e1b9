#ifndef WEIR_RUNTIME_STATE_STATE_H
#define WEIR_RUNTIME_STATE_STATE_H

#include "base/env/env.h"
#include "weir/record.h"
#include "weir/stream.h"

/**
 * The stores of one task.
 *
 *   operators ──touch/set──> open generation ──seal──> gathering ──write down──> RocksDB
 *                                  │                      │
 *                               (abort)              changelog batches
 *
 * A store is a hash table of current values over an ordered backend; a memory store is the table
 * alone, and is restored whole at every start. What changed since the last commit is the *open
 * generation*. Sealing it hands each changed key once to the changelog, and merges it into the
 * *gathering generation*: the rows that the backend does not have yet, each key once. Now and then,
 * when all that is gathered is committed, a worker writes it to the backend in one write batch with
 * the changelog positions it corresponds to. So the backend never holds what was not committed, and
 * never more or less than its position says: a crash costs the tail of the changelog, not the store;
 * a clean end costs nothing.
 * Clean entries stay in the table as a cache until the bound presses; an entry may leave once its
 * last sealed change has been written down.
 *
 * Memory beyond the cache's bound: what is open (open_bytes_max, and a batch), what gathers
 * (write_down_bytes, and an interval) and as much again while it is being written.
 *
 * One backend per task: a file of sorted rows while these are few (backend_run.h), then a database (WAL off,
 * one column family; DEPENDENCIES.md "RocksDB: guard rails" says why). Stores are told apart by a key prefix
 * of two bytes; positions under prefix 0.
 *
 * Thread: the task's stream thread, except what a worker runs (write down).
 */
struct weir_state;
struct weir_key_schema;
struct weir_key_range;
struct weir_backend_kind; /* runtime/state/backend.h */

struct weir_store_spec {
    const char *name;
    enum weir_store_kind kind;
    bool is_cached; /* forward on flush, with the old flushed value */
    bool is_logged;
    bool keeps_old; /* somebody downstream needs the value before the change */
    bool
        is_timestamped; /* values are stored as int64 timestamp · value; the changelog has the plain
                            value and the record's timestamp */
    /* What its keys are made of; NULL: plain. Where they have a time, rows are kept by segments of time
     * and are over once the stream time has left theirs behind by the retention; segments expire whole. */
    const struct weir_key_schema *schema;
    int64_t retention_ms;   /* 0 where keys have no time, and only there */
    int64_t window_size_ms; /* 0: keys are not windows of one size */
    int64_t ttl_ms; /* of rows without a time in their keys, timestamped: ttl.c; 0: they stay */
    bool
        is_scanned_often; /* its table keeps its keys in order, so that a walk costs what it gives */
    /* What its changelog takes in one record: key and value together, as they are there. 0: no bound. */
    size_t change_bytes_max;
    /* That its changelog's records carry, each of them. */
    const struct weir_header *log_headers;
    size_t log_header_count;
};

/** Where a backend stands in a changelog: everything below `offset` is in it. Of a store without one, the id of its
 * life is in place of the topic's (weir_store_begin_life). */
struct weir_changelog_position {
    struct weir_uuid topic_id;
    int32_t leader_epoch;
    int64_t offset; /* 0: nothing yet */
    int32_t partition;
    /* Unix time; the log had nothing at or above `offset` then, so that no tombstone which the store has yet to
     * see is older. The latest such time that is known, 0: none. */
    int64_t caught_up_ms;
};

struct weir_state_options {
    const struct weir_backend_kind *backend; /* what durable stores are kept in; not NULL */
    struct weir_env *env;
    struct weir_budget *budget;
    const char *path; /* DIR/state/<application>/<task>; made if it is not there */
    const struct weir_store_spec *const *specs;
    size_t store_count;
    size_t cache_bytes_max;  /* clean entries beyond this leave; over all stores of the task */
    size_t open_bytes_max;   /* 0: 32 MiB: weir_state_wants_commit beyond it */
    size_t sealed_bytes_max; /* 0: 64 MiB: weir_state_is_stalled beyond it */
    /* 0: 128 KiB: up to so many bytes of rows are kept in one file and in memory, and no database is opened.
     * 1: a database from the first write on. */
    size_t rows_bytes_max;
    /* How many states share this process's memory, this one included; 0: one. The next three are by default what
     * is said, but together no more than 256, 128 and 256 MiB, as long as each has 1 MiB, 256 and 512 KiB. */
    size_t share_count;
    size_t write_buffer_bytes; /* 0: 16 MiB; RocksDB has up to two of them */
    size_t block_cache_bytes;  /* 0: 8 MiB */
    struct weir_backend_cache
        *cache; /* one for many states, in its place; outlives them. NULL: none */
    /* A write-down is due when so many bytes of rows are gathered, or so much changelog was appended
     * since the last one, or so much time has gone by. */
    size_t write_down_bytes;           /* 0: 32 MiB */
    size_t write_down_changelog_bytes; /* 0: 128 MiB */
    int64_t write_down_interval_ms;    /* 0: 10 s */
    int64_t flush_interval_ms; /* 0: 10 s; a crash costs the changelog since the last flush, which
                                    goes with a write-down, and also comes when a buffer is full */
    /* The stream thread, for write-down completions. NULL: a write-down that is due is done when
     * weir_state_committed returns, and on_written is called from there (NULL: not at all). */
    struct weir_actor *reply_to;
    void (*on_written)(void *context, int rc, const struct weir_error *error);
    void *context;
};

/**
 * Open, from a thread that may block on a disk. A backend that cannot be opened or read is wiped:
 * its positions are then 0 and the caller restores it from the changelog; `wiped_out` says so.
 */
int weir_state_open(const struct weir_state_options *options, struct weir_state **state_out,
                    bool *wiped_out, struct weir_error *error);
/** Wait for no worker: `is_clean` writes down what is gathered, if all of it is committed, and flushes
 * the backend; positions are then those of the last commit, and a start has nothing to restore. No
 * write-down may be under way (weir_state_is_writing). Frees. NULL is fine. */
int weir_state_close(struct weir_state *state, bool is_clean, struct weir_error *error);
/**
 * Remove the folder of a task whose state is not open, and what `backend` keeps of it elsewhere. Fine
 * if there is none.
 *
 * Errors:  WEIR_IO, WEIR_PERMISSION, WEIR_NO_MEMORY; part of it may be gone then.
 * Thread:  one that may block on a disk.
 */
int weir_state_wipe(const struct weir_backend_kind *backend, struct weir_env *env, const char *path,
                    struct weir_error *error);

/** The schema of the keys, named or plain. */
const struct weir_key_schema *weir_store_spec_schema(const struct weir_store_spec *spec);

struct weir_store *weir_state_store(struct weir_state *state, size_t index);
const struct weir_store_spec *weir_store_spec(const struct weir_store *store);

/* ---- restore --------------------------------------------------------------------------------- */

struct weir_changelog_position weir_store_position(const struct weir_store *store);
/** Forget one store's content and position. */
int weir_store_clear(struct weir_store *store, struct weir_error *error);
/** A store without a changelog: what it holds on the disk stays if it is of that life, else it is cleared, and is of
 * it from then on, which the position of each commit has to say too. A zero `life` is of any. Durable only with what
 * is written next: a crash before that clears once more. Before any other use of the store. */
int weir_store_begin_life(struct weir_store *store, struct weir_uuid life,
                          struct weir_error *error);
/** Apply a run of changelog records (in order); afterwards the position is `position`. Straight into
 * the backend, in one write batch. Before any other use of the store. */
int weir_store_restore(struct weir_store *store, const struct weir_record *records, size_t count,
                       struct weir_changelog_position position, struct weir_error *error);

/* ---- use by operators (serialised keys and values) ------------------------------------------- */

/**
 * A key in the table. Valid until the next call that may evict: touch, get_many, range. Operators
 * read `value` and `timestamp_ms` and change them through weir_store_set.
 */
struct weir_store_entry {
    struct weir_slice key;
    uint8_t *value;     /* NULL: not there */
    uint8_t *old_value; /* as last forwarded (keeps_old, after the first change); NULL: not there */
    int64_t timestamp_ms;
    int64_t old_timestamp_ms;
    uint32_t value_size;
    uint32_t old_size;
    uint32_t flags; /* the store's */
    uint32_t slot;  /* the state's */
};

/** Find or make the entries of `count` keys, with what the backend has. Keys may repeat. */
int weir_store_touch(struct weir_store *store, const struct weir_slice *keys, size_t count,
                     struct weir_store_entry **entries_out, struct weir_error *error);
/** Whether weir_store_set would take this change; WEIR_TOO_LARGE: the changelog could not hold it, and
 * a seal, which can refuse nothing, would fail for good. */
int weir_store_check_change(const struct weir_store *store, struct weir_slice key,
                            struct weir_slice value, struct weir_error *error);
/** Change an entry of the last touch; null value: delete. WEIR_TOO_LARGE as above, WEIR_NO_MEMORY: the
 * entry stays as it is. */
int weir_store_set(struct weir_store *store, struct weir_store_entry *entry,
                   struct weir_slice value, int64_t timestamp_ms, struct weir_error *error);
/** The same for a value that grows: `head` over its first bytes, `tail` behind its last. A store that keeps no old values
 * and is not cached; bytes are moved as often as a doubling array's, within a factor of sixteen. */
int weir_store_append(struct weir_store *store, struct weir_store_entry *entry,
                      struct weir_slice head, struct weir_slice tail, int64_t timestamp_ms,
                      struct weir_error *error);
/** Headers that go into the changelog with the row that was just set, of a store that keeps duplicates, as
 * they do in Kafka Streams; nobody reads them back. Left out where the record would be too large with them.
 * WEIR_NO_MEMORY. */
int weir_store_set_headers(struct weir_store *store, struct weir_store_entry *entry,
                           const struct weir_header *headers, size_t count);
/** Look up without changing anything; null slices where there is nothing. Values live as long as
 * entries do. `timestamps_out` may be NULL. */
int weir_store_get_many(struct weir_store *store, const struct weir_slice *keys, size_t count,
                        struct weir_slice *values_out, int64_t *timestamps_out,
                        struct weir_error *error);
/** Keys in [from, to] in order of bytes (null: open end), merged over table and backend. */
typedef int (*weir_store_range_fn)(void *context, struct weir_slice key, struct weir_slice value,
                                   int64_t timestamp_ms);
int weir_store_scan(struct weir_store *store, struct weir_slice from, struct weir_slice to,
                    weir_store_range_fn each, void *context, struct weir_error *error);
/** The same for the rows of a range of times (key_schema.h), whose schema is the store's; only the
 * segments of these times are opened. The range's bounds stay the caller's until it returns. */
int weir_store_scan_range(struct weir_store *store, const struct weir_key_range *range,
                          weir_store_range_fn each, void *context, struct weir_error *error);
/** The same in any order, for who goes over many rows at once and sorts them himself, if at all: a memory store
 * takes them as they lie, and needs no index of its keys. The store stays as it is until it returns. */
int weir_store_visit_range(struct weir_store *store, const struct weir_key_range *range,
                           weir_store_range_fn each, void *context, struct weir_error *error);
/** Rows of a fetch, in order of time and number; of some `value` may be NULL: they are not there. */
struct weir_fetched_rows {
    struct weir_store_entry *const *entries;
    size_t count;
};
/** The rows of a record key with a time in [from_ms, to_ms], of a store that keeps duplicates, without
 * those that are over. Their bytes live until the next call on the state. */
int weir_store_fetch(struct weir_store *store, struct weir_slice record_key, int64_t from_ms,
                     int64_t to_ms, struct weir_fetched_rows *rows_out, struct weir_error *error);
/** Fetches of these record keys, or rows of them, come soon: what they will read comes to the cache. None is null. */
void weir_store_prefetch_rows(const struct weir_store *store, const struct weir_slice *record_keys,
                              size_t count);
/** A version of a key: what it was from `from_ms` on, up to but not at `to_ms`; INT64_MAX: until now. */
struct weir_version {
    struct weir_slice value; /* null: there was none */
    int64_t from_ms;
    int64_t to_ms;
};
enum { WEIR_VERSION_IS_OVER = -1 };
/**
 * Put a version of a key, or with a null value delete it, as of a time, into a versioned store. `to_ms_out` is
 * the time of the next one, INT64_MAX if it is the latest, WEIR_VERSION_IS_OVER if its time lies behind the
 * history: nothing has changed then.
 *
 * Errors:  WEIR_INVALID_TIMESTAMP: it is negative; as weir_store_set. Each time reads as before.
 */
int weir_store_put_version(struct weir_store *store, struct weir_slice key, struct weir_slice value,
                           int64_t timestamp_ms, int64_t *to_ms_out, struct weir_error *error);
/** What a key was as of a time; INT64_MAX: is. As of a time behind the history there is only what still is.
 * Its bytes live until the next call on the state. */
int weir_store_get_version(struct weir_store *store, struct weir_slice key, int64_t as_of_ms,
                           struct weir_version *version_out, struct weir_error *error);
/** Delete a key, if it is there; 1 if it was. Does not make an entry of one that is not. */
int weir_store_delete(struct weir_store *store, struct weir_slice key, int64_t timestamp_ms,
                      struct weir_error *error);
/** Whether a row of `time_ms` counts as dropped once the store has observed `stream_time_ms`: its time is
 * over. On a disk duplicates count by whole segments, as they do in Kafka Streams. */
bool weir_store_is_late(const struct weir_store *store, int64_t time_ms, int64_t stream_time_ms);

/** Whether the store lets nobody read a row of `time_ms` any more: its time lies behind the retention. */
bool weir_store_is_over(const struct weir_store *store, int64_t time_ms);
/** A row of this timestamp is over for the store's time to live: it counts as not there. False without one. Whoever reads a
 * row of such a store asks, behind weir_store_advance. */
bool weir_store_is_row_over(const struct weir_store *store, int64_t timestamp_ms);
static inline bool weir_store_has_ttl(const struct weir_store *store)
{
    return weir_store_spec(store)->ttl_ms > 0;
}
/**
 * Where keys have a time: the store's own observed stream time; it only grows, and is -1 after a start.
 * A row whose time is at or before it minus the retention is over: it reads as absent, and a change of it
 * is dropped and counted. Its bytes go by whole segments, at the next touch and write-down. Where rows have a time to
 * live (ttl_ms), the same time decides which are over. Does nothing where there is neither.
 */
void weir_store_advance(struct weir_store *store, int64_t stream_time_ms);
int64_t weir_store_dropped_count(const struct weir_store *store);

/* ---- commit ---------------------------------------------------------------------------------- */

/** Entries that changed since they were last forwarded, in order of their first change; start with
 * `*at = 0`; NULL at the end. For the flush of a cached table: forward {old_value, value}, then
 * weir_store_forwarded. Entries that change while walking are met again by the next flush. */
struct weir_store_entry *weir_store_next_unforwarded(struct weir_store *store, size_t *at);
/** It has changed since it was last forwarded, and its old value is of then: what weir_store_next_unforwarded is still
 * to give. */
bool weir_store_is_unforwarded(const struct weir_store_entry *entry);
/** Of an entry that weir_store_next_unforwarded gave: it has no value, nor had it one when it was forwarded before. */
bool weir_store_came_and_went(const struct weir_store_entry *entry);
/** All that weir_store_next_unforwarded gave is forwarded: old values follow. */
void weir_store_forwarded(struct weir_store *store);

/** Each changed key once, as a changelog record (key, plain value or tombstone, timestamp). */
typedef int (*weir_changelog_fn)(void *context, struct weir_store *store,
                                 const struct weir_record *record);
/** Close the open generation of all stores, giving every change to `append`; a new one is open. After
 * a failure nothing is sealed. */
int weir_state_seal(struct weir_state *state, weir_changelog_fn append, void *context,
                    struct weir_error *error);
/** The oldest seal that is not yet committed is durable in the log, and up to `positions` (in order of
 * the stores) so is all before it. A write-down starts here, if one is due. */
int weir_state_committed(struct weir_state *state, const struct weir_changelog_position *positions,
                         struct weir_error *error);

bool weir_state_wants_commit(const struct weir_state *state);
bool weir_state_is_stalled(const struct weir_state *state);
bool weir_state_is_writing(const struct weir_state *state);
struct weir_state_sizes {
    int64_t cache_bytes;   /* what the tables hold, clean or not */
    int64_t open_bytes;    /* changed since the last seal */
    int64_t sealed_bytes;  /* gathered and not yet written down */
    int64_t backend_bytes; /* on disk, about */
};
struct weir_state_sizes weir_state_sizes(const struct weir_state *state);
/** Bytes of all that is in memory, about, but for a cache that is shared. Asks the backend, which takes some microseconds. */
int64_t weir_state_memory(const struct weir_state *state);

#endif
