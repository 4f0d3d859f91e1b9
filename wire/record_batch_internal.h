#ifndef WEIR_WIRE_RECORD_BATCH_INTERNAL_H
#define WEIR_WIRE_RECORD_BATCH_INTERNAL_H

#include "base/bytes.h"
#include "wire/record_batch.h"

/* What the files of the record batch share. The form of a record is drawn in
 * record_batch_iterator.c. */

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

/** Write `header` in front of the records that are there, magic and crc computed. */
void weir_batch_store_header(uint8_t *batch, const struct weir_batch_header *header);
/** Set the header's largest timestamp and compute the crc anew. */
void weir_batch_set_max_timestamp(uint8_t *batch, size_t size, int64_t max_timestamp_ms);
/** The records of one whole batch in plain form: a view of it, or of `plain` when it is compressed.
 * `plain_size_max` 0: no bound. WEIR_TOO_LARGE, WEIR_CORRUPT, WEIR_UNSUPPORTED_CODEC,
 * WEIR_NO_MEMORY. */
int weir_batch_open_records(const struct weir_batch_header *header, struct weir_slice batch,
                            struct weir_buffer *plain, size_t plain_size_max,
                            struct weir_slice *records_out, struct weir_error *error);

#endif
