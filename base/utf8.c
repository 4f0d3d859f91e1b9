#include "base/utf8.h"

#include <stdbool.h>

size_t weir_utf8_size(struct weir_slice text)
{
    const uint8_t *at = text.data;
    if (text.size == 0) return 0;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size == 0 || size > text.size || at[0] > 0xf4) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    if (at[0] == 0xe0 && at[1] < 0xa0) return 0;
    if (at[0] == 0xed && at[1] > 0x9f) return 0;
    if (at[0] == 0xf0 && at[1] < 0x90) return 0;
    if (at[0] == 0xf4 && at[1] > 0x8f) return 0;
    return size;
}

size_t weir_utf8_printable(struct weir_slice text, size_t size_max)
{
    size_t at = 0;
    while (at < text.size) {
        const uint8_t *c = text.data + at;
        size_t size = weir_utf8_size(weir_slice(c, text.size - at));
        bool is_control = c[0] < 0x20 || c[0] == 0x7f || (size == 2 && c[0] == 0xc2 && c[1] < 0xa0);
        if (size == 0 || is_control || at + size > size_max) break;
        at += size;
    }
    return at;
}
