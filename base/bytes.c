#include "base/bytes.h"

#include "base/assert.h"

/* The largest byte that may end a number of full length: what is left of `bits` after sevens. */
static uint8_t last_byte_max(unsigned bits)
{
    return (uint8_t)((1u << bits % 7) - 1);
}

uint64_t weir_reader_varint_slow(struct weir_reader *reader, unsigned bits)
{
    weir_assert(bits == 32 || bits == 64);
    const unsigned last_shift = bits / 7 * 7;
    const uint8_t *at = reader->at;
    uint64_t value = 0;

    for (unsigned shift = 0; !reader->failed && shift <= last_shift && at < reader->end;
         shift += 7) {
        uint8_t byte = *at++;
        if (shift == last_shift && byte > last_byte_max(bits)) break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->at = at;
            return value;
        }
    }
    reader->failed = true;
    return 0;
}
