#include "tests/fuzz/message_round_trip.h"
#include "wire/generated/all_messages.h"
#include "wire/generated/request_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A response has its request's key; requests stand before them in the list. */
static const struct weir_message_type *find_request(int16_t api_key)
{
    for (size_t i = 0; i < WEIR_ALL_MESSAGES_COUNT; i++) {
        const char *suffix = strstr(weir_all_messages[i]->name, "Request");
        bool is_request = suffix != NULL && strcmp(suffix, "Request") == 0;
        if (is_request && weir_all_messages[i]->api_key == api_key) return weir_all_messages[i];
    }
    return NULL;
}

/**
 * What a connection reads behind a frame's size: key and version say which header and which body
 * follow.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_reader reader = weir_reader(weir_slice(data, size));
    struct weir_reader peek = reader;
    int16_t api_key = (int16_t)weir_reader_u16(&peek);
    int16_t version = (int16_t)weir_reader_u16(&peek);
    const struct weir_message_type *type = find_request(api_key);
    if (peek.failed || type == NULL) return 0;

    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_request_header header;
    int16_t header_version = version >= type->flexible_from ? 2 : 1;
    int rc = weir_request_header_decode(&header, header_version, &reader, &stage.arena);
    weir_assert(rc == 0 || rc == WEIR_CORRUPT);
    if (rc == 0) {
        weir_assert(header.request_api_key == api_key);
        struct weir_slice body = weir_slice(reader.at, weir_reader_left(&reader));
        rc = message_round_trip(&stage, type, version, body);
        weir_assert(rc == 0 || rc == WEIR_CORRUPT || rc == WEIR_UNSUPPORTED_VERSION);
    }
    message_stage_close(&stage);
    return 0;
}
