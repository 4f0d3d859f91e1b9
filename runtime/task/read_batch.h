#ifndef WEIR_RUNTIME_TASK_READ_BATCH_H
#define WEIR_RUNTIME_TASK_READ_BATCH_H

#include "wire/record_batch.h"

/**
 * Which batch of a partition was read last, as its header has it. In one log these offsets hold this
 * batch for as long as they are there, unless it is compacted; so a log that has another one there is
 * not the log that was read. Zeroed: none is known.
 */
struct weir_read_batch {
    int64_t base_offset;
    int32_t last_offset_delta;
    int32_t record_count; /* 0: none is known */
    uint32_t crc;
    /* It was on the disk when it was read, and so was all below it: no kill and no loss of power takes it. Not
     * compared. */
    bool is_durable;
};

static inline struct weir_read_batch weir_read_batch_of(const struct weir_batch_header *header)
{
    return (struct weir_read_batch){
        .base_offset = header->base_offset,
        .last_offset_delta = header->last_offset_delta,
        .record_count = header->record_count,
        .crc = header->crc,
    };
}

static inline bool weir_read_batch_is_known(const struct weir_read_batch *batch)
{
    return batch->record_count > 0;
}

static inline int64_t weir_read_batch_last(const struct weir_read_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}

static inline bool weir_read_batch_equal(const struct weir_read_batch *a,
                                         const struct weir_read_batch *b)
{
    return a->base_offset == b->base_offset && a->last_offset_delta == b->last_offset_delta &&
           a->record_count == b->record_count && a->crc == b->crc;
}

#endif
