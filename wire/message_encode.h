#ifndef WEIR_WIRE_MESSAGE_ENCODE_H
#define WEIR_WIRE_MESSAGE_ENCODE_H

#include "base/uuid.h"
#include "wire/message.h"

/**
 * What generated encoders are made of. An encoder without a buffer only counts, so that sizes come
 * from the very code that writes. A refusal sticks; it is asked for once, at the end.
 *
 * Source: Kafka protocol guide, Protocol Primitive Types; KIP-482 for compact forms and tags.
 */
struct weir_encoder {
    struct weir_buffer *buffer;   /* NULL: count only */
    struct weir_splices *splices; /* NULL: records are copied into the buffer like all else */
    size_t size;                  /* counted or written */
    int16_t version;
    bool is_flexible;
    bool is_refused;
};

/** The message cannot be said in this version. */
static inline void weir_encode_refuse(struct weir_encoder *encoder)
{
    encoder->is_refused = true;
}

static inline void weir_encode_raw(struct weir_encoder *encoder, const void *bytes, size_t size)
{
    encoder->size += size;
    if (encoder->buffer != NULL && size != 0) weir_buffer_append(encoder->buffer, bytes, size);
}
static inline void weir_encode_uint8(struct weir_encoder *encoder, uint8_t value)
{
    weir_encode_raw(encoder, &value, 1);
}
static inline void weir_encode_uint16(struct weir_encoder *encoder, uint16_t value)
{
    uint8_t bytes[2];
    weir_store_u16(bytes, value);
    weir_encode_raw(encoder, bytes, sizeof bytes);
}
static inline void weir_encode_uint32(struct weir_encoder *encoder, uint32_t value)
{
    uint8_t bytes[4];
    weir_store_u32(bytes, value);
    weir_encode_raw(encoder, bytes, sizeof bytes);
}
static inline void weir_encode_uint64(struct weir_encoder *encoder, uint64_t value)
{
    uint8_t bytes[8];
    weir_store_u64(bytes, value);
    weir_encode_raw(encoder, bytes, sizeof bytes);
}
static inline void weir_encode_uvarint(struct weir_encoder *encoder, uint64_t value)
{
    uint8_t bytes[WEIR_VARINT64_SIZE_MAX];
    weir_encode_raw(encoder, bytes, weir_varint_store(bytes, value));
}
static inline void weir_encode_bool(struct weir_encoder *encoder, bool value)
{
    weir_encode_uint8(encoder, value ? 1 : 0);
}
static inline void weir_encode_int8(struct weir_encoder *encoder, int8_t value)
{
    weir_encode_uint8(encoder, (uint8_t)value);
}
static inline void weir_encode_int16(struct weir_encoder *encoder, int16_t value)
{
    weir_encode_uint16(encoder, (uint16_t)value);
}
static inline void weir_encode_int32(struct weir_encoder *encoder, int32_t value)
{
    weir_encode_uint32(encoder, (uint32_t)value);
}
static inline void weir_encode_int64(struct weir_encoder *encoder, int64_t value)
{
    weir_encode_uint64(encoder, (uint64_t)value);
}
static inline void weir_encode_float64(struct weir_encoder *encoder, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    weir_encode_uint64(encoder, bits);
}
static inline void weir_encode_uuid(struct weir_encoder *encoder, struct weir_uuid value)
{
    weir_encode_raw(encoder, value.bytes, sizeof value.bytes);
}

/** Length and bytes; the old form has 16 bits of length for strings and 32 for bytes. */
void weir_encode_string(struct weir_encoder *encoder, struct weir_slice value, bool is_nullable);
void weir_encode_bytes(struct weir_encoder *encoder, struct weir_slice value, bool is_nullable);
/** As bytes, but what they are is left to the encoder's splices, if it has any. */
void weir_encode_records(struct weir_encoder *encoder, struct weir_slice value, bool is_nullable);
/** A string in the old form whatever the version: the client id of request headers. */
void weir_encode_plain_string(struct weir_encoder *encoder, struct weir_slice value,
                              bool is_nullable);

/** An array's count; false if there are no elements to follow (empty, null or refused). */
bool weir_encode_count(struct weir_encoder *encoder, const void *elements, size_t count,
                       bool is_nullable);
/** The mark before a nullable struct; true if the struct follows. */
bool weir_encode_presence(struct weir_encoder *encoder, const void *value, bool is_nullable);

/** An encoder that counts what a tagged field will take. */
static inline struct weir_encoder weir_encode_measure(const struct weir_encoder *encoder)
{
    return (struct weir_encoder){.version = encoder->version, .is_flexible = encoder->is_flexible};
}
static inline void weir_encode_tag(struct weir_encoder *encoder, uint32_t tag, size_t size)
{
    weir_encode_uvarint(encoder, tag);
    weir_encode_uvarint(encoder, size);
}
/** Behind a struct that has no tagged fields: their count, if the version has tags at all. */
static inline void weir_encode_no_tags(struct weir_encoder *encoder)
{
    if (encoder->is_flexible) weir_encode_uvarint(encoder, 0);
}

#endif
