#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "wire/record_batch_reader.h"

/*
 * The first record of a time or later. Largest timestamps are in memory per segment; within one the
 * time index names a batch with nothing late enough before it, headers are walked from there, and
 * the records of the first batch that may hold it are looked at one by one, since only they are
 * exact. If they do not (what made the segment a candidate lies below the log's start), the search
 * goes on behind it.
 *
 * For the largest time it is first found out how large that is: from the segments' facts and the
 * index in memory as far as they speak of readable records only, from headers for the rest.
 */

/* ---- begin: the owner's thread --------------------------------------------------------------- */

/* The newest entry in memory with nothing late enough up to its batch. */
static void find_hint(const struct weir_partition_log *log, struct weir_log_time *find)
{
    const struct weir_index_builder *index = &log->index;
    for (size_t i = index->tail_count; i > 0; i--) {
        const struct weir_index_entry *entry = &index->tail[i - 1];
        if (entry->max_timestamp_ms >= find->timestamp_ms) continue;
        find->position = entry->position;
        find->position_offset = entry->last_offset;
        return;
    }
}

static void note_largest(struct weir_log_time *find, int64_t timestamp_ms)
{
    if (timestamp_ms > find->largest_ms) find->largest_ms = timestamp_ms;
}

/* Whether a time that memory knows is a readable record's. Where the log starts within the segment,
 * the record may lie below. */
static bool is_readable(const struct weir_log_time *find, const struct weir_segment *segment,
                        int64_t max_timestamp_offset)
{
    return segment->facts.base_offset >= find->start_offset &&
           max_timestamp_offset < find->offset_bound;
}

/* The newest batch below the bound that memory knows: all before it is known by it. */
static void find_largest_hint(const struct weir_partition_log *log, struct weir_log_time *find)
{
    const struct weir_index_builder *index = &log->index;
    for (size_t i = index->tail_count; i > 0; i--) {
        const struct weir_index_entry *entry = &index->tail[i - 1];
        if (entry->last_offset >= find->offset_bound) continue;
        if (!is_readable(find, weir_log_active(log), entry->max_timestamp_offset)) return;
        note_largest(find, entry->max_timestamp_ms);
        find->position = entry->position;
        find->position_offset = entry->last_offset;
        return;
    }
}

static int prepare(struct weir_partition_log *log, struct weir_log_time *find,
                   struct weir_segment *segment)
{
    int rc = weir_segment_hold(segment, &find->error);
    if (rc < 0) return rc;
    find->segment = segment;
    find->limit = segment->facts.size;
    find->limit_offset = weir_log_segment_end(log, segment);
    find->position = -1;
    find->damaged_offset = -1;
    if (segment != weir_log_active(log)) return WEIR_END;
    if (find->is_largest) {
        find_largest_hint(log, find);
    } else {
        find_hint(log, find);
    }
    return WEIR_END;
}

/* The next segment that may hold it, from `from_offset` on. */
static int begin_from(struct weir_partition_log *log, struct weir_log_time *find,
                      int64_t from_offset)
{
    struct weir_partition_log_state state = weir_partition_log_state(log);
    find->offset_bound = state.is_offline ? state.offline_from : state.end_offset;
    find->start_offset = log->start_offset;
    find->truncations = log->truncations;
    for (size_t i = weir_log_find_segment(log, from_offset); i < log->segment_count; i++) {
        struct weir_segment *segment = log->segments[i];
        if (segment->facts.base_offset >= find->offset_bound) break;
        if (segment->facts.max_timestamp_ms >= find->timestamp_ms) {
            return prepare(log, find, segment);
        }
    }
    return 0;
}

static void reset(struct weir_partition_log *log, struct weir_log_time *find)
{
    find->log = log;
    find->budget = log->budget;
    find->segment = NULL;
    find->offset = -1;
    find->found_ms = WEIR_NO_TIMESTAMP;
}

int weir_log_time_begin(struct weir_partition_log *log, struct weir_log_time *find)
{
    reset(log, find);
    find->rc = begin_from(log, find, log->start_offset);
    return find->rc;
}

/* The next segment whose headers must be looked at, from `from_offset` on; after the last the first
 * record of the largest time is looked for. */
