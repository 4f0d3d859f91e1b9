#include "runtime/job/commit_metadata.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

enum { MAGIC = 0x57, VERSION = 4, VERSION_DURABLE = 4, VERSION_WITHOUT_BATCH = 2, FIXED_SIZE = 43 };
enum { BATCH_DURABLE = 1 };
enum { RUN_VERSION = 2, RUN_VERSION_RESET = 3, RUN_VERSION_TRANSACTION = 4 };
enum { RUN_VERSION_TRANSACTIONS = 5 /* a Weir that knows of one alone must not take it over */ };
enum { RUN_FIXED_SIZE = 6 };
enum { MARK_SIZE = 14 /* and the name */ };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct weir_slice base64_encode(struct weir_slice bytes, struct weir_arena *arena)
{
    size_t size = (bytes.size + 2) / 3 * 4;
    uint8_t *text = weir_arena_alloc(arena, size);
    if (text == NULL) return weir_null();
    uint8_t *to = text;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1) group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2) group |= bytes.data[i + 2];
        *to++ = (uint8_t)digits[group >> 18];
        *to++ = (uint8_t)digits[group >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
    return weir_slice(text, size);
}

static int digit_value(uint8_t character)
{
    const char *place = character != '\0' ? strchr(digits, character) : NULL;
    return place != NULL ? (int)(place - digits) : -1;
}

static bool base64_group(const uint8_t *from, uint32_t *group_out)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i >= 2 && from[i] == '=' ? 0 : digit_value(from[i]);
        if (value < 0) return false;
        group = group << 6 | (uint32_t)value;
    }
    *group_out = group;
    return true;
}

/* Null when it is not base64 or memory is out. */
static struct weir_slice base64_decode(struct weir_slice text, struct weir_arena *arena)
{
    if (text.size == 0 || text.size % 4 != 0) return weir_null();
    uint8_t *bytes = weir_arena_alloc(arena, text.size / 4 * 3);
    if (bytes == NULL) return weir_null();
    size_t size = 0;
    for (size_t i = 0; i < text.size; i += 4) {
        uint32_t group;
        if (!base64_group(text.data + i, &group)) return weir_null();
        bytes[size++] = (uint8_t)(group >> 16);
        bytes[size++] = (uint8_t)(group >> 8);
        bytes[size++] = (uint8_t)group;
    }
    if (text.data[text.size - 1] == '=') size--;
    if (text.data[text.size - 2] == '=') size--;
    return weir_slice(bytes, size);
}

static uint8_t *mark_encode(const struct weir_node_mark *mark, uint8_t *to)
{
    size_t size = strlen(mark->node);
    weir_assert(size <= UINT16_MAX);
    weir_store_u32(to, (uint32_t)mark->id);
    weir_store_u64(to + 4, (uint64_t)mark->time_ms);
    weir_store_u16(to + 12, (uint16_t)size);
    memcpy(to + MARK_SIZE, mark->node, size);
    return to + MARK_SIZE + size;
}

struct weir_slice weir_commit_metadata_encode(const struct weir_commit_metadata *metadata,
                                              struct weir_arena *arena)
{
    size_t size = FIXED_SIZE;
    for (size_t i = 0; i < metadata->mark_count; i++) {
        size += MARK_SIZE + strlen(metadata->marks[i].node);
    }
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    bytes[0] = MAGIC;
    bytes[1] = VERSION;
    weir_store_u64(bytes + 2, (uint64_t)metadata->partition_time_ms);
    weir_store_u64(bytes + 10, (uint64_t)metadata->end_offset);
    weir_store_u64(bytes + 18, (uint64_t)metadata->read.base_offset);
    weir_store_u32(bytes + 26, (uint32_t)metadata->read.last_offset_delta);
    weir_store_u32(bytes + 30, (uint32_t)metadata->read.record_count);
    weir_store_u32(bytes + 34, metadata->read.crc);
    bytes[38] = metadata->read.is_durable ? BATCH_DURABLE : 0;
    weir_store_u32(bytes + 39, (uint32_t)metadata->mark_count);
    uint8_t *at = bytes + FIXED_SIZE;
    for (size_t i = 0; i < metadata->mark_count; i++) {
        at = mark_encode(&metadata->marks[i], at);
    }
    weir_assert(at == bytes + size);
    return base64_encode(weir_slice(bytes, size), arena);
}

static struct weir_read_batch decode_batch(struct weir_reader *reader)
{
    struct weir_read_batch batch = {0};
    batch.base_offset = (int64_t)weir_reader_u64(reader);
    batch.last_offset_delta = (int32_t)weir_reader_u32(reader);
    batch.record_count = (int32_t)weir_reader_u32(reader);
    batch.crc = weir_reader_u32(reader);
    return batch;
}

/* What a batch's header may say, or nothing. */
static bool is_batch(const struct weir_read_batch *batch)
{
    if (batch->base_offset < 0 || batch->last_offset_delta < 0) return false;
    return batch->record_count >= 0 &&
           batch->record_count <= INT64_C(1) + batch->last_offset_delta &&
           batch->base_offset <= INT64_MAX - batch->last_offset_delta;
}

static int decode_marks(struct weir_reader *reader, struct weir_arena *arena,
                        struct weir_commit_metadata *metadata)
{
    size_t count = weir_reader_u32(reader);
    if (reader->failed || count > weir_reader_left(reader) / MARK_SIZE) return WEIR_CORRUPT;
    struct weir_node_mark *marks = weir_arena_array(arena, count, sizeof *marks);
    if (marks == NULL && count > 0) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        marks[i].id = (int32_t)weir_reader_u32(reader);
        marks[i].time_ms = (int64_t)weir_reader_u64(reader);
        size_t size = weir_reader_u16(reader);
        const uint8_t *name = weir_reader_take(reader, size);
        if (reader->failed) return WEIR_CORRUPT;
        marks[i].node = weir_arena_printf(arena, "%.*s", (int)size, (const char *)name);
        if (marks[i].node == NULL) return WEIR_NO_MEMORY;
    }
    metadata->marks = marks;
    metadata->mark_count = count;
    return reader->failed || weir_reader_left(reader) != 0 ? WEIR_CORRUPT : 0;
}

