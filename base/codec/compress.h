#ifndef WEIR_BASE_CODEC_COMPRESS_H
#define WEIR_BASE_CODEC_COMPRESS_H

#include <stdint.h>

#include "base/buffer.h"
#include "weir/error.h"

/** Kafka's codec numbers, as in the attributes of a batch. */
enum weir_codec {
    WEIR_CODEC_NONE = 0,
    WEIR_CODEC_GZIP = 1,
    WEIR_CODEC_SNAPPY = 2,
    WEIR_CODEC_LZ4 = 3,
    WEIR_CODEC_ZSTD = 4,
};
enum { WEIR_CODEC_COUNT = 5, WEIR_CODEC_LEVEL_DEFAULT = INT32_MIN };

/** `"gzip"`; NULL for an unknown number. And back: WEIR_NOT_FOUND. Kafka's `compression.type`. */
const char *weir_codec_name(int codec);
int weir_codec_from_name(const char *name, enum weir_codec *codec_out);

/**
 * Append the compressed form of `input` to `output`, in the framing Kafka clients read: gzip
 * member, xerial blocks for snappy, lz4 frame (independent 64 KB blocks), zstd frame with its
 * content size.
 * A level outside the codec's range is brought into it. `output` keeps its size on failure.
 * Errors: WEIR_NO_MEMORY, WEIR_UNSUPPORTED_CODEC, WEIR_TOO_LARGE for more than 1 GiB.
 */
int weir_compress(enum weir_codec codec, int level, struct weir_slice input,
                  struct weir_buffer *output);

/**
 * Append the plain form of `input` to `output`, streaming, never more than `size_max` bytes.
 *
 * Input is from outside: snappy is taken raw or in xerial framing, gzip, lz4 and zstd may hold
 * several members or frames, zstd windows are capped at 2^23 (8 MiB, what level 19 needs at most by
 * default). No bytes at all are no frame, hence corrupt. Memory held meanwhile, all of it charged
 * to the budget of `output`: the cap, and a codec's own state (at most about 9 MiB).
 * Errors: WEIR_TOO_LARGE past the cap (a bomb), WEIR_CORRUPT for anything damaged or with trailing
 * garbage, WEIR_UNSUPPORTED_CODEC, WEIR_NO_MEMORY. `output` keeps its size on failure.
 */
int weir_decompress(enum weir_codec codec, struct weir_slice input, size_t size_max,
                    struct weir_buffer *output);

#endif
