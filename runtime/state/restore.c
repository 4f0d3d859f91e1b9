#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "runtime/state/state_internal.h"

/*
 * Before a store is used: which of its keys the backend has and up to where in the changelog they
 * are, and the rest of the changelog applied to it.
 *
 * The backend's position records name the stores, so a topology may change the order of its stores,
 * drop some and add others: what no longer fits is deleted. A record with offset 0 says that nothing
 * is known of the rows; they are deleted too before the store is restored from the beginning.
 */
enum { DELETES_PER_WRITE = 1024 };

struct weir_changelog_position weir_store_position(const struct weir_store *store)
{
    return store->position;
}

/* ---- deleting ------------------------------------------------------------------------------------ */

static bool begins_with(struct weir_slice key, const uint8_t lead[WEIR_KEY_PREFIX_SIZE])
{
    return key.size >= WEIR_KEY_PREFIX_SIZE && memcmp(key.data, lead, WEIR_KEY_PREFIX_SIZE) == 0;
}

/* Delete up to DELETES_PER_WRITE of the keys that begin with `lead`, from where the iterator is on, and take it
 * behind them. 0: there may be more; WEIR_END: those were the last. */
static int delete_some(struct weir_state *state, struct weir_backend_iterator *iterator,
                       const uint8_t lead[WEIR_KEY_PREFIX_SIZE], struct weir_error *error)
{
    const struct weir_backend_ops *ops = state->backend.ops;
    struct weir_arena *scratch = &state->scratch;
    weir_arena_reset(scratch);
    struct weir_backend_write *deletes =
        weir_arena_array(scratch, DELETES_PER_WRITE, sizeof *deletes);
    if (deletes == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "clear: out of memory");

    size_t count = 0;
    int rc = WEIR_OK;
    while (rc == WEIR_OK && count < DELETES_PER_WRITE && begins_with(iterator->key, lead)) {
        deletes[count++] = (struct weir_backend_write){
            .key = weir_arena_copy(scratch, iterator->key), .value = weir_null()};
        rc = ops->iterator_next(iterator, error);
    }
    if (rc < 0) return rc;
    if (weir_arena_failed(scratch)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "clear: out of memory");
    }
    bool is_last = rc == WEIR_END || !begins_with(iterator->key, lead);
    rc = count > 0 ? ops->write(state->backend.impl, deletes, count, error) : WEIR_OK;
    return rc < 0 ? rc : is_last ? WEIR_END : WEIR_OK;
}

/* One walk over what was there when it began: another from the start of the prefix after each write would
 * pass over all that was deleted before. */
static int delete_prefix(struct weir_state *state, uint16_t prefix, struct weir_error *error)
{
    const struct weir_backend_ops *ops = state->backend.ops;
    struct weir_backend_iterator iterator = {0};
    uint8_t lead[WEIR_KEY_PREFIX_SIZE];
    weir_assert(prefix > 0); /* below it are the positions */
    weir_store_u16(lead, prefix);
    int rc = ops->iterator_open(state->backend.impl, &iterator, error);
    if (rc < 0) return rc;
    rc = ops->iterator_seek(&iterator, weir_slice(lead, sizeof lead), error);
    while (rc == WEIR_OK) {
        rc = delete_some(state, &iterator, lead, error);
    }
    ops->iterator_close(&iterator);
    return rc < 0 ? rc : WEIR_OK;
}

/* ---- what the backend holds ---------------------------------------------------------------------- */

static struct weir_store *store_by_name(struct weir_state *state, struct weir_slice name)
{
    for (size_t i = 0; i < state->options.store_count; i++) {
        if (weir_slice_equal(weir_text(state->stores[i].spec->name), name)) {
            return &state->stores[i];
        }
    }
    return NULL;
}

static bool fits(const struct weir_store *store, const struct weir_position_record *record)
{
    return store != NULL && !store->is_resident &&
           store->spec->is_timestamped == record->is_timestamped &&
           store->segment_interval_ms == record->segment_interval_ms;
}

