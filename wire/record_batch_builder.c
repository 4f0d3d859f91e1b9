#include "wire/record_batch.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/record_batch_internal.h"

/**
 * The producer's side of a batch: records are encoded once, straight into the buffer that becomes
 * the batch, behind 61 bytes kept free for the header. The form of a record is described in
 * record_batch_internal.h.
 */

enum { NULL_SIZE = -1 };

/* A record besides its keys and values: length, attributes, two deltas, two sizes, header count. */
enum {
    RECORD_FIXED_SIZE_MAX = 1 + WEIR_VARINT64_SIZE_MAX + 5 * WEIR_VARINT32_SIZE_MAX,
    HEADER_FIXED_SIZE_MAX = 2 * WEIR_VARINT32_SIZE_MAX,
};

void weir_batch_builder_init(struct weir_batch_builder *builder, struct weir_budget *budget,
                             enum weir_codec codec, int level)
{
    weir_assert((int)codec < (int)WEIR_CODEC_COUNT);
    *builder = (struct weir_batch_builder){.codec = codec, .level = level};
    weir_buffer_init(&builder->plain, budget, 0);
    weir_buffer_init(&builder->compressed, budget, 0);
}

void weir_batch_builder_close(struct weir_batch_builder *builder)
{
    weir_buffer_close(&builder->plain);
    weir_buffer_close(&builder->compressed);
    builder->record_count = 0;
}

void weir_batch_builder_reset(struct weir_batch_builder *builder)
{
    weir_buffer_reset(&builder->plain);
    weir_buffer_reset(&builder->compressed);
    builder->record_count = 0;
}

/* The size as it stands in front of the bytes. */
static inline int64_t size_on_wire(struct weir_slice bytes)
{
    return weir_slice_is_null(bytes) ? NULL_SIZE : (int64_t)bytes.size;
}

static inline size_t bytes_size(struct weir_slice bytes)
{
    return weir_varint_size(weir_zigzag(size_on_wire(bytes))) + bytes.size;
}

static inline uint8_t *put_varint(uint8_t *to, int64_t value)
{
    return to + weir_varint_store(to, weir_zigzag(value));
}

