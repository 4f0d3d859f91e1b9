#include "broker/log/transaction_index.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/env/env.h"
#include "base/error.h"
#include "base/hash.h"
#include "broker/log/small_file.h"

enum {
    ENTRY_SIZE = WEIR_TRANSACTION_INDEX_ENTRY_SIZE,
    ENTRY_VERSION = 0,
    FIRST_CAPACITY = 8,
    WRITE_ENTRIES = 4096, /* at a time */
};
#define NOT_KNOWN SIZE_MAX

void weir_transaction_index_init(struct weir_transaction_index *index, struct weir_budget *budget)
{
    *index = (struct weir_transaction_index){.budget = budget};
}

void weir_transaction_index_close(struct weir_transaction_index *index)
{
    weir_free(index->entries);
    weir_transaction_index_init(index, index->budget);
}

static bool follows(const struct weir_aborted_entry *entry, const struct weir_aborted_entry *before)
{
    return entry->last_offset > before->last_offset &&
           entry->last_stable_offset >= before->last_stable_offset;
}

static bool is_sane(const struct weir_aborted_entry *entry)
{
    return entry->producer_id >= 0 && entry->first_offset >= 0 &&
           entry->first_offset < entry->last_offset && entry->last_stable_offset >= 0 &&
           entry->last_stable_offset <= entry->last_offset + 1;
}

static bool is_in_order(const struct weir_transaction_index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        if (!is_sane(&index->entries[i])) return false;
        if (i > 0 && !follows(&index->entries[i], &index->entries[i - 1])) return false;
    }
    return true;
}

void weir_transaction_index_check(const struct weir_transaction_index *index)
{
    weir_assert(index->count <= index->capacity);
    weir_assert((index->entries == NULL) == (index->capacity == 0));
    weir_assert(index->filed <= index->count || index->filed == NOT_KNOWN);
    weir_assert_slow(is_in_order(index));
}

int weir_transaction_index_reserve(struct weir_transaction_index *index, size_t count)
{
    size_t capacity = index->capacity > 0 ? index->capacity : FIRST_CAPACITY;
    if (count == 0 || index->count + count <= index->capacity) return 0;
    while (capacity < index->count + count)
        capacity *= 2;
    struct weir_aborted_entry *entries =
        weir_realloc(index->budget, index->entries, capacity * sizeof *entries);
    if (entries == NULL) return WEIR_NO_MEMORY;
    index->entries = entries;
    index->capacity = capacity;
    return 0;
}

void weir_transaction_index_add(struct weir_transaction_index *index,
                                const struct weir_transaction_end *end)
{
    weir_assert(index->count < index->capacity);
    weir_assert(end->is_abort && end->first_offset < end->last_offset);
    index->entries[index->count++] = (struct weir_aborted_entry){
        .producer_id = end->producer_id,
        .first_offset = end->first_offset,
        .last_offset = end->last_offset,
        .last_stable_offset = end->last_stable_offset,
    };
    weir_transaction_index_check(index);
}