static void adopt(struct weir_store *store, const struct weir_position_record *record)
{
    weir_assert(record->prefix > 0);
    store->prefix = record->prefix;
    store->position = record->position;
    store->is_registered = true;
    weir_store_adopt_segment(store, record->live_segment);
}

/* The position record that the iterator shows: its store adopts it, or it is stale. WEIR_END behind the
 * last one. */
static int read_record(struct weir_state *state, struct weir_backend_iterator *iterator,
                       bool *is_stale_out, struct weir_position_record *record_out,
                       struct weir_error *error)
{
    struct weir_slice key = iterator->key;
    if (key.size < WEIR_KEY_PREFIX_SIZE || weir_load_u16(key.data) != 0) return WEIR_END;
    int rc = weir_position_record_parse(key, iterator->value, record_out, error);
    if (rc < 0) return rc;
    struct weir_store *store = store_by_name(state, record_out->name);
    *is_stale_out = !fits(store, record_out);
    if (!*is_stale_out) adopt(store, record_out);
    return WEIR_OK;
}

/* Read all records up to a stale one; copies that one's key to the arena `lookup`. */
static int find_stale(struct weir_state *state, struct weir_position_record *stale_out,
                      struct weir_slice *key_out, struct weir_error *error)
{
    const struct weir_backend_ops *ops = state->backend.ops;
    static const uint8_t start[WEIR_KEY_PREFIX_SIZE] = {0};
    struct weir_backend_iterator iterator = {0};
    int rc = ops->iterator_open(state->backend.impl, &iterator, error);
    if (rc < 0) return rc;
    rc = ops->iterator_seek(&iterator, weir_slice(start, sizeof start), error);
    while (rc == WEIR_OK) {
        bool is_stale = false;
        rc = read_record(state, &iterator, &is_stale, stale_out, error);
        if (rc == WEIR_OK && is_stale) {
            *key_out = weir_arena_copy(&state->lookup, iterator.key);
            break;
        }
        if (rc == WEIR_OK) rc = ops->iterator_next(&iterator, error);
    }
    ops->iterator_close(&iterator);
    return rc;
}

/* Rows first, then the record that says they are there. */
static int drop_stale_stores(struct weir_state *state, struct weir_error *error)
{
    for (;;) {
        struct weir_position_record stale;
        struct weir_slice key = {0};
        weir_arena_reset(&state->lookup);
        int rc = find_stale(state, &stale, &key, error);
        if (rc != WEIR_OK) return rc < 0 ? rc : WEIR_OK;
        if (weir_slice_is_null(key)) {
            return weir_error_set(error, WEIR_NO_MEMORY, "open: out of memory");
        }
        rc = delete_prefix(state, stale.prefix, error);
        if (rc < 0) return rc;
        const struct weir_backend_write forget = {.key = key};
        rc = state->backend.ops->write(state->backend.impl, &forget, 1, error);
        if (rc < 0) return rc;
    }
}

static bool prefix_is_taken(const struct weir_state *state, uint16_t prefix)
{
    for (size_t i = 0; i < state->options.store_count; i++) {
        if (state->stores[i].prefix == prefix) return true;
    }
    return false;
}

static uint16_t free_prefix(const struct weir_state *state)
{
    uint16_t prefix = 1;
    weir_assert(state->options.store_count < UINT16_MAX);
    while (prefix_is_taken(state, prefix)) {
        prefix++;
    }
    return prefix;
}

