#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"

/*
 * Batches copied from their segment into memory, for a reader in this process:
 *
 *      first                                      size_max
 *        |batch|batch|batch ... |batch|bat.........|
 *        one read of the file                  what is cut off, of another epoch or beyond the bound is the next read's
 *
 * By a worker, who may wait for the disk; or in place, by the log's owner, where the page cache has all of it.
 */

/* How many of the bytes are whole batches below the bound that continue one another; where they end is noted. */
static size_t whole_batches(struct weir_log_read *read, const struct weir_shared *bytes,
                            const struct weir_segment_seek *first)
{
    struct weir_batch_place place = {
        .position = first->position,
        .left = read->limit - first->position,
        .expected_offset = first->header.base_offset,
        .end_offset = read->limit_offset,
        .epoch = first->header.leader_epoch,
        .has_holes = ((const struct weir_segment *)read->segment)->facts.has_holes,
    };
    size_t at = 0;
    while (at < bytes->size) {
        struct weir_batch_header header;
        struct weir_slice rest = weir_slice(bytes->data + at, bytes->size - at);
        /* What is cut off here is the next read's. */
        if (weir_batch_peek(rest, INT32_MAX, &header, NULL) < 0) break;
        if (weir_batch_check_place(&header, &place, NULL) < 0) break;
        if (weir_batch_last_offset(&header) >= read->offset_bound) break;
        /* One epoch per read, so that each batch's can be told from the table. */
        bool is_other = header.leader_epoch != read->epoch || header.base_offset >= read->epoch_end;
        if (read->epoch != WEIR_NO_LEADER_EPOCH && is_other) break;
        at += weir_batch_size(&header);
        place.position += (int64_t)weir_batch_size(&header);
        place.left -= (int64_t)weir_batch_size(&header);
        place.expected_offset = weir_batch_last_offset(&header) + 1;
        place.epoch = header.leader_epoch;
    }
    read->range_end_offset = place.expected_offset;
    read->range_end_position = place.position;
    return at;
}

int weir_log_copy_batches(struct weir_log_read *read, const struct weir_segment_seek *first,
                          bool is_in_place)
{
    struct weir_segment *segment = read->segment;
    size_t size = weir_batch_size(&first->header);
    size_t left = (size_t)(read->limit - first->position);
    if (size < read->size_max) size = read->size_max;
    if (size > left) size = left;
    struct weir_shared *bytes = weir_shared_new(read->budget, size);
    if (bytes == NULL) {
        return weir_error_set(&read->error, WEIR_NO_MEMORY, "no memory to read %zu bytes", size);
    }
    struct weir_file *file = segment->kept->file;
    int64_t got = is_in_place
                      ? weir_file_read_cached(file, bytes->data, size, first->position)
                      : weir_file_read(file, bytes->data, size, first->position, &read->error);
    if (is_in_place && got == WEIR_END) got = 0;
    bytes->size = got > 0 ? (size_t)got : 0;
    size_t whole = whole_batches(read, bytes, first);
    if (whole == 0) {
        weir_shared_unref(bytes);
        if (is_in_place) return WEIR_END;
        read->damaged_offset = first->header.base_offset;
        if (got < 0) return (int)got;
        return weir_error_set(&read->error, WEIR_CORRUPT,
                              "the batch of offset %" PRId64 " is not whole", read->offset);
    }
    read->batches.parts[0] = (struct weir_log_part){.bytes = bytes, .from = 0, .size = whole};
    read->batches.part_count = 1;
    read->size = whole;
    return 0;
}

int weir_log_copy_from_disk(struct weir_log_read *read, const struct weir_segment_seek *first)
{
    const struct weir_segment *segment = read->segment;
    int64_t size = (int64_t)weir_batch_size(&first->header);
    weir_file_drop_cache(segment->kept->file, first->position, size);
    read->size_max = 0;
    int rc = weir_log_copy_batches(read, first, false);
    if (rc < 0) return rc;
    const struct weir_log_part *part = &read->batches.parts[0];
    rc = weir_batch_check_crc(weir_log_part_bytes(part), &read->error);
    if (rc == 0) return 0;
    weir_log_read_release(read);
    read->size = 0;
    read->damaged_offset = first->header.base_offset;
    return weir_error_wrap(&read->error, rc, "batch at position %" PRId64, first->position);
}
