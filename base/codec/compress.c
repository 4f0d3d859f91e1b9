#include "base/codec/compress.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec/compress_internal.h"

/* Larger inputs are nobody's batch, and some of the libraries count in int. */
static const size_t input_size_max = (size_t)1 << 30;

static int none_compress(int level, struct weir_slice input, struct weir_buffer *output)
{
    (void)level;
    weir_buffer_append(output, input.data, input.size);
    return output->failed ? WEIR_NO_MEMORY : 0;
}

static int none_decompress(struct weir_slice input, size_t size_end, struct weir_buffer *output)
{
    if (input.size > size_end - output->size) return WEIR_TOO_LARGE;
    return none_compress(0, input, output);
}

static const struct weir_codec_ops codec_none = {
    .name = "none",
    .compress = none_compress,
    .decompress = none_decompress,
};

static const struct weir_codec_ops *const codecs[] = {
    [WEIR_CODEC_NONE] = &codec_none,          [WEIR_CODEC_GZIP] = &weir_codec_gzip,
    [WEIR_CODEC_SNAPPY] = &weir_codec_snappy, [WEIR_CODEC_LZ4] = &weir_codec_lz4,
    [WEIR_CODEC_ZSTD] = &weir_codec_zstd,
};

_Static_assert(sizeof codecs / sizeof codecs[0] == WEIR_CODEC_COUNT, "a row per codec");

static const struct weir_codec_ops *codec_of(int codec)
{
    return codec >= 0 && codec < WEIR_CODEC_COUNT ? codecs[codec] : NULL;
}

int weir_codec_level(int level, int usual, int min, int max)
{
    if (level == WEIR_CODEC_LEVEL_DEFAULT) return usual;
    if (level < min) return min;
    return level < max ? level : max;
}

void *weir_codec_alloc(void *opaque, size_t size)
{
    return weir_alloc(opaque, size > 0 ? size : 1);
}

void weir_codec_free(void *opaque, void *memory)
{
    (void)opaque; /* a block knows its budget */
    weir_free(memory);
}

/* Guess the first reservation: a few times the input, or what the frame declares. A frame may lie,
 * so its word counts only up to 64 times the input, about the best ratio of real records. */
static size_t first_reservation(size_t input_size, size_t size_hint, size_t left)
{
    const size_t hint_max = input_size * 64;
    size_t size = size_hint > 0 && size_hint <= hint_max ? size_hint : input_size * 4;
    return size < left ? size : left;
}

/* Bytes that may be written behind the end of `output` now; 0 when it has reached `size_end`. */
static int room_behind(struct weir_buffer *output, size_t size_end, size_t *room_out)
{
    size_t end = output->capacity < size_end ? output->capacity : size_end;
    if (end == output->size && end < size_end) {
        if (!weir_buffer_reserve(output, 1)) return WEIR_NO_MEMORY;
        end = output->capacity < size_end ? output->capacity : size_end;
    }
    *room_out = end - output->size;
    return 0;
}

/* With the output full, a frame's end may still be unread: let it come, but not one more byte. */
static int decode_full(weir_decode_fn decode, void *decoder, struct weir_slice *input)
{
    uint8_t spill;
    size_t size = sizeof spill;
    int rc = decode(decoder, input, &spill, &size);
    if (rc < 0) return rc;
    return size > 0 ? WEIR_TOO_LARGE : rc;
}

static int decode_some(weir_decode_fn decode, void *decoder, struct weir_slice *input,
                       size_t size_end, struct weir_buffer *output)
{
    size_t room = 0;
    int rc = room_behind(output, size_end, &room);
    if (rc < 0) return rc;
    if (room == 0) return decode_full(decode, decoder, input);

    size_t size = room;
    rc = decode(decoder, input, output->data + output->size, &size);
    if (rc < 0) return rc;
    weir_assert(size <= room);
    output->size += size;
    return rc;
}

int weir_decode_all(weir_decode_fn decode, void *decoder, struct weir_slice input, size_t size_hint,
                    size_t size_end, struct weir_buffer *output)
{
    weir_assert(output->size <= size_end);
    size_t wanted = first_reservation(input.size, size_hint, size_end - output->size);
    if (wanted > 0 && !weir_buffer_reserve(output, wanted)) return WEIR_NO_MEMORY;

    for (;;) {
        size_t input_before = input.size;
        size_t output_before = output->size;
        int rc = decode_some(decode, decoder, &input, size_end, output);
        if (rc < 0) return rc;
        if (rc == WEIR_END && input.size == 0) return 0;
        /* No step without progress: what is there is not a whole frame. */
        if (input.size == input_before && output->size == output_before) return WEIR_CORRUPT;
    }
}

const char *weir_codec_name(int codec)
{
    const struct weir_codec_ops *ops = codec_of(codec);
    return ops != NULL ? ops->name : NULL;
}

int weir_codec_from_name(const char *name, enum weir_codec *codec_out)
{
    for (int codec = 0; codec < WEIR_CODEC_COUNT; codec++) {
        if (strcmp(codecs[codec]->name, name) == 0) {
            *codec_out = (enum weir_codec)codec;
            return 0;
        }
    }
    return WEIR_NOT_FOUND;
}

int weir_compress(enum weir_codec codec, int level, struct weir_slice input,
                  struct weir_buffer *output)
{
    const struct weir_codec_ops *ops = codec_of((int)codec);
    if (ops == NULL) return WEIR_UNSUPPORTED_CODEC;
    if (input.size > input_size_max) return WEIR_TOO_LARGE;
    if (output->failed) return WEIR_NO_MEMORY;
    if (weir_slice_is_null(input)) input = weir_text("");

    const size_t size_before = output->size;
    int rc = ops->compress(level, input, output);
    if (rc < 0) {
        output->size = size_before;
        output->failed = false;
    }
    return rc;
}

/* The size that `output` may reach: by the caller's cap, or by the buffer's own bound. */
static size_t end_of(const struct weir_buffer *output, size_t size_max)
{
    size_t end;
    if (__builtin_add_overflow(output->size, size_max, &end)) end = SIZE_MAX;
    return output->size_max != 0 && output->size_max < end ? output->size_max : end;
}

int weir_decompress(enum weir_codec codec, struct weir_slice input, size_t size_max,
                    struct weir_buffer *output)
{
    const struct weir_codec_ops *ops = codec_of((int)codec);
    if (ops == NULL) return WEIR_UNSUPPORTED_CODEC;
    if (input.size > input_size_max) return WEIR_TOO_LARGE;
    if (output->failed) return WEIR_NO_MEMORY;
    if (weir_slice_is_null(input)) input = weir_text("");

    const size_t size_before = output->size;
    const size_t bound_before = output->size_max;
    const size_t size_end = end_of(output, size_max);

    output->size_max = size_end;
    int rc = ops->decompress(input, size_end, output);
    output->size_max = bound_before;
    if (rc < 0) {
        output->size = size_before;
        output->failed = false;
    }
    return rc;
}
