#include "base/codec/compress_internal.h"

#include <string.h>
#include <zlib.h>

#include "base/assert.h"

/* 15 bits of window (32 KiB), and 16 for "a gzip header, nothing else". */
enum { GZIP_WINDOW_BITS = 15 + 16, GZIP_MEMORY_LEVEL = 8 };

static voidpf gzip_alloc(voidpf opaque, uInt count, uInt size)
{
    return weir_codec_alloc(opaque, (size_t)count * size);
}

static z_stream gzip_stream(struct weir_budget *budget)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    stream.zalloc = gzip_alloc;
    stream.zfree = weir_codec_free;
    stream.opaque = budget;
    return stream;
}

static int gzip_compress(int level, struct weir_slice input, struct weir_buffer *output)
{
    z_stream stream = gzip_stream(output->budget);
    level = weir_codec_level(level, Z_DEFAULT_COMPRESSION, Z_DEFAULT_COMPRESSION, 9);
    if (deflateInit2(&stream, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return WEIR_NO_MEMORY;
    }

    int rc = WEIR_NO_MEMORY;
    size_t bound = deflateBound(&stream, input.size);
    if (!weir_buffer_reserve(output, bound)) goto out;

    stream.next_in = (Bytef *)(uintptr_t)input.data; /* zlib only reads it */
    stream.avail_in = (uInt)input.size;
    stream.next_out = output->data + output->size;
    stream.avail_out = (uInt)bound;
    int status = deflate(&stream, Z_FINISH);
    weir_assert(status == Z_STREAM_END); /* the bound is zlib's own */
    output->size += bound - stream.avail_out;
    rc = 0;
out:
    deflateEnd(&stream);
    return rc;
}

/* One call of inflate counts in unsigned int. */
static uInt clip(size_t size)
{
    return size < UINT32_MAX / 2 ? (uInt)size : UINT32_MAX / 2;
}

static int gzip_status(int status)
{
    switch (status) {
    case Z_OK:
    case Z_BUF_ERROR: /* no progress; weir_decode_all sees that */
        return 0;
    case Z_STREAM_END:
        return WEIR_END;
    case Z_MEM_ERROR:
        return WEIR_NO_MEMORY;
    default: /* Z_DATA_ERROR, Z_NEED_DICT */
        return WEIR_CORRUPT;
    }
}

static int gzip_decode(void *decoder, struct weir_slice *input, uint8_t *to, size_t *size)
{
    z_stream *stream = decoder;
    const uInt input_size = clip(input->size);
    const uInt room = clip(*size);

    stream->next_in = (Bytef *)(uintptr_t)input->data; /* zlib only reads it */
    stream->avail_in = input_size;
    stream->next_out = to;
    stream->avail_out = room;
    int rc = gzip_status(inflate(stream, Z_NO_FLUSH));

    *input = weir_slice(stream->next_in, input->size - (input_size - stream->avail_in));
    *size = room - stream->avail_out;
    if (rc == WEIR_END) inflateReset(stream); /* another member may follow */
    return rc;
}

static int gzip_decompress(struct weir_slice input, size_t size_end, struct weir_buffer *output)
{
    z_stream stream = gzip_stream(output->budget);
    if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK) return WEIR_NO_MEMORY;
    int rc = weir_decode_all(gzip_decode, &stream, input, 0, size_end, output);
    inflateEnd(&stream);
    return rc;
}

const struct weir_codec_ops weir_codec_gzip = {
    .name = "gzip",
    .compress = gzip_compress,
    .decompress = gzip_decompress,
};
