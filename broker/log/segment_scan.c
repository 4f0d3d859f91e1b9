#include "broker/log/segment_scan.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

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
        .epochs = options->epochs,
        .epochs_end = options->epochs_end,
        .corrects_epochs = options->corrects_epochs,
        .check_crc = !options->is_headers_only,
        .has_holes = options->has_holes,
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
    bool may_follow = header->base_offset == place->expected_offset ||
                      (place->has_holes && header->base_offset > place->expected_offset);
    if (!may_follow) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " has offset %" PRId64 ", not %" PRId64
                              "%s",
                              place->position, header->base_offset, place->expected_offset,
                              place->has_holes ? " or a later one" : "");
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

/* The epoch that a batch of that offset has; its own where the table does not know. */
static int32_t epoch_of(const struct weir_segment_scan *scan,
                        const struct weir_batch_header *header)
{
    int64_t end;
    if (scan->epochs == NULL || header->base_offset >= scan->epochs_end)
        return header->leader_epoch;
    int32_t epoch = weir_leader_epochs_at(scan->epochs, header->base_offset, &end);
    return epoch == WEIR_NO_LEADER_EPOCH ? header->leader_epoch : epoch;
}

/*
 * Is what the file has left just what the crc was made of? Then the batch is whole and its length is not, which lies outside
 * the crc: no write that was cut short looks so.
 */
static int is_whole_but_for_length(struct weir_segment_scan *scan,
                                   const struct weir_batch_header *header, bool *is_whole_out,
                                   struct weir_error *error)
{
    int64_t at = scan->position + WEIR_BATCH_CRC_FROM;
    uint32_t crc = 0;
    *is_whole_out = false;
    weir_buffer_reset(&scan->window); /* the next look fills it again */
    uint8_t *to = weir_buffer_extend(&scan->window, WINDOW_OF_BATCHES);
    scan->window.size = 0;
    if (to == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "scan '%s': no memory for %d bytes",
                              scan->file->path, WINDOW_OF_BATCHES);
    }
    while (at < scan->limit) {
        int64_t left = scan->limit - at;
        size_t wish = left < WINDOW_OF_BATCHES ? (size_t)left : WINDOW_OF_BATCHES;
        int64_t got = weir_file_read(scan->file, to, wish, at, error);
        if (got <= 0) return (int)got;
        crc = weir_crc32c(crc, to, (size_t)got);
        at += got;
    }
    *is_whole_out = crc == header->crc;
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
        scan->is_cut_short = true;
        return weir_error_set(error, WEIR_CORRUPT,
                              "position %" PRId64 ": %zu bytes are less than a batch header",
                              scan->position, bytes.size);
    }
    rc = weir_batch_peek_header(bytes, INT32_MAX, header, error);
    if (rc < 0) return weir_error_wrap(error, rc, "position %" PRId64, scan->position);
    int32_t epoch_there = header->leader_epoch;
    header->leader_epoch = epoch_of(scan, header);
    scan->is_epoch_wrong = header->leader_epoch != epoch_there;
    struct weir_batch_place place = {
        .position = scan->position,
        .left = scan->limit - scan->position,
        .expected_offset = scan->expected_offset,
        .end_offset = scan->end_offset,
        .epoch = scan->epoch,
        .has_holes = scan->has_holes,
    };
    rc = weir_batch_check_place(header, &place, error);
    place.left = INT64_MAX;
    scan->is_cut_short = rc < 0 && weir_batch_check_place(header, &place, NULL) == 0;
    if (scan->is_cut_short && scan->check_crc) {
        int read = is_whole_but_for_length(scan, header, &scan->was_whole, error);
        if (read < 0) return read;
        scan->is_cut_short = !scan->was_whole;
    }
    if (rc == 0 && scan->is_epoch_wrong && !scan->corrects_epochs) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "batch at position %" PRId64 " has epoch %" PRId32 ", not %" PRId32,
                              scan->position, epoch_there, header->leader_epoch);
    }
    return rc;
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
    scan->met_hole |= header.base_offset > scan->expected_offset;
    scan->expected_offset = weir_batch_last_offset(&header) + 1;
    scan->epoch = header.leader_epoch;
    return 0;
}

/* The marker in the batch that was given last. WEIR_END: it is none. */
static int read_marker(const struct weir_segment_scan *scan, const struct weir_batch_header *header,
                       struct weir_transaction_marker *marker_out, struct weir_error *error)
{
    enum { SIZE_MAX_OF_MARKER = 1024 }; /* 78, and whatever a later version of its record adds */
    uint8_t bytes[SIZE_MAX_OF_MARKER];
    size_t size = weir_batch_size(header);
    bool may_be = weir_batch_is_control(header) && header->producer_id >= 0;
    if (!may_be || size > sizeof bytes) return WEIR_END;
    int64_t position = scan->position - (int64_t)size;
    int64_t got = weir_file_read(scan->file, bytes, size, position, error);
    if (got < 0) return (int)got;
    if ((size_t)got < size) return WEIR_CORRUPT;
    struct weir_slice batch = weir_slice(bytes, size);
    int rc = weir_batch_check_crc(batch, NULL);
    return rc < 0 ? rc : weir_batch_read_marker(batch, header, marker_out, NULL);
}

int weir_segment_scan_note_producer(const struct weir_segment_scan *scan,
                                    const struct weir_batch_header *header,
                                    struct weir_producer_state *producers, struct weir_mono now,
                                    struct weir_transaction_end *end_out, struct weir_error *error)
{
    struct weir_transaction_marker marker;
    *end_out = (struct weir_transaction_end){0};
    int rc = read_marker(scan, header, &marker, error);
    if (rc == 0) {
        *end_out = weir_producer_state_end_transaction(producers, header, &marker, now);
        return 0;
    }
    if (rc < 0 && rc != WEIR_CORRUPT) return rc;
    weir_producer_state_add(producers, header, now);
    return 0;
}

