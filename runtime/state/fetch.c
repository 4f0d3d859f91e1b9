#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * The rows of a key and a range of time, of a store that keeps duplicates.
 *
 * While the table has all rows there are, what is asked for stands side by side in key_rows.h and is given
 * as it is: one look-up, no copy. Once rows have left the table, or were restored below it, the two sides
 * are merged (scan.c) into rows of this call's own, in the state's arena for look-ups.
 */
struct gathering {
    struct weir_arena *arena;
    struct weir_store_entry **entries;
    size_t count;
    size_t capacity;
};

static int gather(void *context, struct weir_slice key, struct weir_slice value,
                  int64_t timestamp_ms)
{
    enum { ROWS_FIRST = 16 };
    struct gathering *gathering = context;
    struct weir_arena *arena = gathering->arena;
    struct weir_store_entry **entries =
        weir_arena_grow(arena, gathering->entries, gathering->count, &gathering->capacity,
                        ROWS_FIRST, sizeof(void *));
    struct weir_store_entry *row = weir_arena_alloc_zero(arena, sizeof *row);
    if (entries == NULL || row == NULL) return WEIR_NO_MEMORY;
    key = weir_arena_copy(arena, key);
    value = weir_arena_copy(arena, value);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    row->key = key;
    row->value = (uint8_t *)value.data;
    row->value_size = (uint32_t)value.size;
    row->timestamp_ms = timestamp_ms;
    gathering->entries = entries;
    gathering->entries[gathering->count++] = row;
    return WEIR_OK;
}

static int fetch_merged(struct weir_store *store, struct weir_slice record_key, int64_t from_ms,
                        int64_t to_ms, struct weir_fetched_rows *rows_out, struct weir_error *error)
{
    struct weir_arena *arena = &store->state->lookup;
    struct gathering gathering = {.arena = arena};
    struct weir_key_range range;
    weir_arena_reset(arena);
    int rc = weir_key_range_init(&range, store->schema, arena, record_key, from_ms, to_ms);
    if (rc < 0) {
        return weir_error_set(error, (enum weir_code)rc, "store '%s': fetch", store->spec->name);
    }
    rc = weir_store_scan_range(store, &range, gather, &gathering, error);
    if (rc < 0) return rc;
    *rows_out = (struct weir_fetched_rows){gathering.entries, gathering.count};
    return WEIR_OK;
}

int weir_store_fetch(struct weir_store *store, struct weir_slice record_key, int64_t from_ms,
                     int64_t to_ms, struct weir_fetched_rows *rows_out, struct weir_error *error)
{
    weir_assert(weir_store_has_key_rows(store));
    weir_assert(from_ms >= 0 && !weir_slice_is_null(record_key));
    if (from_ms <= store->expired_ms) from_ms = store->expired_ms + 1;
    if (from_ms > to_ms) {
        *rows_out = (struct weir_fetched_rows){0};
        return WEIR_OK;
    }
    if (!store->is_complete) {
        return fetch_merged(store, record_key, from_ms, to_ms, rows_out, error);
    }
    struct weir_fetched_rows rows;
    rows.entries = weir_key_rows_find(&store->rows_by_key, record_key, from_ms, to_ms, &rows.count);
    *rows_out = rows;
    return WEIR_OK;
}

void weir_store_prefetch_rows(const struct weir_store *store, const struct weir_slice *record_keys,
                              size_t count)
{
    weir_assert(weir_store_has_key_rows(store));
    weir_key_rows_prefetch(&store->rows_by_key, record_keys, count);
}
