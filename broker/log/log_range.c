#include "base/assert.h"
#include "broker/log/log_internal.h"

/*
 * Batches given as a range of their segment's file, which whoever sends them hands to the kernel
 * without reading it. A range begins and ends at a batch. Its two ends are looked at, not what lies
 * between: the index names a batch near the end, and only the headers from there on are walked, so
 * that the cost does not grow with the number of batches.
 *
 * Who reads on begins where a range ended (range_ends.h) and looks at one header there; where no
 * second batch fits, that is all:
 *
 *      first                  entry         end        reach
 *        |batch|batch|.........|batch|batch|batch....|...
 *        1: header             2: headers from here on, from one or two reads
 */

enum {
    WALK_COUNT_MAX = 256,       /* headers; without an index the range is shorter, not slower */
    CACHE_STRETCH = 128 * 1024, /* what is in memory is taken to be so for as much */
    WARM_SIZE = 128 * 1024,     /* a cold range is read through in pieces of this size */
};

/* ---- the receiver's side: any thread --------------------------------------------------------- */

struct weir_file *weir_log_range_file(const struct weir_log_range *range)
{
    const struct weir_segment *segment = range->segment;
    weir_assert(segment != NULL && segment->kept->file != NULL);
    return segment->kept->file;
}

void weir_log_range_release(struct weir_log_range *range)
{
    weir_segment_take_back(range->segment);
    *range = (struct weir_log_range){0};
}

bool weir_log_range_was_cut(const struct weir_log_range *range)
{
    struct weir_segment *segment = range->segment;
    if (segment == NULL || segment->cut_count == range->cut_count) return false;
    /* Of several cuts the deepest counts, were it an older one: seldom, and to the safe side. */
    return segment->cut_size < range->position + range->size;
}

struct weir_log_range_place weir_log_range_place(const struct weir_log_range *range)
{
    const struct weir_segment *segment = range->segment;
    weir_assert(segment != NULL);
    return (struct weir_log_range_place){
        .topic_id = segment->topic_id,
        .partition = segment->partition,
        .last_offset = segment->facts.base_offset + range->last_delta,
    };
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

/* Where a walk stands that may go on: behind the last batch that is allowed. */
struct border {
    int64_t position;
    int64_t offset;
};

/* Begin the walk at the index's entry, if there is one behind the first batch that tells the truth. */
static void skip_ahead(struct weir_segment_scan *scan, const struct weir_log_read *read,
                       int64_t reach, struct border *border)
{
    struct weir_index_entry entry;
    bool is_ahead = find_entry(read, reach, &entry) && entry.position > scan->position &&
                    entry.position <= reach;
    if (!is_ahead || !weir_segment_scan_skip_to(scan, &entry)) return;
    if (scan->expected_offset > offset_end(read)) return;
    *border = (struct border){scan->position, scan->expected_offset};
}

bool weir_log_range_has_room(const struct weir_log_read *read,
                             const struct weir_segment_seek *first)
{
    int64_t end = first->position + (int64_t)weir_batch_size(&first->header);
    return position_end(read, first->position) - end >= WEIR_BATCH_HEADER_SIZE;
}

/* The last border of batches that is allowed; damage ends the range before it, for the next read to
 * find. */
static struct border find_end(const struct weir_log_read *read,
                              const struct weir_segment_seek *first)
{
    const struct weir_segment *segment = read->segment;
    int64_t reach = position_end(read, first->position);
    struct border end = {
        .position = first->position + (int64_t)weir_batch_size(&first->header),
        .offset = weir_batch_last_offset(&first->header) + 1,
    };
    /* The first is given even if it is larger than asked (KIP-74). */
    if (!weir_log_range_has_room(read, first)) return end;
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, &(struct weir_segment_scan_options){
                                      .file = segment->kept->file,
                                      .budget = read->budget,
                                      .position = end.position,
                                      .limit = read->limit,
                                      .expected_offset = end.offset,
                                      .end_offset = read->limit_offset,
                                      .epoch = first->header.leader_epoch,
                                      .is_headers_only = true,
                                      .has_holes = segment->facts.has_holes,
                                  });
    skip_ahead(&scan, read, reach, &end);
    for (int i = 0; i < WALK_COUNT_MAX; i++) {
        struct weir_batch_header header;
        int64_t position;
        if (weir_segment_scan_next(&scan, &header, &position, NULL) != 0) break;
        if (scan.position > reach || scan.expected_offset > offset_end(read)) break;
        if (header.leader_epoch != first->header.leader_epoch) break;
        end = (struct border){scan.position, scan.expected_offset};
    }
    weir_segment_scan_close(&scan);
    return end;
}

