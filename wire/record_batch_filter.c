#include "wire/record_batch.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_internal.h"
#include "wire/record_batch_reader.h"

/*
 * The records that stay are copied as they lie there: their deltas count from the batch's first offset and
 * base timestamp, and neither moves. Only a delete horizon takes the base timestamp's place; then the time of each
 * record is written anew, and the rest of it is copied again.
 */

static bool has_horizon(const struct weir_batch_header *header)
{
    return (header->attributes & WEIR_BATCH_DELETE_HORIZON) != 0;
}

static int no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "record batch: no memory for what is left of it");
}

/* ---- which stay ------------------------------------------------------------------------------ */

/* Largest of what is kept; as everywhere, that of nothing but times before 1970 is none. */
static void note_kept(struct weir_batch_filter *filter, const struct weir_record *record,
                      int64_t *max_timestamp_ms)
{
    filter->kept_count++;
    if (weir_slice_is_null(record->value)) filter->kept_tombstones++;
    if (record->timestamp_ms > *max_timestamp_ms) *max_timestamp_ms = record->timestamp_ms;
}

static int choose(struct weir_batch_reader *reader, struct weir_batch_filter *filter,
                  int64_t *max_timestamp_ms, struct weir_error *error)
{
    struct weir_record record;
    int rc;
    const uint8_t *from = reader->at;
    weir_buffer_reset(filter->records);
    while ((rc = weir_batch_reader_record(reader, &record, error)) == 0) {
        if (filter->keeps == NULL || filter->keeps(filter->context, &record)) {
            weir_buffer_append(filter->records, from, (size_t)(reader->at - from));
            note_kept(filter, &record, max_timestamp_ms);
        }
        from = reader->at;
    }
    if (rc < 0) return rc;
    return filter->records->failed ? no_memory(error) : 0;
}

/* ---- the horizon ----------------------------------------------------------------------------- */

/* One record, its time counted from `horizon_ms`. False: so far from it no delta reaches. */
static bool date_record(const struct weir_batch_header *header, const uint8_t **at,
                        const uint8_t *end, int64_t horizon_ms, struct weir_buffer *to)
{
    struct weir_record_frame frame;
    const uint8_t *rest = weir_record_read_frame(*at, end, &frame);
    weir_assert(rest != NULL); /* it was read before */
    int64_t time;
    int64_t delta;
    if (__builtin_add_overflow(header->base_timestamp_ms, frame.timestamp_delta, &time)) {
        return false; /* of a batch in log-append time, whose deltas nobody reads */
    }
    if (__builtin_sub_overflow(time, horizon_ms, &delta)) return false;
    uint8_t deltas[WEIR_VARINT64_SIZE_MAX + WEIR_VARINT32_SIZE_MAX];
    size_t size = weir_varint_store(deltas, weir_zigzag(delta));
    size += weir_varint_store(deltas + size, weir_zigzag(frame.offset_delta));
    size_t rest_size = (size_t)(frame.end - rest);
    uint8_t length[WEIR_VARINT64_SIZE_MAX];
    size_t length_size = weir_varint_store(length, weir_zigzag((int64_t)(1 + size + rest_size)));
    static const uint8_t attributes = 0;
    weir_buffer_append(to, length, length_size);
    weir_buffer_append(to, &attributes, 1);
    weir_buffer_append(to, deltas, size);
    weir_buffer_append(to, rest, rest_size);
    *at = frame.end;
    return true;
}

/* All that stay, in `plain`, whose bytes nobody needs any more. */
static bool date_records(const struct weir_batch_header *header, struct weir_batch_filter *filter)
{
    const uint8_t *at = filter->records->data;
    const uint8_t *end = at + filter->records->size;
    weir_buffer_reset(filter->plain);
    while (at < end) {
        if (!date_record(header, &at, end, filter->horizon_ms, filter->plain)) return false;
    }
    return true;
}

/* ---- what is left ---------------------------------------------------------------------------- */

