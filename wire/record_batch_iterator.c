#include "wire/record_batch.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "wire/record_batch_internal.h"

/**
 * The reader's side of a batch. One record:
 *
 *   varint length of what follows     varint key size, -1: null      varint header count
 *   int8   attributes, unused         key                            of each header:
 *   varint timestamp delta            varint value size, -1: null      varint key size, key
 *   varint offset delta               value                            varint value size, value
 *
 * This is the hottest loop of a job, so it keeps its place in two pointers that stay in registers
 * and takes the varints of one and two bytes inline; a NULL place means that the bytes are damaged.
 */

/* A record's headers; without an arena they are only walked. */
static int read_headers(const uint8_t *at, const uint8_t *end, size_t count,
                        struct weir_arena *arena, const struct weir_header **headers_out)
{
    if (count > (size_t)(end - at) / WEIR_RECORD_HEADER_SIZE_MIN) return WEIR_CORRUPT;
    struct weir_header *headers = NULL;
    if (arena != NULL) {
        headers = weir_arena_array(arena, count, sizeof *headers);
        if (headers == NULL) return WEIR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct weir_header header;
        at = weir_batch_read_bytes(at, end, false, &header.key);
        if (at == NULL) return WEIR_CORRUPT;
        at = weir_batch_read_bytes(at, end, true, &header.value);
        if (at == NULL) return WEIR_CORRUPT;
        if (headers != NULL) headers[i] = header;
    }
    *headers_out = headers;
    return at == end ? 0 : WEIR_CORRUPT;
}

/* What the records of one run have in common, kept out of the iterator while the loop runs. */
struct run {
    const uint8_t *at;
    const uint8_t *end;
    int64_t delta_min; /* of the next record's offset */
};

/* Offset and time from their deltas, which are checked. */
static inline bool place_record(const struct weir_batch_header *batch, const struct run *run,
                                int64_t offset_delta, int64_t timestamp_delta,
                                struct weir_record *record)
{
    if (offset_delta < run->delta_min || offset_delta > batch->last_offset_delta) return false;
    record->offset = batch->base_offset + offset_delta;
    if ((batch->attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0) {
        record->timestamp_ms = batch->max_timestamp_ms;
        return true;
    }
    return !__builtin_add_overflow(batch->base_timestamp_ms, timestamp_delta,
                                   &record->timestamp_ms);
}

/* The record at `run->at`, which is moved behind it. `record_out` is written on success only. */
static inline int read_record(const struct weir_batch_iterator *iterator, struct run *run,
                              struct weir_record *record_out)
{
    int64_t size = 0;
    const uint8_t *at = weir_batch_read_varint(run->at, run->end, 32, &size);
    if (at == NULL || size < WEIR_RECORD_SIZE_MIN - 1 || size > run->end - at) return WEIR_CORRUPT;
    const uint8_t *end = at + size;

