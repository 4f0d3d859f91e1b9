#include "wire/record_batch.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_internal.h"

/**
 * What a broker asks of a batch that somebody else made. The header is checked field by field; the
 * records are walked by hops over their lengths, in a loop that gives nothing and so costs half of
 * what reading them costs. Compressed records are unpacked for it, up to a bound.
 */

/* What a producer may set. The delete horizon is the cleaner's own mark. */
enum {
    PRODUCED_ATTRIBUTES =
        WEIR_BATCH_CODEC_MASK | WEIR_BATCH_LOG_APPEND_TIME | WEIR_BATCH_TRANSACTIONAL,
    INTERNAL_ATTRIBUTES = WEIR_BATCH_CONTROL | WEIR_BATCH_DELETE_HORIZON,
};

/* ---- the header ------------------------------------------------------------------------------ */

static int check_attributes(const struct weir_batch_header *header,
                            const struct weir_batch_check *check, struct weir_error *error)
{
    int known = PRODUCED_ATTRIBUTES | (check->allow_control ? INTERNAL_ATTRIBUTES : 0);
    if ((header->attributes & ~known) != 0) {
        return weir_error_set(error, WEIR_INVALID_RECORD,
                              "record batch: attributes 0x%04x have bits a producer may not set",
                              (unsigned)(uint16_t)header->attributes);
    }
    if ((header->attributes & WEIR_BATCH_CODEC_MASK) >= WEIR_CODEC_COUNT) {
        return weir_error_set(error, WEIR_UNSUPPORTED_CODEC, "record batch: unknown codec %d",
                              header->attributes & WEIR_BATCH_CODEC_MASK);
    }
    return 0;
}

/* The producer's own fields, which only a produced batch must get right. */
static int check_produced(const struct weir_batch_header *header,
                          const struct weir_batch_check *check, struct weir_error *error)
{
    int rc = check_attributes(header, check, error);
    if (rc < 0) return rc;
    if (header->record_count == 0 || header->record_count - 1 != header->last_offset_delta) {
        return weir_error_set(error, WEIR_INVALID_RECORD,
                              "record batch: record count %" PRId32
                              " does not fit last offset delta %" PRId32,
                              header->record_count, header->last_offset_delta);
    }
    bool is_control = weir_batch_is_control(header);
    bool is_transactional = weir_batch_is_transactional(header);
    bool has_producer = header->producer_id >= 0;
    /* A coordinator's own, within a transaction: nobody sends it twice. */
    bool needs_sequence = !is_control && !(check->allow_control && is_transactional);
    bool lacks_sequence = needs_sequence && header->base_sequence < 0;
    if (has_producer && !is_control && (lacks_sequence || header->producer_epoch < 0)) {
        return weir_error_set(error, WEIR_INVALID_RECORD,
                              "record batch: producer id %" PRId64 " with sequence %" PRId32
                              " and epoch %d",
                              header->producer_id, header->base_sequence, header->producer_epoch);
    }
    if (is_transactional && !has_producer) {
        return weir_error_set(error, WEIR_INVALID_RECORD,
                              "record batch: transactional without a producer id");
    }
    return 0;
}

/* What nobody outside may send, besides. */
static int check_foreign(const struct weir_batch_header *header, struct weir_error *error)
{
    if ((header->attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0) {
        return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                              "record batch: LogAppendTime is for the log to set");
    }
    return 0;
}

/* ---- the records ----------------------------------------------------------------------------- */

struct walk {
    int64_t base_timestamp_ms;
    bool keys_required;
    int64_t timestamp_min_ms; /* of the records; INT64_MAX, INT64_MIN before the first */
    int64_t timestamp_max_ms;
};

enum flaw { SOUND, DAMAGED, WRONG_OFFSET, WRONG_TIME, NO_KEY };

/* From the key on. */
static inline enum flaw check_body(const uint8_t *at, const uint8_t *end, bool keys_required)
{
    struct weir_slice key;
    struct weir_slice value;
    int64_t header_count;
    const struct weir_header *none;
    at = weir_batch_read_bytes(at, end, true, &key);
    if (at == NULL) return DAMAGED;
    at = weir_batch_read_bytes(at, end, true, &value);
    if (at == NULL) return DAMAGED;
    if (keys_required && weir_slice_is_null(key)) return NO_KEY;
    at = weir_record_read_header_count(at, end, &header_count);
    if (at == NULL) return DAMAGED;
    if (header_count == 0) return at == end ? SOUND : DAMAGED;
    int rc = weir_record_read_headers(at, end, (size_t)header_count, NULL, &none);
    return rc == 0 ? SOUND : DAMAGED;
}