static int write_batch(const struct weir_batch_header *header, struct weir_slice records, int level,
                       struct weir_buffer *to, struct weir_error *error)
{
    size_t from = to->size;
    enum weir_codec codec = weir_batch_codec(header);
    int rc = 0;
    if (weir_buffer_extend(to, WEIR_BATCH_HEADER_SIZE) == NULL) return no_memory(error);
    if (codec != WEIR_CODEC_NONE && records.size > 0) {
        rc = weir_compress(codec, level, records, to);
    } else {
        weir_buffer_append(to, records.data, records.size);
    }
    if (rc == 0 && to->failed) rc = WEIR_NO_MEMORY;
    if (rc == 0 && to->size - from > INT32_MAX) rc = WEIR_TOO_LARGE;
    if (rc < 0) {
        return weir_error_set(error, (enum weir_code)rc, "record batch: %zu bytes of records as %s",
                              records.size, weir_codec_name((int)codec));
    }
    struct weir_batch_header anew = *header;
    anew.length = (int32_t)(to->size - from - WEIR_BATCH_OVERHEAD);
    weir_batch_store_header(to->data + from, &anew);
    return 0;
}

/* No record has the times that it had, so it has none: a search by time must not come upon it. */
static int write_empty(struct weir_batch_header header, struct weir_buffer *to,
                       struct weir_error *error)
{
    header.attributes =
        (int16_t)(header.attributes & ~(WEIR_BATCH_CODEC_MASK | WEIR_BATCH_DELETE_HORIZON));
    header.base_timestamp_ms = WEIR_NO_TIMESTAMP;
    header.max_timestamp_ms = WEIR_NO_TIMESTAMP;
    header.record_count = 0;
    return write_batch(&header, weir_null(), 0, to, error);
}

static int write_left(struct weir_batch_reader *reader, struct weir_batch_filter *filter,
                      int64_t max_timestamp_ms, struct weir_buffer *to, struct weir_error *error)
{
    struct weir_batch_header header = reader->header;
    bool wants_horizon = filter->horizon_ms != WEIR_NO_TIMESTAMP && !has_horizon(&header) &&
                         (filter->kept_tombstones > 0 || filter->is_dated);
    bool is_dated = wants_horizon && date_records(&header, filter);
    filter->is_changed = is_dated || filter->kept_count < header.record_count;
    if (filter->plain->failed) return no_memory(error);
    if (!filter->is_changed) {
        weir_buffer_append(to, reader->batch.data, reader->batch.size);
        return to->failed ? no_memory(error) : 0;
    }
    if (is_dated) {
        header.base_timestamp_ms = filter->horizon_ms;
        header.attributes = (int16_t)(header.attributes | WEIR_BATCH_DELETE_HORIZON);
    }
    bool has_log_time = (header.attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0;
    if (!has_log_time) header.max_timestamp_ms = max_timestamp_ms;
    header.record_count = filter->kept_count;
    struct weir_buffer *records = is_dated ? filter->plain : filter->records;
    return write_batch(&header, weir_buffer_slice(records), filter->level, to, error);
}

static int filter_batch(struct weir_batch_reader *reader, struct weir_batch_filter *filter,
                        struct weir_buffer *to, struct weir_error *error)
{
    int64_t max_timestamp_ms = WEIR_NO_TIMESTAMP;
    int rc = weir_batch_reader_open_next(reader, error);
    weir_assert(rc != WEIR_END);
    if (rc == 0) rc = choose(reader, filter, &max_timestamp_ms, error);
    if (rc < 0) return rc;
    if (filter->kept_count > 0) return write_left(reader, filter, max_timestamp_ms, to, error);
    filter->is_changed = !filter->keeps_empty || reader->header.record_count > 0;
    if (!filter->keeps_empty) return 0;
    if (filter->is_changed) return write_empty(reader->header, to, error);
    weir_buffer_append(to, reader->batch.data, reader->batch.size);
    return to->failed ? no_memory(error) : 0;
}

int weir_batch_filter(struct weir_slice batch, struct weir_batch_filter *filter,
                      struct weir_buffer *to, struct weir_error *error)
{
    struct weir_batch_reader reader = {.rest = batch, .plain = filter->plain, .is_whole = true};
    const size_t from = to->size;
    weir_assert(!to->failed);
    weir_assert(filter->plain != NULL && filter->records != NULL);
    weir_assert(filter->plain != filter->records);
    filter->kept_count = 0;
    filter->kept_tombstones = 0;
    filter->is_changed = false;
    int rc = filter_batch(&reader, filter, to, error);
    if (rc == 0) return 0;
    to->size = from;
    to->failed = false;
    return rc;
}
