#include "wire/message_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/assert.h"

enum { BYTES_PRINTED_MAX = 64 };

void weir_print_text(struct weir_buffer *text, const char *literal)
{
    weir_buffer_append(text, literal, strlen(literal));
}

void weir_print_key(struct weir_buffer *text, const char *name, bool *is_first)
{
    weir_assert(name[0] != '\0');
    weir_print_text(text, *is_first ? "\"" : ", \"");
    weir_print_text(text, name);
    weir_print_text(text, "\": ");
    *is_first = false;
}

void weir_print_int(struct weir_buffer *text, int64_t value)
{
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%" PRId64, value); /* fits: 20 characters at most */
    weir_print_text(text, digits);
}

void weir_print_float(struct weir_buffer *text, double value)
{
    if (!isfinite(value)) {
        weir_print_text(text, isnan(value) ? "\"NaN\""
                              : value > 0  ? "\"Infinity\""
                                           : "\"-Infinity\"");
        return;
    }
    char digits[40];
    (void)snprintf(digits, sizeof digits, "%.17g", value); /* fits: 24 characters at most */
    char *comma = strchr(digits, ',');                     /* some locales' decimal point */
    if (comma != NULL) *comma = '.';
    weir_print_text(text, digits);
}

void weir_print_bool(struct weir_buffer *text, bool value)
{
    weir_print_text(text, value ? "true" : "false");
}

void weir_print_string(struct weir_buffer *text, struct weir_slice value)
{
    if (weir_slice_is_null(value)) {
        weir_print_text(text, "null");
        return;
    }
    weir_buffer_u8(text, '"');
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];
        if (byte == '"' || byte == '\\') {
            weir_buffer_u8(text, '\\');
            weir_buffer_u8(text, byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            char escaped[8];
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", byte); /* fits: 6 characters */
            weir_print_text(text, escaped);
        } else {
            weir_buffer_u8(text, byte);
        }
    }
    weir_buffer_u8(text, '"');
}

void weir_print_bytes(struct weir_buffer *text, struct weir_slice value)
{
    static const char hex[] = "0123456789abcdef";
    if (weir_slice_is_null(value)) {
        weir_print_text(text, "null");
        return;
    }
    weir_buffer_u8(text, '"');
    for (size_t i = 0; i < value.size && i < BYTES_PRINTED_MAX; i++) {
        weir_buffer_u8(text, (uint8_t)hex[value.data[i] >> 4]);
        weir_buffer_u8(text, (uint8_t)hex[value.data[i] & 15]);
    }
    if (value.size > BYTES_PRINTED_MAX) {
        weir_print_text(text, "... ");
        weir_print_int(text, (int64_t)value.size);
        weir_print_text(text, " bytes");
    }
    weir_buffer_u8(text, '"');
}

void weir_uuid_format(const struct weir_uuid *uuid, char text_out[WEIR_UUID_TEXT_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[sizeof uuid->bytes + 1] = {0};
    memcpy(bytes, uuid->bytes, sizeof uuid->bytes);
    for (size_t i = 0; i < WEIR_UUID_TEXT_SIZE - 1; i++) { /* six bits each */
        size_t at = 6 * i / 8;
        unsigned bits = (unsigned)bytes[at] << 8 | bytes[at + 1];
        text_out[i] = digits[bits >> (10 - 6 * i % 8) & 63];
    }
    text_out[WEIR_UUID_TEXT_SIZE - 1] = '\0';
}

void weir_print_uuid(struct weir_buffer *text, struct weir_uuid value)
{
    char formatted[WEIR_UUID_TEXT_SIZE];
    weir_uuid_format(&value, formatted);
    weir_buffer_u8(text, '"');
    weir_print_text(text, formatted);
    weir_buffer_u8(text, '"');
}
