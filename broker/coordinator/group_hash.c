#include "broker/coordinator/group_hash.h"

#include "base/assert.h"

enum { REPLACEMENT = 0xfffd };

/* The bytes that follow the first one of a UTF-8 sequence; -1: none begins with it. */
static int followers(uint8_t first, uint32_t *bits_out)
{
    *bits_out = first;
    if (first < 0x80) return 0;
    *bits_out = first & 0x1fU;
    if (first >= 0xc2 && first < 0xe0) return 1;
    *bits_out = first & 0x0fU;
    if (first >= 0xe0 && first < 0xf0) return 2;
    *bits_out = first & 0x07U;
    return first >= 0xf0 && first < 0xf5 ? 3 : -1;
}

/* The code point at `at`, and where the next one begins. What is no UTF-8 counts byte by byte. */
static uint32_t next_code_point(struct weir_slice text, size_t *at)
{
    uint32_t point;
    int count = followers(text.data[*at], &point);
    if (count < 0 || (size_t)count >= text.size - *at) {
        ++*at;
        return REPLACEMENT;
    }
    for (int i = 1; i <= count; i++) {
        uint8_t byte = text.data[*at + (size_t)i];
        if ((byte & 0xc0U) != 0x80) {
            ++*at;
            return REPLACEMENT;
        }
        point = point << 6 | (byte & 0x3fU);
    }
    *at += (size_t)count + 1;
    return point;
}

int32_t weir_group_hash(struct weir_slice group)
{
    uint32_t hash = 0;
    size_t at = 0;
    while (at < group.size) {
        uint32_t point = next_code_point(group, &at);
        if (point >= 0x10000) { /* two units */
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + (point & 0x3ffU);
        }
        hash = hash * 31 + point;
    }
    return (int32_t)hash;
}

int32_t weir_group_partition(struct weir_slice group, int32_t count)
{
    weir_assert(count > 0);
    int32_t hash = weir_group_hash(group);
    if (hash == INT32_MIN) return 0;
    return (hash < 0 ? -hash : hash) % count;
}
