#ifndef WEIR_OPERATORS_BUFFER_VALUE_H
#define WEIR_OPERATORS_BUFFER_VALUE_H

#include "base/arena.h"
#include "runtime/task/batch.h"

/**
 * A row of a suppress buffer, as its store and its changelog have it; big-endian, sizes i32, -1 for
 * null:
 *
 *     timestamp i64 · offset i64 · size, topic · partition i32
 *     count of headers i32, each: size, key · size, value
 *     size, value before the first that was held back
 *     size, value before this one; -2: the same as that
 *     size, value
 *     time i64 by which the row is held back
 *
 * Offset, topic and partition are those of the record that it came of: -1, "" and -1 of none.
 * Source: Kafka Streams' BufferValue, ProcessorRecordContext (version 3: header v of the record).
 */
struct weir_buffer_value {
    int64_t time_ms;
    int64_t timestamp_ms;
    int64_t offset;
    struct weir_slice topic;
    int32_t partition;
    struct weir_headers headers;
    struct weir_slice prior;
    struct weir_slice old;
    struct weir_slice value;
};

/** In `arena`; null (and a failed arena) when memory is out. */
struct weir_slice weir_buffer_value_write(const struct weir_buffer_value *value,
                                          struct weir_arena *arena);
/** Views into `bytes`, headers in `arena`. WEIR_CORRUPT, WEIR_NO_MEMORY. */
int weir_buffer_value_read(struct weir_slice bytes, struct weir_arena *arena,
                           struct weir_buffer_value *value_out);
/** What it counts for in a bound by bytes, under a key of `key_size`: as Kafka Streams counts. */
int64_t weir_buffer_value_size(const struct weir_buffer_value *value, size_t key_size);

#endif
