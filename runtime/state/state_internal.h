#ifndef WEIR_RUNTIME_STATE_INTERNAL_H
#define WEIR_RUNTIME_STATE_INTERNAL_H

#include "base/arena.h"
#include "runtime/state/backend.h"
#include "runtime/state/key_rows.h"
#include "runtime/state/key_schema.h"
#include "runtime/state/skip_list.h"
#include "runtime/state/sort_writes.h"
#include "runtime/state/state.h"
#include "runtime/state/table.h"

/* What the files of this folder share. */

/** Entries in the order in which something happened to them. */
struct weir_entry_list {
    struct weir_store_entry **entries;
    size_t count;
    size_t capacity;
};

/** A value that left its entry while somebody may still read it. */
struct weir_retired_value {
    void *value;
    size_t size;
};

enum weir_entry_flags {
    WEIR_ENTRY_REFERENCED = 1,  /* met since the hand last passed */
    WEIR_ENTRY_LOADING = 2,     /* new in this touch, the backend not yet asked */
    WEIR_ENTRY_UNFORWARDED = 4, /* changed since it was last forwarded */
    WEIR_ENTRY_GIVEN = 8,       /* being forwarded: given by next_unforwarded, unchanged since */
    WEIR_ENTRY_LOOSE = 16,      /* in the store's list of entries that may be garbage */
    WEIR_ENTRY_SEEN = 32,       /* during a scan: already collected */
    WEIR_ENTRY_OUTSIDE = 64,    /* of the store itself: stands for all keys whose time is over */
    WEIR_ENTRY_DIRTY = 128,     /* changed in the open generation */
    /* In the generation that has this flag, gathering or being written; in both, if it changed since.
     * `slot` is its row in the gathering one. */
    WEIR_ENTRY_GATHERED_EVEN = 256,
    WEIR_ENTRY_GATHERED_ODD = 512,
    WEIR_ENTRY_QUEUED = 1024, /* in its segment's queue, settled or not any more */
    WEIR_ENTRY_WAS_THERE =
        2048, /* while UNFORWARDED or GIVEN: it had a value when it was forwarded before */
};

/** Entries of one segment of time in the order in which they settled: a ring. See eviction.c. */
struct weir_clean_queue {
    uint64_t segment;
    struct weir_store_entry **ring;
    size_t first;
    size_t count;
    size_t capacity; /* a power of two, 0 at first */
};

/** What was put into a versioned store in the open generation, in order: its changelog's records. */
struct weir_version_log {
    struct weir_arena bytes;
    struct weir_record *records;
    size_t count;
    size_t capacity;
    bool is_open;
};

struct weir_store {
    struct weir_state *state;
    const struct weir_store_spec *spec;
    const struct weir_key_schema *schema; /* never NULL */
    size_t index;
    bool is_resident;   /* a memory store: the table is all there is */
    bool is_complete;   /* what is not in the table is not in the backend either */
    bool is_registered; /* the backend has its position record */
    uint16_t prefix;    /* of its keys in the backend */
    struct weir_changelog_position position;

    struct weir_table table;
    struct weir_store_entry *last_met; /* by a touch of one key, and still there; NULL: none */
    size_t clean_bytes;                /* of entries that may be evicted */
    struct weir_clean_queue *queues;   /* in order of segments, none of them dead since a touch */
    size_t queue_count;
    size_t queue_capacity;
    struct weir_entry_list dirty;       /* changed in the open generation, by first change */
    struct weir_entry_list unforwarded; /* changed since last forwarded, by first change */
    size_t given_count;                 /* of these, how many next_unforwarded has given */
    size_t given_end;                   /* and how many it will give in this walk */
    struct weir_retired_value *retired; /* until weir_store_forwarded */
    size_t retired_count;
    size_t retired_capacity;
    struct weir_entry_list loose;       /* perhaps garbage: to be looked at before a touch */
    struct weir_skip_list index_by_key; /* memory stores, and those that are scanned often: from the
                                           first scan on */
    bool has_index;
    /* Of all entries, where a record key has many rows: duplicates, versions. */
    struct weir_key_rows_index rows_by_key;
    struct weir_version_log log; /* of a versioned store */

    /* What follows the stream time; all 0 but observed_ms and expired_ms where keys have no time, and those two follow it
     * there only where rows have a time to live. */
    int64_t segment_interval_ms;
    int64_t observed_ms;
    int64_t expired_ms;      /* rows of this time or before are over; INT64_MIN: none is */
    uint64_t live_segment;   /* the first with live rows; only grows, over restarts too */
    uint64_t sealed_segment; /* the same, at the last seal: what is committed with its positions */
    uint64_t stored_segment; /* the same, as the position record has it */
    uint64_t swept_segment;  /* below it no segment has a queue */
    /* Below it the backend has been told to forget, since it was opened. */
    uint64_t expired_segment;
    int64_t dropped_count;
    struct weir_store_entry outside;

