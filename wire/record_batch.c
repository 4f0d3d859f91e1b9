#include "wire/record_batch.h"

#include "wire/record_batch_internal.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

/* Where each field of the header lies; the drawing is in record_batch.h. */
enum {
    LENGTH_AT = 8,
    MAGIC_AT = 16,
    CRC_AT = 17,
    ATTRIBUTES_AT = 21,
    LAST_OFFSET_DELTA_AT = 23,
    BASE_TIMESTAMP_AT = 27,
    MAX_TIMESTAMP_AT = 35,
    PRODUCER_ID_AT = 43,
    PRODUCER_EPOCH_AT = 51,
    BASE_SEQUENCE_AT = 53,
    RECORD_COUNT_AT = 57,
    LENGTH_MIN = WEIR_BATCH_HEADER_SIZE - WEIR_BATCH_OVERHEAD,
};

int32_t weir_sequence_add(int32_t sequence, int32_t increment)
{
    weir_assert(sequence >= 0);
    weir_assert(increment >= 0);
    if (sequence > INT32_MAX - increment) {
        return increment - (INT32_MAX - sequence) - 1;
    }
    return sequence + increment;
}

static struct weir_batch_header load_header(const uint8_t *bytes)
{
    return (struct weir_batch_header){
        .base_offset = (int64_t)weir_load_u64(bytes),
        .length = (int32_t)weir_load_u32(bytes + LENGTH_AT),
        .leader_epoch = (int32_t)weir_load_u32(bytes + WEIR_BATCH_LEADER_EPOCH_AT),
        .magic = (int8_t)bytes[MAGIC_AT],
        .crc = weir_load_u32(bytes + CRC_AT),
        .attributes = (int16_t)weir_load_u16(bytes + ATTRIBUTES_AT),
        .last_offset_delta = (int32_t)weir_load_u32(bytes + LAST_OFFSET_DELTA_AT),
        .base_timestamp_ms = (int64_t)weir_load_u64(bytes + BASE_TIMESTAMP_AT),
        .max_timestamp_ms = (int64_t)weir_load_u64(bytes + MAX_TIMESTAMP_AT),
        .producer_id = (int64_t)weir_load_u64(bytes + PRODUCER_ID_AT),
        .producer_epoch = (int16_t)weir_load_u16(bytes + PRODUCER_EPOCH_AT),
        .base_sequence = (int32_t)weir_load_u32(bytes + BASE_SEQUENCE_AT),
        .record_count = (int32_t)weir_load_u32(bytes + RECORD_COUNT_AT),
    };
}

/* What holds for every batch, wherever it was found. */
static int check_header(const struct weir_batch_header *header, size_t size_max,
                        struct weir_error *error)
{
    if (header->magic != WEIR_BATCH_MAGIC) {
        return weir_error_set(error, WEIR_CORRUPT, "record batch: magic %d, expected %d",
                              header->magic, WEIR_BATCH_MAGIC);
    }
    if (header->length < LENGTH_MIN) {
        return weir_error_set(error, WEIR_CORRUPT, "record batch: length %" PRId32 " is under %d",
                              header->length, LENGTH_MIN);
    }
    if (size_max != 0 && weir_batch_size(header) > size_max) {
        return weir_error_set(error, WEIR_CORRUPT, "record batch: %zu bytes, at most %zu expected",
                              weir_batch_size(header), size_max);
    }
    if (header->record_count < 0 || header->last_offset_delta < 0) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch: record count %" PRId32
                              " and last offset delta %" PRId32,
                              header->record_count, header->last_offset_delta);
    }
    if (header->base_offset < 0 || header->base_offset > INT64_MAX - header->last_offset_delta) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch: base offset %" PRId64 " is out of range",
                              header->base_offset);
    }
    return 0;
}

int weir_batch_peek_header(struct weir_slice bytes, size_t size_max,
                           struct weir_batch_header *header_out, struct weir_error *error)
{
    if (bytes.size < WEIR_BATCH_HEADER_SIZE) {
        return weir_error_set(error, WEIR_TRUNCATED, "record batch: %zu of %d bytes of the header",
                              bytes.size, WEIR_BATCH_HEADER_SIZE);
    }
    struct weir_batch_header header = load_header(bytes.data);
    int rc = check_header(&header, size_max, error);
    if (rc == 0) *header_out = header;
    return rc;
}

int weir_batch_peek(struct weir_slice bytes, size_t size_max, struct weir_batch_header *header_out,
                    struct weir_error *error)
{
    int rc = weir_batch_peek_header(bytes, size_max, header_out, error);
    if (rc < 0) return rc;
    if (weir_batch_size(header_out) > bytes.size) {
        return weir_error_set(error, WEIR_TRUNCATED, "record batch: %zu of %zu bytes", bytes.size,
                              weir_batch_size(header_out));
    }
    return 0;
}

static uint32_t crc_of(const uint8_t *batch, size_t size)
{
    weir_assert(size >= WEIR_BATCH_HEADER_SIZE);
    return weir_crc32c(0, batch + WEIR_BATCH_CRC_FROM, size - WEIR_BATCH_CRC_FROM);
}

int weir_batch_check_crc(struct weir_slice batch, struct weir_error *error)
{
    weir_assert(batch.size >= WEIR_BATCH_HEADER_SIZE); /* before the crc is read */
    uint32_t stored = weir_load_u32(batch.data + CRC_AT);
    uint32_t computed = crc_of(batch.data, batch.size);
    if (stored != computed) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch: crc %08" PRIx32 ", computed %08" PRIx32, stored,
                              computed);
    }
    return 0;
}

