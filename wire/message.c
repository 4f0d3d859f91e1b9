#include "wire/message.h"

#include "base/assert.h"

const void *weir_no_elements(void)
{
    static const uint64_t elements[2];
    return elements;
}

void weir_message_print(const struct weir_message_type *type, const void *message, int16_t version,
                        struct weir_buffer *text)
{
    weir_assert(weir_message_has_version(type, version));
    type->print(text, message, version);
}
