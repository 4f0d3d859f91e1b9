#include "base/codec/compress_internal.h"

#define ZSTD_STATIC_LINKING_ONLY /* the constructors that take an allocator */
#include <zstd.h>
#include <zstd_errors.h>

/* 8 MiB: all that level 19 needs by default, and a bound on what a frame makes us allocate. */
enum { ZSTD_WINDOW_LOG_MAX = 23, ZSTD_LEVEL_WITHIN_WINDOW = 19 };

static ZSTD_customMem zstd_memory(struct weir_budget *budget)
{
    return (ZSTD_customMem){
        .customAlloc = weir_codec_alloc,
        .customFree = weir_codec_free,
        .opaque = budget,
    };
}

static int zstd_code(size_t result)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return WEIR_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        return WEIR_TOO_LARGE;
    default:
        return WEIR_CORRUPT;
    }
}

/* Levels above 19 open windows that our own reader, and Kafka's, would refuse. */
static void zstd_set_level(ZSTD_CCtx *encoder, int level)
{
    level = weir_codec_level(level, ZSTD_CLEVEL_DEFAULT, ZSTD_minCLevel(), ZSTD_maxCLevel());
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_compressionLevel, level);
    if (level > ZSTD_LEVEL_WITHIN_WINDOW) {
        ZSTD_CCtx_setParameter(encoder, ZSTD_c_windowLog, ZSTD_WINDOW_LOG_MAX);
    }
}

static int zstd_compress(int level, struct weir_slice input, struct weir_buffer *output)
{
    ZSTD_CCtx *encoder = ZSTD_createCCtx_advanced(zstd_memory(output->budget));
    if (encoder == NULL) return WEIR_NO_MEMORY;
    zstd_set_level(encoder, level);

    int rc = WEIR_NO_MEMORY;
    size_t bound = ZSTD_compressBound(input.size);
    if (!weir_buffer_reserve(output, bound)) goto out;

    size_t size =
        ZSTD_compress2(encoder, output->data + output->size, bound, input.data, input.size);
    if (ZSTD_isError(size)) goto out; /* with room for the bound, only memory can be missing */
    output->size += size;
    rc = 0;
out:
    ZSTD_freeCCtx(encoder);
    return rc;
}

static int zstd_decode(void *decoder, struct weir_slice *input, uint8_t *to, size_t *size)
{
    ZSTD_inBuffer in = {.src = input->data, .size = input->size};
    ZSTD_outBuffer out = {.dst = to, .size = *size};
    size_t hint = ZSTD_decompressStream(decoder, &out, &in);
    if (ZSTD_isError(hint)) return zstd_code(hint);

    *input = weir_slice(input->data + in.pos, input->size - in.pos);
    *size = out.pos;
    return hint == 0 ? WEIR_END : 0;
}

/* With room for a whole frame zstd decodes straight into it, without a window of its own. */
static size_t zstd_size_hint(struct weir_slice input)
{
    unsigned long long size = ZSTD_getFrameContentSize(input.data, input.size);
    return size < ZSTD_CONTENTSIZE_ERROR && size <= SIZE_MAX ? (size_t)size : 0;
}

static int zstd_decompress(struct weir_slice input, size_t size_end, struct weir_buffer *output)
{
    ZSTD_DCtx *decoder = ZSTD_createDCtx_advanced(zstd_memory(output->budget));
    if (decoder == NULL) return WEIR_NO_MEMORY;
    ZSTD_DCtx_setParameter(decoder, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);

    int rc = weir_decode_all(zstd_decode, decoder, input, zstd_size_hint(input), size_end, output);
    ZSTD_freeDCtx(decoder);
    return rc;
}

const struct weir_codec_ops weir_codec_zstd = {
    .name = "zstd",
    .compress = zstd_compress,
    .decompress = zstd_decompress,
};
