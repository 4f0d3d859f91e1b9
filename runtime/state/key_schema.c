#include "runtime/state/key_schema.h"

#include <string.h>

#include "weir/error.h"

/*
 * Times are big-endian and not negative, so that their bytes have the order of their numbers and the
 * rows of one record key lie in the order of their times:
 *
 *     a·10  a·20  [aa·10]  a·97·…
 *                  ^ a record key that goes on with the byte where the time of `a` begins
 *
 * A range of times of one key is therefore [a·from, a·to] and a look at each key in between: the size
 * tells whose it is. Where more times follow the one that decides, the bounds take all of them in.
 */
enum { TIME_SIZE = sizeof(int64_t), SEQUENCE_SIZE = sizeof(int32_t) };

const struct weir_key_schema weir_key_schema_plain = {.name = "plain"};

const struct weir_key_schema weir_key_schema_window = {
    .name = "window",
    .times_size = TIME_SIZE,
    .time_from_end = TIME_SIZE,
    .sequence_size = SEQUENCE_SIZE,
};

const struct weir_key_schema weir_key_schema_slice = {
    .name = "slice",
    .times_size = TIME_SIZE,
    .time_from_end = TIME_SIZE,
};

const struct weir_key_schema weir_key_schema_session = {
    .name = "session",
    .times_size = 2 * TIME_SIZE,
    .time_from_end = 2 * TIME_SIZE,
};

const struct weir_key_schema weir_key_schema_duplicates = {
    .name = "duplicates",
    .times_size = TIME_SIZE,
    .time_from_end = TIME_SIZE + SEQUENCE_SIZE,
    .number_size = SEQUENCE_SIZE,
};

const struct weir_key_schema weir_key_schema_versioned = {
    .name = "versioned",
    .times_size = TIME_SIZE,
    .time_from_end = TIME_SIZE,
};

void weir_key_schema_check(const struct weir_key_schema *schema)
{
    weir_assert(schema->name != NULL);
    weir_assert(schema->times_size % TIME_SIZE == 0);
    weir_assert(schema->time_from_end <= weir_key_schema_tail_size(schema));
    weir_assert((schema->time_from_end > 0) == (schema->times_size > 0));
    weir_assert(schema->number_size == 0 || schema->times_size > 0);
    if (schema->times_size == 0) return;
    weir_assert(schema->time_from_end > schema->number_size);
    weir_assert((schema->time_from_end - schema->number_size) % TIME_SIZE == 0);
}

/* ---- in the changelog ------------------------------------------------------------------------- */

struct weir_slice weir_key_schema_log(const struct weir_key_schema *schema,
                                      struct weir_arena *arena, struct weir_slice key)
{
    if (schema->sequence_size == 0) return key;
    const size_t size = weir_key_schema_logged_size(schema, key.size);
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    memcpy(bytes, key.data, key.size);
    memset(bytes + key.size, 0, schema->sequence_size);
    return weir_slice(bytes, size);
}

int weir_key_schema_parse_logged(const struct weir_key_schema *schema, struct weir_slice logged,
                                 struct weir_slice *key_out)
{
    if (weir_slice_is_null(logged)) return WEIR_CORRUPT;
    if (logged.size < weir_key_schema_tail_size(schema) + schema->sequence_size)
        return WEIR_CORRUPT;
    *key_out = weir_slice(logged.data, logged.size - schema->sequence_size);
    return WEIR_OK;
}

/* ---- ranges ----------------------------------------------------------------------------------- */

/* record key · time · `filler` in the times, and the number, that follow. */
static struct weir_slice bound(const struct weir_key_schema *schema, struct weir_arena *arena,
                               struct weir_slice record_key, int64_t time_ms, uint8_t filler)
{
    const size_t tail_size = weir_key_schema_tail_size(schema);
    const size_t size = record_key.size + tail_size;
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    weir_copy(bytes, record_key.data, record_key.size);
    weir_store_u64(bytes + record_key.size, (uint64_t)time_ms);
    memset(bytes + record_key.size + TIME_SIZE, filler, tail_size - TIME_SIZE);
    return weir_slice(bytes, size);
}

int weir_key_range_init(struct weir_key_range *range, const struct weir_key_schema *schema,
                        struct weir_arena *arena, struct weir_slice record_key, int64_t from_ms,
                        int64_t to_ms)
{
    weir_assert(weir_key_schema_has_time(schema));
    weir_assert(schema->time_from_end == weir_key_schema_tail_size(schema));
    weir_assert(from_ms >= 0);
    weir_assert(from_ms <= to_ms);
    struct weir_slice from = weir_null();
    struct weir_slice to = weir_null();
    if (!weir_slice_is_null(record_key)) {
        from = bound(schema, arena, record_key, from_ms, 0);
        to = bound(schema, arena, record_key, to_ms, 0xff);
        if (weir_slice_is_null(from) || weir_slice_is_null(to)) return WEIR_NO_MEMORY;
    }
    *range = (struct weir_key_range){
        .schema = schema,
        .record_key = record_key,
        .from_ms = from_ms,
        .to_ms = to_ms,
        .from = from,
        .to = to,
    };
    return WEIR_OK;
}

bool weir_key_range_has(const struct weir_key_range *range, struct weir_slice key)
{
    const int64_t time_ms = weir_key_schema_time(range->schema, key);
    if (time_ms < range->from_ms || time_ms > range->to_ms) return false;
    return weir_slice_is_null(range->record_key) ||
           weir_slice_equal(weir_key_schema_record_key(range->schema, key), range->record_key);
}
