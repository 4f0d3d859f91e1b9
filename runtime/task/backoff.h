#ifndef WEIR_RUNTIME_TASK_BACKOFF_H
#define WEIR_RUNTIME_TASK_BACKOFF_H

#include "base/env/env.h"

/**
 * A shortage (room, memory, descriptors) passes: what a job writes is tried again every
 * retry.backoff.ms, and given up after delivery.timeout.ms, with Kafka's defaults for both.
 *
 *   weir_backoff_failed   after an attempt: is another to be made, and when
 *   weir_backoff_is_due   is it time for it
 *   weir_backoff_over     after one that succeeded
 */
enum { WEIR_RETRY_BACKOFF_MS = 100, WEIR_DELIVERY_TIMEOUT_MS = 120000 };

struct weir_backoff { /* zeroed: nothing has failed */
    bool is_waiting;
    struct weir_mono since; /* the first failure */
    struct weir_mono due;   /* of the next attempt */
};

/** True if `rc` is a shortage that is waited out; `due` says until when. */
bool weir_backoff_failed(struct weir_backoff *backoff, int rc, struct weir_mono now);
/** The same of what waits for somebody else's shortage. */
bool weir_backoff_wait(struct weir_backoff *backoff, struct weir_mono now);
bool weir_backoff_is_due(const struct weir_backoff *backoff, struct weir_mono now);
/** How long it took, in ms; -1: nothing had failed. */
int64_t weir_backoff_over(struct weir_backoff *backoff, struct weir_mono now);

#endif