int weir_log_range_find(struct weir_log_read *read, const struct weir_segment_seek *first)
{
    struct weir_segment *segment = read->segment;
    if (weir_batch_last_offset(&first->header) >= offset_end(read)) return WEIR_END;
    struct border border = find_end(read, first);
    int64_t end = border.position;
    weir_assert(end > first->position);
    weir_assert(end <= read->limit);
    if ((uint64_t)(end - first->position) < read->range_min) return WEIR_END;
    if (!weir_segment_lend(segment)) return WEIR_END;
    read->range = (struct weir_log_range){
        .segment = segment,
        .position = first->position,
        .size = end - first->position,
        .cut_count = segment->cut_count,
        .last_delta = (uint32_t)(border.offset - 1 - segment->facts.base_offset),
    };
    read->range_end_offset = border.offset;
    read->range_end_position = end;
    read->size = (size_t)read->range.size;
    return 0;
}

/* ---- reading on ------------------------------------------------------------------------------ */

void weir_log_range_note(struct weir_partition_log *log, const struct weir_log_read *read)
{
    const struct weir_segment *segment = read->segment;
    struct weir_range_end end = {
        .segment_base = segment->facts.base_offset,
        .offset = read->range_end_offset,
        .position = read->range_end_position,
    };
    weir_assert(segment != NULL);
    weir_range_ends_note(&log->range_ends, read->offset, &end);
}

/* Of what the range may be, all but its beginning, where a header was found in memory. */
static bool is_rest_cached(const struct weir_log_read *read, int64_t position)
{
    const struct weir_segment *segment = read->segment;
    int64_t end = position_end(read, position);
    int64_t from = end - position > CACHE_STRETCH ? position + CACHE_STRETCH : end - 1;
    return weir_file_is_cached(segment->kept->file, from, end - from);
}

bool weir_log_range_go_on(const struct weir_partition_log *log, const struct weir_log_read *read,
                          struct weir_segment_seek *first_out)
{
    struct weir_segment *segment = read->segment;
    struct weir_batch_header header;
    int64_t position =
        weir_range_ends_find(&log->range_ends, segment->facts.base_offset, read->offset);
    if (position < 0) return false;
    if (!weir_segment_cached_header(segment, position, read->limit, &header)) return false;
    struct weir_batch_place place = {
        .position = position,
        .left = read->limit - position,
        .expected_offset = read->offset, /* behind a hole there is another: the index knows it */
        .end_offset = read->limit_offset,
        .epoch = read->epoch,
    };
    if (weir_batch_check_place(&header, &place, NULL) < 0) return false;
    bool is_epoch_known = read->epoch != WEIR_NO_LEADER_EPOCH;
    if (is_epoch_known && header.leader_epoch != read->epoch) return false;
    *first_out = (struct weir_segment_seek){.header = header, .position = position};
    return is_rest_cached(read, position);
}

/* ---- warming --------------------------------------------------------------------------------- */

int weir_log_range_warm(const struct weir_log_range *range, struct weir_budget *budget,
                        struct weir_error *error)
{
    struct weir_file *file = weir_log_range_file(range);
    if (weir_file_is_cached(file, range->position, range->size)) return 0;
    uint8_t *bytes = weir_alloc(budget, WARM_SIZE);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    int64_t got = 0;
    int64_t at = 0;
    while (at < range->size) {
        int64_t left = range->size - at;
        size_t size = (size_t)(left < WARM_SIZE ? left : WARM_SIZE);
        got = weir_file_read(file, bytes, size, range->position + at, error);
        if (got < (int64_t)size) break;
        at += got;
    }
    weir_free(bytes);
    if (got < 0) return (int)got;
    return at < range->size ? WEIR_END : 0;
}
