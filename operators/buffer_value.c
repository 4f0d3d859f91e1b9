#include "operators/buffer_value.h"

#include "base/bytes.h"
#include "weir/error.h"

enum { NULL_SIZE = -1, SAME_SIZE = -2 };

static bool is_same(struct weir_slice a, struct weir_slice b)
{
    if (weir_slice_is_null(a) || weir_slice_is_null(b)) {
        return weir_slice_is_null(a) && weir_slice_is_null(b);
    }
    return weir_slice_equal(a, b);
}

/* ---- writing --------------------------------------------------------------------------------- */

static size_t sized(struct weir_slice bytes)
{
    return sizeof(int32_t) + bytes.size;
}

static size_t written_size(const struct weir_buffer_value *value)
{
    size_t size = 3 * sizeof(int64_t) + 2 * sizeof(int32_t) + sized(value->topic);
    for (size_t i = 0; i < value->headers.count; i++) {
        const struct weir_header *header = &value->headers.headers[i];
        size += sized(header->key) + sized(header->value);
    }
    return size + sized(value->prior) + sized(value->old) + sized(value->value);
}

static uint8_t *put_u32(uint8_t *to, int32_t number)
{
    weir_store_u32(to, (uint32_t)number);
    return to + sizeof number;
}

static uint8_t *put_u64(uint8_t *to, int64_t number)
{
    weir_store_u64(to, (uint64_t)number);
    return to + sizeof number;
}

static uint8_t *put_bytes(uint8_t *to, struct weir_slice bytes)
{
    if (weir_slice_is_null(bytes)) return put_u32(to, NULL_SIZE);
    to = put_u32(to, (int32_t)bytes.size);
    weir_copy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

struct weir_slice weir_buffer_value_write(const struct weir_buffer_value *value,
                                          struct weir_arena *arena)
{
    uint8_t *bytes = weir_arena_alloc(arena, written_size(value));
    if (bytes == NULL) return weir_null();
    uint8_t *to = put_u64(bytes, value->timestamp_ms);
    to = put_u64(to, value->offset);
    to = put_bytes(to, weir_slice_is_null(value->topic) ? weir_text("") : value->topic);
    to = put_u32(to, value->partition);
    to = put_u32(to, (int32_t)value->headers.count);
    for (size_t i = 0; i < value->headers.count; i++) {
        to = put_bytes(to, value->headers.headers[i].key);
        to = put_bytes(to, value->headers.headers[i].value);
    }
    to = put_bytes(to, value->prior);
    if (!weir_slice_is_null(value->old) && is_same(value->prior, value->old)) {
        to = put_u32(to, SAME_SIZE);
    } else {
        to = put_bytes(to, value->old);
    }
    to = put_bytes(to, value->value);
    to = put_u64(to, value->time_ms);
    return weir_slice(bytes, (size_t)(to - bytes));
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct weir_slice take_bytes(struct weir_reader *reader, int32_t size)
{
    if (size == NULL_SIZE) return weir_null();
    if (size < 0) {
        reader->failed = true;
        return weir_null();
    }
    const uint8_t *bytes = weir_reader_take(reader, (size_t)size);
    return bytes != NULL ? weir_slice(bytes, (size_t)size) : weir_null();
}

static struct weir_slice take(struct weir_reader *reader)
{
    return take_bytes(reader, (int32_t)weir_reader_u32(reader));
}

static int read_headers(struct weir_reader *reader, struct weir_arena *arena,
                        struct weir_headers *headers)
{
    enum { HEADER_SIZE_MIN = 8 };
    const uint32_t count = weir_reader_u32(reader);
    if (reader->failed || count > weir_reader_left(reader) / HEADER_SIZE_MIN) return WEIR_CORRUPT;
    struct weir_header *list = weir_arena_array(arena, count, sizeof *list);
    if (list == NULL && count > 0) return WEIR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        list[i].key = take(reader);
        list[i].value = take(reader);
    }
    *headers = (struct weir_headers){list, count};
    return 0;
}

int weir_buffer_value_read(struct weir_slice bytes, struct weir_arena *arena,
                           struct weir_buffer_value *value_out)
{
    struct weir_reader reader = weir_reader(bytes);
    struct weir_buffer_value value = {0};
    value.timestamp_ms = (int64_t)weir_reader_u64(&reader);
    value.offset = (int64_t)weir_reader_u64(&reader);
    value.topic = take(&reader);
    value.partition = (int32_t)weir_reader_u32(&reader);
    int rc = read_headers(&reader, arena, &value.headers);
    if (rc < 0) return rc;
    value.prior = take(&reader);
    const int32_t old_size = (int32_t)weir_reader_u32(&reader);
    value.old = old_size == SAME_SIZE ? value.prior : take_bytes(&reader, old_size);
    value.value = take(&reader);
    value.time_ms = (int64_t)weir_reader_u64(&reader);
    if (reader.failed || weir_reader_left(&reader) != 0) return WEIR_CORRUPT;
    *value_out = value;
    return 0;
}

int64_t weir_buffer_value_size(const struct weir_buffer_value *value, size_t key_size)
{
    size_t size = sizeof(int64_t) + key_size + value->prior.size + value->value.size;
    if (!is_same(value->prior, value->old)) size += value->old.size;
    size += 2 * sizeof(int64_t) + sizeof(int32_t) + value->topic.size;
    for (size_t i = 0; i < value->headers.count; i++) {
        size += value->headers.headers[i].key.size + value->headers.headers[i].value.size;
    }
    return (int64_t)size;
}
