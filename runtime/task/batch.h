#ifndef WEIR_RUNTIME_TASK_BATCH_H
#define WEIR_RUNTIME_TASK_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "weir/record.h"
#include "weir/types.h"

/**
 * What operators are handed: columns and a selection of rows.
 *
 * A filter passes the same columns with fewer rows; a map of values passes a new value column and
 * shares the rest. Columns live in the task's batch arena, which is reset when the batch has gone
 * through the whole sub-topology; nobody may write to a column that was given to him. A column that
 * is NULL is absent, which is not the same as a null in it:
 *
 *   keys, values   always there (objects; NULL entry: null)
 *   key_bytes      the serialised keys, while they still belong to the keys (not after a map)
 *   value_bytes    the same for values
 *   olds           tables only: the value before the change, as an object
 *   headers        NULL when no row has any
 */
struct weir_headers {
    const struct weir_header *headers;
    size_t count;
};

struct weir_source_position {
    const char *topic;
    int32_t partition;
};

struct weir_batch {
    size_t count;         /* selected rows */
    const uint32_t *rows; /* ascending row numbers; NULL: rows 0..count-1 */
    const void *const *keys;
    const void *const *values;
    const void *const *olds;
    const struct weir_slice *key_bytes;
    const struct weir_slice *value_bytes;
    const int64_t *timestamps;
    const struct weir_headers *headers;
    const int64_t *offsets;                    /* in the source; NULL in a flush or a timer */
    const struct weir_source_position *source; /* NULL in a flush or a timer */
};

static inline uint32_t weir_batch_row(const struct weir_batch *batch, size_t index)
{
    return batch->rows != NULL ? batch->rows[index] : (uint32_t)index;
}
/** One past the largest selected row: how long a new column has to be. */
static inline size_t weir_batch_row_bound(const struct weir_batch *batch)
{
    if (batch->count == 0) return 0;
    return batch->rows != NULL ? (size_t)batch->rows[batch->count - 1] + 1 : batch->count;
}

#endif
