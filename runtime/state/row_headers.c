#include "base/assert.h"
#include "base/bytes.h"
#include "runtime/state/state_internal.h"

/*
 * Headers of a row between its change and the seal: in the place of the entry's old value, which rows that
 * are written once do not have.
 *
 *     u32 count · { u32 size of key · u32 size of value, ~0: null · key · value } ...
 */
enum { COUNT_SIZE = 4, SIZES = 8, HEADER_OVERHEAD_MAX = 10 };
static const uint32_t null_size = UINT32_MAX;

static size_t encoded_size(const struct weir_header *headers, size_t count)
{
    size_t size = COUNT_SIZE;
    for (size_t i = 0; i < count; i++) {
        size += SIZES + headers[i].key.size + headers[i].value.size;
    }
    return size;
}

static void encode(uint8_t *to, const struct weir_header *headers, size_t count)
{
    weir_store_u32(to, (uint32_t)count);
    to += COUNT_SIZE;
    for (size_t i = 0; i < count; i++) {
        const struct weir_slice key = headers[i].key;
        const struct weir_slice value = headers[i].value;
        weir_store_u32(to, (uint32_t)key.size);
        weir_store_u32(to + 4, weir_slice_is_null(value) ? null_size : (uint32_t)value.size);
        weir_copy(to + SIZES, key.data, key.size);
        weir_copy(to + SIZES + key.size, value.data, value.size);
        to += SIZES + key.size + value.size;
    }
}

int weir_store_set_headers(struct weir_store *store, struct weir_store_entry *entry,
                           const struct weir_header *headers, size_t count)
{
    weir_assert(weir_store_has_duplicates(store));
    weir_store_free_value(store, entry->old_value, entry->old_size);
    entry->old_value = NULL;
    entry->old_size = 0;
    if (count == 0 || !store->spec->is_logged) return WEIR_OK;
    const size_t size = encoded_size(headers, count);
    const size_t max = store->spec->change_bytes_max;
    const size_t record_size =
        entry->key.size + entry->value_size + size + count * HEADER_OVERHEAD_MAX;
    if (size > UINT32_MAX || (max > 0 && record_size > max)) return WEIR_OK;
    uint8_t *bytes = weir_slabs_alloc(&store->state->value_slabs, size, NULL);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    encode(bytes, headers, count);
    entry->old_value = bytes;
    entry->old_size = (uint32_t)size;
    return WEIR_OK;
}

int weir_entry_headers(const struct weir_store_entry *entry, struct weir_arena *arena,
                       struct weir_record *record)
{
    const uint8_t *at = entry->old_value;
    const size_t count = weir_load_u32(at);
    struct weir_header *headers = weir_arena_array(arena, count, sizeof *headers);
    if (headers == NULL) return WEIR_NO_MEMORY;
    at += COUNT_SIZE;
    for (size_t i = 0; i < count; i++) {
        const uint32_t key_size = weir_load_u32(at);
        const uint32_t value_size = weir_load_u32(at + 4);
        const uint8_t *value = at + SIZES + key_size;
        headers[i].key = weir_slice(at + SIZES, key_size);
        headers[i].value = value_size == null_size ? weir_null() : weir_slice(value, value_size);
        at = value_size == null_size ? value : value + value_size;
    }
    weir_assert(at == entry->old_value + entry->old_size);
    record->headers = headers;
    record->header_count = count;
    return WEIR_OK;
}