static inline enum flaw check_time(int64_t delta, struct walk *walk)
{
    int64_t timestamp_ms;
    if (__builtin_add_overflow(walk->base_timestamp_ms, delta, &timestamp_ms)) return WRONG_TIME;
    if (timestamp_ms < walk->timestamp_min_ms && timestamp_ms != WEIR_NO_TIMESTAMP) {
        walk->timestamp_min_ms = timestamp_ms;
    }
    if (timestamp_ms > walk->timestamp_max_ms) walk->timestamp_max_ms = timestamp_ms;
    return SOUND;
}

/* Any record that there can be. */
static inline enum flaw check_any_record(const uint8_t **at_inout, const uint8_t *end,
                                         int32_t index, struct walk *walk)
{
    struct weir_record_frame frame;
    const uint8_t *at = weir_record_read_frame(*at_inout, end, &frame);
    if (at == NULL) return DAMAGED;
    *at_inout = frame.end;
    if (frame.offset_delta != index) return WRONG_OFFSET;
    enum flaw flaw = check_time(frame.timestamp_delta, walk);
    return flaw == SOUND ? check_body(at, frame.end, walk->keys_required) : flaw;
}

/* A varint of one or two bytes, as it stands there; both are there to be read. LONG: it has more. */
enum { LONG = 1 << 14 };
static inline uint32_t read_short(const uint8_t **at)
{
    uint32_t first = *(*at)++;
    if (first < 0x80) return first;
    uint32_t second = *(*at)++;
    return second < 0x80 ? (first & 0x7f) | second << 7 : LONG;
}

/* How many bytes a short size stands for; null is 0 of them. -1: it is long, or no size. */
static inline ptrdiff_t short_size(uint32_t size)
{
    if ((size & 1) == 0) return size < LONG ? (ptrdiff_t)(size >> 1) : -1;
    return size == 1 ? 0 : -1;
}

/*
 * A record as nearly all are: no number in it has more than two bytes, and it has no headers. Its first five
 * numbers cannot reach beyond what is there, so they are read without a look at its end, and what they
 * have led to is held against it behind each of them. False: it is another, or a bad one, and nothing
 * has been changed.
 */
static inline bool take_short_record(const uint8_t **at_inout, const uint8_t *end, int32_t index,
                                     struct walk *walk)
{
    enum {
        NUMBERS_MAX = 2 + 1 + 2 + 2 + 2
    }; /* length, attributes, time, offset, size of the key */
    const uint8_t *at = *at_inout;
    if (end - at < NUMBERS_MAX) return false;
    ptrdiff_t size = short_size(read_short(&at));
    const uint8_t *record_end = at + size;
    if (size < WEIR_RECORD_SIZE_MIN - 1 || size > end - at) return false;
    at++;
    uint32_t time = read_short(&at);
    uint32_t offset = read_short(&at);
    uint32_t key = read_short(&at);
    ptrdiff_t key_size = short_size(key);
    if (time == LONG || offset != (uint32_t)index << 1 || offset >= LONG) return false;
    if (key_size < 0 || key_size > record_end - at - 2) return false;
    at += key_size;
    ptrdiff_t value_size = short_size(read_short(&at));
    if (value_size < 0 || value_size != record_end - at - 1 || record_end[-1] != 0) return false;
    if (walk->keys_required && key == 1) return false;
    if (check_time(weir_unzigzag(time), walk) != SOUND) return false;
    *at_inout = record_end;
    return true;
}

/* The record at `*at_inout`, number `index`, which is moved behind it. */
static inline enum flaw check_record(const uint8_t **at_inout, const uint8_t *end, int32_t index,
                                     struct walk *walk)
{
    if (__builtin_expect(take_short_record(at_inout, end, index, walk), true)) return SOUND;
    return check_any_record(at_inout, end, index, walk);
}

static __attribute__((cold, noinline)) int refuse_record(enum flaw flaw, int32_t index,
                                                         struct weir_error *error)
{
    static const char *const texts[] = {
        [DAMAGED] = "is damaged",
        [WRONG_OFFSET] = "has an offset out of line",
        [WRONG_TIME] = "has a timestamp that is none",
        [NO_KEY] = "has no key, which a compacted topic needs",
    };
    weir_assert(flaw != SOUND && flaw <= NO_KEY);
    return weir_error_set(error, flaw == DAMAGED ? WEIR_CORRUPT : WEIR_INVALID_RECORD,
                          "record batch: record %" PRId32 " %s", index, texts[flaw]);
}

