#include "wire/record_batch_reader.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_internal.h"

/**
 * The records are the hottest loop of a job. It keeps its place in two pointers that stay in registers
 * while it runs, and takes the varints of one and two bytes inline; a NULL place means that the bytes are
 * damaged. The form of a record is drawn in record_batch_internal.h.
 */

/* ---- batches --------------------------------------------------------------------------------- */

/* A run of whole batches that ends within one is not cut off but wrong. */
static int cut_short(const struct weir_batch_reader *reader, struct weir_error *error)
{
    if (!reader->is_whole) return WEIR_TRUNCATED;
    if (error != NULL) error->code = WEIR_CORRUPT;
    return WEIR_CORRUPT;
}

int weir_batch_reader_next(struct weir_batch_reader *reader, struct weir_error *error)
{
    struct weir_batch_header header;
    struct weir_slice rest = reader->rest;
    weir_assert(rest.data != NULL || rest.size == 0);
    if (rest.size == 0) return WEIR_END;
    int rc = weir_batch_peek(rest, 0, &header, error);
    if (rc == WEIR_TRUNCATED) return cut_short(reader, error);
    if (rc < 0) return rc;
    size_t size = weir_batch_size(&header);
    weir_assert(size <= rest.size);
    reader->header = header;
    reader->batch = weir_slice(rest.data, size);
    reader->rest = weir_slice(rest.data + size, rest.size - size);
    reader->is_open = false;
    reader->left = 0;
    return 0;
}

int weir_batch_open_records(const struct weir_batch_header *header, struct weir_slice batch,
                            struct weir_buffer *plain, size_t plain_size_max,
                            struct weir_slice *records_out, struct weir_error *error)
{
    weir_assert(weir_batch_size(header) >= WEIR_BATCH_HEADER_SIZE);
    weir_assert(weir_batch_size(header) <= batch.size);
    struct weir_slice stored = weir_slice(batch.data + WEIR_BATCH_HEADER_SIZE,
                                          weir_batch_size(header) - WEIR_BATCH_HEADER_SIZE);
    enum weir_codec codec = weir_batch_codec(header);
    if (codec == WEIR_CODEC_NONE || stored.size == 0) {
        *records_out = stored;
        return 0;
    }
    weir_assert(plain != NULL);
    weir_buffer_reset(plain);
    size_t size_max = plain_size_max != 0 ? plain_size_max : WEIR_BATCH_PLAIN_SIZE_MAX;
    int rc = weir_decompress(codec, stored, size_max, plain);
    if (rc < 0) {
        const char *name = weir_codec_name((int)codec);
        return weir_error_set(error, (enum weir_code)rc,
                              "record batch at offset %" PRId64 ": %s records of %zu bytes: %s",
                              header->base_offset, name != NULL ? name : "unknown codec",
                              stored.size, weir_code_text(rc));
    }
    *records_out = weir_buffer_slice(plain);
    return 0;
}

int weir_batch_reader_open(struct weir_batch_reader *reader, struct weir_error *error)
{
    const struct weir_batch_header *header = &reader->header;
    struct weir_slice records;
    weir_assert(!weir_slice_is_null(reader->batch)); /* after a next that gave one */
    reader->is_open = false;
    reader->left = 0;
    int rc = weir_batch_check_crc(reader->batch, error);
    if (rc < 0) return rc;
    rc = weir_batch_open_records(header, reader->batch, reader->plain, reader->plain_size_max,
                                 &records, error);
    if (rc < 0) return rc;
    if ((size_t)header->record_count > records.size / WEIR_RECORD_SIZE_MIN) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch at offset %" PRId64 ": %" PRId32
                              " records cannot be in %zu bytes",
                              header->base_offset, header->record_count, records.size);
    }
    reader->is_open = true;
    reader->left = header->record_count;
    reader->at = records.data;
    reader->end = records.data + records.size;
    reader->delta_min = 0;
    return 0;
}