    /* Of one whose rows have a time to live: where the next sweep goes on. */
    uint8_t *sweep_key; /* in the backend; NULL: at its first row */
    size_t sweep_size;
    size_t sweep_slot; /* of the table, in a memory store */
};

/** A gathered row: whose it is, and the memory of its value, which stays when the value shrinks. */
struct weir_gathered_row {
    struct weir_store_entry *entry;
    uint8_t *value;
    uint32_t capacity;
    uint32_t store; /* its index */
};

/**
 * Changes on their way to the backend, each key once.
 *
 *   gathering ──all of it committed, and due──> being written ──done──> spare
 */
struct weir_generation {
    uint32_t flag;                     /* WEIR_ENTRY_GATHERED_EVEN or _ODD: of its entries */
    struct weir_arena bytes;           /* keys and values */
    struct weir_arena position_bytes;  /* position records; enough is reserved */
    struct weir_backend_write *writes; /* of the rows; of the positions too when it is written */
    struct weir_gathered_row *rows;    /* beside them */
    size_t row_count;
    size_t capacity;        /* of both arrays: the rows and a position for each store */
    size_t size;            /* bytes it takes, about */
    size_t sealed_size;     /* the same, at the last seal that succeeded */
    size_t changelog_bytes; /* what its seals appended, about */
    struct weir_mono begun;
};

/** The one write-down under way. The worker sees this, the generation and the backend; no more. */
struct weir_write_down {
    struct weir_work work;
    bool is_running;
    struct weir_generation *generation;        /* after a failure it stays */
    struct weir_changelog_position *positions; /* by store */
    size_t write_count;
    struct weir_sort_memory sort; /* the worker's */
    uint64_t *live_segments;      /* by store; 0: nothing has died since the last time */
    bool expires;
    bool flushes;
    int shortage_count; /* tries in a row that have found no memory */
    int rc;
    struct weir_error error;
};

enum { WEIR_STATE_MAGIC = 0x57535445 };

struct weir_state {
    uint32_t magic;
    struct weir_state_options options; /* defaults filled in; path is `path` */
    char *path;
    char *backend_path;
    struct weir_file *lock;
    struct weir_store *stores;   /* options.store_count */
    struct weir_backend backend; /* ops NULL: memory stores only */

    struct weir_budget table_budget;
    struct weir_slabs entry_slabs;  /* with references */
    struct weir_slabs value_slabs;  /* without */
    struct weir_arena scratch;      /* one call's */
    struct weir_arena lookup;       /* one get_many's */
    struct weir_arena walked;       /* of the scans under way, which may be within one another */
    int walk_count;                 /* of them */
    struct weir_arena versions;     /* one put's */
    struct weir_entry_list missing; /* one touch's */

    size_t clean_bytes; /* over all stores */
    size_t hand_store;  /* where the hand stands */
    size_t hand_left;   /* how many entries it takes there before it goes on */
    size_t open_bytes;
    uint64_t sealed_count;    /* seals so far */
    uint64_t committed_count; /* of them; equal: all that is gathered is committed */
    bool is_torn;             /* a seal failed half way, and none has succeeded since */
    bool is_awaited;          /* a scan had to go over many gathered rows: write them down soon */
    struct weir_generation *gathering; /* NULL: nothing sealed since the last write-down began */
    struct weir_generation *spare;
    struct weir_changelog_position *committed_positions; /* by store, of the last commit */
    struct weir_write_down write_down;
    struct weir_mono flush_deadline;
    int failed_rc; /* of a write-down: nothing is written any more */
};

/* ---- checks.c: what holds ----------------------------------------------------------------------- */

/** What holds between a store's fields, after each call that changed it. */
void weir_store_check(const struct weir_store *store);
/** What holds of a generation that gathers or is written, between its fields. */
void weir_generation_check(const struct weir_state *state,
                           const struct weir_generation *generation);
/** What holds between a state's fields, its stores and its generations; at each seal and write-down. */
void weir_state_check(const struct weir_state *state);

/* ---- entries.c: lists, values, coming and going --------------------------------------------------- */

int weir_entry_list_reserve(struct weir_entry_list *list, struct weir_budget *budget, size_t count);
static inline void weir_entry_list_add(struct weir_entry_list *list, struct weir_store_entry *entry)
{
    list->entries[list->count++] = entry;
}

