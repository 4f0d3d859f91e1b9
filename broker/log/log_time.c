#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"

/* What a compressed batch may unfold to while its timestamps are looked at. */
enum { PLAIN_SIZE_MAX = 256 * 1024 * 1024 };

struct time_search {
    struct weir_partition_log *log;
    int64_t timestamp_ms;
    int64_t offset_bound; /* exclusive */
    int64_t offset;       /* found; -1: not yet */
    int64_t found_ms;
};

/* The last place known to have nothing late enough before it. */
static void choose_start(const struct time_search *search, struct weir_segment *segment,
                         struct weir_segment_scan_options *start)
{
    const struct weir_index_builder *index = &search->log->index;
    struct weir_batch_header header;
    if (segment->facts.base_offset == index->base_offset) {
        for (size_t i = index->tail_count; i > 0; i--) {
            const struct weir_index_entry *entry = &index->tail[i - 1];
            if (entry->max_timestamp_ms >= search->timestamp_ms) continue;
            if (!weir_segment_entry_is_true(segment, entry, start->limit, &header)) break;
            start->position = entry->position;
            start->expected_offset = header.base_offset;
            return;
        }
    }
    struct weir_index_files files = {segment->env, segment->directory, segment->facts.base_offset};
    struct weir_index_entry entry;
    if (weir_index_files_find_time(&files, search->timestamp_ms, &entry) != 0) return;
    if (entry.max_timestamp_offset < segment->facts.base_offset) return;
    struct weir_segment_seek seek = {
        .offset = entry.max_timestamp_offset,
        .limit = start->limit,
        .end_offset = start->end_offset,
    };
    if (weir_segment_seek(segment, &seek, NULL) != 0) return;
    bool is_true = weir_batch_last_offset(&seek.header) == entry.max_timestamp_offset &&
                   seek.header.max_timestamp_ms == entry.max_timestamp_ms;
    if (!is_true) return;
    start->position = seek.position;
    start->expected_offset = seek.header.base_offset;
}

static int search_records(struct time_search *search, struct weir_slice batch,
                          struct weir_error *error)
{
    struct weir_buffer plain;
    struct weir_batch_iterator iterator;
    struct weir_record record;
    weir_buffer_init(&plain, search->log->budget, 0);
    int rc = weir_batch_check_crc(batch, error);
    if (rc < 0) goto out;

    rc = weir_batch_iterate(&iterator, batch, &plain, PLAIN_SIZE_MAX, NULL, error);
    if (rc < 0) goto out;

    while ((rc = weir_batch_next(&iterator, &record, error)) == 0) {
        if (record.timestamp_ms < search->timestamp_ms) continue;
        if (record.offset < search->log->start_offset) continue;
        search->offset = record.offset;
        search->found_ms = record.timestamp_ms;
        break;
    }
    if (rc == WEIR_END) rc = 0;
out:
    weir_buffer_close(&plain);
    return rc;
}

static int search_batch(struct time_search *search, struct weir_segment *segment,
                        const struct weir_batch_header *header, int64_t position,
                        struct weir_error *error)
{
    struct weir_partition_log *log = search->log;
    size_t size = weir_batch_size(header);
    uint8_t *bytes = weir_alloc(log->budget, size);
    if (bytes == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a batch");
    int64_t got = weir_file_read(segment->file, bytes, size, position, error);
    int rc = got < 0 ? (int)got : 0;
    if (got >= 0 && (size_t)got < size) {
        rc = weir_error_set(error, WEIR_CORRUPT, "a batch ends too early");
    }
    if (rc == 0) rc = search_records(search, weir_slice(bytes, size), error);
    if (rc == WEIR_CORRUPT) {
        weir_partition_log_damaged(log, header->base_offset, "a batch's crc does not fit");
    }
    weir_free(bytes);
    return rc;
}

static int search_segment(struct time_search *search, struct weir_segment *segment,
                          struct weir_error *error)
{
    int rc = weir_segment_open_file(segment, error);
    if (rc < 0) return rc;
    struct weir_segment_scan_options start = {
        .file = segment->file,
        .budget = segment->budget,
        .limit = segment->facts.size,
        .expected_offset = segment->facts.base_offset,
        .end_offset = weir_log_segment_end(search->log, segment),
        .epoch = WEIR_NO_LEADER_EPOCH,
        .is_headers_only = true,
    };
    choose_start(search, segment, &start);
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, &start);
    while (search->offset < 0) {
        struct weir_batch_header header;
        int64_t position;
        if (scan.expected_offset >= search->offset_bound) break;
        rc = weir_segment_scan_next(&scan, &header, &position, error);
        if (rc != 0) break;
        if (header.max_timestamp_ms < search->timestamp_ms) continue;
        if (weir_batch_last_offset(&header) < search->log->start_offset) continue;
        rc = search_batch(search, segment, &header, position, error);
        if (rc < 0) break;
    }
    if (rc == WEIR_CORRUPT && search->log->offline_from < 0) {
        weir_partition_log_damaged(search->log, scan.expected_offset, "a header does not fit");
    }
    weir_segment_scan_close(&scan);
    return rc == WEIR_END ? 0 : rc;
}

int weir_partition_log_find_time(struct weir_partition_log *log, int64_t timestamp_ms,
                                 int64_t *offset_out, int64_t *timestamp_out,
                                 struct weir_error *error)
{
    struct weir_partition_log_state state = weir_partition_log_state(log);
    struct time_search search = {
        .log = log,
        .timestamp_ms = timestamp_ms,
        .offset_bound = state.is_offline ? state.offline_from : state.end_offset,
        .offset = -1,
        .found_ms = -1,
    };
    for (size_t i = weir_log_find_segment(log, log->start_offset);
         i < log->segment_count && search.offset < 0; i++) {
        struct weir_segment *segment = log->segments[i];
        if (segment->facts.base_offset >= search.offset_bound) break;
        if (segment->facts.max_timestamp_ms < timestamp_ms) continue;
        int rc = search_segment(&search, segment, error);
        if (rc < 0) return weir_error_wrap(error, rc, "log '%s': find a time", log->path);
    }
    *offset_out = search.offset;
    *timestamp_out = search.found_ms;
    return 0;
}
