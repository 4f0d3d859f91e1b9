#include "runtime/state/memory.h"

#include "base/assert.h"
#include "base/error.h"

enum { WRITE_BUFFER_MAX = 16 << 20, UNIT_MAX = 32 << 20 };

/* The rest of which a quarter is shared has to give each task its parts. */
static size_t enough(size_t cache_bytes, size_t count)
{
    const size_t parts = (size_t)WEIR_STATE_UNIT_MIN * WEIR_STATE_UNITS * count;
    return cache_bytes + parts / 3 * 4 + 4;
}

int weir_state_divide(size_t bytes_max, size_t cache_bytes, size_t count,
                      struct weir_state_shares *shares_out, struct weir_error *error)
{
    weir_assert(count > 0);
    if (bytes_max < enough(cache_bytes, count)) {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "state_memory_max_bytes is %zu: %zu tasks and a cache of %zu bytes need "
            "at least %zu",
            bytes_max, count, cache_bytes, enough(cache_bytes, count));
    }
    const size_t rest = bytes_max - cache_bytes;
    size_t unit = (rest - rest / 4) / count / WEIR_STATE_UNITS;
    if (unit > UNIT_MAX) unit = UNIT_MAX;
    weir_assert(unit >= WEIR_STATE_UNIT_MIN);
    *shares_out = (struct weir_state_shares){
        .block_cache_bytes = rest / 4,
        .open_bytes_max = unit,
        .sealed_bytes_max = 2 * unit,
        .write_down_bytes = unit,
        .write_buffer_bytes = unit < WRITE_BUFFER_MAX ? unit : WRITE_BUFFER_MAX,
    };
    weir_assert(shares_out->block_cache_bytes + unit * WEIR_STATE_UNITS * count <= rest);
    return 0;
}