int weir_batch_reader_open_next(struct weir_batch_reader *reader, struct weir_error *error)
{
    int rc = weir_batch_reader_next(reader, error);
    return rc == 0 ? weir_batch_reader_open(reader, error) : rc;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Where a loop over records stands, kept out of the reader while it runs. */
struct place {
    const uint8_t *at;
    int64_t delta_min; /* of the next record's offset */
};

/* Offset and time from their deltas, which are checked. */
static inline bool place_record(const struct weir_batch_header *batch, int64_t delta_min,
                                int64_t offset_delta, int64_t timestamp_delta,
                                struct weir_record *record)
{
    if (offset_delta < delta_min || offset_delta > batch->last_offset_delta) return false;
    record->offset = batch->base_offset + offset_delta;
    if ((batch->attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0) {
        record->timestamp_ms = batch->max_timestamp_ms;
        return true;
    }
    return !__builtin_add_overflow(batch->base_timestamp_ms, timestamp_delta,
                                   &record->timestamp_ms);
}

/* The record at `place`, which is moved behind it. `record_out` is written on success only. */
static inline int read_record(const struct weir_batch_reader *reader, struct place *place,
                              struct weir_record *record_out)
{
    struct weir_record_frame frame;
    struct weir_record record = {0};
    int64_t header_count = 0;
    const uint8_t *at = weir_record_read_frame(place->at, reader->end, &frame);
    if (at == NULL) return WEIR_CORRUPT;
    at = weir_batch_read_bytes(at, frame.end, true, &record.key);
    if (at == NULL) return WEIR_CORRUPT;
    at = weir_batch_read_bytes(at, frame.end, true, &record.value);
    if (at == NULL) return WEIR_CORRUPT;
    at = weir_record_read_header_count(at, frame.end, &header_count);
    if (at == NULL) return WEIR_CORRUPT;
    if (!place_record(&reader->header, place->delta_min, frame.offset_delta, frame.timestamp_delta,
                      &record)) {
        return WEIR_CORRUPT;
    }
    if (header_count != 0) {
        int rc = weir_record_read_headers(at, frame.end, (size_t)header_count, reader->arena,
                                          &record.headers);
        if (rc < 0) return rc;
        record.header_count = record.headers != NULL ? (size_t)header_count : 0;
    } else if (at != frame.end) {
        return WEIR_CORRUPT;
    }
    place->at = frame.end;
    place->delta_min = frame.offset_delta + 1;
    *record_out = record;
    return 0;
}

static __attribute__((cold, noinline)) int damaged(const struct weir_batch_reader *reader,
                                                   int32_t left, int rc, struct weir_error *error)
{
    const struct weir_batch_header *header = &reader->header;
    if (rc == WEIR_NO_MEMORY) {
        return weir_error_set(error, WEIR_NO_MEMORY, "record batch: no memory for headers");
    }
    return weir_error_set(error, WEIR_CORRUPT,
                          "record batch at offset %" PRId64 ": record %" PRId32 " of %" PRId32
                          " is damaged",
                          header->base_offset, header->record_count - left, header->record_count);
}

/* The last record was read; only damage leaves bytes behind it. */
static int check_end(const struct weir_batch_reader *reader, const uint8_t *at,
                     struct weir_error *error)
{
    weir_assert(reader->is_open);
    if (at == reader->end) return WEIR_END;
    return weir_error_set(error, WEIR_CORRUPT,
                          "record batch at offset %" PRId64 ": %zu bytes behind the last record",
                          reader->header.base_offset, (size_t)(reader->end - at));
}

int weir_batch_reader_record(struct weir_batch_reader *reader, struct weir_record *record_out,
                             struct weir_error *error)
{
    if (reader->left == 0) return check_end(reader, reader->at, error);
    struct place place = {reader->at, reader->delta_min};
    int rc = read_record(reader, &place, record_out);
    if (rc < 0) return damaged(reader, reader->left, rc, error);
    reader->at = place.at;
    reader->delta_min = place.delta_min;
    reader->left--;
    return 0;
}

int weir_batch_reader_records(struct weir_batch_reader *reader, struct weir_record *records_out,
                              size_t capacity, struct weir_error *error)
{
    weir_assert(reader->left >= 0);
    weir_assert(reader->is_open || reader->left == 0);
    size_t left = (size_t)reader->left;
    size_t count = left < capacity ? left : capacity;
    struct place place = {reader->at, reader->delta_min};
    for (size_t i = 0; i < count; i++) {
        int rc = read_record(reader, &place, &records_out[i]);
        if (rc < 0) return damaged(reader, (int32_t)(left - i), rc, error);
    }
    if (count == left) {
        int rc = check_end(reader, place.at, error);
        if (rc < 0) return rc;
    }
    reader->at = place.at;
    reader->delta_min = place.delta_min;
    reader->left -= (int32_t)count;
    return (int)count;
}