/* Nothing below this store: misses need not be looked up. */
static int find_whether_complete(struct weir_store *store, struct weir_error *error)
{
    struct weir_state *state = store->state;
    const struct weir_backend_ops *ops = state->backend.ops;
    struct weir_backend_iterator iterator = {0};
    uint8_t lead[WEIR_KEY_PREFIX_SIZE];
    weir_store_u16(lead, store->prefix);
    int rc = ops->iterator_open(state->backend.impl, &iterator, error);
    if (rc < 0) return rc;
    rc = ops->iterator_seek(&iterator, weir_slice(lead, sizeof lead), error);
    store->is_complete = rc == WEIR_END || (rc == WEIR_OK && !begins_with(iterator.key, lead));
    ops->iterator_close(&iterator);
    return rc < 0 ? rc : WEIR_OK;
}

static int prepare_store(struct weir_store *store, struct weir_error *error)
{
    if (store->is_resident) return WEIR_OK;
    if (store->prefix == 0) store->prefix = free_prefix(store->state);
    bool is_unknown =
        !store->is_registered || (store->spec->is_logged && store->position.offset == 0);
    if (is_unknown) {
        bool is_registered = store->is_registered;
        weir_store_forget(store); /* the record may still name what was dead in a former life */
        store->is_registered = is_registered;
        int rc = delete_prefix(store->state, store->prefix, error);
        if (rc < 0) return rc;
    }
    return find_whether_complete(store, error);
}

int weir_state_find_positions(struct weir_state *state, struct weir_error *error)
{
    int rc = drop_stale_stores(state, error);
    for (size_t i = 0; i < state->options.store_count && rc >= 0; i++) {
        rc = prepare_store(&state->stores[i], error);
    }
    return rc;
}

/* ---- restore ------------------------------------------------------------------------------------- */

/* That nothing is known of the rows comes first: after a crash half way they are deleted by the next
 * start. Then the backend keeps what is dead for this prefix no longer. Last comes a flush: a crash
 * must not bring the old rows back with a position that the changelog, cut and grown again meanwhile,
 * would seem to reach. */
static int clear_rows(struct weir_store *store, struct weir_error *error)
{
    struct weir_state *state = store->state;
    const struct weir_backend *backend = &state->backend;
    struct weir_backend_write write = {0};
    weir_arena_reset(&state->scratch);
    weir_position_record_build(store, &store->position, &state->scratch, &write);
    if (weir_arena_failed(&state->scratch)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    }
    int rc = backend->ops->write(backend->impl, &write, 1, error);
    if (rc < 0) return rc;
    store->is_registered = true;
    rc = delete_prefix(state, store->prefix, error);
    if (rc >= 0) rc = backend->ops->expire(backend->impl, store->prefix, 0, error);
    if (rc >= 0) rc = backend->ops->flush(backend->impl, true, error);
    if (rc >= 0) store->is_complete = true;
    return rc;
}

int weir_store_clear(struct weir_store *store, struct weir_error *error)
{
    struct weir_state *state = store->state;
    weir_assert(!weir_state_is_writing(state));
    weir_assert(state->gathering == NULL); /* no generation points into the table */
    weir_store_forget(store);
    state->committed_positions[store->index] = store->position;
    if (store->is_resident) return WEIR_OK;
    store->is_complete = false; /* until its rows are gone */
    int rc = clear_rows(store, error);
    weir_assert(rc < 0 || store->is_complete);
    return weir_error_wrap(error, rc, "clear store '%s'", store->spec->name);
}

int weir_store_begin_life(struct weir_store *store, struct weir_uuid life, struct weir_error *error)
{
    if (store->is_resident || weir_uuid_is_zero(life)) return WEIR_OK;
    if (weir_uuid_equal(store->position.topic_id, life)) return WEIR_OK;
    int rc = weir_store_clear(store, error);
    if (rc < 0) return rc;
    struct weir_state *state = store->state;
    const struct weir_changelog_position position = {.topic_id = life};
    struct weir_backend_write write = {0};
    weir_arena_reset(&state->scratch);
    weir_position_record_build(store, &position, &state->scratch, &write);
    rc = weir_arena_failed(&state->scratch)
             ? weir_error_set(error, WEIR_NO_MEMORY, "out of memory")
             : state->backend.ops->write(state->backend.impl, &write, 1, error);
    if (rc < 0) return weir_error_wrap(error, rc, "clear store '%s'", store->spec->name);
    store->position = position;
    state->committed_positions[store->index] = position;
    return WEIR_OK;
}

