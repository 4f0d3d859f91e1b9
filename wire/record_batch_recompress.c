#include "wire/record_batch.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_internal.h"

/* The records of a batch under another codec. They are not looked at, only unpacked and packed, so
 * whatever is in them stays: deltas, nulls, headers, holes. */

static int pack(enum weir_codec codec, int level, struct weir_slice records, struct weir_buffer *to)
{
    if (codec != WEIR_CODEC_NONE) return weir_compress(codec, level, records, to);
    weir_buffer_append(to, records.data, records.size);
    return to->failed ? WEIR_NO_MEMORY : 0;
}

static int write_batch(const struct weir_batch_header *header, struct weir_slice records,
                       const struct weir_batch_recompress *options, struct weir_buffer *to,
                       struct weir_error *error)
{
    size_t from = to->size;
    int rc = weir_buffer_extend(to, WEIR_BATCH_HEADER_SIZE) != NULL ? 0 : WEIR_NO_MEMORY;
    if (rc == 0) rc = pack(options->codec, options->level, records, to);
    if (rc == 0 && to->size - from > INT32_MAX) rc = WEIR_TOO_LARGE;
    if (rc < 0) {
        return weir_error_set(error, rc, "record batch: %zu bytes of records as %s: %s",
                              records.size, weir_codec_name((int)options->codec),
                              weir_code_text(rc));
    }
    struct weir_batch_header anew = *header;
    anew.length = (int32_t)(to->size - from - WEIR_BATCH_OVERHEAD);
    anew.attributes =
        (int16_t)((header->attributes & ~WEIR_BATCH_CODEC_MASK) | (int)options->codec);
    weir_batch_store_header(to->data + from, &anew);
    return 0;
}

int weir_batch_recompress(struct weir_slice batch, const struct weir_batch_recompress *options,
                          struct weir_buffer *to, struct weir_error *error)
{
    struct weir_batch_header header;
    struct weir_slice records;
    struct weir_buffer plain;
    size_t from = to->size;
    weir_assert((int)options->codec < (int)WEIR_CODEC_COUNT);
    weir_assert(!to->failed); /* a failure of its own is told from that */
    weir_buffer_init(&plain, to->budget, 0);
    int rc = weir_batch_peek(batch, 0, &header, error);
    if (rc == 0) {
        rc = weir_batch_open_records(&header, batch, &plain, options->plain_size_max, &records,
                                     error);
    }
    if (rc == 0) rc = write_batch(&header, records, options, to, error);
    if (rc < 0) {
        to->size = from;
        to->failed = false;
    }
    weir_buffer_close(&plain);
    return rc;
}