    int64_t timestamp_delta = 0;
    int64_t offset_delta = 0;
    int64_t header_count = 0;
    struct weir_record record = {0};
    at =
        weir_batch_read_varint(at + 1, end, 64, &timestamp_delta); /* + 1: the attributes, unused */
    if (at == NULL) return WEIR_CORRUPT;
    at = weir_batch_read_varint(at, end, 32, &offset_delta);
    if (at == NULL) return WEIR_CORRUPT;
    at = weir_batch_read_bytes(at, end, true, &record.key);
    if (at == NULL) return WEIR_CORRUPT;
    at = weir_batch_read_bytes(at, end, true, &record.value);
    if (at == NULL) return WEIR_CORRUPT;
    /* The header count is often the record's last byte, which read_varint takes the slow way. */
    if (end - at == 1 && *at == 0) {
        at++;
    } else {
        at = weir_batch_read_varint(at, end, 32, &header_count);
        if (at == NULL || header_count < 0) return WEIR_CORRUPT;
    }
    if (!place_record(&iterator->header, run, offset_delta, timestamp_delta, &record)) {
        return WEIR_CORRUPT;
    }
    if (header_count != 0) {
        int rc = read_headers(at, end, (size_t)header_count, iterator->arena, &record.headers);
        if (rc < 0) return rc;
        record.header_count = record.headers != NULL ? (size_t)header_count : 0;
    } else if (at != end) {
        return WEIR_CORRUPT;
    }
    run->at = end;
    run->delta_min = offset_delta + 1;
    *record_out = record;
    return 0;
}

static struct run run_begin(const struct weir_batch_iterator *iterator)
{
    return (struct run){
        .at = iterator->records.data + iterator->at,
        .end = iterator->records.data + iterator->records.size,
        .delta_min = iterator->delta_min,
    };
}

static void run_commit(struct weir_batch_iterator *iterator, const struct run *run, size_t count)
{
    iterator->at = (size_t)(run->at - iterator->records.data);
    iterator->index += (int32_t)count;
    /* Past INT32_MAX only behind the last possible record, after which none is read. */
    iterator->delta_min = run->delta_min > INT32_MAX ? INT32_MAX : (int32_t)run->delta_min;
}

static __attribute__((cold, noinline)) int damaged(const struct weir_batch_iterator *iterator,
                                                   int32_t index, int rc, struct weir_error *error)
{
    if (rc == WEIR_NO_MEMORY) {
        return weir_error_set(error, WEIR_NO_MEMORY, "record batch: no memory for headers");
    }
    return weir_error_set(error, WEIR_CORRUPT,
                          "record batch at offset %" PRId64 ": record %" PRId32 " of %" PRId32
                          " is damaged",
                          iterator->header.base_offset, index, iterator->header.record_count);
}

/* The last record was read; only damage leaves bytes behind it. */
static int check_end(const struct weir_batch_iterator *iterator, size_t at,
                     struct weir_error *error)
{
    if (at == iterator->records.size) return WEIR_END;
    return weir_error_set(error, WEIR_CORRUPT,
                          "record batch at offset %" PRId64 ": %zu bytes behind the last record",
                          iterator->header.base_offset, iterator->records.size - at);
}

int weir_batch_iterate(struct weir_batch_iterator *iterator, struct weir_slice batch,
                       struct weir_buffer *plain, size_t plain_size_max, struct weir_arena *arena,
                       struct weir_error *error)
{
    struct weir_batch_header header;
    struct weir_slice records;
    int rc = weir_batch_peek(batch, 0, &header, error);
    if (rc < 0) return rc;
    rc = weir_batch_open_records(&header, batch, plain, plain_size_max, &records, error);
    if (rc < 0) return rc;
    if ((size_t)header.record_count > records.size / WEIR_RECORD_SIZE_MIN) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch at offset %" PRId64 ": %" PRId32
                              " records cannot be in %zu bytes",
                              header.base_offset, header.record_count, records.size);
    }
    *iterator = (struct weir_batch_iterator){.header = header, .records = records, .arena = arena};
    return 0;
}

int weir_batch_next(struct weir_batch_iterator *iterator, struct weir_record *record_out,
                    struct weir_error *error)
{
    if (iterator->index == iterator->header.record_count) {
        return check_end(iterator, iterator->at, error);
    }
    struct run run = run_begin(iterator);
    int rc = read_record(iterator, &run, record_out);
    if (rc < 0) return damaged(iterator, iterator->index, rc, error);
    run_commit(iterator, &run, 1);
    return 0;
}

int weir_batch_read_all(struct weir_batch_iterator *iterator, struct weir_record *records_out,
                        size_t capacity, struct weir_error *error)
{
    size_t left = (size_t)(iterator->header.record_count - iterator->index);
    size_t count = left < capacity ? left : capacity;
    struct run run = run_begin(iterator);
    for (size_t i = 0; i < count; i++) {
        int rc = read_record(iterator, &run, &records_out[i]);
        if (rc < 0) return damaged(iterator, iterator->index + (int32_t)i, rc, error);
    }
    if (count == left) {
        int rc = check_end(iterator, (size_t)(run.at - iterator->records.data), error);
        if (rc < 0) return rc;
    }
    run_commit(iterator, &run, count);
    return (int)count;
}
