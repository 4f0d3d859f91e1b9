#include "wire/message_decode.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"

struct weir_uuid weir_decode_uuid(struct weir_decoder *decoder)
{
    struct weir_uuid uuid = {{0}};
    const uint8_t *bytes = weir_reader_take(decoder->reader, sizeof uuid.bytes);
    if (bytes != NULL) memcpy(uuid.bytes, bytes, sizeof uuid.bytes);
    return uuid;
}

/* A length in compact form: one less than the number, null at 0. */
static int64_t decode_compact_length(struct weir_decoder *decoder)
{
    return (int64_t)weir_reader_uvarint32(decoder->reader) - 1;
}

static struct weir_slice decode_slice(struct weir_decoder *decoder, int64_t length,
                                      bool is_nullable)
{
    if (length < 0) {
        if (length != -1 || !is_nullable) weir_decode_fail(decoder);
        return weir_null();
    }
    const uint8_t *bytes = weir_reader_take(decoder->reader, (size_t)length);
    return weir_slice(bytes, bytes != NULL ? (size_t)length : 0);
}

struct weir_slice weir_decode_plain_string(struct weir_decoder *decoder, bool is_nullable)
{
    return decode_slice(decoder, weir_decode_int16(decoder), is_nullable);
}

struct weir_slice weir_decode_string(struct weir_decoder *decoder, bool is_nullable)
{
    int64_t length =
        decoder->is_flexible ? decode_compact_length(decoder) : weir_decode_int16(decoder);
    if (length > INT16_MAX) weir_decode_fail(decoder); /* as in the old form */
    return decode_slice(decoder, length, is_nullable);
}

struct weir_slice weir_decode_bytes(struct weir_decoder *decoder, bool is_nullable)
{
    int64_t length =
        decoder->is_flexible ? decode_compact_length(decoder) : weir_decode_int32(decoder);
    return decode_slice(decoder, length, is_nullable);
}

void *weir_decode_array(struct weir_decoder *decoder, bool is_nullable, size_t wire_size_min,
                        size_t struct_size, size_t *count_out)
{
    weir_assert(wire_size_min > 0 && struct_size > 0);
    *count_out = 0;
    int64_t count =
        decoder->is_flexible ? decode_compact_length(decoder) : weir_decode_int32(decoder);
    if (decoder->reader->failed) return NULL;
    if (count < 0) {
        if (count != -1 || !is_nullable) weir_decode_fail(decoder);
        return NULL;
    }
    if (count == 0) return (void *)(uintptr_t)weir_no_elements(); /* never written to */
    if ((uint64_t)count > weir_reader_left(decoder->reader) / wire_size_min) {
        weir_decode_fail(decoder);
        return NULL;
    }
    void *elements = weir_arena_array(decoder->arena, (size_t)count, struct_size);
    if (elements == NULL) {
        weir_decode_fail(decoder);
        return NULL;
    }
    *count_out = (size_t)count;
    return elements;
}

void *weir_decode_presence(struct weir_decoder *decoder, bool is_nullable, size_t struct_size)
{
    weir_assert(struct_size > 0);
    if (is_nullable) {
        int8_t mark = weir_decode_int8(decoder);
        if (mark != 1) {
            if (mark != -1) weir_decode_fail(decoder);
            return NULL;
        }
    }
    if (decoder->reader->failed) return NULL;
    void *value = weir_arena_alloc(decoder->arena, struct_size);
    if (value == NULL) weir_decode_fail(decoder);
    return value;
}

struct weir_tags weir_decode_tags(struct weir_decoder *decoder)
{
    struct weir_tags tags = {.left = weir_reader_uvarint32(decoder->reader), .tag = -1};
    if (tags.left > WEIR_TAGS_MAX) weir_decode_fail(decoder);
    if (decoder->reader->failed) tags.left = 0;
    tags.end = decoder->reader->end;
    return tags;
}

