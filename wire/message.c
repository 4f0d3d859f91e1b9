#include "wire/message.h"

#include <string.h>

#include "base/error.h"
#include "wire/message_decode.h"
#include "wire/message_encode.h"

const void *weir_no_elements(void)
{
    static const uint64_t elements[2];
    return elements;
}

static bool has_version(const struct weir_message_type *type, int16_t version)
{
    return version >= type->version_min && version <= type->version_max;
}

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
    if (!has_version(type, version)) return WEIR_UNSUPPORTED_VERSION;
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
    if (!has_version(type, version)) return WEIR_UNSUPPORTED_VERSION;
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
    if (!has_version(type, version)) return 0;
    struct weir_encoder encoder = encoder_for(type, version, NULL, NULL);
    type->encode(&encoder, message);
    return encoder.is_refused ? 0 : encoder.size;
}

/* Decode to memory of the arena, so that the caller's struct is written on success only. */
static int decode_to_arena(const struct weir_message_type *type, int16_t version,
                           struct weir_reader *reader, struct weir_arena *arena, void **message_out)
{
    if (!has_version(type, version)) return WEIR_UNSUPPORTED_VERSION;
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

void weir_message_print(const struct weir_message_type *type, const void *message, int16_t version,
                        struct weir_buffer *text)
{
    type->print(text, message, version);
}
