#include <assert.h>
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_internal.h"

/*
 * The record of a marker, with everything that is a varint in one byte:
 *
 *   0 size 16            5 key: version i16 = 0, type i16 (0 abort, 1 commit)
 *   1 attributes 0       9 value's size 6
 *   2 timestamp delta 0 10 value: version i16 = 0, coordinator epoch i32
 *   3 offset delta 0    16 header count 0
 *   4 key's size 4
 *
 * A later version of key or value has more at its end (Kafka's ControlRecordType), so only what is too
 * short is refused.
 */
enum { RECORD_SIZE = 17, KEY_SIZE = 4, VALUE_SIZE = 6, KEY_AT = 5, VALUE_AT = 10 };

static_assert(WEIR_BATCH_MARKER_SIZE == WEIR_BATCH_HEADER_SIZE + RECORD_SIZE,
              "a marker is its header and its one record");

/* A small number as a varint, which is zigzagged. */
static uint8_t varint(int number)
{
    return (uint8_t)(2 * number);
}

void weir_batch_store_marker(uint8_t batch[WEIR_BATCH_MARKER_SIZE],
                             const struct weir_transaction_marker *marker)
{
    weir_assert(marker->producer_id >= 0 && marker->producer_epoch >= 0);
    uint8_t *record = batch + WEIR_BATCH_HEADER_SIZE;
    *record = varint(RECORD_SIZE - 1);
    record[1] = 0;
    record[2] = varint(0);
    record[3] = varint(0);
    record[KEY_AT - 1] = varint(KEY_SIZE);
    weir_store_u16(record + KEY_AT, 0);
    weir_store_u16(record + KEY_AT + 2,
                   marker->is_commit ? WEIR_CONTROL_COMMIT : WEIR_CONTROL_ABORT);
    record[VALUE_AT - 1] = varint(VALUE_SIZE);
    weir_store_u16(record + VALUE_AT, 0);
    weir_store_u32(record + VALUE_AT + 2, (uint32_t)marker->coordinator_epoch);
    record[RECORD_SIZE - 1] = varint(0);
    weir_batch_store_header(batch, &(struct weir_batch_header){
                                       .attributes = WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL,
                                       .length = WEIR_BATCH_MARKER_SIZE - WEIR_BATCH_OVERHEAD,
                                       .leader_epoch = WEIR_NO_LEADER_EPOCH,
                                       .base_timestamp_ms = marker->timestamp_ms,
                                       .max_timestamp_ms = marker->timestamp_ms,
                                       .producer_id = marker->producer_id,
                                       .producer_epoch = marker->producer_epoch,
                                       .base_sequence = WEIR_NO_SEQUENCE,
                                       .record_count = 1,
                                   });
}

/* Key and value of the first record, which is not compressed. */
static bool read_record(struct weir_slice records, struct weir_slice *key_out,
                        struct weir_slice *value_out)
{
    struct weir_record_frame frame;
    const uint8_t *at = weir_record_read_frame(records.data, records.data + records.size, &frame);
    if (at == NULL) return false;
    at = weir_batch_read_bytes(at, frame.end, true, key_out);
    if (at == NULL) return false;
    return weir_batch_read_bytes(at, frame.end, true, value_out) != NULL;
}

int weir_batch_read_marker(struct weir_slice batch, const struct weir_batch_header *header,
                           struct weir_transaction_marker *marker_out, struct weir_error *error)
{
    struct weir_slice key;
    struct weir_slice value;
    bool is_of_producer = weir_batch_is_control(header) && header->producer_id >= 0;
    if (!is_of_producer || header->record_count == 0) return WEIR_END;
    weir_assert(batch.size >= WEIR_BATCH_HEADER_SIZE);
    struct weir_slice records =
        weir_slice(batch.data + WEIR_BATCH_HEADER_SIZE, batch.size - WEIR_BATCH_HEADER_SIZE);
    bool is_plain = weir_batch_codec(header) == WEIR_CODEC_NONE;
    int type =
        is_plain && read_record(records, &key, &value) ? weir_control_type(key) : (int)WEIR_CORRUPT;
    bool is_marker = type == WEIR_CONTROL_ABORT || type == WEIR_CONTROL_COMMIT;
    if (type >= 0 && !is_marker) return WEIR_END;
    if (type < 0 || value.size < VALUE_SIZE) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch at offset %" PRId64 ": the marker of producer %" PRId64
                              " is damaged",
                              header->base_offset, header->producer_id);
    }
    *marker_out = (struct weir_transaction_marker){
        .producer_id = header->producer_id,
        .producer_epoch = header->producer_epoch,
        .coordinator_epoch = (int32_t)weir_load_u32(value.data + 2),
        .is_commit = type == WEIR_CONTROL_COMMIT,
        .timestamp_ms = header->max_timestamp_ms,
    };
    return 0;
}
