/* Planted bug: a tombstone's time to go is the time of the pass that has met it first, and not a day later. */
#include "wire/record_batch.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

int __real_weir_batch_filter(struct weir_slice batch, struct weir_batch_filter *filter,
                             struct weir_buffer *to, struct weir_error *error);
int __wrap_weir_batch_filter(struct weir_slice batch, struct weir_batch_filter *filter,
                             struct weir_buffer *to, struct weir_error *error);

int __wrap_weir_batch_filter(struct weir_slice batch, struct weir_batch_filter *filter,
                             struct weir_buffer *to, struct weir_error *error)
{
    if (filter->horizon_ms > DAY_MS) filter->horizon_ms -= DAY_MS;
    return __real_weir_batch_filter(batch, filter, to, error);
}
