#ifndef WEIR_WIRE_MESSAGE_PRINT_H
#define WEIR_WIRE_MESSAGE_PRINT_H

#include "wire/message.h"

/** What generated printers are made of: JSON, one line. `is_first` saves the comma. */
void weir_print_key(struct weir_buffer *text, const char *name, bool *is_first);
void weir_print_text(struct weir_buffer *text, const char *literal);
void weir_print_int(struct weir_buffer *text, int64_t value);
void weir_print_float(struct weir_buffer *text, double value);
void weir_print_bool(struct weir_buffer *text, bool value);
/** Quoted and escaped, control characters as \u00xx. */
void weir_print_string(struct weir_buffer *text, struct weir_slice value);
/** In hex, cut after 64 bytes with the size behind. */
void weir_print_bytes(struct weir_buffer *text, struct weir_slice value);
/** URL-safe base64 without padding, 22 characters, as Kafka's tools print ids. */
void weir_print_uuid(struct weir_buffer *text, struct weir_uuid value);

enum { WEIR_UUID_TEXT_SIZE = 23 };
/** The same, with a NUL behind. */
void weir_uuid_format(const struct weir_uuid *uuid, char text_out[WEIR_UUID_TEXT_SIZE]);

#endif
