#ifndef WEIR_WIRE_MESSAGE_H
#define WEIR_WIRE_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "weir/error.h"

/**
 * A message whose code is generated from wire/schemas: what every one of them can do, for callers
 * that handle messages of any kind (dump tools, fuzz targets, request tables).
 *
 * `weir_x_encode` and the other functions of message x are these, with the type filled in.
 */
struct weir_encoder;
struct weir_decoder;

enum { WEIR_NO_API_KEY = -1, WEIR_NEVER_FLEXIBLE = INT16_MAX };

struct weir_message_type {
    const char *name;
    int16_t api_key; /* WEIR_NO_API_KEY where the schema has none */
    int16_t version_min;
    int16_t version_max;
    int16_t flexible_from; /* the first version with compact forms and tagged fields */
    size_t struct_size;
    void (*init)(void *message);
    void (*encode)(struct weir_encoder *encoder, const void *message);
    void (*decode)(struct weir_decoder *decoder, void *message);
    void (*print)(struct weir_buffer *text, const void *message, int16_t version);
};

static inline bool weir_message_has_version(const struct weir_message_type *type, int16_t version)
{
    return version >= type->version_min && version <= type->version_max;
}

/** What an empty array points at where it may be null, so that it is told from a null one. */
const void *weir_no_elements(void);

/**
 * Append the message's bytes to `buffer`, which keeps its size on failure.
 *
 * Errors: WEIR_UNSUPPORTED_VERSION; WEIR_INVALID_ARGUMENT for a null where the version has none, a
 * value too long for its length field, or a value in a field that the version lacks and that may
 * not be dropped; WEIR_NO_MEMORY.
 */
int weir_message_encode(const struct weir_message_type *type, const void *message, int16_t version,
                        struct weir_buffer *buffer);

/**
 * Records that are not copied into the message's bytes but sent from where they lie: `size` bytes that
 * belong at `at` in the buffer. `data` is the field's, whatever the maker put there.
 */
struct weir_splice {
    size_t at;
    const void *data;
    size_t size;
};
struct weir_splices {
    struct weir_arena *arena; /* of `items` */
    struct weir_splice *items;
    size_t count;
    size_t capacity;
    size_t size; /* of all */
};
/** As weir_message_encode, but the contents of fields of type `records` are left out, where they are not
 * empty, and noted behind those in `splices`; their lengths are written. Both stay as they were on failure. */
int weir_message_encode_spliced(const struct weir_message_type *type, const void *message,
                                int16_t version, struct weir_buffer *buffer,
                                struct weir_splices *splices);

/** The bytes that encode would append; 0 where it would fail. */
size_t weir_message_size(const struct weir_message_type *type, const void *message,
                         int16_t version);

/**
 * Read one message at `reader`, which may hold more behind it. Strings and bytes point into what
 * the reader reads; arrays and nested structs come from `arena`.
 *
 * Errors: WEIR_UNSUPPORTED_VERSION, WEIR_CORRUPT, WEIR_NO_MEMORY.
 */
int weir_message_decode(const struct weir_message_type *type, void *message_out, int16_t version,
                        struct weir_reader *reader, struct weir_arena *arena);

/**
 * Read a message that must be all of `bytes`, and say in `error` what is wrong with it.
 * Errors: as weir_message_decode; WEIR_CORRUPT also when bytes are left over.
 */
int weir_message_decode_whole(const struct weir_message_type *type, void *message_out,
                              int16_t version, struct weir_slice bytes, struct weir_arena *arena,
                              struct weir_error *error);

/** Append one line of JSON with the fields that the version has; ask `text->failed` at the end. */
void weir_message_print(const struct weir_message_type *type, const void *message, int16_t version,
                        struct weir_buffer *text);

#endif
