#include "broker/log/segment_scan.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"

/* Whole batches are read for their crc, headers by hops: small windows then. */
enum { WINDOW_OF_BATCHES = 256 * 1024, WINDOW_OF_HEADERS = 4096 };

void weir_segment_scan_init(struct weir_segment_scan *scan,
                            const struct weir_segment_scan_options *options)
{
    *scan = (struct weir_segment_scan){
        .file = options->file,
        .position = options->position,
        .limit = options->limit,
        .expected_offset = options->expected_offset,
        .end_offset = options->end_offset != 0 ? options->end_offset : INT64_MAX,
        .epoch = options->epoch,
        .check_crc = !options->is_headers_only,
    };
    weir_buffer_init(&scan->window, options->budget, 0);
}

void weir_segment_scan_close(struct weir_segment_scan *scan)
{
    weir_buffer_close(&scan->window);
}

static int refill(struct weir_segment_scan *scan, size_t size, struct weir_error *error)
{
    size_t wish = scan->check_crc ? WINDOW_OF_BATCHES : WINDOW_OF_HEADERS;
    if (wish < size) wish = size;
    if ((int64_t)wish > scan->limit - scan->position) {
        wish = (size_t)(scan->limit - scan->position);
    }
    weir_buffer_reset(&scan->window);
    uint8_t *to = weir_buffer_extend(&scan->window, wish);
    if (to == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "scan '%s': no memory for %zu bytes",
                              scan->file->path, wish);
    }
    int64_t got = weir_file_read(scan->file, to, wish, scan->position, error);
    scan->window.size = got < 0 ? 0 : (size_t)got;
    scan->window_position = scan->position;
    return got < 0 ? (int)got : 0;
}

/* `size` bytes at the scan's position; fewer only at the end of the file. */
static int look(struct weir_segment_scan *scan, size_t size, struct weir_slice *bytes_out,
                struct weir_error *error)
{
    int64_t window_end = scan->window_position + (int64_t)scan->window.size;
    bool is_inside = scan->window.size > 0 && scan->position >= scan->window_position &&
                     scan->position + (int64_t)size <= window_end;
    if (!is_inside) {
        int rc = refill(scan, size, error);
        if (rc < 0) return rc;
    }
    size_t from = (size_t)(scan->position - scan->window_position);
    size_t left = scan->window.size - from;
    *bytes_out = weir_slice(scan->window.data + from, left < size ? left : size);
    return 0;
}

int weir_batch_check_place(const struct weir_batch_header *header,
                           const struct weir_batch_place *place, struct weir_error *error)
{
    if ((int64_t)weir_batch_size(header) > place->left) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " is %zu bytes long, %" PRId64
                              " are there",
                              place->position, weir_batch_size(header), place->left);
    }
    if (header->base_offset != place->expected_offset) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " has offset %" PRId64 ", not %" PRId64,
                              place->position, header->base_offset, place->expected_offset);
    }
    if (header->last_offset_delta >= place->end_offset - header->base_offset) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " reaches %" PRId64
                              ", where the segment ends at %" PRId64,
                              place->position, weir_batch_last_offset(header), place->end_offset);
    }
    if (header->leader_epoch < place->epoch) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " has epoch %" PRId32
                              ", older than %" PRId32,
                              place->position, header->leader_epoch, place->epoch);
    }
    return 0;
}

/* The header at the position; what is not one is WEIR_CORRUPT. */
static int take_header(struct weir_segment_scan *scan, struct weir_batch_header *header,
                       struct weir_error *error)
{
    struct weir_slice bytes;
    int rc = look(scan, WEIR_BATCH_HEADER_SIZE, &bytes, error);
    if (rc < 0) return rc;
    if (bytes.size < WEIR_BATCH_HEADER_SIZE) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "position %" PRId64 ": %zu bytes are less than a batch header",
                              scan->position, bytes.size);
    }
    rc = weir_batch_peek(bytes, INT32_MAX, header, error);
    if (rc == WEIR_TRUNCATED) rc = 0; /* the header is there, and only that was asked for */
    if (rc < 0) return weir_error_wrap(error, rc, "position %" PRId64, scan->position);
    struct weir_batch_place place = {
        .position = scan->position,
        .left = scan->limit - scan->position,
        .expected_offset = scan->expected_offset,
        .end_offset = scan->end_offset,
        .epoch = scan->epoch,
    };
    return weir_batch_check_place(header, &place, error);
}

static int check_whole(struct weir_segment_scan *scan, const struct weir_batch_header *header,
                       struct weir_error *error)
{
    struct weir_slice batch;
    int rc = look(scan, weir_batch_size(header), &batch, error);
    if (rc < 0) return rc;
    if (batch.size < weir_batch_size(header)) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " ends after %zu of %zu bytes",
                              scan->position, batch.size, weir_batch_size(header));
    }
    rc = weir_batch_check_crc(batch, error);
    if (rc == 0) return 0;
    scan->was_whole = true;
    return weir_error_wrap(error, rc, "batch at position %" PRId64, scan->position);
}

int weir_segment_scan_next(struct weir_segment_scan *scan, struct weir_batch_header *header_out,
                           int64_t *position_out, struct weir_error *error)
{
    if (scan->position == scan->limit) return WEIR_END;
    weir_assert(scan->position < scan->limit);
    struct weir_batch_header header;
    int rc = take_header(scan, &header, error);
    if (rc < 0) return rc;
    if (scan->check_crc) {
        rc = check_whole(scan, &header, error);
        if (rc < 0) return rc;
    }
    *header_out = header;
    *position_out = scan->position;
    scan->position += (int64_t)weir_batch_size(&header);
    scan->expected_offset = weir_batch_last_offset(&header) + 1;
    scan->epoch = header.leader_epoch;
    return 0;
}