static int walk_records(const struct weir_batch_header *header, struct weir_slice records,
                        struct walk *walk, struct weir_error *error)
{
    const uint8_t *at = records.data;
    const uint8_t *end = records.data + records.size;
    if ((size_t)header->record_count > records.size / WEIR_RECORD_SIZE_MIN) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "record batch: %" PRId32 " records cannot be in %zu bytes",
                              header->record_count, records.size);
    }
    struct walk local = *walk; /* stays in registers while the loop runs */
    for (int32_t index = 0; index < header->record_count; index++) {
        enum flaw flaw = check_record(&at, end, index, &local);
        if (flaw != SOUND) return refuse_record(flaw, index, error);
    }
    if (at != end) {
        return weir_error_set(error, WEIR_CORRUPT, "record batch: %zu bytes behind the last record",
                              (size_t)(end - at));
    }
    *walk = local;
    return 0;
}

static int check_records(struct weir_slice batch, const struct weir_batch_header *header,
                         const struct weir_batch_check *check, struct walk *walk,
                         struct weir_error *error)
{
    struct weir_buffer own = {0};
    struct weir_buffer *plain = check->plain;
    struct weir_slice records;
    if (plain == NULL) {
        weir_assert(check->budget != NULL || weir_batch_codec(header) == WEIR_CODEC_NONE);
        weir_buffer_init(&own, check->budget, 0);
        plain = &own;
    }
    *walk = (struct walk){
        .base_timestamp_ms = header->base_timestamp_ms,
        .keys_required = check->keys_required,
        .timestamp_min_ms = INT64_MAX,
        .timestamp_max_ms = WEIR_NO_TIMESTAMP, /* as in Kafka times before 1970 do not count */
    };
    int rc = weir_batch_open_records(header, batch, plain, check->plain_size_max, &records, error);
    if (rc == 0) rc = walk_records(header, records, walk, error);
    weir_buffer_close(&own);
    return rc;
}

/* ---- the door -------------------------------------------------------------------------------- */

static int check_whole(struct weir_slice batch, const struct weir_batch_check *check,
                       struct weir_batch_header *header, struct weir_error *error)
{
    enum { MAGIC_AT = 16 }; /* there in the formats before 2 as well */
    if (batch.size > MAGIC_AT && (batch.data[MAGIC_AT] == 0 || batch.data[MAGIC_AT] == 1)) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "record batch: message format %d is no longer supported, only 2",
                              batch.data[MAGIC_AT]);
    }
    if (check->size_max != 0 && batch.size > check->size_max) {
        return weir_error_set(error, WEIR_TOO_LARGE, "record batch: %zu bytes, at most %zu allowed",
                              batch.size, check->size_max);
    }
    int rc = weir_batch_peek(batch, 0, header, error);
    if (rc == WEIR_TRUNCATED) {
        return weir_error_set(error, WEIR_CORRUPT, "record batch: ends after %zu bytes",
                              batch.size);
    }
    if (rc < 0) return rc;
    if (weir_batch_size(header) != batch.size) {
        return weir_error_set(error, WEIR_CORRUPT, "record batch: %zu bytes behind its end",
                              batch.size - weir_batch_size(header));
    }
    rc = weir_batch_check_crc(batch, error);
    return rc < 0 ? rc : check_produced(header, check, error);
}

int weir_batch_check(struct weir_slice batch, const struct weir_batch_check *check,
                     struct weir_error *error)
{
    struct weir_batch_header header;
    struct walk walk;
    int rc = check_whole(batch, check, &header, error);
    if (rc < 0 || !(check->walk_records || check->keys_required)) return rc;
    return check_records(batch, &header, check, &walk, error);
}

int weir_batch_admit(uint8_t *batch, size_t size, const struct weir_batch_check *check,
                     struct weir_error *error)
{
    weir_assert(!check->allow_control); /* what comes through the port is data */
    struct weir_slice bytes = weir_slice(batch, size);
    struct weir_batch_header header;
    struct walk walk;
    int rc = check_whole(bytes, check, &header, error);
    if (rc == 0) rc = check_foreign(&header, error);
    if (rc == 0) rc = check_records(bytes, &header, check, &walk, error);
    if (rc < 0) return rc;
    if (check->has_oldest && walk.timestamp_min_ms < check->oldest_ms) {
        return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                              "record batch: timestamp %" PRId64 " is older than %" PRId64,
                              walk.timestamp_min_ms, check->oldest_ms);
    }
    if (walk.timestamp_max_ms != header.max_timestamp_ms) {
        weir_batch_set_max_timestamp(batch, size, walk.timestamp_max_ms);
    }
    return 0;
}
