#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stddef.h>

#include "weir/types.h"

/** Bytes of the UTF-8 character that `text` begins with; 0 if it is none, or empty: no overlong forms, no
 * surrogates, nothing above U+10FFFF (RFC 3629). */
size_t weir_utf8_size(struct weir_slice text);

/** Bytes of the whole characters that `text` begins with and that a terminal shows (no control characters:
 * C0, DEL, C1), at most `size_max`. What a message quotes is cut by it, so that the message stays UTF-8. */
size_t weir_utf8_printable(struct weir_slice text, size_t size_max);

#endif