static int begin_largest_from(struct weir_partition_log *log, struct weir_log_time *find,
                              int64_t from_offset)
{
    struct weir_partition_log_state state = weir_partition_log_state(log);
    int64_t end_offset = state.is_offline ? state.offline_from : state.end_offset;
    find->offset_bound = end_offset < find->offset_max ? end_offset : find->offset_max;
    find->start_offset = log->start_offset;
    find->truncations = log->truncations;
    for (size_t i = weir_log_find_segment(log, from_offset); i < log->segment_count; i++) {
        struct weir_segment *segment = log->segments[i];
        const struct weir_segment_facts *facts = &segment->facts;
        if (facts->base_offset >= find->offset_bound) break;
        if (weir_log_segment_end(log, segment) <= from_offset) continue;
        if (facts->max_timestamp_ms <= find->largest_ms) continue;
        if (!is_readable(find, segment, facts->max_timestamp_offset)) {
            return prepare(log, find, segment);
        }
        note_largest(find, facts->max_timestamp_ms);
    }
    find->is_largest = false;
    if (find->largest_ms < 0) return 0;
    find->timestamp_ms = find->largest_ms;
    return begin_from(log, find, log->start_offset);
}

int weir_log_time_begin_largest(struct weir_partition_log *log, struct weir_log_time *find)
{
    reset(log, find);
    find->is_largest = true;
    find->largest_ms = -1;
    find->rc = begin_largest_from(log, find, log->start_offset);
    return find->rc;
}

/* ---- run: any one thread --------------------------------------------------------------------- */

/* Where the walk begins: as the index says, if it tells the truth; else at the segment's start. */
static void choose_start(const struct weir_log_time *find, struct weir_segment_scan_options *start)
{
    struct weir_segment *segment = find->segment;
    struct weir_batch_header header;
    struct weir_index_entry entry = {.position = find->position,
                                     .last_offset = find->position_offset};
    if (find->position >= 0) {
        if (!weir_segment_entry_is_true(segment, &entry, find->limit, &header)) return;
        start->position = entry.position;
        start->expected_offset = header.base_offset;
        return;
    }
    if (find->is_largest) return;
    struct weir_index_files files = {segment->env, segment->directory, segment->facts.base_offset};
    if (weir_index_files_find_time(&files, find->timestamp_ms, &entry) != 0) return;
    if (entry.max_timestamp_offset < segment->facts.base_offset) return;
    struct weir_segment_seek seek = {
        .offset = entry.max_timestamp_offset,
        .limit = find->limit,
        .end_offset = find->limit_offset,
    };
    if (weir_segment_seek(segment, &seek, NULL) != 0) return;
    bool is_true = weir_batch_last_offset(&seek.header) == entry.max_timestamp_offset &&
                   seek.header.max_timestamp_ms == entry.max_timestamp_ms;
    if (!is_true) return;
    start->position = seek.position;
    start->expected_offset = seek.header.base_offset;
}

/* Records of a batch in log-append time have the batch's; the reader sees to it. */
static int search_records(struct weir_log_time *find, struct weir_slice batch)
{
    struct weir_buffer plain;
    struct weir_batch_reader reader = {.rest = batch, .plain = &plain};
    struct weir_record record;
    weir_buffer_init(&plain, find->budget, 0);
    int rc = weir_batch_reader_open_next(&reader, &find->error);
    while (rc == 0 && (rc = weir_batch_reader_record(&reader, &record, &find->error)) == 0) {
        if (record.offset < find->start_offset) continue;
        if (find->is_largest) {
            note_largest(find, record.timestamp_ms);
            continue;
        }
        if (record.timestamp_ms < find->timestamp_ms) continue;
        find->offset = record.offset;
        find->found_ms = record.timestamp_ms;
        break;
    }
    weir_buffer_close(&plain);
    return rc < 0 ? rc : 0;
}

static int search_batch(struct weir_log_time *find, const struct weir_batch_header *header,
                        int64_t position)
{
    const struct weir_segment *segment = find->segment;
    size_t size = weir_batch_size(header);
    uint8_t *bytes = weir_alloc(find->budget, size);
    if (bytes == NULL) return weir_error_set(&find->error, WEIR_NO_MEMORY, "no memory for a batch");
    int64_t got = weir_file_read(segment->kept->file, bytes, size, position, &find->error);
    int rc = got < 0 ? (int)got : 0;
    if (got >= 0 && (size_t)got < size) {
        rc = weir_error_set(&find->error, WEIR_CORRUPT, "a batch ends too early");
    }
    if (rc == 0) rc = search_records(find, weir_slice(bytes, size));
    if (rc == WEIR_CORRUPT) find->damaged_offset = header->base_offset;
    weir_free(bytes);
    return rc;
}

