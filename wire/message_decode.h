#ifndef WEIR_WIRE_MESSAGE_DECODE_H
#define WEIR_WIRE_MESSAGE_DECODE_H

#include "wire/message.h"

/**
 * What generated decoders are made of. Every length is checked against what is left before it is
 * used, every count against the least its elements can take before anything is allocated
 * (RELIABILITY.md N3, N4). The reader's failure sticks and is asked for once, at the end.
 */
struct weir_decoder {
    struct weir_reader *reader;
    struct weir_arena *arena;
    int16_t version;
    bool is_flexible;
    uint32_t unknown_tags; /* skipped so far, in the whole message */
};

/** Bounds on tagged fields, far above what any version of any message has. */
enum {
    WEIR_TAGS_MAX = 64,           /* of one struct */
    WEIR_UNKNOWN_TAGS_MAX = 4096, /* skipped in one message */
    WEIR_TAG_SIZE_MAX = 1 << 20,  /* of one tag that is skipped */
};

static inline void weir_decode_fail(struct weir_decoder *decoder)
{
    decoder->reader->failed = true;
}

/** Any byte but 0 is true, as in Kafka. */
static inline bool weir_decode_bool(struct weir_decoder *decoder)
{
    return weir_reader_u8(decoder->reader) != 0;
}
static inline int8_t weir_decode_int8(struct weir_decoder *decoder)
{
    return (int8_t)weir_reader_u8(decoder->reader);
}
static inline int16_t weir_decode_int16(struct weir_decoder *decoder)
{
    return (int16_t)weir_reader_u16(decoder->reader);
}
static inline uint16_t weir_decode_uint16(struct weir_decoder *decoder)
{
    return weir_reader_u16(decoder->reader);
}
static inline int32_t weir_decode_int32(struct weir_decoder *decoder)
{
    return (int32_t)weir_reader_u32(decoder->reader);
}
static inline uint32_t weir_decode_uint32(struct weir_decoder *decoder)
{
    return weir_reader_u32(decoder->reader);
}
static inline int64_t weir_decode_int64(struct weir_decoder *decoder)
{
    return (int64_t)weir_reader_u64(decoder->reader);
}
static inline double weir_decode_float64(struct weir_decoder *decoder)
{
    uint64_t bits = weir_reader_u64(decoder->reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
struct weir_uuid weir_decode_uuid(struct weir_decoder *decoder);

/** Views into what the reader reads; null only where it may be. */
struct weir_slice weir_decode_string(struct weir_decoder *decoder, bool is_nullable);
struct weir_slice weir_decode_bytes(struct weir_decoder *decoder, bool is_nullable);
static inline struct weir_slice weir_decode_records(struct weir_decoder *decoder, bool is_nullable)
{
    return weir_decode_bytes(decoder, is_nullable);
}
/** A string in the old form whatever the version. */
struct weir_slice weir_decode_plain_string(struct weir_decoder *decoder, bool is_nullable);

/**
 * Room for the elements of the array whose count comes next, each of at least `wire_size_min` bytes
 * on the wire and `struct_size` in memory. NULL for a null array; an empty one is not NULL. After a
 * failure NULL with a count of 0.
 */
void *weir_decode_array(struct weir_decoder *decoder, bool is_nullable, size_t wire_size_min,
                        size_t struct_size, size_t *count_out);
/** Room for the nullable struct that comes next, or NULL for null (or after a failure). */
void *weir_decode_presence(struct weir_decoder *decoder, bool is_nullable, size_t struct_size);

/**
 * A struct's tagged fields: `while (weir_decode_tag(...))` with the reader bounded to one field at
 * a time; a field that does not end where it said is a failure. Tags strictly ascend.
 */
struct weir_tags {
    uint64_t left; /* fields still to come */
    int64_t tag;   /* of the current field, -1 before the first */
    const uint8_t *end;
};
struct weir_tags weir_decode_tags(struct weir_decoder *decoder);
bool weir_decode_tag(struct weir_decoder *decoder, struct weir_tags *tags);
/** The current field is not one we know: step over it. */
void weir_decode_unknown_tag(struct weir_decoder *decoder);
/** The tags of a struct that has none of its own, if the version has tags at all. */
void weir_decode_no_tags(struct weir_decoder *decoder);

#endif
