#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "runtime/state/state_internal.h"

/*
 * Rows with a time to live.
 *
 * A row is *over* once the stream time that its store has observed is ttl_ms or more beyond the row's timestamp. From then
 * on it counts as not there, for everybody and for good: stream time only grows, and comes back with the commit after a
 * restart (the observed time of the nodes that use the store is a mark), so what is read depends on the records alone.
 *
 * That its bytes go is another matter, and nobody can tell when they do. Nothing says which rows will be over next, and an
 * order by time would cost as much as the table. So each seal looks at some rows further on and deletes those that are
 * over, a tombstone in the changelog each, of the row's own timestamp:
 *
 *     a b c d e f g h i j k          seal 1: a to d    seal 2: e to j    seal 3: k, and from a on again
 *
 * It looks at two rows for each that has changed since the seal before, and a few more: a store that grows by n rows
 * is gone through before it has grown by half of itself, so that what is over takes no more than about as much room as
 * what has come meanwhile. A store in memory is walked by the slots of its table, one on a disk in the order of its backend,
 * whose rows are looked at once they are there; what has changed above one is seen when its key is touched.
 */
enum { ROWS_PER_CHANGE = 2, ROWS_MIN = 64, KEYS_PER_TOUCH = 256 };

bool weir_store_is_row_over(const struct weir_store *store, int64_t timestamp_ms)
{
    return store->spec->ttl_ms > 0 && timestamp_ms <= store->expired_ms;
}

/* What waits to be forwarded is still to be seen below: the next sweep has it. */
static int expire_if_over(struct weir_store *store, struct weir_store_entry *entry)
{
    const uint32_t held = WEIR_ENTRY_UNFORWARDED | WEIR_ENTRY_GIVEN | WEIR_ENTRY_LOADING;
    if (entry->value == NULL || (entry->flags & held) != 0) return WEIR_OK;
    return weir_store_is_row_over(store, entry->timestamp_ms) ? weir_store_expire(store, entry)
                                                              : WEIR_OK;
}

static int sweep_table(struct weir_store *store, size_t row_count)
{
    const struct weir_table *table = &store->table;
    if (row_count > table->slot_count) row_count = table->slot_count;
    int rc = WEIR_OK;
    for (size_t i = 0; i < row_count && rc >= 0; i++) {
        store->sweep_slot = (store->sweep_slot + 1) & (table->slot_count - 1);
        struct weir_store_entry *entry = weir_table_at(table, store->sweep_slot);
        if (entry != NULL) rc = expire_if_over(store, entry);
    }
    return rc;
}

/* ---- in the backend ---------------------------------------------------------------------------- */

struct found {
    struct weir_slice *keys; /* as the store has them; in the arena `lookup` */
    size_t count;
};

static int keep_place(struct weir_store *store, struct weir_slice key)
{
    uint8_t *bytes = weir_realloc(store->state->options.budget, store->sweep_key, key.size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_copy(bytes, key.data, key.size);
    store->sweep_key = bytes;
    store->sweep_size = key.size;
    return WEIR_OK;
}

static void forget_place(struct weir_store *store)
{
    weir_free(store->sweep_key);
    store->sweep_key = NULL;
    store->sweep_size = 0;
}

/* Walk on from where the last sweep ended, over so many rows. */
static int find_over(struct weir_store *store, struct weir_backend_iterator *iterator,
                     size_t row_count, struct found *found, struct weir_error *error)
{
    struct weir_state *state = store->state;
    const struct weir_backend_ops *ops = state->backend.ops;
    uint8_t lead[WEIR_KEY_PREFIX_SIZE];
    weir_store_u16(lead, store->prefix);
    const struct weir_slice from = store->sweep_key != NULL
                                       ? weir_slice(store->sweep_key, store->sweep_size)
                                       : weir_slice(lead, sizeof lead);
    int rc = ops->iterator_seek(iterator, from, error);
    for (size_t i = 0; rc == WEIR_OK; i++) {
        const struct weir_slice key = iterator->key;
        struct weir_slice value;
        int64_t timestamp_ms;
        if (key.size < sizeof lead || memcmp(key.data, lead, sizeof lead) != 0) break;
        if (i == row_count) return keep_place(store, key);
        rc = weir_store_parse_value(store, iterator->value, &value, &timestamp_ms, error);
        if (rc < 0) return rc;
        if (weir_store_is_row_over(store, timestamp_ms)) {
            found->keys[found->count++] = weir_arena_copy(
                &state->lookup, weir_slice(key.data + sizeof lead, key.size - sizeof lead));
        }
        rc = ops->iterator_next(iterator, error);
    }
    if (rc >= 0) forget_place(store);
    return rc < 0 ? rc : WEIR_OK;
}

/* What the backend has may have changed above it: the table says what is so. */
static int expire_found(struct weir_store *store, const struct found *found,
                        struct weir_error *error)
{
    struct weir_store_entry *entries[KEYS_PER_TOUCH];
    for (size_t at = 0; at < found->count; at += KEYS_PER_TOUCH) {
        const size_t left = found->count - at;
        const size_t count = left < KEYS_PER_TOUCH ? left : KEYS_PER_TOUCH;
        int rc = weir_store_touch(store, found->keys + at, count, entries, error);
        for (size_t i = 0; i < count && rc >= 0; i++) {
            rc = expire_if_over(store, entries[i]);
        }
        if (rc < 0) return rc;
    }
    return WEIR_OK;
}

static int sweep_backend(struct weir_store *store, size_t row_count, struct weir_error *error)
{
    struct weir_state *state = store->state;
    const struct weir_backend_ops *ops = state->backend.ops;
    struct weir_backend_iterator iterator = {0};
    weir_arena_reset(&state->lookup);
    struct found found = {
        .keys = weir_arena_array(&state->lookup, row_count, sizeof *found.keys),
    };
    if (found.keys == NULL) return WEIR_NO_MEMORY;
    int rc = ops->iterator_open(state->backend.impl, &iterator, error);
    if (rc < 0) return rc;
    rc = find_over(store, &iterator, row_count, &found, error);
    ops->iterator_close(&iterator);
    if (rc >= 0 && weir_arena_failed(&state->lookup)) rc = WEIR_NO_MEMORY;
    if (rc >= 0) rc = expire_found(store, &found, error);
    weir_arena_reset(&state->lookup);
    return rc;
}

int weir_store_sweep(struct weir_store *store, struct weir_error *error)
{
    if (store->spec->ttl_ms == 0 || store->expired_ms < 0) return WEIR_OK;
    const size_t row_count = ROWS_MIN + ROWS_PER_CHANGE * store->dirty.count;
    int rc =
        store->is_resident ? sweep_table(store, row_count) : sweep_backend(store, row_count, error);
    if (rc == WEIR_NO_MEMORY) (void)weir_error_set(error, rc, "out of memory");
    return weir_error_wrap(error, rc, "remove what is over of store '%s'", store->spec->name);
}
