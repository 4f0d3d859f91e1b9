#ifndef WEIR_WIRE_RECORD_BATCH_INTERNAL_H
#define WEIR_WIRE_RECORD_BATCH_INTERNAL_H

#include "base/bytes.h"
#include "wire/record_batch.h"

/**
 * What the files of the record batch share. One record:
 *
 *   varint length of what follows     varint key size, -1: null      varint header count
 *   int8   attributes, unused         key                            of each header:
 *   varint timestamp delta            varint value size, -1: null      varint key size, key
 *   varint offset delta               value                            varint value size, value
 *
 * It is read by whom takes records in (record_batch_check.c) and by whom gives them out
 * (record_batch_reader.c), each in a loop of its own that these inline pieces are compiled into.
 */

enum { WEIR_RECORD_SIZE_MIN = 7, WEIR_RECORD_HEADER_SIZE_MIN = 2 };

/* The place behind the unsigned varint at `at`, or NULL. */
static inline const uint8_t *weir_batch_read_varint(const uint8_t *at, const uint8_t *end,
                                                    unsigned bits, int64_t *value_out)
{
    if (end - at >= 2) {
        uint64_t first = at[0];
        uint64_t second = at[1];
        if (first < 0x80) {
            *value_out = weir_unzigzag(first);
            return at + 1;
        }
        if (second < 0x80) {
            *value_out = weir_unzigzag((first & 0x7f) | (second << 7));
            return at + 2;
        }
    }
    struct weir_reader reader = {at, end, false};
    *value_out = weir_unzigzag(weir_reader_varint_slow(&reader, bits));
    return reader.failed ? NULL : reader.at;
}

/* A key or value behind its size, or null at -1. */
static inline const uint8_t *weir_batch_read_bytes(const uint8_t *at, const uint8_t *end,
                                                   bool is_nullable, struct weir_slice *bytes_out)
{
    int64_t size = 0;
    at = weir_batch_read_varint(at, end, 32, &size);
    if (at == NULL) return NULL;
    if (size < 0) {
        *bytes_out = weir_null();
        return is_nullable && size == -1 ? at : NULL;
    }
    if (size > end - at) return NULL;
    *bytes_out = weir_slice(at, (size_t)size);
    return at + size;
}

/* What is before the key. */
struct weir_record_frame {
    const uint8_t *end; /* behind the record */
    int64_t timestamp_delta;
    int64_t offset_delta;
};

/* The key of the record at `at`, or NULL where no record can be. */
static inline const uint8_t *weir_record_read_frame(const uint8_t *at, const uint8_t *end,
                                                    struct weir_record_frame *frame_out)
{
    int64_t size = 0;
    at = weir_batch_read_varint(at, end, 32, &size);
    if (at == NULL || size < WEIR_RECORD_SIZE_MIN - 1 || size > end - at) return NULL;
    frame_out->end = at + size;
    at++; /* the attributes, unused */
    at = weir_batch_read_varint(at, frame_out->end, 64, &frame_out->timestamp_delta);
    if (at == NULL) return NULL;
    return weir_batch_read_varint(at, frame_out->end, 32, &frame_out->offset_delta);
}

/* The headers' place behind their count, or NULL. The count is mostly a record's last byte and zero, which
 * read_varint would take the slow way. */
static inline const uint8_t *weir_record_read_header_count(const uint8_t *at, const uint8_t *end,
                                                           int64_t *count_out)
{
    if (end - at == 1 && *at == 0) {
        *count_out = 0;
        return end;
    }
    at = weir_batch_read_varint(at, end, 32, count_out);
    return at != NULL && *count_out >= 0 ? at : NULL;
}

/* `count` headers, which must end at `end`, into `arena`; without one they are only walked and NULL is
 * given. WEIR_CORRUPT, WEIR_NO_MEMORY. */
static inline int weir_record_read_headers(const uint8_t *at, const uint8_t *end, size_t count,
                                           struct weir_arena *arena,
                                           const struct weir_header **headers_out)
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

/** Write `header` in front of the records that are there, magic and crc computed. */
void weir_batch_store_header(uint8_t *batch, const struct weir_batch_header *header);
/** The same, and whoever fills in the rest computes the crc. */
void weir_batch_store_header_without_crc(uint8_t *batch, const struct weir_batch_header *header);
/** Set the header's largest timestamp and compute the crc anew. */
void weir_batch_set_max_timestamp(uint8_t *batch, size_t size, int64_t max_timestamp_ms);
/** The records of one whole batch in plain form: a view of it, or of `plain` when it is compressed.
 * `plain_size_max` 0: WEIR_BATCH_PLAIN_SIZE_MAX. WEIR_TOO_LARGE, WEIR_CORRUPT, WEIR_UNSUPPORTED_CODEC,
 * WEIR_NO_MEMORY. */
int weir_batch_open_records(const struct weir_batch_header *header, struct weir_slice batch,
                            struct weir_buffer *plain, size_t plain_size_max,
                            struct weir_slice *records_out, struct weir_error *error);

#endif