size_t weir_transaction_index_find(const struct weir_transaction_index *index, int64_t offset)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void weir_transaction_index_cut(struct weir_transaction_index *index, int64_t offset)
{
    size_t count = weir_transaction_index_find(index, offset);
    if (count == index->count) return;
    index->count = count;
    index->filed = NOT_KNOWN;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void store(uint8_t bytes[ENTRY_SIZE], const struct weir_aborted_entry *entry)
{
    weir_store_u16(bytes, ENTRY_VERSION);
    weir_store_u64(bytes + 2, (uint64_t)entry->producer_id);
    weir_store_u64(bytes + 10, (uint64_t)entry->first_offset);
    weir_store_u64(bytes + 18, (uint64_t)entry->last_offset);
    weir_store_u64(bytes + 26, (uint64_t)entry->last_stable_offset);
}

uint32_t weir_transaction_index_crc_next(uint32_t crc, const struct weir_aborted_entry *entry)
{
    uint8_t bytes[ENTRY_SIZE];
    store(bytes, entry);
    return weir_crc32c(crc, bytes, sizeof bytes);
}

uint32_t weir_transaction_index_crc(const struct weir_transaction_index *index, size_t count)
{
    uint32_t crc = 0;
    weir_assert(count <= index->count);
    for (size_t i = 0; i < count; i++)
        crc = weir_transaction_index_crc_next(crc, &index->entries[i]);
    return crc;
}

void weir_transaction_index_encode(const struct weir_transaction_index *index, size_t from,
                                   struct weir_buffer *to)
{
    for (size_t i = from; i < index->count && !to->failed; i++) {
        uint8_t bytes[ENTRY_SIZE];
        store(bytes, &index->entries[i]);
        weir_buffer_append(to, bytes, sizeof bytes);
    }
}

static int take(struct weir_transaction_index *index, struct weir_reader *reader,
                int64_t base_offset, int64_t end_offset, struct weir_error *error)
{
    uint16_t version = weir_reader_u16(reader);
    struct weir_aborted_entry entry = {0};
    entry.producer_id = (int64_t)weir_reader_u64(reader);
    entry.first_offset = (int64_t)weir_reader_u64(reader);
    entry.last_offset = (int64_t)weir_reader_u64(reader);
    entry.last_stable_offset = (int64_t)weir_reader_u64(reader);
    if (version != ENTRY_VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "transaction index: entry %zu has version %u, 0 is known",
                              index->count, version);
    }
    bool fits = is_sane(&entry) && entry.last_offset >= base_offset &&
                entry.last_offset < end_offset &&
                (index->count == 0 || follows(&entry, &index->entries[index->count - 1]));
    if (!fits) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "transaction index: entry %zu, producer %" PRId64 " from %" PRId64
                              " to %" PRId64 " with last stable offset %" PRId64 ", makes no sense",
                              index->count, entry.producer_id, entry.first_offset,
                              entry.last_offset, entry.last_stable_offset);
    }
    if (weir_transaction_index_reserve(index, 1) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "transaction index: no memory");
    }
    index->entries[index->count++] = entry;
    return 0;
}

int weir_transaction_index_decode(struct weir_transaction_index *index, struct weir_slice bytes,
                                  int64_t base_offset, int64_t end_offset, struct weir_error *error)
{
    struct weir_reader reader = weir_reader(bytes);
    int rc = 0;
    weir_assert(index->count == 0);
    if (bytes.size % ENTRY_SIZE != 0) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "transaction index: %zu bytes are no whole entries", bytes.size);
    }
    while (rc == 0 && weir_reader_left(&reader) > 0)
        rc = take(index, &reader, base_offset, end_offset, error);
    if (rc < 0) {
        weir_transaction_index_close(index);
        return rc;
    }
    index->filed = index->count;
    weir_transaction_index_check(index);
    return 0;
}

/* Entries [from, count), behind what is in the file. */
static int write_entries(const struct weir_transaction_index *index, struct weir_file *file,
                         size_t from)
{
    struct weir_buffer bytes;
    int rc = 0;
    weir_buffer_init(&bytes, index->budget, 0);
    while (rc == 0 && from < index->count) {
        struct weir_transaction_index part = *index;
        if (part.count - from > WRITE_ENTRIES) part.count = from + WRITE_ENTRIES;
        weir_buffer_reset(&bytes);
        weir_transaction_index_encode(&part, from, &bytes);
        struct weir_iovec all = {bytes.data, bytes.size};
        int64_t position = (int64_t)from * ENTRY_SIZE;
        rc = bytes.failed ? WEIR_NO_MEMORY : weir_file_write(file, &all, 1, position, NULL);
        from = part.count;
    }
    weir_buffer_close(&bytes);
    return rc;
}

void weir_transaction_index_save(struct weir_transaction_index *index, struct weir_env *env,
                                 const char *directory, int64_t base_offset)
{
    if (index->filed == index->count) return;
    struct weir_log_path path =
        weir_log_offset_path(directory, base_offset, WEIR_TRANSACTION_INDEX_SUFFIX);
    struct weir_file *file = NULL;
    if (index->count == 0) {
        int rc = weir_remove(env, path.text, NULL);
        index->filed = rc == 0 || rc == WEIR_NOT_FOUND ? 0 : NOT_KNOWN;
        return;
    }
    int rc = weir_file_open(env, path.text, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE,
                            &file, NULL);
    size_t from = index->filed == NOT_KNOWN ? 0 : index->filed;
    if (rc == 0 && from == 0) rc = weir_file_truncate(file, 0, NULL);
    if (rc == 0) rc = write_entries(index, file, from);
    weir_file_close(file);
    index->filed = rc == 0 ? index->count : NOT_KNOWN;
}
