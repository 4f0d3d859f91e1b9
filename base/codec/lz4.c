#include "base/codec/compress_internal.h"

#define LZ4F_STATIC_LINKING_ONLY /* the constructors that take an allocator */
#include <lz4frame.h>
#include <lz4hc.h>

static LZ4F_CustomMem lz4_memory(struct weir_budget *budget)
{
    return (LZ4F_CustomMem){
        .customAlloc = weir_codec_alloc,
        .customFree = weir_codec_free,
        .opaqueState = budget,
    };
}

/* Blocks of 64 KB that stand alone, no content size and no content checksum: what Kafka's Java
 * client writes, and the least that its reader must understand. */
static int lz4_compress(int level, struct weir_slice input, struct weir_buffer *output)
{
    const LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = weir_codec_level(level, 0, 0, LZ4HC_CLEVEL_MAX),
    };
    LZ4F_cctx *encoder =
        LZ4F_createCompressionContext_advanced(lz4_memory(output->budget), LZ4F_VERSION);
    if (encoder == NULL) return WEIR_NO_MEMORY;

    int rc = WEIR_NO_MEMORY;
    size_t bound = LZ4F_compressFrameBound(input.size, &preferences);
    if (!weir_buffer_reserve(output, bound)) goto out;

    size_t size = LZ4F_compressFrame_usingCDict(encoder, output->data + output->size, bound,
                                                input.data, input.size, NULL, &preferences);
    if (LZ4F_isError(size)) goto out; /* with room for the bound, only memory can be missing */
    output->size += size;
    rc = 0;
out:
    LZ4F_freeCompressionContext(encoder);
    return rc;
}

static int lz4_decode(void *decoder, struct weir_slice *input, uint8_t *to, size_t *size)
{
    size_t consumed = input->size;
    size_t hint = LZ4F_decompress(decoder, to, size, input->data, &consumed, NULL);
    if (LZ4F_isError(hint)) {
        return LZ4F_getErrorCode(hint) == LZ4F_ERROR_allocation_failed ? WEIR_NO_MEMORY
                                                                       : WEIR_CORRUPT;
    }
    *input = weir_slice(input->data + consumed, input->size - consumed);
    return hint == 0 ? WEIR_END : 0;
}

static int lz4_decompress(struct weir_slice input, size_t size_end, struct weir_buffer *output)
{
    LZ4F_dctx *decoder =
        LZ4F_createDecompressionContext_advanced(lz4_memory(output->budget), LZ4F_VERSION);
    if (decoder == NULL) return WEIR_NO_MEMORY;
    int rc = weir_decode_all(lz4_decode, decoder, input, 0, size_end, output);
    LZ4F_freeDecompressionContext(decoder);
    return rc;
}

const struct weir_codec_ops weir_codec_lz4 = {
    .name = "lz4",
    .compress = lz4_compress,
    .decompress = lz4_decompress,
};
