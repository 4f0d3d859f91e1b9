#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * Versioned stores (KIP-889): what a key was, as of a time.
 *
 * A row is a version, under its key and the time at which the next one begins; the latest one's is the end of
 * time, so that it is never over, and the others are over by the time at which they ceased to be:
 *
 *      a ──x── 10 ──y── 15 ──z── ...        a · 15 -> 10, y      a · end -> 15, z
 *
 * So a read as of t wants the first row behind t, and has it if that one began by then; and what lies behind
 * the history is found in segments of time that go whole. A deletion at t ends the row before. Where there is
 * none, or none that ends at t, a row of no length remembers it, from t to t: what is put before it later ends
 * there.
 *
 *      put(ts, v), `next` the first row behind ts:
 *        next began before ts     it is cut: [began, ts) as it was, [ts, end of next) v
 *        next began at ts         v takes its place
 *        next begins behind ts    [ts, begin of next) v
 *        there is none            [ts, end of time) v
 *
 * The first of these writes the row that is new, then that which changes: what stands between the two reads
 * like what stood before. That is also how a store is restored: the changelog has what was put, each key
 * plain, with the time of the version as the record's.
 *
 * A put is dropped if its time lies before (observed stream time - history). Retention is a millisecond more
 * than that, so that what is not dropped makes rows that are not over.
 *
 * The end of time is no time of a version: who puts one there puts it a millisecond before.
 */
static const int64_t end_of_time = INT64_MAX;

enum { VERSIONS_PER_KEY_FIRST = 64, ROW_KEY_INLINE = 256 };

/* ---- keys ---------------------------------------------------------------------------------------- */

/* A row's key, in `inlined` where it fits. */
struct row_key {
    struct weir_slice slice;
    uint8_t *bytes;
    uint8_t inlined[ROW_KEY_INLINE];
};

static int row_key_init(struct row_key *row, const struct weir_store *store, struct weir_slice key)
{
    const size_t size = weir_window_key_size(key);
    row->bytes = row->inlined;
    if (size > sizeof row->inlined) {
        row->bytes = weir_alloc(&store->state->table_budget, size);
        if (row->bytes == NULL) return WEIR_NO_MEMORY;
    }
    weir_window_key_write(row->bytes, key, end_of_time);
    row->slice = weir_slice(row->bytes, size);
    return WEIR_OK;
}

static void row_key_close(struct row_key *row)
{
    if (row->bytes != row->inlined) weir_free(row->bytes);
}

static struct weir_slice row_key_at(struct row_key *row, int64_t to_ms)
{
    weir_store_u64(row->bytes + row->slice.size - sizeof to_ms, (uint64_t)to_ms);
    return row->slice;
}

static int64_t clamp(int64_t time_ms)
{
    return time_ms < end_of_time ? time_ms : end_of_time - 1;
}

/* ---- looking ------------------------------------------------------------------------------------- */

/* A row that was found. One of no length has no value, and is there all the same. */
struct found {
    bool is_there;
    struct weir_version version;
};

static struct found found_row(const struct weir_store *store, struct weir_slice key,
                              struct weir_slice value, int64_t from_ms)
{
    const int64_t to_ms = weir_key_schema_time(store->schema, key);
    const bool is_mark = from_ms == to_ms;
    return (struct found){true, {is_mark ? weir_null() : value, from_ms, to_ms}};
}

struct first_row {
    const struct weir_store *store;
    struct weir_arena *arena;
    struct found found;
};

static int take_first(void *context, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms)
{
    struct first_row *first = context;
    value = weir_arena_copy(first->arena, value);
    if (weir_arena_failed(first->arena)) return WEIR_NO_MEMORY;
    first->found = found_row(first->store, key, value, timestamp_ms);
    return WEIR_END;
}

/* In the table alone, where it has all rows. */
static struct found first_entry_behind(const struct weir_store *store, struct weir_slice key,
                                       int64_t time_ms)
{
    size_t count;
    struct weir_store_entry *const *rows =
        weir_key_rows_find(&store->rows_by_key, key, time_ms + 1, end_of_time, &count);
    for (size_t i = 0; i < count; i++) {
        const struct weir_store_entry *entry = rows[i];
        if (entry->value == NULL) continue;
        return found_row(store, entry->key, weir_slice(entry->value, entry->value_size),
                         entry->timestamp_ms);
    }
    return (struct found){0};
}