/** A copy of `value` for an entry, null for null; WEIR_NO_MEMORY leaves it untouched. */
int weir_store_load_value(struct weir_store *store, struct weir_store_entry *entry,
                          struct weir_slice value, int64_t timestamp_ms);
void weir_store_free_value(struct weir_store *store, uint8_t *value, size_t size);
/** Both values of an entry. */
void weir_store_free_values(struct weir_store *store, struct weir_store_entry *entry);
/** Add a key to the table (reserved) and, in a memory store that was scanned, to its index. */
struct weir_store_entry *weir_store_add_entry(struct weir_store *store, struct weir_slice key,
                                              uint32_t hash);
void weir_store_remove_entry(struct weir_store *store, struct weir_store_entry *entry);

/* ---- eviction.c: who may leave the table ------------------------------------------------------- */

/** Its last change is in the backend (or, memory stores, sealed) and was forwarded. */
static inline bool weir_entry_is_settled(const struct weir_store_entry *entry)
{
    const uint32_t pins = WEIR_ENTRY_LOADING | WEIR_ENTRY_UNFORWARDED | WEIR_ENTRY_GIVEN |
                          WEIR_ENTRY_DIRTY | WEIR_ENTRY_GATHERED_EVEN | WEIR_ENTRY_GATHERED_ODD;
    return (entry->flags & pins) == 0;
}
/** The entry has just become settled, if it has: it may leave from now on. */
void weir_store_settle(struct weir_store *store, struct weir_store_entry *entry);
/** The entry is about to change: it may not leave any more. */
void weir_store_unsettle(struct weir_store *store, const struct weir_store_entry *entry);
/** Let go what has expired, what is garbage, and clean entries beyond the bound. */
void weir_store_make_room(struct weir_store *store);
void weir_store_free_queues(struct weir_store *store);
/** Whether clean_bytes is what the settled entries take; O(n), for weir_assert_slow. */
bool weir_store_counts_agree(const struct weir_store *store);

/* ---- segments.c -------------------------------------------------------------------------------- */

/** Its rows lie in segments of time, because its keys have one. */
static inline bool weir_store_is_segmented(const struct weir_store *store)
{
    return weir_key_schema_has_time(store->schema);
}
void weir_store_init_segments(struct weir_store *store);
/** What was dead before the restart stays dead. */
void weir_store_adopt_segment(struct weir_store *store, uint64_t live_segment);
/** Of a segmented store: the segment in which the rows of a time lie. */
uint64_t weir_store_segment_at(const struct weir_store *store, int64_t time_ms);
/** The store keeps duplicates: rows that differ in their number alone, written once each. */
static inline bool weir_store_has_duplicates(const struct weir_store *store)
{
    return store->schema->number_size > 0;
}
/** Its rows are versions of their record keys (versions.c). */
static inline bool weir_store_is_versioned(const struct weir_store *store)
{
    return store->schema == &weir_key_schema_versioned;
}
/** rows_by_key has its entries. */
static inline bool weir_store_has_key_rows(const struct weir_store *store)
{
    return weir_store_has_duplicates(store) || weir_store_is_versioned(store);
}
/** The segment of a key that was checked; 0 where keys have no time. */
uint64_t weir_store_key_segment(const struct weir_store *store, struct weir_slice key);
/** The row's time is over. Of a key that was checked; per record, so inline. */
static inline bool weir_store_is_expired(const struct weir_store *store, struct weir_slice key)
{
    return weir_store_is_segmented(store) &&
           weir_key_schema_time(store->schema, key) <= store->expired_ms;
}
/** A change of the row is dropped. A duplicate that comes too late is nobody's to read, but its changelog
 * gets it, as Kafka Streams' does. */
static inline bool weir_store_refuses(const struct weir_store *store, struct weir_slice key)
{
    return !weir_store_has_duplicates(store) && weir_store_is_expired(store, key);
}
/** WEIR_INVALID_ARGUMENT for a null key, or one too short to hold its times. */
int weir_store_check_key(const struct weir_store *store, struct weir_slice key,
                         struct weir_error *error);

/* ---- ttl.c ------------------------------------------------------------------------------------- */

/** Before a seal: delete some of the rows that are over, more the more has changed since the last one. */
int weir_store_sweep(struct weir_store *store, struct weir_error *error);
/** store.c: the row counts as changed, to nothing; nobody is told. Not of one that is to be forwarded. WEIR_NO_MEMORY. */
int weir_store_expire(struct weir_store *store, struct weir_store_entry *entry);

