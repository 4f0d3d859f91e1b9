#ifndef WEIR_WIRE_COORDINATOR_RECORD_H
#define WEIR_WIRE_COORDINATOR_RECORD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "weir/error.h"
#include "wire/message.h"

/**
 * Keys and values of `__consumer_offsets`, each a number of two bytes and a generated message:
 *
 *   key    int16 record type, the message's api key   the key's message, in its last version
 *   value  int16 version of the message               the value's message
 *
 * A null value takes back what the key says.
 * Source: Kafka's group coordinator; docs/format/messages.md.
 */

/** The record type that a key begins with; WEIR_CORRUPT when it is too short. */
int weir_coordinator_key_type(struct weir_slice key, int16_t *type_out, struct weir_error *error);

/** Append a key. Errors: those of weir_message_encode. */
int weir_coordinator_key_encode(const struct weir_message_type *type, const void *message,
                                struct weir_buffer *buffer);
/**
 * Decode a key of this type; strings point into `key`.
 * Errors: WEIR_UNSUPPORTED_VERSION for a key of another type, WEIR_CORRUPT, WEIR_NO_MEMORY.
 */
int weir_coordinator_key_decode(struct weir_slice key, const struct weir_message_type *type,
                                void *message_out, struct weir_arena *arena,
                                struct weir_error *error);

/** Append a value in this version. Errors: those of weir_message_encode. */
int weir_coordinator_value_encode(const struct weir_message_type *type, const void *message,
                                  int16_t version, struct weir_buffer *buffer);
/**
 * Decode a value, which is not null; strings point into `value`.
 * Errors: WEIR_UNSUPPORTED_VERSION, WEIR_CORRUPT, WEIR_NO_MEMORY.
 */
int weir_coordinator_value_decode(struct weir_slice value, const struct weir_message_type *type,
                                  void *message_out, struct weir_arena *arena,
                                  struct weir_error *error);

#endif