bool weir_segment_scan_skip_to(struct weir_segment_scan *scan, const struct weir_index_entry *entry)
{
    const int64_t position = scan->position;
    struct weir_slice bytes;
    struct weir_batch_header header;
    weir_assert(entry->position > position);
    if (entry->position > scan->limit - WEIR_BATCH_HEADER_SIZE) return false;
    scan->position = entry->position;
    bool is_true = look(scan, WEIR_BATCH_HEADER_SIZE, &bytes, NULL) == 0 &&
                   weir_batch_peek_header(bytes, INT32_MAX, &header, NULL) == 0 &&
                   weir_batch_last_offset(&header) == entry->last_offset &&
                   header.base_offset >= scan->expected_offset &&
                   header.leader_epoch == scan->epoch &&
                   (int64_t)weir_batch_size(&header) <= scan->limit - scan->position;
    if (is_true) {
        scan->expected_offset = header.base_offset;
    } else {
        scan->position = position;
    }
    return is_true;
}

/* ---- finding the next one -------------------------------------------------------------------- */

/* Bytes made to look like headers, one in each other, must not cost the square of their number. */
enum {
    MAGIC_AT = 16,
    SEARCH_WINDOW = 1024 * 1024,
    CRC_SHARE = 64,
    CRC_BYTES_MIN = 256 * 1024 * 1024
};

struct search {
    const struct weir_batch_search *asked;
    struct weir_buffer window;
    struct weir_buffer batch;
    int64_t window_position;
    int64_t crc_bytes_left;
};

static int search_read(struct search *search, struct weir_buffer *to, int64_t position,
                       int64_t size, struct weir_error *error)
{
    weir_buffer_reset(to);
    uint8_t *bytes = weir_buffer_extend(to, (size_t)size);
    if (bytes == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "look for a batch: no memory for %lld bytes",
                              (long long)size);
    }
    int64_t got = weir_file_read(search->asked->file, bytes, (size_t)size, position, error);
    if (got < 0) return (int)got;
    to->size = (size_t)got;
    return 0;
}

static bool looks_right(const struct weir_batch_search *asked, struct weir_slice bytes,
                        int64_t position, struct weir_batch_header *header)
{
    if (bytes.data[MAGIC_AT] != WEIR_BATCH_MAGIC) return false;
    if (weir_batch_peek_header(bytes, INT32_MAX, header, NULL) < 0) return false;
    return header->base_offset >= asked->offset_min &&
           header->base_offset - asked->offset_min <= INT32_MAX &&
           header->leader_epoch >= asked->epoch_min &&
           (int64_t)weir_batch_size(header) <= asked->limit - position;
}

/* 0: a whole batch begins there. WEIR_CORRUPT: none does. WEIR_END: enough of this. */
static int try_at(struct search *search, size_t at, struct weir_batch_header *header,
                  struct weir_error *error)
{
    struct weir_slice rest = weir_slice(search->window.data + at, search->window.size - at);
    int64_t position = search->window_position + (int64_t)at;
    if (!looks_right(search->asked, rest, position, header)) return WEIR_CORRUPT;
    size_t size = weir_batch_size(header);
    search->crc_bytes_left -= (int64_t)size;
    if (search->crc_bytes_left < 0) return WEIR_END;
    if (size > rest.size) {
        int rc = search_read(search, &search->batch, position, (int64_t)size, error);
        if (rc < 0) return rc;
        rest = weir_buffer_slice(&search->batch);
        if (rest.size < size) return WEIR_CORRUPT;
    }
    return weir_batch_check_crc(weir_slice(rest.data, size), NULL);
}

/* Every place of the window at which a header fits; WEIR_CORRUPT if none holds a batch. */
static int search_window(struct search *search, struct weir_batch_header *header, size_t *at_out,
                         struct weir_error *error)
{
    for (size_t at = 0; at + WEIR_BATCH_HEADER_SIZE <= search->window.size; at++) {
        int rc = try_at(search, at, header, error);
        if (rc == 0) *at_out = at;
        if (rc != WEIR_CORRUPT) return rc;
    }
    return WEIR_CORRUPT;
}

int weir_segment_find_batch(const struct weir_batch_search *asked,
                            struct weir_batch_header *header_out, int64_t *position_out,
                            struct weir_error *error)
{
    struct search search = {
        .asked = asked,
        .window_position = asked->position,
        .crc_bytes_left = CRC_BYTES_MIN + CRC_SHARE * (asked->limit - asked->position),
    };
    struct weir_batch_header header;
    int rc = WEIR_CORRUPT;
    weir_buffer_init(&search.window, asked->budget, 0);
    weir_buffer_init(&search.batch, asked->budget, 0);
    while (rc == WEIR_CORRUPT) {
        size_t at = 0;
        int64_t left = asked->limit - search.window_position;
        if (left < WEIR_BATCH_HEADER_SIZE) break;
        rc = search_read(&search, &search.window, search.window_position,
                         left < SEARCH_WINDOW ? left : SEARCH_WINDOW, error);
        if (rc < 0 || search.window.size < WEIR_BATCH_HEADER_SIZE) break;
        rc = search_window(&search, &header, &at, error);
        if (rc == 0) {
            *header_out = header;
            *position_out = search.window_position + (int64_t)at;
        }
        /* The next window begins with the first place that this one could not look at. */
        search.window_position += (int64_t)(search.window.size - WEIR_BATCH_HEADER_SIZE + 1);
    }
    weir_buffer_close(&search.window);
    weir_buffer_close(&search.batch);
    return rc == WEIR_CORRUPT ? WEIR_END : rc;
}
