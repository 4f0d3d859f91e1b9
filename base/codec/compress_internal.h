#ifndef WEIR_BASE_CODEC_COMPRESS_INTERNAL_H
#define WEIR_BASE_CODEC_COMPRESS_INTERNAL_H

#include "base/buffer.h"
#include "base/codec/compress.h"
#include "weir/types.h"

/**
 * What compress.c asks of a codec. Both functions append to `output` and may leave it half written
 * when they fail: compress.c puts its size back.
 *
 * `size_end` is the size that `output` must not grow past; compress.c has set the buffer's own
 * bound to it, so that doubling never reserves more either.
 */
struct weir_codec_ops {
    const char *name;
    int (*compress)(int level, struct weir_slice input, struct weir_buffer *output);
    int (*decompress)(struct weir_slice input, size_t size_end, struct weir_buffer *output);
};

extern const struct weir_codec_ops weir_codec_gzip;
extern const struct weir_codec_ops weir_codec_snappy;
extern const struct weir_codec_ops weir_codec_lz4;
extern const struct weir_codec_ops weir_codec_zstd;

/** The level to use: `usual` for WEIR_CODEC_LEVEL_DEFAULT, else brought into [min, max]. */
int weir_codec_level(int level, int usual, int min, int max);

/** Allocation as zlib's, lz4's and zstd's hooks want it: `opaque` is the budget. */
void *weir_codec_alloc(void *opaque, size_t size);
void weir_codec_free(void *opaque, void *memory);

/**
 * One step of a streaming decoder: read from the front of `*input` (and cut it), write at most
 * `*size` bytes to `to` and set `*size` to what was written. 0: more to come; WEIR_END: a frame is
 * complete, and the next step begins another; negative: a code.
 */
typedef int (*weir_decode_fn)(void *decoder, struct weir_slice *input, uint8_t *to, size_t *size);

/** Run `decode` until all frames of `input` are complete. `size_hint`: plain bytes, when known. */
int weir_decode_all(weir_decode_fn decode, void *decoder, struct weir_slice input, size_t size_hint,
                    size_t size_end, struct weir_buffer *output);

#endif
