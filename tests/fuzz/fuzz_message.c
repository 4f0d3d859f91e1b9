#include "tests/fuzz/message_round_trip.h"

#include MESSAGE_HEADER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * One message in all its versions: the first byte picks the version, the rest is what came from
 * outside. Compiled once for each message, with MESSAGE_HEADER and MESSAGE_TYPE its own.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    const struct weir_message_type *type = &MESSAGE_TYPE;
    int version_count = type->version_max - type->version_min + 1;
    int16_t version = (int16_t)(type->version_min + data[0] % version_count);
    struct message_stage stage;
    message_stage_init(&stage);
    (void)message_round_trip(&stage, type, version, weir_slice(data + 1, size - 1));
    message_stage_close(&stage);
    return 0;
}
