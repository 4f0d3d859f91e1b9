#ifndef WEIR_WIRE_METADATA_RECORD_H
#define WEIR_WIRE_METADATA_RECORD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "weir/error.h"
#include "wire/message.h"

/**
 * The value of a record of `__cluster_metadata`: a frame around one generated message.
 *
 *   unsigned varint  frame version, 1
 *   unsigned varint  api key of the message: which record it is
 *   unsigned varint  version of the message
 *   the message
 *
 * The record's key is null. Source: KIP-631, Record Format; docs/format/messages.md.
 */
enum { WEIR_METADATA_FRAME_VERSION = 1 };

struct weir_metadata_frame {
    int16_t api_key;
    int16_t version;
    struct weir_slice body; /* the message's bytes, within the value */
};

/** The type of the records that we know; NULL for others. */
const struct weir_message_type *weir_metadata_frame_type(int16_t api_key);

/**
 * Append the frame and `message`; `buffer` keeps its size on failure.
 * Errors: those of weir_message_encode.
 */
int weir_metadata_frame_encode(const struct weir_message_type *type, const void *message,
                               int16_t version, struct weir_buffer *buffer);

/**
 * Open the frame, whatever is in it.
 * Errors: WEIR_UNSUPPORTED_VERSION for another frame version, WEIR_CORRUPT.
 */
int weir_metadata_frame_read(struct weir_slice value, struct weir_metadata_frame *frame_out,
                             struct weir_error *error);

/**
 * Decode the frame's message into the struct of its type (weir_metadata_frame_type). Views point
 * into the value, arrays into `arena`.
 * Errors: WEIR_UNSUPPORTED_VERSION for a record or version we do not know, WEIR_CORRUPT (also when
 * bytes are left over), WEIR_NO_MEMORY.
 */
int weir_metadata_frame_decode(const struct weir_metadata_frame *frame, void *message_out,
                               struct weir_arena *arena, struct weir_error *error);

#endif
