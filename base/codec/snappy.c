#include "base/codec/compress_internal.h"

#include <snappy-c.h>

#include "base/bytes.h"

/*
 * Snappy has no framing of its own that Kafka uses. Java clients write xerial's:
 *
 *     magic (8 bytes), version (int32) 1, lowest compatible version (int32) 1
 *     then any number of: compressed size (int32), that many bytes of raw snappy
 *
 * where a new header may stand in place of a block (streams put one behind the other). Others, such
 * as librdkafka, write one raw block. None of those begins with the magic: its first two bytes
 * would be the varint of the plain size, and the third a copy from before the first byte.
 */
static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

enum { XERIAL_VERSION = 1, XERIAL_BLOCK_SIZE = 32 * 1024 };

/* No snappy element gives more than 64 bytes for 3 (a copy with a two-byte offset): a block that
 * declares more than 22 times its size lies, and is refused before anything is allocated for it. */
enum { SNAPPY_RATIO_MAX = 22 };

static int append_block(struct weir_slice plain, struct weir_buffer *output)
{
    size_t size = snappy_max_compressed_length(plain.size);
    if (!weir_buffer_reserve(output, sizeof(uint32_t) + size)) return WEIR_NO_MEMORY;

    uint8_t *to = output->data + output->size;
    snappy_status status =
        snappy_compress((const char *)plain.data, plain.size, (char *)to + sizeof(uint32_t), &size);
    if (status != SNAPPY_OK) return WEIR_NO_MEMORY; /* room is given: not reached */
    weir_store_u32(to, (uint32_t)size);
    output->size += sizeof(uint32_t) + size;
    return 0;
}

static int snappy_compress_xerial(int level, struct weir_slice input, struct weir_buffer *output)
{
    (void)level; /* snappy has none */
    weir_buffer_append(output, xerial_magic, sizeof xerial_magic);
    weir_buffer_u32(output, XERIAL_VERSION);
    weir_buffer_u32(output, XERIAL_VERSION);
    if (output->failed) return WEIR_NO_MEMORY;

    while (input.size > 0) {
        size_t size = input.size < XERIAL_BLOCK_SIZE ? input.size : XERIAL_BLOCK_SIZE;
        int rc = append_block(weir_slice(input.data, size), output);
        if (rc < 0) return rc;
        input = weir_slice(input.data + size, input.size - size);
    }
    return 0;
}

static int decompress_block(struct weir_slice block, size_t size_end, struct weir_buffer *output)
{
    size_t size = 0;
    if (snappy_uncompressed_length((const char *)block.data, block.size, &size) != SNAPPY_OK ||
        size > block.size * SNAPPY_RATIO_MAX) {
        return WEIR_CORRUPT;
    }
    if (size > size_end - output->size) return WEIR_TOO_LARGE;

    uint8_t nothing; /* an empty block is still checked */
    uint8_t *to = size > 0 ? weir_buffer_extend(output, size) : &nothing;
    if (to == NULL) return WEIR_NO_MEMORY;
    snappy_status status =
        snappy_uncompress((const char *)block.data, block.size, (char *)to, &size);
    return status == SNAPPY_OK ? 0 : WEIR_CORRUPT;
}

static bool has_magic(struct weir_slice input)
{
    return input.size >= sizeof xerial_magic &&
           memcmp(input.data, xerial_magic, sizeof xerial_magic) == 0;
}

static void read_header(struct weir_reader *reader)
{
    (void)weir_reader_take(reader, sizeof xerial_magic); /* compared by the caller */
    uint32_t version = weir_reader_u32(reader);
    (void)weir_reader_u32(reader); /* lowest compatible version: Java ignores it, too */
    if (version < XERIAL_VERSION) reader->failed = true;
}

static int decompress_xerial(struct weir_slice input, size_t size_end, struct weir_buffer *output)
{
    struct weir_reader reader = weir_reader(input);
    while (!reader.failed && weir_reader_left(&reader) > 0) {
        if (has_magic(weir_slice(reader.at, weir_reader_left(&reader)))) {
            read_header(&reader);
            continue;
        }
        size_t size = weir_reader_u32(&reader);
        const uint8_t *block = weir_reader_take(&reader, size);
        if (block == NULL) break;
        int rc = decompress_block(weir_slice(block, size), size_end, output);
        if (rc < 0) return rc;
    }
    return reader.failed ? WEIR_CORRUPT : 0;
}

static int snappy_decompress(struct weir_slice input, size_t size_end, struct weir_buffer *output)
{
    if (has_magic(input)) return decompress_xerial(input, size_end, output);
    return decompress_block(input, size_end, output);
}

const struct weir_codec_ops weir_codec_snappy = {
    .name = "snappy",
    .compress = snappy_compress_xerial,
    .decompress = snappy_decompress,
};
