#include "wire/coordinator_record.h"

#include "base/assert.h"
#include "base/error.h"

enum { NUMBER_SIZE = 2 };

/* The number in front and what lies behind it. */
static int split(struct weir_slice bytes, const char *what, int16_t *number_out,
                 struct weir_slice *body_out, struct weir_error *error)
{
    if (bytes.size < NUMBER_SIZE) {
        return weir_error_set(error, WEIR_CORRUPT, "coordinator record: %s of %zu bytes", what,
                              bytes.size);
    }
    *number_out = (int16_t)weir_load_u16(bytes.data);
    *body_out = weir_slice(bytes.data + NUMBER_SIZE, bytes.size - NUMBER_SIZE);
    return 0;
}

static int encode_behind(int16_t number, const struct weir_message_type *type, const void *message,
                         int16_t version, struct weir_buffer *buffer)
{
    size_t size_before = buffer->size;
    weir_assert(number >= 0);
    weir_buffer_u16(buffer, (uint16_t)number);
    int rc = weir_message_encode(type, message, version, buffer);
    if (rc < 0) buffer->size = size_before;
    return rc;
}

int weir_coordinator_key_type(struct weir_slice key, int16_t *type_out, struct weir_error *error)
{
    struct weir_slice body;
    return split(key, "key", type_out, &body, error);
}

int weir_coordinator_key_encode(const struct weir_message_type *type, const void *message,
                                struct weir_buffer *buffer)
{
    weir_assert(type->api_key != WEIR_NO_API_KEY);
    return encode_behind(type->api_key, type, message, type->version_max, buffer);
}

int weir_coordinator_key_decode(struct weir_slice key, const struct weir_message_type *type,
                                void *message_out, struct weir_arena *arena,
                                struct weir_error *error)
{
    int16_t number;
    struct weir_slice body;
    weir_assert(type->api_key != WEIR_NO_API_KEY);
    int rc = split(key, "key", &number, &body, error);
    if (rc < 0) return rc;
    if (number != type->api_key) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "coordinator record: key of type %d, expected %d (%s)", number,
                              type->api_key, type->name);
    }
    return weir_message_decode_whole(type, message_out, type->version_max, body, arena, error);
}

int weir_coordinator_value_encode(const struct weir_message_type *type, const void *message,
                                  int16_t version, struct weir_buffer *buffer)
{
    return encode_behind(version, type, message, version, buffer);
}

int weir_coordinator_value_decode(struct weir_slice value, const struct weir_message_type *type,
                                  void *message_out, struct weir_arena *arena,
                                  struct weir_error *error)
{
    int16_t version;
    struct weir_slice body;
    int rc = split(value, "value", &version, &body, error);
    if (rc < 0) return rc;
    return weir_message_decode_whole(type, message_out, version, body, arena, error);
}