/* Magic and version are read; the version, one of `oldest` to `newest`. */
static int open_text(struct weir_slice text, struct weir_arena *arena, uint8_t oldest,
                     uint8_t newest, struct weir_reader *reader, struct weir_error *error)
{
    struct weir_slice bytes = base64_decode(text, arena);
    if (weir_arena_failed(arena)) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    if (weir_slice_is_null(bytes))
        return weir_error_set(error, WEIR_CORRUPT, "not commit metadata");
    *reader = weir_reader(bytes);
    uint8_t magic = weir_reader_u8(reader);
    uint8_t version = weir_reader_u8(reader);
    if (reader->failed || magic != MAGIC) {
        return weir_error_set(error, WEIR_CORRUPT, "not commit metadata");
    }
    if (version >= oldest && version <= newest) return version;
    return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                          "commit metadata of version %u, this Weir reads up to %u", version,
                          newest);
}

int weir_commit_metadata_decode(struct weir_slice text, struct weir_arena *arena,
                                struct weir_commit_metadata *metadata_out, struct weir_error *error)
{
    struct weir_commit_metadata metadata = {.partition_time_ms = -1, .end_offset = -1};
    struct weir_reader reader;
    int version = open_text(text, arena, VERSION_WITHOUT_BATCH, VERSION, &reader, error);
    if (version < 0) return version;
    metadata.partition_time_ms = (int64_t)weir_reader_u64(&reader);
    metadata.end_offset = (int64_t)weir_reader_u64(&reader);
    if (version > VERSION_WITHOUT_BATCH) metadata.read = decode_batch(&reader);
    if (version >= VERSION_DURABLE) {
        metadata.read.is_durable = (weir_reader_u8(&reader) & BATCH_DURABLE) != 0;
    }
    int rc = is_batch(&metadata.read) ? decode_marks(&reader, arena, &metadata) : WEIR_CORRUPT;
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "commit metadata is damaged");
    *metadata_out = metadata;
    return 0;
}

/* ---- Kafka Streams' -------------------------------------------------------------------------- */

int64_t weir_commit_metadata_streams_time(struct weir_slice text, struct weir_arena *arena)
{
    enum { STREAMS_VERSION_MIN = 1, STREAMS_VERSION_MAX = 2 };
    struct weir_slice bytes = base64_decode(text, arena);
    if (weir_slice_is_null(bytes)) return -1;
    struct weir_reader reader = weir_reader(bytes);
    uint8_t version = weir_reader_u8(&reader);
    int64_t time_ms = (int64_t)weir_reader_u64(&reader);
    bool is_known = version >= STREAMS_VERSION_MIN && version <= STREAMS_VERSION_MAX;
    return is_known && !reader.failed && time_ms >= 0 ? time_ms : -1;
}

/* ---- the run --------------------------------------------------------------------------------- */

struct weir_slice weir_commit_run_encode(const struct weir_commit_run *run,
                                         struct weir_arena *arena)
{
    bool is_transactional = run->transaction_count > 0;
    size_t fixed_size = RUN_FIXED_SIZE + run->count * sizeof(int64_t);
    size_t size = fixed_size + (is_transactional ? sizeof(uint32_t) : 0);
    weir_assert(!is_transactional || !run->is_reset_begun);
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    bytes[0] = MAGIC;
    bytes[1] = run->transaction_count > 1 ? RUN_VERSION_TRANSACTIONS
               : is_transactional         ? RUN_VERSION_TRANSACTION
               : run->is_reset_begun      ? RUN_VERSION_RESET
                                          : RUN_VERSION;
    weir_store_u32(bytes + 2, (uint32_t)run->count);
    for (size_t i = 0; i < run->count; i++) {
        weir_store_u64(bytes + RUN_FIXED_SIZE + i * sizeof(int64_t),
                       (uint64_t)run->producer_ids[i]);
    }
    if (is_transactional) weir_store_u32(bytes + fixed_size, (uint32_t)run->transaction_count);
    return base64_encode(weir_slice(bytes, size), arena);
}

int weir_commit_run_decode(struct weir_slice text, struct weir_arena *arena,
                           struct weir_commit_run *run_out, struct weir_error *error)
{
    struct weir_reader reader;
    int version = open_text(text, arena, RUN_VERSION, RUN_VERSION_TRANSACTIONS, &reader, error);
    if (version < 0) return version;
    size_t count = weir_reader_u32(&reader);
    size_t rest = version >= RUN_VERSION_TRANSACTION ? sizeof(uint32_t) : 0;
    if (reader.failed || weir_reader_left(&reader) != count * sizeof(int64_t) + rest) {
        return weir_error_set(error, WEIR_CORRUPT, "the commit's producer ids are damaged");
    }
    int64_t *ids = weir_arena_array(arena, count + 1, sizeof *ids);
    if (ids == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int64_t)weir_reader_u64(&reader);
    }
    const size_t transaction_count = rest > 0 ? weir_reader_u32(&reader) : 0;
    if (transaction_count > count) {
        return weir_error_set(error, WEIR_CORRUPT, "the commit's transactional ids are damaged");
    }
    *run_out = (struct weir_commit_run){
        .producer_ids = ids,
        .count = count,
        .transaction_count = transaction_count,
        .is_reset_begun = version == RUN_VERSION_RESET,
    };
    return 0;
}