/* The current field must have been read to its end; then the reader sees all of the rest again. */
static void end_tag(struct weir_decoder *decoder, const struct weir_tags *tags)
{
    if (tags->tag < 0) return;
    weir_assert(decoder->reader->end <= tags->end); /* one field at a time */
    if (decoder->reader->at != decoder->reader->end) weir_decode_fail(decoder);
    decoder->reader->end = tags->end;
}

bool weir_decode_tag(struct weir_decoder *decoder, struct weir_tags *tags)
{
    struct weir_reader *reader = decoder->reader;
    weir_assert(tags->left <= WEIR_TAGS_MAX);
    end_tag(decoder, tags);
    if (tags->left == 0 || reader->failed) return false;
    int64_t tag = (int64_t)weir_reader_uvarint32(reader);
    uint64_t size = weir_reader_uvarint32(reader);
    if (reader->failed || tag <= tags->tag || size > weir_reader_left(reader)) {
        weir_decode_fail(decoder);
        return false;
    }
    tags->left--;
    tags->tag = tag;
    reader->end = reader->at + size;
    return true;
}

void weir_decode_unknown_tag(struct weir_decoder *decoder)
{
    struct weir_reader *reader = decoder->reader;
    decoder->unknown_tags++;
    if (decoder->unknown_tags > WEIR_UNKNOWN_TAGS_MAX ||
        weir_reader_left(reader) > WEIR_TAG_SIZE_MAX) {
        weir_decode_fail(decoder);
        return;
    }
    (void)weir_reader_take(reader, weir_reader_left(reader)); /* cannot fail: it is all there is */
}

void weir_decode_no_tags(struct weir_decoder *decoder)
{
    if (!decoder->is_flexible) return;
    struct weir_tags tags = weir_decode_tags(decoder);
    while (weir_decode_tag(decoder, &tags)) {
        weir_decode_unknown_tag(decoder);
    }
}

/* ---- whole messages ------------------------------------------------------------------------- */

/* Decode to memory of the arena, so that the caller's struct is written on success only. */
static int decode_to_arena(const struct weir_message_type *type, int16_t version,
                           struct weir_reader *reader, struct weir_arena *arena, void **message_out)
{
    weir_assert(type->struct_size > 0);
    if (!weir_message_has_version(type, version)) return WEIR_UNSUPPORTED_VERSION;
    void *message = weir_arena_alloc(arena, type->struct_size);
    if (message == NULL) return WEIR_NO_MEMORY;
    struct weir_decoder decoder = {
        .reader = reader,
        .arena = arena,
        .version = version,
        .is_flexible = version >= type->flexible_from,
    };
    type->init(message);
    type->decode(&decoder, message);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    if (reader->failed) return WEIR_CORRUPT;
    *message_out = message;
    return 0;
}

int weir_message_decode(const struct weir_message_type *type, void *message_out, int16_t version,
                        struct weir_reader *reader, struct weir_arena *arena)
{
    void *message = NULL;
    int rc = decode_to_arena(type, version, reader, arena, &message);
    if (rc == 0) memcpy(message_out, message, type->struct_size);
    return rc;
}

int weir_message_decode_whole(const struct weir_message_type *type, void *message_out,
                              int16_t version, struct weir_slice bytes, struct weir_arena *arena,
                              struct weir_error *error)
{
    struct weir_reader reader = weir_reader(bytes);
    void *message = NULL;
    int rc = decode_to_arena(type, version, &reader, arena, &message);
    if (rc == WEIR_UNSUPPORTED_VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "%s: version %d, only %d to %d are known", type->name, version,
                              type->version_min, type->version_max);
    }
    if (rc < 0) {
        return weir_error_set(error, (enum weir_code)rc, "%s version %d: %s in %zu bytes",
                              type->name, version, weir_code_text(rc), bytes.size);
    }
    if (weir_reader_left(&reader) != 0) {
        return weir_error_set(error, WEIR_CORRUPT, "%s version %d: %zu of %zu bytes left over",
                              type->name, version, weir_reader_left(&reader), bytes.size);
    }
    memcpy(message_out, message, type->struct_size);
    return 0;
}