void weir_batch_assign(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    weir_assert(base_offset >= 0);
    weir_store_u64(batch, (uint64_t)base_offset);
    weir_store_u32(batch + WEIR_BATCH_LEADER_EPOCH_AT, (uint32_t)leader_epoch);
}

void weir_batch_set_append_time(uint8_t *batch, size_t size, int64_t now_ms)
{
    weir_assert(size >= WEIR_BATCH_HEADER_SIZE);
    uint16_t attributes = weir_load_u16(batch + ATTRIBUTES_AT);
    weir_store_u16(batch + ATTRIBUTES_AT, attributes | WEIR_BATCH_LOG_APPEND_TIME);
    weir_store_u64(batch + MAX_TIMESTAMP_AT, (uint64_t)now_ms);
    weir_store_u32(batch + CRC_AT, crc_of(batch, size));
}

void weir_batch_set_producer(uint8_t *batch, size_t size,
                             const struct weir_batch_producer *producer)
{
    weir_assert(size >= WEIR_BATCH_HEADER_SIZE);
    uint16_t attributes = weir_load_u16(batch + ATTRIBUTES_AT);
    attributes &= (uint16_t)~WEIR_BATCH_TRANSACTIONAL;
    if (producer->is_transactional) attributes |= WEIR_BATCH_TRANSACTIONAL;
    weir_store_u16(batch + ATTRIBUTES_AT, attributes);
    weir_store_u64(batch + PRODUCER_ID_AT, (uint64_t)producer->id);
    weir_store_u16(batch + PRODUCER_EPOCH_AT, (uint16_t)producer->epoch);
    weir_store_u32(batch + BASE_SEQUENCE_AT, (uint32_t)producer->base_sequence);
    weir_store_u32(batch + CRC_AT, crc_of(batch, size));
}

void weir_batch_set_max_timestamp(uint8_t *batch, size_t size, int64_t max_timestamp_ms)
{
    weir_assert(size >= WEIR_BATCH_HEADER_SIZE);
    weir_store_u64(batch + MAX_TIMESTAMP_AT, (uint64_t)max_timestamp_ms);
    weir_store_u32(batch + CRC_AT, crc_of(batch, size));
}

void weir_batch_store_header_without_crc(uint8_t *batch, const struct weir_batch_header *header)
{
    weir_assert(header->length >= LENGTH_MIN);
    weir_assert(header->record_count >= 0 && header->last_offset_delta >= 0);
    weir_store_u64(batch, (uint64_t)header->base_offset);
    weir_store_u32(batch + LENGTH_AT, (uint32_t)header->length);
    weir_store_u32(batch + WEIR_BATCH_LEADER_EPOCH_AT, (uint32_t)header->leader_epoch);
    batch[MAGIC_AT] = WEIR_BATCH_MAGIC;
    weir_store_u16(batch + ATTRIBUTES_AT, (uint16_t)header->attributes);
    weir_store_u32(batch + LAST_OFFSET_DELTA_AT, (uint32_t)header->last_offset_delta);
    weir_store_u64(batch + BASE_TIMESTAMP_AT, (uint64_t)header->base_timestamp_ms);
    weir_store_u64(batch + MAX_TIMESTAMP_AT, (uint64_t)header->max_timestamp_ms);
    weir_store_u64(batch + PRODUCER_ID_AT, (uint64_t)header->producer_id);
    weir_store_u16(batch + PRODUCER_EPOCH_AT, (uint16_t)header->producer_epoch);
    weir_store_u32(batch + BASE_SEQUENCE_AT, (uint32_t)header->base_sequence);
    weir_store_u32(batch + RECORD_COUNT_AT, (uint32_t)header->record_count);
}

void weir_batch_store_header(uint8_t *batch, const struct weir_batch_header *header)
{
    weir_batch_store_header_without_crc(batch, header);
    weir_store_u32(batch + CRC_AT, crc_of(batch, weir_batch_size(header)));
}

static void store_empty(uint8_t *batch, int16_t attributes, int64_t base_offset,
                        int32_t last_offset_delta, int32_t leader_epoch)
{
    weir_assert(base_offset >= 0 && last_offset_delta >= 0);
    weir_batch_store_header(batch, &(struct weir_batch_header){
                                       .attributes = attributes,
                                       .base_offset = base_offset,
                                       .length = WEIR_BATCH_HEADER_SIZE - WEIR_BATCH_OVERHEAD,
                                       .leader_epoch = leader_epoch,
                                       .last_offset_delta = last_offset_delta,
                                       .base_timestamp_ms = WEIR_NO_TIMESTAMP,
                                       .max_timestamp_ms = WEIR_NO_TIMESTAMP,
                                       .producer_id = WEIR_NO_PRODUCER_ID,
                                       .producer_epoch = WEIR_NO_PRODUCER_EPOCH,
                                       .base_sequence = WEIR_NO_SEQUENCE,
                                   });
}

void weir_batch_store_empty(uint8_t batch[WEIR_BATCH_HEADER_SIZE], int64_t base_offset,
                            int32_t last_offset_delta, int32_t leader_epoch)
{
    store_empty(batch, 0, base_offset, last_offset_delta, leader_epoch);
}

void weir_batch_store_given_up(uint8_t batch[WEIR_BATCH_HEADER_SIZE], int64_t base_offset,
                               int32_t last_offset_delta, int32_t leader_epoch)
{
    store_empty(batch, WEIR_BATCH_GIVEN_UP, base_offset, last_offset_delta, leader_epoch);
}

int weir_control_type(struct weir_slice key)
{
    struct weir_reader reader = weir_reader(key);
    (void)weir_reader_u16(&reader); /* the version of the key, 0 */
    uint16_t type = weir_reader_u16(&reader);
    return reader.failed ? WEIR_CORRUPT : type;
}