/* The key's first row that ends behind `time_ms`, which is not over. */
static int first_row_behind(struct weir_store *store, struct weir_slice key, int64_t time_ms,
                            struct found *found_out, struct weir_error *error)
{
    if (store->is_complete) {
        *found_out = first_entry_behind(store, key, time_ms);
        return WEIR_OK;
    }
    struct weir_arena *arena = &store->state->lookup;
    struct first_row first = {.store = store, .arena = arena};
    struct weir_key_range range;
    weir_arena_reset(arena);
    int rc = weir_key_range_init(&range, store->schema, arena, key, time_ms + 1, end_of_time);
    if (rc >= 0) rc = weir_store_scan_range(store, &range, take_first, &first, error);
    if (rc < 0) return rc;
    *found_out = first.found;
    return WEIR_OK;
}

/* The latest version, if it began by `time_ms`: then no row ends between. */
static int latest_by(struct weir_store *store, struct row_key *row, int64_t time_ms,
                     struct weir_store_entry **entry_out, struct weir_error *error)
{
    const struct weir_slice key = row_key_at(row, end_of_time);
    int rc = weir_store_touch(store, &key, 1, entry_out, error);
    if (rc < 0) return rc;
    return (*entry_out)->value != NULL && (*entry_out)->timestamp_ms <= time_ms;
}

int weir_store_get_version(struct weir_store *store, struct weir_slice key, int64_t as_of_ms,
                           struct weir_version *version_out, struct weir_error *error)
{
    weir_assert(weir_store_is_versioned(store) && !weir_slice_is_null(key));
    *version_out = (struct weir_version){0};
    if (as_of_ms < 0) return WEIR_OK;
    as_of_ms = clamp(as_of_ms);
    struct row_key row;
    struct weir_store_entry *latest;
    int rc = row_key_init(&row, store, key);
    if (rc >= 0) rc = latest_by(store, &row, as_of_ms, &latest, error);
    row_key_close(&row);
    if (rc > 0) {
        *version_out = (struct weir_version){weir_slice(latest->value, latest->value_size),
                                             latest->timestamp_ms, end_of_time};
        return WEIR_OK;
    }
    if (rc < 0 || weir_store_is_over(store, as_of_ms)) return rc;
    struct found next;
    rc = first_row_behind(store, key, as_of_ms, &next, error);
    if (rc < 0) return rc;
    if (next.is_there && next.version.from_ms <= as_of_ms) *version_out = next.version;
    return WEIR_OK;
}

/* ---- changing ------------------------------------------------------------------------------------ */

