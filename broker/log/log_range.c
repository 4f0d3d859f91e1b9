#include "base/assert.h"
#include "broker/log/log_internal.h"

/*
 * Batches given as a range of their segment's file, which whoever sends them hands to the kernel
 * without reading it. A range begins and ends at a batch. Its two ends are looked at, not what lies
 * between: the index names a batch near the end, and only the headers from there on are walked, so
 * that the cost does not grow with the number of batches.
 */

enum {
    WALK_COUNT_MAX = 256,   /* headers; without an index the range is shorter, not slower */
    WARM_SIZE = 128 * 1024, /* a cold range is read through in pieces of this size */
};

/* ---- the receiver's side: any thread --------------------------------------------------------- */

void weir_log_range_release(struct weir_log_range *range)
{
    weir_segment_release(range->segment);
    *range = (struct weir_log_range){0};
}

bool weir_log_range_was_cut(const struct weir_log_range *range)
{
    struct weir_segment *segment = range->segment;
    if (segment == NULL || segment->cut_count == range->cut_count) return false;
    /* Of several cuts the deepest counts, were it an older one: seldom, and to the safe side. */
    return segment->cut_size < range->position + range->size;
}

/* ---- where a range ends ---------------------------------------------------------------------- */

/* No batch that reaches this offset is in the range: one epoch, nothing above what was asked. */
static int64_t offset_end(const struct weir_log_read *read)
{
    bool ends_early = read->epoch != WEIR_NO_LEADER_EPOCH && read->epoch_end < read->offset_bound;
    return ends_early ? read->epoch_end : read->offset_bound;
}

static int64_t position_end(const struct weir_log_read *read, int64_t position)
{
    uint64_t left = (uint64_t)(read->limit - position);
    return read->size_max < left ? position + (int64_t)read->size_max : read->limit;
}

/* What the index knows nearest below both ends: from memory, or from its file. */
static bool find_entry(const struct weir_log_read *read, int64_t reach,
                       struct weir_index_entry *entry_out)
{
    if (read->position >= 0) {
        *entry_out = (struct weir_index_entry){
            .position = read->end_position,
            .last_offset = read->end_position_offset,
        };
        return true;
    }
    const struct weir_segment *segment = read->segment;
    struct weir_index_files files = {segment->env, segment->directory, segment->facts.base_offset};
    int rc = weir_index_files_find_position(&files, reach, entry_out);
    if (rc == 0 && entry_out->last_offset > offset_end(read)) {
        rc = weir_index_files_find_offset(&files, offset_end(read), entry_out);
    }
    return rc == 0;
}

/* Begin the walk at the index's entry, if there is one behind the first batch that tells the truth;
 * else at the first batch. */
static void choose_start(const struct weir_log_read *read, const struct weir_segment_seek *first,
                         int64_t reach, struct weir_segment_scan_options *start)
{
    struct weir_index_entry entry;
    struct weir_batch_header header;
    bool is_told = find_entry(read, reach, &entry) && entry.position > first->position &&
                   entry.position <= reach;
    bool fits =
        is_told && weir_segment_entry_is_true(read->segment, &entry, read->limit, &header) &&
        header.base_offset > first->header.base_offset && header.base_offset <= offset_end(read) &&
        header.leader_epoch == first->header.leader_epoch;
    if (!fits) return;
    start->position = entry.position;
    start->expected_offset = header.base_offset;
}

/* The last border of batches that is allowed; damage ends the range before it, for the next read to
 * find. An error only if not even the first batch can be walked. */
static int find_end(const struct weir_log_read *read, const struct weir_segment_seek *first,
                    int64_t *end_out, struct weir_error *error)
{
    const struct weir_segment *segment = read->segment;
    int64_t reach = position_end(read, first->position);
    int64_t first_end = first->position + (int64_t)weir_batch_size(&first->header);
    struct weir_segment_scan_options start = {
        .file = segment->kept->file,
        .budget = read->budget,
        .position = first->position,
        .limit = read->limit,
        .expected_offset = first->header.base_offset,
        .end_offset = read->limit_offset,
        .epoch = first->header.leader_epoch,
        .is_headers_only = true,
        .has_holes = segment->facts.has_holes,
    };
    if (reach <= first_end) {
        *end_out = first_end; /* given even if it is larger than asked (KIP-74) */
        return 0;
    }
    choose_start(read, first, reach, &start);
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, &start);
    int64_t end = start.position;
    int rc = 0;
    for (int i = 0; i < WALK_COUNT_MAX; i++) {
        struct weir_batch_header header;
        int64_t position;
        rc = weir_segment_scan_next(&scan, &header, &position, error);
        if (rc != 0 || scan.position > reach) break;
        if (weir_batch_last_offset(&header) >= offset_end(read)) break;
        if (header.leader_epoch != first->header.leader_epoch) break;
        end = scan.position;
    }
    weir_segment_scan_close(&scan);
    if (end == first->position) return rc < 0 ? rc : WEIR_END;
    *end_out = end;
    return 0;
}

int weir_log_range_find(struct weir_log_read *read, const struct weir_segment_seek *first,
                        struct weir_error *error)
{
    struct weir_segment *segment = read->segment;
    int64_t end = 0;
    int rc = find_end(read, first, &end, error);
    if (rc != 0) return rc;
    weir_assert(end > first->position);
    weir_assert(end <= read->limit);
    if ((uint64_t)(end - first->position) < read->range_min) return WEIR_END;
    read->range = (struct weir_log_range){
        .segment = weir_segment_hold_again(segment),
        .file = segment->kept->file,
        .position = first->position,
        .size = end - first->position,
        .cut_count = segment->cut_count,
    };
    read->size = (size_t)read->range.size;
    return 0;
}

int weir_log_range_warm(const struct weir_log_range *range, struct weir_budget *budget,
                        struct weir_error *error)
{
    if (weir_file_is_cached(range->file, range->position, range->size)) return 0;
    uint8_t *bytes = weir_alloc(budget, WARM_SIZE);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    int64_t got = 0;
    for (int64_t at = 0; at < range->size; at += WARM_SIZE) {
        int64_t left = range->size - at;
        size_t size = (size_t)(left < WARM_SIZE ? left : WARM_SIZE);
        got = weir_file_read(range->file, bytes, size, range->position + at, error);
        if (got < 0) break;
    }
    weir_free(bytes);
    return got < 0 ? (int)got : 0;
}
