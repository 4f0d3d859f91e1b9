#include "wire/message_encode.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"

/* A length or count in compact form is one more than it is, with 0 for null. */
static bool encode_compact_length(struct weir_encoder *encoder, bool is_null, size_t length)
{
    if (length >= INT32_MAX) {
        weir_encode_refuse(encoder);
        return false;
    }
    weir_encode_uvarint(encoder, is_null ? 0 : length + 1);
    return !is_null;
}

static bool encode_length16(struct weir_encoder *encoder, bool is_null, size_t length)
{
    if (length > INT16_MAX) {
        weir_encode_refuse(encoder);
        return false;
    }
    weir_encode_int16(encoder, is_null ? -1 : (int16_t)length);
    return !is_null;
}

static bool encode_length32(struct weir_encoder *encoder, bool is_null, size_t length)
{
    if (length > INT32_MAX) {
        weir_encode_refuse(encoder);
        return false;
    }
    weir_encode_int32(encoder, is_null ? -1 : (int32_t)length);
    return !is_null;
}

void weir_encode_plain_string(struct weir_encoder *encoder, struct weir_slice value,
                              bool is_nullable)
{
    bool is_null = weir_slice_is_null(value);
    if (is_null && !is_nullable) {
        weir_encode_refuse(encoder);
    } else if (encode_length16(encoder, is_null, value.size)) {
        weir_encode_raw(encoder, value.data, value.size);
    }
}

void weir_encode_string(struct weir_encoder *encoder, struct weir_slice value, bool is_nullable)
{
    if (encoder->is_flexible && value.size <= INT16_MAX) {
        weir_encode_bytes(encoder, value, is_nullable); /* the compact forms are the same */
    } else { /* which also refuses what is too long for either form */
        weir_encode_plain_string(encoder, value, is_nullable);
    }
}

/* What stands before bytes; false if none follow (null or refused). */
static bool encode_bytes_length(struct weir_encoder *encoder, struct weir_slice value,
                                bool is_nullable)
{
    bool is_null = weir_slice_is_null(value);
    if (is_null && !is_nullable) {
        weir_encode_refuse(encoder);
        return false;
    }
    return encoder->is_flexible ? encode_compact_length(encoder, is_null, value.size)
                                : encode_length32(encoder, is_null, value.size);
}

void weir_encode_bytes(struct weir_encoder *encoder, struct weir_slice value, bool is_nullable)
{
    if (encode_bytes_length(encoder, value, is_nullable)) {
        weir_encode_raw(encoder, value.data, value.size);
    }
}

/* One more item, in a list twice as long where the old one is full; a failure sticks to the arena. */
static struct weir_splice *add_splice(struct weir_splices *splices)
{
    weir_assert(splices->count <= splices->capacity);
    if (splices->count == splices->capacity) {
        size_t capacity = weir_grown(splices->capacity, 8);
        struct weir_splice *items =
            weir_arena_array(splices->arena, capacity, sizeof *splices->items);
        if (items == NULL) return NULL;
        weir_copy(items, splices->items, splices->count * sizeof *items);
        splices->items = items;
        splices->capacity = capacity;
    }
    return &splices->items[splices->count++];
}

void weir_encode_records(struct weir_encoder *encoder, struct weir_slice value, bool is_nullable)
{
    if (encoder->splices == NULL || value.size == 0) {
        weir_encode_bytes(encoder, value, is_nullable);
        return;
    }
    weir_assert(encoder->buffer != NULL); /* places are told of what is written */
    if (!encode_bytes_length(encoder, value, is_nullable)) return;
    struct weir_splice *splice = add_splice(encoder->splices);
    if (splice == NULL) return;
    *splice = (struct weir_splice){encoder->buffer->size, value.data, value.size};
    encoder->splices->size += value.size;
    encoder->size += value.size;
}

bool weir_encode_count(struct weir_encoder *encoder, const void *elements, size_t count,
                       bool is_nullable)
{
    if (elements == NULL && count != 0) {
        weir_encode_refuse(encoder);
        return false;
    }
    bool is_null = elements == NULL && is_nullable;
    bool has_count = encoder->is_flexible ? encode_compact_length(encoder, is_null, count)
                                          : encode_length32(encoder, is_null, count);
    return has_count && count != 0;
}

bool weir_encode_presence(struct weir_encoder *encoder, const void *value, bool is_nullable)
{
    if (value == NULL && !is_nullable) {
        weir_encode_refuse(encoder);
        return false;
    }
    if (is_nullable) weir_encode_int8(encoder, value != NULL ? 1 : -1);
    return value != NULL;
}

/* ---- whole messages ------------------------------------------------------------------------- */

static struct weir_encoder encoder_for(const struct weir_message_type *type, int16_t version,
                                       struct weir_buffer *buffer, struct weir_splices *splices)
{
    return (struct weir_encoder){
        .buffer = buffer,
        .splices = splices,
        .version = version,
        .is_flexible = version >= type->flexible_from,
    };
}

int weir_message_encode(const struct weir_message_type *type, const void *message, int16_t version,
                        struct weir_buffer *buffer)
{
    if (!weir_message_has_version(type, version)) return WEIR_UNSUPPORTED_VERSION;
    size_t size_before = buffer->size;
    struct weir_encoder encoder = encoder_for(type, version, buffer, NULL);
    type->encode(&encoder, message);
    if (encoder.is_refused || buffer->failed) {
        buffer->size = size_before;
        return encoder.is_refused ? WEIR_INVALID_ARGUMENT : WEIR_NO_MEMORY;
    }
    return 0;
}

int weir_message_encode_spliced(const struct weir_message_type *type, const void *message,
                                int16_t version, struct weir_buffer *buffer,
                                struct weir_splices *splices)
{
    if (!weir_message_has_version(type, version)) return WEIR_UNSUPPORTED_VERSION;
    weir_assert(splices->arena != NULL);
    size_t size_before = buffer->size;
    struct weir_splices before = *splices;
    struct weir_encoder encoder = encoder_for(type, version, buffer, splices);
    type->encode(&encoder, message);
    if (encoder.is_refused || buffer->failed || weir_arena_failed(splices->arena)) {
        buffer->size = size_before;
        *splices = before;
        return encoder.is_refused ? WEIR_INVALID_ARGUMENT : WEIR_NO_MEMORY;
    }
    return 0;
}

size_t weir_message_size(const struct weir_message_type *type, const void *message, int16_t version)
{
    if (!weir_message_has_version(type, version)) return 0;
    struct weir_encoder encoder = encoder_for(type, version, NULL, NULL);
    type->encode(&encoder, message);
    return encoder.is_refused ? 0 : encoder.size;
}
