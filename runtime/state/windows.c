#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "runtime/state/state_internal.h"

/*
 * Windowed stores. A key ends with its window's start, eight bytes, big-endian; in the backend the
 * segment of time (start / interval) leads it, so that old windows lie together and go together.
 *
 * Two bounds follow the observed stream time (STREAMS.md W6): a window is *expired* by its own start,
 * which is what reads and writes see; a segment is *dead* once its last window is expired, which is
 * when bytes go.
 */
enum { START_SIZE = 8, SEGMENT_INTERVAL_MIN_MS = 60 * 1000 };

void weir_store_init_windows(struct weir_store *store)
{
    int64_t retention_ms = store->spec->retention_ms;
    store->observed_ms = -1;
    store->expired_start_ms = INT64_MIN;
    store->outside = (struct weir_store_entry){.flags = WEIR_ENTRY_OUTSIDE, .timestamp_ms = -1};
    if (retention_ms <= 0) return;
    int64_t half = retention_ms / 2;
    store->segment_interval_ms = half > SEGMENT_INTERVAL_MIN_MS ? half : SEGMENT_INTERVAL_MIN_MS;
}

void weir_store_adopt_segment(struct weir_store *store, uint64_t live_segment)
{
    store->live_segment = store->swept_segment = live_segment;
    store->sealed_segment = store->stored_segment = live_segment;
    if (live_segment == 0) return;
    weir_assert(live_segment <= (uint64_t)(INT64_MAX / store->segment_interval_ms));
    store->expired_start_ms = (int64_t)live_segment * store->segment_interval_ms - 1;
}

int64_t weir_window_start(struct weir_slice key)
{
    weir_assert(key.size >= START_SIZE);
    return (int64_t)weir_load_u64(key.data + key.size - START_SIZE);
}

static uint64_t segment_at(const struct weir_store *store, int64_t start_ms)
{
    return start_ms > 0 ? (uint64_t)(start_ms / store->segment_interval_ms) : 0;
}

uint64_t weir_store_segment_of(const struct weir_store *store, struct weir_slice key)
{
    return segment_at(store, weir_window_start(key));
}

bool weir_store_is_expired(const struct weir_store *store, struct weir_slice key)
{
    return weir_store_is_windowed(store) && weir_window_start(key) <= store->expired_start_ms;
}

int weir_store_check_key(const struct weir_store *store, struct weir_slice key,
                         struct weir_error *error)
{
    if (weir_slice_is_null(key)) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "store '%s': null key",
                              store->spec->name);
    }
    if (weir_store_is_windowed(store) && key.size < START_SIZE) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "store '%s': key of %zu bytes has no window", store->spec->name,
                              key.size);
    }
    return WEIR_OK;
}

void weir_store_advance(struct weir_store *store, int64_t stream_time_ms)
{
    if (!weir_store_is_windowed(store) || stream_time_ms <= store->observed_ms) return;
    store->observed_ms = stream_time_ms;
    /* Neither side is negative, so nothing wraps. */
    int64_t expired_start_ms = stream_time_ms - store->spec->retention_ms;
    if (expired_start_ms <= store->expired_start_ms) return;
    store->expired_start_ms = expired_start_ms;
    /* The first start that is not expired yet decides which segment is the first alive. */
    store->live_segment = segment_at(store, expired_start_ms + 1);
}

int64_t weir_store_dropped_count(const struct weir_store *store)
{
    return store->dropped_count;
}