/* A memory store's record goes into the table, as an entry that is already written down. */
static int restore_resident(struct weir_store *store, const struct weir_record *record,
                            struct weir_slice key)
{
    uint32_t hash = weir_table_hash_key(&store->table, key);
    struct weir_store_entry *entry = weir_table_find(&store->table, key, hash);
    if (entry != NULL) {
        weir_store_free_value(store, entry->value, entry->value_size);
        entry->value = NULL;
        entry->value_size = 0;
    }
    if (weir_slice_is_null(record->value)) {
        const uint32_t lists = WEIR_ENTRY_QUEUED | WEIR_ENTRY_LOOSE;
        bool is_free = entry != NULL && (entry->flags & lists) == 0;
        if (is_free) weir_store_remove_entry(store, entry);
        return WEIR_OK;
    }
    int rc = weir_table_reserve(&store->table, 1);
    if (rc < 0) return rc;
    if (entry == NULL) entry = weir_store_add_entry(store, key, hash);
    if (entry == NULL) return WEIR_NO_MEMORY;
    rc = weir_store_load_value(store, entry, record->value, record->timestamp_ms);
    if (rc >= 0) weir_store_settle(store, entry);
    return rc;
}

static void restore_row(struct weir_store *store, const struct weir_record *record,
                        struct weir_slice key, struct weir_backend_write *write_out)
{
    struct weir_arena *scratch = &store->state->scratch;
    *write_out = (struct weir_backend_write){
        .key = weir_store_backend_key(store, scratch, key),
        .value = weir_store_backend_value(store, scratch, record->value, record->timestamp_ms),
    };
}

static int restore_records(struct weir_store *store, const struct weir_record *records,
                           size_t count, struct weir_backend_write *writes,
                           struct weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_slice key;
        int rc = weir_store_parse_changelog_key(store, records[i].key, &key, error);
        if (rc < 0) return rc;
        if (store->is_resident) {
            rc = restore_resident(store, &records[i], key);
        } else {
            restore_row(store, &records[i], key, &writes[i]);
        }
        if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "restore a record");
    }
    return WEIR_OK;
}

int weir_store_restore(struct weir_store *store, const struct weir_record *records, size_t count,
                       struct weir_changelog_position position, struct weir_error *error)
{
    struct weir_state *state = store->state;
    weir_assert(!weir_state_is_writing(state));
    if (weir_store_is_versioned(store)) {
        return weir_versions_restore(store, records, count, position, error);
    }
    weir_assert(store->is_resident || store->table.entry_count == 0);
    weir_arena_reset(&state->scratch);
    if (store->is_resident) weir_store_make_room(store); /* nobody touches it meanwhile */
    struct weir_backend_write *writes = NULL;
    int rc = WEIR_OK;
    if (!store->is_resident) {
        writes = weir_arena_array(&state->scratch, count + 1, sizeof *writes);
        if (writes == NULL) rc = weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    }
    if (rc >= 0) rc = restore_records(store, records, count, writes, error);
    if (rc >= 0 && !store->is_resident) {
        weir_position_record_build(store, &position, &state->scratch, &writes[count]);
        rc = weir_arena_failed(&state->scratch)
                 ? weir_error_set(error, WEIR_NO_MEMORY, "out of memory")
                 : state->backend.ops->write(state->backend.impl, writes, count + 1, error);
    }
    if (rc < 0) return weir_error_wrap(error, rc, "restore store '%s'", store->spec->name);
    store->position = position;
    store->is_registered = true;
    store->is_complete = store->is_resident || (store->is_complete && count == 0);
    return WEIR_OK;
}
