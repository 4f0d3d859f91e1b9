#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "runtime/state/state_internal.h"

/*
 * The bytes in the backend (docs/format/state.md) and in the changelog (Kafka Streams').
 *
 *   backend      u16 prefix [· u64 segment] · key        ->  [i64 timestamp ·] value
 *                u16 0 · store's name                    ->  position record
 *   changelog    as the key schema has it                ->  value
 *
 * Big-endian, so that the order of bytes is the order of keys.
 */
enum { POSITION_VERSION = 3, IS_TIMESTAMPED = 1 };
enum { POSITION_SIZE_2 = 1 + 2 + 1 + 8 + 8 + 16 + 4 + 8 + 4, POSITION_SIZE = POSITION_SIZE_2 + 8 };

static void write_lead(const struct weir_store *store, uint8_t *to, uint64_t segment)
{
    weir_assert_slow(store->prefix > 0); /* below it are the positions */
    weir_store_u16(to, store->prefix);
    if (weir_store_is_segmented(store)) weir_store_u64(to + WEIR_KEY_PREFIX_SIZE, segment);
}

struct weir_slice weir_store_backend_start(const struct weir_store *store, struct weir_arena *arena,
                                           uint64_t segment)
{
    size_t size = weir_store_lead_size(store);
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    write_lead(store, bytes, segment);
    return weir_slice(bytes, size);
}

struct weir_slice weir_store_backend_key(const struct weir_store *store, struct weir_arena *arena,
                                         struct weir_slice key)
{
    size_t lead = weir_store_lead_size(store);
    uint8_t *bytes = weir_arena_alloc(arena, lead + key.size);
    if (bytes == NULL) return weir_null();
    write_lead(store, bytes, weir_store_key_segment(store, key));
    weir_copy(bytes + lead, key.data, key.size);
    return weir_slice(bytes, lead + key.size);
}

void weir_store_write_backend_value(const struct weir_store *store, uint8_t *to,
                                    struct weir_slice value, int64_t timestamp_ms)
{
    if (store->spec->is_timestamped) {
        weir_store_u64(to, (uint64_t)timestamp_ms);
        to += sizeof timestamp_ms;
    }
    weir_copy(to, value.data, value.size);
}

struct weir_slice weir_store_backend_value(const struct weir_store *store, struct weir_arena *arena,
                                           struct weir_slice value, int64_t timestamp_ms)
{
    if (weir_slice_is_null(value)) return weir_null();
    const size_t size = weir_store_backend_value_size(store, value);
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    weir_store_write_backend_value(store, bytes, value, timestamp_ms);
    return weir_slice(bytes, size);
}

int weir_store_parse_value(const struct weir_store *store, struct weir_slice stored,
                           struct weir_slice *value_out, int64_t *timestamp_out,
                           struct weir_error *error)
{
    const size_t lead = store->spec->is_timestamped ? sizeof *timestamp_out : 0;
    if (stored.size < lead) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "store '%s': value of %zu bytes has no timestamp", store->spec->name,
                              stored.size);
    }
    *timestamp_out = lead > 0 ? (int64_t)weir_load_u64(stored.data) : -1;
    *value_out = weir_slice(stored.data + lead, stored.size - lead);
    return WEIR_OK;
}

int weir_store_parse_changelog_key(const struct weir_store *store, struct weir_slice logged,
                                   struct weir_slice *key_out, struct weir_error *error)
{
    if (weir_key_schema_parse_logged(store->schema, logged, key_out) == WEIR_OK) return WEIR_OK;
    return weir_error_set(error, WEIR_CORRUPT,
                          "store '%s': changelog key of %zu bytes does not fit", store->spec->name,
                          logged.size);
}

void weir_position_record_build(const struct weir_store *store,
                                const struct weir_changelog_position *position,
                                struct weir_arena *arena, struct weir_backend_write *write_out)
{
    const size_t name_size = strlen(store->spec->name);
    weir_assert(store->prefix > 0 || store->is_resident);
    uint8_t *key = weir_arena_alloc(arena, WEIR_KEY_PREFIX_SIZE + name_size);
    uint8_t *value = weir_arena_alloc(arena, POSITION_SIZE);
    if (key == NULL || value == NULL) return;
    weir_store_u16(key, 0);
    memcpy(key + WEIR_KEY_PREFIX_SIZE, store->spec->name, name_size);

    value[0] = POSITION_VERSION;
    weir_store_u16(value + 1, store->prefix);
    value[3] = store->spec->is_timestamped ? IS_TIMESTAMPED : 0;
    weir_store_u64(value + 4, (uint64_t)store->segment_interval_ms);
    weir_store_u64(value + 12, store->sealed_segment);
    memcpy(value + 20, position->topic_id.bytes, sizeof position->topic_id.bytes);
    weir_store_u32(value + 36, (uint32_t)position->leader_epoch);
    weir_store_u64(value + 40, (uint64_t)position->offset);
    weir_store_u32(value + 48, (uint32_t)position->partition);
    weir_store_u64(value + 52, (uint64_t)position->caught_up_ms);
    *write_out = (struct weir_backend_write){
        .key = weir_slice(key, WEIR_KEY_PREFIX_SIZE + name_size),
        .value = weir_slice(value, POSITION_SIZE),
    };
}

/* Version 2 does not say when the store had caught up. */
static bool is_position_record(struct weir_slice value)
{
    if (value.size == POSITION_SIZE_2) return value.data[0] == 2;
    return value.size == POSITION_SIZE && value.data[0] == POSITION_VERSION;
}

int weir_position_record_parse(struct weir_slice key, struct weir_slice value,
                               struct weir_position_record *record_out, struct weir_error *error)
{
    weir_assert(key.size >= WEIR_KEY_PREFIX_SIZE && weir_load_u16(key.data) == 0);
    if (!is_position_record(value)) {
        return weir_error_set(error, WEIR_CORRUPT, "position record of %zu bytes is not ours",
                              value.size);
    }
    struct weir_position_record record = {
        .name = weir_slice(key.data + WEIR_KEY_PREFIX_SIZE, key.size - WEIR_KEY_PREFIX_SIZE),
        .prefix = weir_load_u16(value.data + 1),
        .is_timestamped = (value.data[3] & IS_TIMESTAMPED) != 0,
        .segment_interval_ms = (int64_t)weir_load_u64(value.data + 4),
        .live_segment = weir_load_u64(value.data + 12),
        .position = {.leader_epoch = (int32_t)weir_load_u32(value.data + 36),
                     .offset = (int64_t)weir_load_u64(value.data + 40),
                     .partition = (int32_t)weir_load_u32(value.data + 48)},
    };
    memcpy(record.position.topic_id.bytes, value.data + 20, sizeof record.position.topic_id.bytes);
    if (value.size == POSITION_SIZE) {
        record.position.caught_up_ms = (int64_t)weir_load_u64(value.data + 52);
    }
    bool is_segment_sound =
        record.segment_interval_ms > 0
            ? record.live_segment <= (uint64_t)(INT64_MAX / record.segment_interval_ms)
            : record.segment_interval_ms == 0 && record.live_segment == 0;
    bool is_place_sound = record.position.offset >= 0 && record.position.partition >= 0 &&
                          record.position.caught_up_ms >= 0;
    if (record.prefix == 0 || !is_place_sound || !is_segment_sound) {
        return weir_error_set(error, WEIR_CORRUPT, "position record is out of range");
    }
    *record_out = record;
    return WEIR_OK;
}
