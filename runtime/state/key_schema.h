#ifndef WEIR_RUNTIME_STATE_KEY_SCHEMA_H
#define WEIR_RUNTIME_STATE_KEY_SCHEMA_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/saturate.h"
#include "weir/types.h"

/**
 * What the key of a store is made of: the record's key, and behind it the times that a kind of
 * store tells its rows apart by, eight bytes each, big-endian.
 *
 *     plain       record key
 *     window      record key · start               over by its start; changelog: · i32 sequence 0
 *     slice       record key · start               the same of a slice of windows; changelog: as it is
 *     duplicates  record key · time · i32 number   over by its time; changelog: as it is
 *     session     record key · end · start         over by its end; changelog: as it is
 *     versioned   record key · valid to            over by its `valid to`; changelog: the record key
 *
 * The number tells rows of one key and time apart: Kafka Streams' sequence in a window store that
 * keeps duplicates, as the sides of a stream-stream join are.
 *
 * One of the times, *the* time of a key, decides in which segment of time the row lies and when it
 * is over. All that differs is in these fields, at fixed distances from the key's end, so that who
 * has many keys before him reads them without a call (runtime/state/windows.c). The record's key
 * may be of any size, so the keys of one record key are not neighbours in order of bytes: see
 * weir_key_range_has.
 *
 * Immutable; any thread.
 */
struct weir_key_schema {
    const char *name;       /* "window" */
    uint32_t times_size;    /* bytes of all times; 0: there is none, and no row is ever over */
    uint32_t time_from_end; /* bytes from where the time that decides begins to the key's end */
    uint32_t
        number_size; /* bytes of the number behind the times; 0: no two rows have one key and time */
    uint32_t
        sequence_size; /* zeros that the changelog has behind the key: Kafka Streams' sequence */
};

extern const struct weir_key_schema weir_key_schema_plain;
extern const struct weir_key_schema weir_key_schema_window;
extern const struct weir_key_schema weir_key_schema_slice;
extern const struct weir_key_schema weir_key_schema_session;
extern const struct weir_key_schema weir_key_schema_duplicates;
extern const struct weir_key_schema weir_key_schema_versioned; /* versions.c */

/** One time at least, whole ones, and the one that decides among them. */
void weir_key_schema_check(const struct weir_key_schema *schema);

static inline bool weir_key_schema_has_time(const struct weir_key_schema *schema)
{
    return schema->times_size > 0;
}

/** What stands behind the record's key: times and number. */
static inline size_t weir_key_schema_tail_size(const struct weir_key_schema *schema)
{
    return (size_t)schema->times_size + schema->number_size;
}

/** Whether `key` is long enough to hold its times. What comes from outside is asked this first. */
static inline bool weir_key_schema_fits(const struct weir_key_schema *schema, struct weir_slice key)
{
    return key.size >= weir_key_schema_tail_size(schema);
}

/** The time that decides, in ms; of a schema that has one and a key that fits. */
static inline int64_t weir_key_schema_time(const struct weir_key_schema *schema,
                                           struct weir_slice key)
{
    weir_assert(schema->time_from_end > 0);
    weir_assert(weir_key_schema_fits(schema, key));
    return (int64_t)weir_load_u64(key.data + key.size - schema->time_from_end);
}

/** The record's key: what its partition goes by. A view into `key`, which fits. */
static inline struct weir_slice weir_key_schema_record_key(const struct weir_key_schema *schema,
                                                           struct weir_slice key)
{
    weir_assert(weir_key_schema_fits(schema, key));
    return weir_slice(key.data, key.size - weir_key_schema_tail_size(schema));
}

/** Write the key of a window into `to`: weir_window_key_size bytes. */
static inline void weir_window_key_write(uint8_t *to, struct weir_slice record_key,
                                         int64_t start_ms)
{
    weir_copy(to, record_key.data, record_key.size);
    weir_store_u64(to + record_key.size, (uint64_t)start_ms);
}
static inline size_t weir_window_key_size(struct weir_slice record_key)
{
    return record_key.size + weir_key_schema_window.times_size;
}

/** Write the key of a session into `to`: weir_session_key_size bytes. */
static inline void weir_session_key_write(uint8_t *to, struct weir_slice record_key,
                                          int64_t start_ms, int64_t end_ms)
{
    weir_copy(to, record_key.data, record_key.size);
    weir_store_u64(to + record_key.size, (uint64_t)end_ms);
    weir_store_u64(to + record_key.size + sizeof(int64_t), (uint64_t)start_ms);
}
static inline size_t weir_session_key_size(struct weir_slice record_key)
{
    return record_key.size + weir_key_schema_session.times_size;
}
/** Of a key that fits. Its end is the time that decides. */
static inline int64_t weir_session_key_start(struct weir_slice key)
{
    weir_assert(key.size >= weir_key_schema_session.times_size);
    return (int64_t)weir_load_u64(key.data + key.size - sizeof(int64_t));
}

/** Write the key of a row among duplicates into `to`: weir_duplicate_key_size bytes. */
static inline void weir_duplicate_key_write(uint8_t *to, struct weir_slice record_key,
                                            int64_t time_ms, uint32_t number)
{
    weir_copy(to, record_key.data, record_key.size);
    weir_store_u64(to + record_key.size, (uint64_t)time_ms);
    weir_store_u32(to + record_key.size + sizeof(uint64_t), number);
}
static inline size_t weir_duplicate_key_size(struct weir_slice record_key)
{
    return record_key.size + weir_key_schema_tail_size(&weir_key_schema_duplicates);
}

/** Where a window ends, exclusive; one at the end of time has no end after it. */
static inline int64_t weir_window_end(int64_t start_ms, int64_t size_ms)
{
    return weir_saturating_add(start_ms, size_ms);
}

/* ---- in the changelog ------------------------------------------------------------------------- */

static inline size_t weir_key_schema_logged_size(const struct weir_key_schema *schema,
                                                 size_t key_size)
{
    return key_size + schema->sequence_size;
}

/** The key as the changelog has it: `key` itself where there is no sequence, else a copy in `arena`;
 * null when memory is out, which the arena remembers. */
struct weir_slice weir_key_schema_log(const struct weir_key_schema *schema,
                                      struct weir_arena *arena, struct weir_slice key);
/** The way back, a view into `logged`. WEIR_CORRUPT: it is null, or too short to be of this
 * schema. */
int weir_key_schema_parse_logged(const struct weir_key_schema *schema, struct weir_slice logged,
                                 struct weir_slice *key_out);

/* ---- ranges ----------------------------------------------------------------------------------- */

/** The rows of one record key whose time lies in [from_ms, to_ms], or of all of them. */
struct weir_key_range {
    const struct weir_key_schema *schema;
    struct weir_slice record_key; /* null: any */
    int64_t from_ms;
    int64_t to_ms;
    /* The keys of such rows lie in [from, to] in order of bytes, and others among them. Null:
     * open. */
    struct weir_slice from;
    struct weir_slice to;
};

/** The range, its bounds in `arena`; `record_key` is borrowed. 0 <= from_ms <= to_ms; a schema that
 * has a time, which is the first of its times. WEIR_NO_MEMORY. */
int weir_key_range_init(struct weir_key_range *range, const struct weir_key_schema *schema,
                        struct weir_arena *arena, struct weir_slice record_key, int64_t from_ms,
                        int64_t to_ms);
/** Whether a key that lies between the bounds, and fits, is of the range. */
bool weir_key_range_has(const struct weir_key_range *range, struct weir_slice key);

#endif
