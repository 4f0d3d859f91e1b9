#include "tests/fuzz/message_round_trip.h"
#include "wire/generated/all_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Every generated message: the first byte picks the message, the second its version, the rest is
 * what came from outside.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const struct weir_message_type *type = weir_all_messages[data[0] % WEIR_ALL_MESSAGES_COUNT];
    int version_count = type->version_max - type->version_min + 1;
    int16_t version = (int16_t)(type->version_min + data[1] % version_count);
    struct message_stage stage;
    message_stage_init(&stage);
    (void)message_round_trip(&stage, type, version, weir_slice(data + 2, size - 2));
    message_stage_close(&stage);
    return 0;
}