static inline uint8_t *put_bytes(uint8_t *to, struct weir_slice bytes)
{
    to = put_varint(to, size_on_wire(bytes));
    weir_copy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

/* At least the size of the record on the wire; SIZE_MAX when it cannot be in any batch. */
static inline size_t record_size_bound(const struct weir_record *record)
{
    if (record->key.size > INT32_MAX || record->value.size > INT32_MAX) return SIZE_MAX;
    size_t size = RECORD_FIXED_SIZE_MAX + record->key.size + record->value.size;
    for (size_t i = 0; i < record->header_count; i++) {
        const struct weir_header *header = &record->headers[i];
        if (header->key.size > INT32_MAX || header->value.size > INT32_MAX) return SIZE_MAX;
        size += HEADER_FIXED_SIZE_MAX + header->key.size + header->value.size;
        if (size > INT32_MAX) return SIZE_MAX;
    }
    return size;
}

/* Room for the record, and for the batch's header in front of the first one. */
static inline int make_room(struct weir_batch_builder *builder, const struct weir_record *record)
{
    struct weir_buffer *plain = &builder->plain;
    size_t size = record_size_bound(record);
    if (builder->record_count == 0) weir_buffer_reset(plain);
    size_t header_size = plain->size == 0 ? WEIR_BATCH_HEADER_SIZE : 0;
    if (size > INT32_MAX - header_size || plain->size > INT32_MAX - header_size - size ||
        builder->record_count == INT32_MAX) {
        return WEIR_TOO_LARGE;
    }
    if (plain->capacity - plain->size < size + header_size &&
        !weir_buffer_reserve(plain, size + header_size)) {
        plain->failed = false; /* this record did not fit; the ones before it stand */
        return WEIR_NO_MEMORY;
    }
    plain->size += header_size;
    return 0;
}

static uint8_t *put_record(uint8_t *to, const struct weir_record *record, int64_t timestamp_delta,
                           int32_t offset_delta)
{
    size_t size = 1 + weir_varint_size(weir_zigzag(timestamp_delta)) +
                  weir_varint_size(weir_zigzag(offset_delta)) + bytes_size(record->key) +
                  bytes_size(record->value) +
                  weir_varint_size(weir_zigzag((int64_t)record->header_count));
    for (size_t i = 0; i < record->header_count; i++) {
        size += bytes_size(record->headers[i].key) + bytes_size(record->headers[i].value);
    }
    to = put_varint(to, (int64_t)size);
    *to++ = 0; /* attributes: none are defined */
    to = put_varint(to, timestamp_delta);
    to = put_varint(to, offset_delta);
    to = put_bytes(to, record->key);
    to = put_bytes(to, record->value);
    to = put_varint(to, (int64_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        weir_assert(!weir_slice_is_null(record->headers[i].key));
        to = put_bytes(to, record->headers[i].key);
        to = put_bytes(to, record->headers[i].value);
    }
    return to;
}

int weir_batch_builder_add(struct weir_batch_builder *builder, const struct weir_record *record)
{
    weir_assert_slow(record->header_count == 0 || record->headers != NULL);
    weir_assert_slow(builder->record_count == 0 || builder->plain.size > WEIR_BATCH_HEADER_SIZE);
    int64_t base_timestamp_ms =
        builder->record_count == 0 ? record->timestamp_ms : builder->base_timestamp_ms;
    int64_t timestamp_delta = 0;
    if (__builtin_sub_overflow(record->timestamp_ms, base_timestamp_ms, &timestamp_delta)) {
        return WEIR_INVALID_TIMESTAMP;
    }
    int rc = make_room(builder, record);
    if (rc < 0) return rc;

    struct weir_buffer *plain = &builder->plain;
    const uint8_t *end =
        put_record(plain->data + plain->size, record, timestamp_delta, builder->record_count);
    plain->size = (size_t)(end - plain->data);
    weir_assert(plain->size <= plain->capacity);
    if (builder->record_count == 0) {
        builder->base_timestamp_ms = record->timestamp_ms;
        builder->max_timestamp_ms = WEIR_NO_TIMESTAMP; /* that of times before 1970, too */
    }
    if (record->timestamp_ms > builder->max_timestamp_ms) {
        builder->max_timestamp_ms = record->timestamp_ms;
    }
    builder->record_count++;
    return 0;
}

/* The buffer that holds the batch: the plain one, or a second one with the records compressed. */
static int compress_records(struct weir_batch_builder *builder, struct weir_buffer **batch_out)
{
    weir_assert(builder->plain.size > WEIR_BATCH_HEADER_SIZE);
    if (builder->codec == WEIR_CODEC_NONE) {
        *batch_out = &builder->plain;
        return 0;
    }
    struct weir_buffer *compressed = &builder->compressed;
    weir_buffer_reset(compressed);
    if (weir_buffer_extend(compressed, WEIR_BATCH_HEADER_SIZE) == NULL) return WEIR_NO_MEMORY;
    struct weir_slice records = weir_slice(builder->plain.data + WEIR_BATCH_HEADER_SIZE,
                                           builder->plain.size - WEIR_BATCH_HEADER_SIZE);
    int rc = weir_compress(builder->codec, builder->level, records, compressed);
    if (rc < 0) return rc;
    if (compressed->size > INT32_MAX) return WEIR_TOO_LARGE;
    *batch_out = compressed;
    return 0;
}

int weir_batch_builder_finish(struct weir_batch_builder *builder,
                              const struct weir_batch_finish *finish, struct weir_slice *batch_out)
{
    weir_assert(builder->record_count > 0);
    struct weir_buffer *batch = NULL;
    int rc = compress_records(builder, &batch);
    if (rc < 0) return rc;

    int attributes = (int)builder->codec |
                     (finish->is_transactional ? WEIR_BATCH_TRANSACTIONAL : 0) |
                     (finish->is_control ? WEIR_BATCH_CONTROL : 0);
    struct weir_batch_header header = {
        .base_offset = finish->base_offset,
        .length = (int32_t)(batch->size - WEIR_BATCH_OVERHEAD),
        .leader_epoch = finish->leader_epoch,
        .attributes = (int16_t)attributes,
        .last_offset_delta = builder->record_count - 1,
        .base_timestamp_ms = builder->base_timestamp_ms,
        .max_timestamp_ms = builder->max_timestamp_ms,
        .producer_id = finish->producer_id,
        .producer_epoch = finish->producer_epoch,
        .base_sequence = finish->base_sequence,
        .record_count = builder->record_count,
    };
    if (finish->leaves_crc) {
        weir_batch_store_header_without_crc(batch->data, &header);
    } else {
        weir_batch_store_header(batch->data, &header);
    }
    *batch_out = weir_buffer_slice(batch);
    return 0;
}
