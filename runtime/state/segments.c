#include "base/assert.h"
#include "base/error.h"
#include "runtime/state/state_internal.h"

/*
 * Stores whose keys have a time (key_schema.h): windows by their start, sessions by their end.
 *
 * In the backend the segment of time (time / interval) leads the key, so that old rows lie together and
 * go together. Two bounds follow the observed stream time (STREAMS.md W6):
 *
 *      observed - retention                observed
 *              |                               |
 *   ──┬────────┼──┬───────────┬───────────┬────┼──────┬──> time of a row
 *     │ over   │  │           │           │           │    segments
 *   ──┴────────┴──┴───────────┴───────────┴───────────┴──
 *      live segment
 *
 * A row is *over* by its own time: that is what reads and writes see. A segment is *dead* once its last
 * row is over: that is when bytes go, from the table at the next touch (swept), from the backend with a
 * write-down (expired). What is dead is written beside the store's position, and stays so.
 */
enum {
    SEGMENT_INTERVAL_MIN_MS = 60 * 1000, /* part of the position record: Kafka Streams' */
    MEMORY_INTERVAL_MIN_MS = 1000,       /* nothing is kept by it, and what is over is in the way */
};

const struct weir_key_schema *weir_store_spec_schema(const struct weir_store_spec *spec)
{
    return spec->schema != NULL ? spec->schema : &weir_key_schema_plain;
}

void weir_store_init_segments(struct weir_store *store)
{
    const int64_t retention_ms = store->spec->retention_ms;
    weir_key_schema_check(store->schema);
    weir_assert(weir_store_is_segmented(store) == (retention_ms > 0));
    weir_assert(store->spec->ttl_ms == 0 || !weir_store_is_segmented(store));
    weir_assert(store->spec->ttl_ms == 0 || store->spec->is_timestamped);
    store->observed_ms = -1;
    store->expired_ms = INT64_MIN;
    store->outside = (struct weir_store_entry){.flags = WEIR_ENTRY_OUTSIDE, .timestamp_ms = -1};
    if (!weir_store_is_segmented(store)) return;
    const int64_t half = retention_ms / 2;
    const int64_t least = store->is_resident ? MEMORY_INTERVAL_MIN_MS : SEGMENT_INTERVAL_MIN_MS;
    store->segment_interval_ms = half > least ? half : least;
}

void weir_store_adopt_segment(struct weir_store *store, uint64_t live_segment)
{
    store->live_segment = store->swept_segment = live_segment;
    store->sealed_segment = store->stored_segment = live_segment;
    if (live_segment == 0) return;
    weir_assert(weir_store_is_segmented(store));
    weir_assert(live_segment <= (uint64_t)(INT64_MAX / store->segment_interval_ms));
    store->expired_ms = (int64_t)live_segment * store->segment_interval_ms - 1;
}

uint64_t weir_store_segment_at(const struct weir_store *store, int64_t time_ms)
{
    weir_assert(store->segment_interval_ms > 0);
    return time_ms > 0 ? (uint64_t)(time_ms / store->segment_interval_ms) : 0;
}

uint64_t weir_store_key_segment(const struct weir_store *store, struct weir_slice key)
{
    if (!weir_store_is_segmented(store)) return 0;
    return weir_store_segment_at(store, weir_key_schema_time(store->schema, key));
}

int weir_store_check_key(const struct weir_store *store, struct weir_slice key,
                         struct weir_error *error)
{
    if (weir_slice_is_null(key)) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "store '%s': null key",
                              store->spec->name);
    }
    if (!weir_key_schema_fits(store->schema, key)) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "store '%s': key of %zu bytes has no %s", store->spec->name, key.size,
                              store->schema->name);
    }
    return WEIR_OK;
}

bool weir_store_is_late(const struct weir_store *store, int64_t time_ms, int64_t stream_time_ms)
{
    weir_assert(weir_store_is_segmented(store) && time_ms >= 0);
    int64_t expired_ms = stream_time_ms - store->spec->retention_ms; /* neither side is negative */
    if (expired_ms < store->expired_ms) expired_ms = store->expired_ms;
    if (time_ms > expired_ms) return false;
    if (store->is_resident || !weir_store_has_duplicates(store)) return true;
    return weir_store_segment_at(store, time_ms) < weir_store_segment_at(store, expired_ms + 1);
}

bool weir_store_is_over(const struct weir_store *store, int64_t time_ms)
{
    return weir_store_is_segmented(store) && time_ms <= store->expired_ms;
}

void weir_store_advance(struct weir_store *store, int64_t stream_time_ms)
{
    const int64_t ttl_ms = store->spec->ttl_ms;
    const bool has_bound = weir_store_is_segmented(store) || ttl_ms > 0;
    if (!has_bound || stream_time_ms <= store->observed_ms) return;
    store->observed_ms = stream_time_ms;
    if (ttl_ms > 0) {
        store->expired_ms = stream_time_ms - ttl_ms; /* below 0 as long as no row can be over */
        return;
    }
    /* Neither side is negative, so nothing wraps. */
    int64_t expired_ms = stream_time_ms - store->spec->retention_ms;
    if (expired_ms <= store->expired_ms) return;
    store->expired_ms = expired_ms;
    /* The first time that is not over yet decides which segment is the first alive. */
    store->live_segment = weir_store_segment_at(store, expired_ms + 1);
}

int64_t weir_store_dropped_count(const struct weir_store *store)
{
    return store->dropped_count;
}