static int walk(struct weir_log_time *find, struct weir_segment_scan *scan)
{
    while (find->offset < 0 && scan->expected_offset < find->offset_bound) {
        struct weir_batch_header header;
        int64_t position;
        int rc = weir_segment_scan_next(scan, &header, &position, &find->error);
        if (rc == WEIR_CORRUPT) find->damaged_offset = scan->expected_offset;
        if (rc != 0) return rc < 0 ? rc : 0;
        if (header.max_timestamp_ms < find->timestamp_ms) continue;
        if (weir_batch_last_offset(&header) < find->start_offset) continue;
        rc = search_batch(find, &header, position);
        if (rc < 0) return rc;
    }
    return 0;
}

/* A header speaks for all records of its batch, but for the one that the log's start is within. */
static int walk_largest(struct weir_log_time *find, struct weir_segment_scan *scan)
{
    while (scan->expected_offset < find->offset_bound) {
        struct weir_batch_header header;
        int64_t position;
        int rc = weir_segment_scan_next(scan, &header, &position, &find->error);
        if (rc == WEIR_CORRUPT) find->damaged_offset = scan->expected_offset;
        if (rc != 0) return rc < 0 ? rc : 0;
        int64_t last_offset = weir_batch_last_offset(&header);
        if (last_offset >= find->offset_bound) return 0;
        if (last_offset < find->start_offset) continue;
        if (header.base_offset >= find->start_offset) {
            note_largest(find, header.max_timestamp_ms);
            continue;
        }
        rc = search_batch(find, &header, position);
        if (rc < 0) return rc;
    }
    return 0;
}

void weir_log_time_run(struct weir_log_time *find)
{
    struct weir_segment *segment = find->segment;
    struct weir_segment_scan_options start = {
        .file = segment->kept->file,
        .budget = find->budget,
        .limit = find->limit,
        .expected_offset = segment->facts.base_offset,
        .end_offset = find->limit_offset,
        .epoch = WEIR_NO_LEADER_EPOCH,
        .is_headers_only = true,
        .has_holes = segment->facts.has_holes,
    };
    choose_start(find, &start);
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, &start);
    find->rc = find->is_largest ? walk_largest(find, &scan) : walk(find, &scan);
    weir_segment_scan_close(&scan);
}

/* ---- end: the owner's thread ----------------------------------------------------------------- */

int weir_log_time_end(struct weir_log_time *find)
{
    struct weir_partition_log *log = find->log;
    weir_segment_release(find->segment);
    find->segment = NULL;
    if (find->truncations != log->truncations) {
        return find->is_largest ? weir_log_time_begin_largest(log, find)
                                : weir_log_time_begin(log, find);
    }
    if (find->rc < 0) {
        if (find->damaged_offset >= 0 && find->rc == WEIR_CORRUPT) {
            weir_partition_log_damaged(log, find->damaged_offset, find->error.text);
        } else if (find->damaged_offset >= 0) {
            weir_log_take_offline(log, find->damaged_offset, find->error.text);
        }
        return weir_error_wrap(&find->error, find->rc, "log '%s': find a time", log->path);
    }
    if (find->is_largest) {
        find->rc = begin_largest_from(log, find, find->limit_offset);
        return find->rc;
    }
    bool is_through = find->offset >= 0 || find->limit_offset >= find->offset_bound;
    find->rc = is_through ? 0 : begin_from(log, find, find->limit_offset);
    return find->rc;
}

int weir_partition_log_find_time(struct weir_partition_log *log, int64_t timestamp_ms,
                                 int64_t *offset_out, int64_t *timestamp_out,
                                 struct weir_error *error)
{
    struct weir_log_time find = {.timestamp_ms = timestamp_ms};
    int rc = weir_log_time_begin(log, &find);
    while (rc == WEIR_END) {
        weir_log_time_run(&find);
        rc = weir_log_time_end(&find);
    }
    if (rc < 0) {
        if (error != NULL) *error = find.error;
        return rc;
    }
    *offset_out = find.offset;
    *timestamp_out = find.found_ms;
    return 0;
}
