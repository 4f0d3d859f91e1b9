#ifndef WEIR_BASE_BYTES_H
#define WEIR_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "weir/types.h"

/**
 * Big-endian and variable-length integers, and the two objects that read and write them within
 * bounds. No other place in the tree does pointer arithmetic over bytes from outside.
 */

/** Of a large array on the stack that is written before it is read: everything else on it is zeroed at
 * each call (-ftrivial-auto-var-init), which for kilobytes costs more than what the call does. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define WEIR_UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef WEIR_UNINITIALIZED
#define WEIR_UNINITIALIZED
#endif

static inline uint16_t weir_load_u16(const uint8_t *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return __builtin_bswap16(value);
}
static inline uint32_t weir_load_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return __builtin_bswap32(value);
}
static inline uint64_t weir_load_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return __builtin_bswap64(value);
}
static inline void weir_store_u16(uint8_t *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof value);
}
static inline void weir_store_u32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}
static inline void weir_store_u64(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

static inline uint64_t weir_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}
static inline int64_t weir_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/** The smaller of two sizes. */
static inline size_t weir_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/** `size` bytes, which may overlap; `from` may be NULL if there are none. */
static inline void weir_copy(void *to, const void *from, size_t size)
{
    if (size > 0) memmove(to, from, size);
}

enum { WEIR_VARINT32_SIZE_MAX = 5, WEIR_VARINT64_SIZE_MAX = 10 };

/** Bytes that `value` takes as an unsigned LEB128. */
static inline size_t weir_varint_size(uint64_t value)
{
    return value == 0 ? 1 : (size_t)(70 - __builtin_clzll(value)) / 7;
}

/** Write `value` as an unsigned LEB128 to `to` (room for 10 bytes); returns the bytes written. */
static inline size_t weir_varint_store(uint8_t *to, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        to[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

/**
 * A bounded reader. The first failure sticks: everything after it reads as zero or null, and the
 * decoder checks `failed` once. It never reads outside `[at, end)`.
 */
struct weir_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct weir_reader weir_reader(struct weir_slice slice)
{
    /* Not over NULL: arithmetic on it is undefined even when it adds nothing. */
    const uint8_t *data = slice.data != NULL ? slice.data : (const uint8_t *)"";
    struct weir_reader reader = {data, data + slice.size, false};
    return reader;
}
static inline size_t weir_reader_left(const struct weir_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
/** `size` bytes to look at, or NULL (and failed) if there are fewer. */
static inline const uint8_t *weir_reader_take(struct weir_reader *reader, size_t size)
{
    if (reader->failed || size > weir_reader_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}
static inline uint8_t weir_reader_u8(struct weir_reader *reader)
{
    const uint8_t *bytes = weir_reader_take(reader, 1);
    return bytes != NULL ? bytes[0] : 0;
}
static inline uint16_t weir_reader_u16(struct weir_reader *reader)
{
    const uint8_t *bytes = weir_reader_take(reader, 2);
    return bytes != NULL ? weir_load_u16(bytes) : 0;
}
static inline uint32_t weir_reader_u32(struct weir_reader *reader)
{
    const uint8_t *bytes = weir_reader_take(reader, 4);
    return bytes != NULL ? weir_load_u32(bytes) : 0;
}
static inline uint64_t weir_reader_u64(struct weir_reader *reader)
{
    const uint8_t *bytes = weir_reader_take(reader, 8);
    return bytes != NULL ? weir_load_u64(bytes) : 0;
}
/** Unsigned LEB128 of at most `bits` (32 or 64) bits; longer or overflowing ones fail. */
uint64_t weir_reader_varint_slow(struct weir_reader *reader, unsigned bits);
static inline uint64_t weir_reader_uvarint32(struct weir_reader *reader)
{
    if (!reader->failed && reader->at < reader->end && *reader->at < 0x80) return *reader->at++;
    return weir_reader_varint_slow(reader, 32);
}
/** Zigzag varints, Kafka's varint and varlong. */
static inline int32_t weir_reader_varint32(struct weir_reader *reader)
{
    return (int32_t)weir_unzigzag(weir_reader_uvarint32(reader));
}
static inline int64_t weir_reader_varint64(struct weir_reader *reader)
{
    if (!reader->failed && reader->at < reader->end && *reader->at < 0x80) {
        return weir_unzigzag(*reader->at++);
    }
    return weir_unzigzag(weir_reader_varint_slow(reader, 64));
}

/** Writers are buffers: big-endian and varint appends. */
static inline void weir_buffer_u8(struct weir_buffer *buffer, uint8_t value)
{
    weir_buffer_append(buffer, &value, 1);
}
static inline void weir_buffer_u16(struct weir_buffer *buffer, uint16_t value)
{
    uint8_t bytes[2];
    weir_store_u16(bytes, value);
    weir_buffer_append(buffer, bytes, sizeof bytes);
}
static inline void weir_buffer_u32(struct weir_buffer *buffer, uint32_t value)
{
    uint8_t bytes[4];
    weir_store_u32(bytes, value);
    weir_buffer_append(buffer, bytes, sizeof bytes);
}
static inline void weir_buffer_u64(struct weir_buffer *buffer, uint64_t value)
{
    uint8_t bytes[8];
    weir_store_u64(bytes, value);
    weir_buffer_append(buffer, bytes, sizeof bytes);
}
static inline void weir_buffer_uvarint(struct weir_buffer *buffer, uint64_t value)
{
    uint8_t bytes[WEIR_VARINT64_SIZE_MAX];
    weir_buffer_append(buffer, bytes, weir_varint_store(bytes, value));
}
static inline void weir_buffer_varint(struct weir_buffer *buffer, int64_t value)
{
    weir_buffer_uvarint(buffer, weir_zigzag(value));
}

#endif
