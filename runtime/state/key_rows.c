#include "runtime/state/key_rows.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "weir/error.h"

enum { CAPACITY_FIRST = 2 };

void weir_key_rows_init(struct weir_key_rows_index *index, struct weir_slabs *entries,
                        struct weir_slabs *blocks, size_t tail_size)
{
    weir_assert(tail_size >= sizeof(int64_t));
    weir_table_init(&index->keys, entries);
    index->blocks = blocks;
    index->tail_size = tail_size;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static size_t block_size(uint32_t capacity)
{
    return sizeof(struct weir_key_rows) +
           capacity * (sizeof(int64_t) + sizeof(struct weir_store_entry *));
}

static struct weir_store_entry **places_of(const struct weir_key_rows *rows)
{
    return (struct weir_store_entry **)(void *)(rows->times + rows->capacity);
}

static struct weir_key_rows *rows_of(const struct weir_store_entry *key)
{
    return (struct weir_key_rows *)(void *)key->value;
}

static struct weir_key_rows *block_new(struct weir_key_rows_index *index, uint32_t capacity)
{
    struct weir_key_rows *rows = weir_slabs_alloc(index->blocks, block_size(capacity), NULL);
    if (rows == NULL) return NULL;
    rows->first = 0;
    rows->count = 0;
    rows->capacity = capacity;
    return rows;
}

static void block_free(struct weir_key_rows_index *index, struct weir_key_rows *rows)
{
    weir_slabs_free(index->blocks, rows, block_size(rows->capacity), 0);
}

void weir_key_rows_close(struct weir_key_rows_index *index)
{
    for (size_t slot = 0; slot < index->keys.slot_count; slot++) {
        const struct weir_store_entry *key = weir_table_at(&index->keys, slot);
        if (key != NULL && key->value != NULL) block_free(index, rows_of(key));
    }
    weir_table_close(&index->keys);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Time and number of a row, big-endian, so that the order of bytes is theirs. */
static const uint8_t *tail_of(const struct weir_key_rows_index *index,
                              const struct weir_store_entry *entry)
{
    return entry->key.data + entry->key.size - index->tail_size;
}

static struct weir_slice record_key_of(const struct weir_key_rows_index *index,
                                       const struct weir_store_entry *entry)
{
    weir_assert(entry->key.size >= index->tail_size);
    return weir_slice(entry->key.data, entry->key.size - index->tail_size);
}

static int64_t time_of(const struct weir_key_rows_index *index,
                       const struct weir_store_entry *entry)
{
    return (int64_t)weir_load_u64(tail_of(index, entry));
}

static bool comes_before(const struct weir_key_rows_index *index,
                         const struct weir_store_entry *entry, const uint8_t *tail)
{
    return memcmp(tail_of(index, entry), tail, index->tail_size) < 0;
}

/* How many rows have a time before `time_ms`. Looked for from both ends: a new row belongs to the one, as a
 * rule, and the oldest leave at the other. */
static uint32_t count_until(const struct weir_key_rows *rows, int64_t time_ms)
{
    const int64_t *times = rows->times + rows->first;
    if (rows->count == 0 || times[rows->count - 1] < time_ms) return rows->count;
    if (times[0] >= time_ms) return 0;
    uint32_t from = 1;
    uint32_t to = rows->count - 1;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (times[middle] < time_ms) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* How many rows come before an entry, whose time is `time_ms`: of those with its time, the ones of a smaller
 * number. A new row has the largest, as a rule. */
static uint32_t count_before(const struct weir_key_rows_index *index,
                             const struct weir_key_rows *rows, const uint8_t *tail, int64_t time_ms)
{
    struct weir_store_entry *const *places = places_of(rows) + rows->first;
    uint32_t from = count_until(rows, time_ms);
    uint32_t to = time_ms < INT64_MAX ? count_until(rows, time_ms + 1) : rows->count;
    if (from < to && comes_before(index, places[to - 1], tail)) return to;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (comes_before(index, places[middle], tail)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* ---- coming and going ------------------------------------------------------------------------ */

/* Room at the end for one more row; the block may be another one then. */
static struct weir_key_rows *make_room(struct weir_key_rows_index *index,
                                       struct weir_store_entry *key)
{
    struct weir_key_rows *rows = rows_of(key);
    if (rows->first + rows->count < rows->capacity) return rows;
    if (rows->count <= rows->capacity / 2) {
        struct weir_store_entry **places = places_of(rows);
        memmove(rows->times, rows->times + rows->first, rows->count * sizeof *rows->times);
        memmove(places, places + rows->first, rows->count * sizeof *places);
        rows->first = 0;
        return rows;
    }
    if (rows->capacity > UINT32_MAX / 2) return NULL;
    struct weir_key_rows *grown = block_new(index, rows->capacity * 2);
    if (grown == NULL) return NULL;
    grown->count = rows->count;
    memcpy(grown->times, rows->times + rows->first, rows->count * sizeof *rows->times);
    memcpy(places_of(grown), places_of(rows) + rows->first,
           rows->count * sizeof(struct weir_store_entry *));
    block_free(index, rows);
    key->value = (uint8_t *)grown;
    return grown;
}

/* The key's entry, made if it is not there. */
static struct weir_store_entry *find_or_make(struct weir_key_rows_index *index,
                                             struct weir_slice record_key)
{
    uint32_t hash = weir_table_hash_key(&index->keys, record_key);
    struct weir_store_entry *key = weir_table_find(&index->keys, record_key, hash);
    if (key != NULL) return key;
    if (weir_table_reserve(&index->keys, 1) < 0) return NULL;
    struct weir_key_rows *rows = block_new(index, CAPACITY_FIRST);
    if (rows == NULL) return NULL;
    key = weir_table_add(&index->keys, record_key, hash);
    if (key == NULL) {
        block_free(index, rows);
        return NULL;
    }
    key->value = (uint8_t *)rows;
    return key;
}

int weir_key_rows_add(struct weir_key_rows_index *index, struct weir_store_entry *entry)
{
    struct weir_store_entry *key = find_or_make(index, record_key_of(index, entry));
    struct weir_key_rows *rows = key != NULL ? make_room(index, key) : NULL;
    if (rows == NULL)
        return WEIR_NO_MEMORY; /* a key that was made has a place, so it is not empty */
    const int64_t time_ms = time_of(index, entry);
    const uint32_t at = count_before(index, rows, tail_of(index, entry), time_ms);
    struct weir_store_entry **place = places_of(rows) + rows->first + at;
    int64_t *time = rows->times + rows->first + at;
    weir_assert_slow(at == rows->count || *place != entry);
    memmove(place + 1, place, (rows->count - at) * sizeof *place);
    memmove(time + 1, time, (rows->count - at) * sizeof *time);
    *place = entry;
    *time = time_ms;
    rows->count++;
    return WEIR_OK;
}

static void forget_key(struct weir_key_rows_index *index, struct weir_store_entry *key)
{
    block_free(index, rows_of(key));
    key->value = NULL;
    weir_table_remove(&index->keys, key, weir_table_hash_key(&index->keys, key->key));
}

void weir_key_rows_remove(struct weir_key_rows_index *index, struct weir_store_entry *entry)
{
    struct weir_slice record_key = record_key_of(index, entry);
    uint32_t hash = weir_table_hash_key(&index->keys, record_key);
    struct weir_store_entry *key = weir_table_find(&index->keys, record_key, hash);
    weir_assert(key != NULL);
    struct weir_key_rows *rows = rows_of(key);
    const uint32_t at = count_before(index, rows, tail_of(index, entry), time_of(index, entry));
    struct weir_store_entry **place = places_of(rows) + rows->first + at;
    int64_t *time = rows->times + rows->first + at;
    weir_assert(at < rows->count && *place == entry);
    rows->count--;
    if (rows->count == 0) {
        forget_key(index, key);
    } else if (at == 0) {
        rows->first++;
    } else {
        memmove(place, place + 1, (rows->count - at) * sizeof *place);
        memmove(time, time + 1, (rows->count - at) * sizeof *time);
    }
}

struct weir_store_entry *const *weir_key_rows_find(const struct weir_key_rows_index *index,
                                                   struct weir_slice record_key, int64_t from_ms,
                                                   int64_t to_ms, size_t *count_out)
{
    *count_out = 0;
    weir_assert(from_ms <= to_ms);
    uint32_t hash = weir_table_hash_key(&index->keys, record_key);
    const struct weir_store_entry *key = weir_table_find(&index->keys, record_key, hash);
    if (key == NULL) return NULL;
    const struct weir_key_rows *rows = rows_of(key);
    const uint32_t from = count_until(rows, from_ms);
    const uint32_t to = to_ms < INT64_MAX ? count_until(rows, to_ms + 1) : rows->count;
    *count_out = to - from;
    return places_of(rows) + rows->first + from;
}

void weir_key_rows_prefetch(const struct weir_key_rows_index *index, const struct weir_slice *keys,
                            size_t count)
{
    enum { GROUP = 32 };
    if (index->keys.slot_count == 0) return;
    for (size_t at = 0; at < count; at += GROUP) {
        const size_t size = count - at < GROUP ? count - at : GROUP;
        uint32_t hashes[GROUP];
        for (size_t i = 0; i < size; i++) {
            hashes[i] = weir_table_hash_key(&index->keys, keys[at + i]);
            weir_table_prefetch_slot(&index->keys, hashes[i]);
        }
        for (size_t i = 0; i < size; i++) {
            weir_table_prefetch_entry(&index->keys, hashes[i]);
        }
    }
}
