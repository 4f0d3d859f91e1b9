#ifndef WEIR_CLI_TYPED_H
#define WEIR_CLI_TYPED_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/data_type.h"

/**
 * Bytes shown as what they stand for, and numbers read: by a type of base/data_type.h, which a format names
 * (`%v{i64}`) or the topic (`%v{}`, weir.value.format). Nothing is guessed: bytes that are not of the type are
 * said to be so, and never end the reading.
 */

/**
 * Append the value as text: numbers in digits, text as it is, a struct as JSON, a windowed key as
 * `key@start`, null as `null`. Bytes that are not of the type: `?` and their hex. What fails (memory) is in `to`.
 */
void typed_print(const struct weir_data_type *type, struct weir_slice bytes,
                 struct weir_buffer *to);
/**
 * Append the value as JSON: numbers in full, those that JSON has not as "NaN", "Infinity", "-Infinity"; text as
 * a string; a struct as an object of its fields; a windowed key as {"key":...,"start_ms":...}. False: the bytes
 * are not of the type, and nothing was appended.
 */
bool typed_print_json(const struct weir_data_type *type, struct weir_slice bytes,
                      struct weir_buffer *to);
/** Append the hex of `bytes`. */
void typed_print_hex(struct weir_slice bytes, struct weir_buffer *to);

enum { TYPED_NUMBER_SIZE_MAX = 8 };
/** Can it be read from text? Numbers can. */
bool typed_is_number(const struct weir_data_type *type);
/** The bytes of the number that `text` is, `width` of them. WEIR_INVALID_ARGUMENT: it is none, or too large. */
int typed_read(const struct weir_data_type *type, struct weir_slice text,
               uint8_t bytes_out[TYPED_NUMBER_SIZE_MAX]);

#endif