/* ---- keys.c: the bytes in the backend and in the changelog --------------------------------------- */

enum { WEIR_KEY_PREFIX_SIZE = 2, WEIR_KEY_SEGMENT_SIZE = 8 };

/** How many bytes stand before the key in the backend: prefix [· segment]. */
static inline size_t weir_store_lead_size(const struct weir_store *store)
{
    return weir_store_is_segmented(store) ? WEIR_KEY_PREFIX_SIZE + WEIR_KEY_SEGMENT_SIZE
                                          : WEIR_KEY_PREFIX_SIZE;
}

static inline size_t weir_store_backend_value_size(const struct weir_store *store,
                                                   struct weir_slice value)
{
    return (store->spec->is_timestamped ? sizeof(int64_t) : 0) + value.size;
}
/** weir_store_backend_value_size bytes; not for null. */
void weir_store_write_backend_value(const struct weir_store *store, uint8_t *to,
                                    struct weir_slice value, int64_t timestamp_ms);
/** Null when memory is out; the arena remembers. */
struct weir_slice weir_store_backend_key(const struct weir_store *store, struct weir_arena *arena,
                                         struct weir_slice key);
struct weir_slice weir_store_backend_value(const struct weir_store *store, struct weir_arena *arena,
                                           struct weir_slice value, int64_t timestamp_ms);
/** prefix [· segment]: where a store's (or segment's) keys begin. */
struct weir_slice weir_store_backend_start(const struct weir_store *store, struct weir_arena *arena,
                                           uint64_t segment);
/** Split a backend's value; WEIR_CORRUPT if it is too short. */
int weir_store_parse_value(const struct weir_store *store, struct weir_slice stored,
                           struct weir_slice *value_out, int64_t *timestamp_out,
                           struct weir_error *error);
/** The part of a changelog's key that is ours; WEIR_CORRUPT if there is none. */
int weir_store_parse_changelog_key(const struct weir_store *store, struct weir_slice logged,
                                   struct weir_slice *key_out, struct weir_error *error);

struct weir_position_record {
    struct weir_slice name;
    uint16_t prefix;
    bool is_timestamped;
    int64_t segment_interval_ms;
    uint64_t live_segment;
    struct weir_changelog_position position;
};
void weir_position_record_build(const struct weir_store *store,
                                const struct weir_changelog_position *position,
                                struct weir_arena *arena, struct weir_backend_write *write_out);
int weir_position_record_parse(struct weir_slice key, struct weir_slice value,
                               struct weir_position_record *record_out, struct weir_error *error);

/* ---- row_headers.c ------------------------------------------------------------------------------- */

/** What weir_store_set_headers left with the entry, as the record's headers, in `arena`. */
int weir_entry_headers(const struct weir_store_entry *entry, struct weir_arena *arena,
                       struct weir_record *record);

/* ---- store_life.c: above entries and eviction ---------------------------------------------------- */

/** A store that knows nothing: no row, no position, no stream time. Zeroed, or closed before. */
void weir_store_init(struct weir_store *store, struct weir_state *state, size_t index);
/** Back to weir_store_init in all but the prefix, which names its rows in the backend. Nothing may be
 * changed and unsealed, and no generation may point into the table. */
void weir_store_forget(struct weir_store *store);
/** Frees what the store holds in memory. */
void weir_store_close(struct weir_store *store);

/* ---- versions.c --------------------------------------------------------------------------------- */

/** The changelog's records of the open generation, to `append`; what it returned. */
int weir_versions_append(struct weir_store *store, weir_changelog_fn append, void *context);
/** They are sealed, or the store forgets all. */
void weir_version_log_clear(struct weir_version_log *log);
void weir_version_log_close(struct weir_version_log *log);
/** weir_store_restore of a versioned store. */
int weir_versions_restore(struct weir_store *store, const struct weir_record *records, size_t count,
                          struct weir_changelog_position position, struct weir_error *error);

/* ---- restore.c --------------------------------------------------------------------------------- */

/** Match what the backend holds with the stores that are wanted; drop the rest. */
int weir_state_find_positions(struct weir_state *state, struct weir_error *error);

/* ---- generations.c, write_down.c ---------------------------------------------------------------- */

int weir_state_init_generations(struct weir_state *state);
void weir_state_close_generations(struct weir_state *state);
/** It is written: its memory serves the next one, or goes. */
void weir_generation_give_back(struct weir_state *state, struct weir_generation *generation);
/** Write what is gathered, here and now, if all of it is committed; before a clean close. */
int weir_state_write_rest(struct weir_state *state, struct weir_error *error);

#endif
