#include "runtime/task/backoff.h"

#include "base/assert.h"
#include "base/error.h"

static int64_t elapsed_ms(const struct weir_backoff *backoff, struct weir_mono now)
{
    weir_assert(backoff->is_waiting && now.ns >= backoff->since.ns);
    return (now.ns - backoff->since.ns) / 1000000;
}

bool weir_backoff_failed(struct weir_backoff *backoff, int rc, struct weir_mono now)
{
    weir_assert(rc < 0);
    return weir_code_is_shortage(rc) && weir_backoff_wait(backoff, now);
}

bool weir_backoff_wait(struct weir_backoff *backoff, struct weir_mono now)
{
    if (!backoff->is_waiting) *backoff = (struct weir_backoff){.is_waiting = true, .since = now};
    if (elapsed_ms(backoff, now) >= WEIR_DELIVERY_TIMEOUT_MS) return false;
    backoff->due = weir_mono_after_ms(now, WEIR_RETRY_BACKOFF_MS);
    return true;
}

bool weir_backoff_is_due(const struct weir_backoff *backoff, struct weir_mono now)
{
    return backoff->is_waiting && now.ns >= backoff->due.ns;
}

int64_t weir_backoff_over(struct weir_backoff *backoff, struct weir_mono now)
{
    if (!backoff->is_waiting) return -1;
    int64_t took_ms = elapsed_ms(backoff, now);
    *backoff = (struct weir_backoff){0};
    return took_ms;
}