/* Write the row that ends at `to_ms`. It is in the table or nowhere (`is_new`), or may be anywhere. */
static int write_row(struct weir_store *store, struct row_key *row, int64_t to_ms,
                     struct weir_slice value, int64_t from_ms, bool is_new,
                     struct weir_error *error)
{
    const struct weir_slice key = row_key_at(row, to_ms);
    struct weir_store_entry *entry = NULL;
    struct weir_store_entry *added = NULL;
    int rc = WEIR_OK;
    if (is_new) {
        const uint32_t hash = weir_table_hash_key(&store->table, key);
        rc = weir_table_reserve(&store->table, 1);
        if (rc >= 0) entry = weir_table_find(&store->table, key, hash);
        if (rc >= 0 && entry == NULL) entry = added = weir_store_add_entry(store, key, hash);
        if (entry == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a version");
    } else {
        rc = weir_store_touch(store, &key, 1, &entry, error);
    }
    if (rc >= 0) rc = weir_store_set(store, entry, value, from_ms, error);
    if (rc < 0 && added != NULL) weir_store_remove_entry(store, added);
    return rc;
}

/* That a deletion was at `time_ms`, unless a row ends there and says so. */
static int write_mark(struct weir_store *store, struct row_key *row, int64_t time_ms,
                      struct weir_error *error)
{
    const struct weir_slice key = row_key_at(row, time_ms);
    struct weir_store_entry *entry;
    int rc = weir_store_touch(store, &key, 1, &entry, error);
    if (rc < 0 || entry->value != NULL) return rc;
    return weir_store_set(store, entry, weir_text(""), time_ms, error);
}

/* The latest version gives way to one of `time_ms`, which is not before it. */
static int put_latest(struct weir_store *store, struct row_key *row,
                      struct weir_store_entry *latest, struct weir_slice value, int64_t time_ms,
                      struct weir_error *error)
{
    int rc = WEIR_OK;
    if (latest->timestamp_ms < time_ms) {
        rc = write_row(store, row, time_ms, weir_slice(latest->value, latest->value_size),
                       latest->timestamp_ms, true, error);
    } else if (weir_slice_is_null(value)) {
        rc = write_mark(store, row, time_ms, error);
        const struct weir_slice key = row_key_at(row, end_of_time);
        if (rc >= 0) rc = weir_store_touch(store, &key, 1, &latest, error);
    }
    return rc < 0 ? rc : weir_store_set(store, latest, value, time_ms, error);
}

/* A version before others, or the first of its key. `next` is the first row behind it, copied. */
static int put_before(struct weir_store *store, struct row_key *row, const struct found *next,
                      struct weir_slice value, int64_t time_ms, int64_t *to_ms_out,
                      struct weir_error *error)
{
    const struct weir_version *version = &next->version;
    const bool is_deletion = weir_slice_is_null(value);
    int rc = WEIR_OK;
    if (!next->is_there || version->from_ms > time_ms) { /* nothing stood there */
        *to_ms_out = next->is_there ? version->from_ms : end_of_time;
        return is_deletion ? write_mark(store, row, time_ms, error)
                           : write_row(store, row, *to_ms_out, value, time_ms, false, error);
    }
    weir_assert(version->from_ms < version->to_ms && version->to_ms < end_of_time);
    *to_ms_out = version->to_ms;
    if (version->from_ms < time_ms) {
        rc = write_row(store, row, time_ms, version->value, version->from_ms, true, error);
    } else if (is_deletion) {
        rc = write_mark(store, row, time_ms, error);
    }
    if (rc < 0) return rc;
    return is_deletion ? write_row(store, row, *to_ms_out, weir_text(""), *to_ms_out, false, error)
                       : write_row(store, row, *to_ms_out, value, time_ms, false, error);
}

static int put(struct weir_store *store, struct row_key *row, struct weir_slice key,
               struct weir_slice value, int64_t time_ms, int64_t *to_ms_out,
               struct weir_error *error)
{
    struct weir_store_entry *latest;
    int rc = latest_by(store, row, time_ms, &latest, error);
    if (rc < 0) return rc;
    if (rc > 0) {
        *to_ms_out = end_of_time;
        return put_latest(store, row, latest, value, time_ms, error);
    }
    struct found next;
    rc = first_row_behind(store, key, time_ms, &next, error);
    if (rc < 0) return rc;
    /* What it points to may move while rows are written. */
    struct weir_arena *arena = &store->state->versions;
    weir_arena_reset(arena);
    next.version.value = weir_arena_copy(arena, next.version.value);
    if (weir_arena_failed(arena)) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    return put_before(store, row, &next, value, time_ms, to_ms_out, error);
}

/* ---- the changelog ------------------------------------------------------------------------------- */

static int reserve_logged(struct weir_store *store)
{
    struct weir_version_log *log = &store->log;
    struct weir_budget *budget = &store->state->table_budget;
    if (!log->is_open) {
        weir_arena_init(&log->bytes, budget, 0);
        log->is_open = true;
    }
    if (log->count < log->capacity) return WEIR_OK;
    const size_t capacity = weir_grown(log->capacity, VERSIONS_PER_KEY_FIRST);
    struct weir_record *grown = weir_realloc(budget, log->records, capacity * sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    log->records = grown;
    log->capacity = capacity;
    return WEIR_OK;
}

/* The record of a put, which counts once `log->count` says so. */
static int prepare_logged(struct weir_store *store, struct weir_slice key, struct weir_slice value,
                          int64_t timestamp_ms)
{
    struct weir_version_log *log = &store->log;
    if (reserve_logged(store) < 0) return WEIR_NO_MEMORY;
    struct weir_record *record = &log->records[log->count];
    *record = (struct weir_record){
        .key = weir_arena_copy(&log->bytes, key),
        .value = weir_arena_copy(&log->bytes, value),
        .timestamp_ms = timestamp_ms,
        .headers = store->spec->log_headers,
        .header_count = store->spec->log_header_count,
    };
    if (!weir_arena_failed(&log->bytes)) return WEIR_OK;
    log->bytes.failed = false; /* what is there is whole */
    return WEIR_NO_MEMORY;
}

int weir_versions_append(struct weir_store *store, weir_changelog_fn append, void *context)
{
    int rc = WEIR_OK;
    for (size_t i = 0; i < store->log.count && rc >= 0; i++) {
        rc = append(context, store, &store->log.records[i]);
    }
    return rc;
}

void weir_version_log_clear(struct weir_version_log *log)
{
    log->count = 0;
    if (log->is_open) weir_arena_reset(&log->bytes);
}

void weir_version_log_close(struct weir_version_log *log)
{
    if (log->is_open) weir_arena_close(&log->bytes);
    weir_free(log->records);
    *log = (struct weir_version_log){0};
}

int weir_store_put_version(struct weir_store *store, struct weir_slice key, struct weir_slice value,
                           int64_t timestamp_ms, int64_t *to_ms_out, struct weir_error *error)
{
    enum { RECORD_OVERHEAD = 32 };
    weir_assert(weir_store_is_versioned(store) && !weir_slice_is_null(key));
    if (timestamp_ms < 0) {
        return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                              "store '%s': a version of time %lld; 0 or more is wanted",
                              store->spec->name, (long long)timestamp_ms);
    }
    const int64_t time_ms = clamp(timestamp_ms);
    *to_ms_out = WEIR_VERSION_IS_OVER;
    if (weir_store_is_over(store, time_ms)) return WEIR_OK;
    struct row_key row = {0};
    int rc = row_key_init(&row, store, key);
    if (rc >= 0) rc = weir_store_check_change(store, row.slice, value, error);
    if (rc >= 0 && store->spec->is_logged) rc = prepare_logged(store, key, value, timestamp_ms);
    if (rc == WEIR_NO_MEMORY) (void)weir_error_set(error, rc, "no memory for a version");
    if (rc >= 0) rc = put(store, &row, key, value, time_ms, to_ms_out, error);
    row_key_close(&row);
    if (rc < 0) return weir_error_wrap(error, rc, "store '%s'", store->spec->name);
    if (store->spec->is_logged) {
        store->log.count++;
        store->state->open_bytes += key.size + value.size + RECORD_OVERHEAD;
    }
    return WEIR_OK;
}

/* ---- restore ------------------------------------------------------------------------------------- */

static int put_again(struct weir_store *store, const struct weir_record *record,
                     struct weir_error *error)
{
    struct row_key row = {0};
    int64_t to_ms;
    if (weir_slice_is_null(record->key) || record->timestamp_ms < 0) {
        return weir_error_set(error, WEIR_CORRUPT, "a changelog record without a key, or a time");
    }
    int rc = row_key_init(&row, store, record->key);
    if (rc >= 0) {
        rc = put(store, &row, record->key, record->value, clamp(record->timestamp_ms), &to_ms,
                 error);
    }
    row_key_close(&row);
    return rc;
}

/* What has changed in the table, and the position, in one write batch. */
static int write_restored(struct weir_store *store, const struct weir_changelog_position *position,
                          struct weir_error *error)
{
    struct weir_state *state = store->state;
    struct weir_arena *scratch = &state->scratch;
    const size_t count = store->dirty.count;
    weir_arena_reset(scratch);
    struct weir_backend_write *writes = weir_arena_array(scratch, count + 1, sizeof *writes);
    for (size_t i = 0; writes != NULL && i < count; i++) {
        const struct weir_store_entry *entry = store->dirty.entries[i];
        const struct weir_slice value = weir_slice(entry->value, entry->value_size);
        writes[i] = (struct weir_backend_write){
            .key = weir_store_backend_key(store, scratch, entry->key),
            .value = weir_store_backend_value(store, scratch, value, entry->timestamp_ms),
        };
    }
    if (writes != NULL) weir_position_record_build(store, position, scratch, &writes[count]);
    if (weir_arena_failed(scratch)) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    return state->backend.ops->write(state->backend.impl, writes, count + 1, error);
}

int weir_versions_restore(struct weir_store *store, const struct weir_record *records, size_t count,
                          struct weir_changelog_position position, struct weir_error *error)
{
    const size_t open_bytes = store->state->open_bytes;
    int rc = WEIR_OK;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        rc = put_again(store, &records[i], error);
    }
    if (rc >= 0 && !store->is_resident) rc = write_restored(store, &position, error);
    if (rc < 0) return weir_error_wrap(error, rc, "restore store '%s'", store->spec->name);
    for (size_t i = 0; i < store->dirty.count; i++) {
        struct weir_store_entry *entry = store->dirty.entries[i];
        entry->flags &= ~(uint32_t)WEIR_ENTRY_DIRTY;
        weir_store_settle(store, entry);
    }
    store->dirty.count = 0;
    store->state->open_bytes = open_bytes;
    store->position = position;
    store->is_registered = true;
    return WEIR_OK;
}
