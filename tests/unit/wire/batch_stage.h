#ifndef WEIR_TEST_BATCH_STAGE_H
#define WEIR_TEST_BATCH_STAGE_H

#include <check.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "wire/record_batch_internal.h"
#include "wire/record_batch_reader.h"

/** What a test of the record batch works on: a heap of its own, an arena and two buffers. */
struct batch_stage {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_buffer plain; /* where a codec unpacks to */
    struct weir_buffer batch; /* a batch under construction */
    struct weir_error error;
};

static inline void batch_stage_init_buffers(struct batch_stage *stage)
{
    weir_arena_init(&stage->arena, &stage->budget, 0);
    weir_buffer_init(&stage->plain, &stage->budget, 0);
    weir_buffer_init(&stage->batch, &stage->budget, 0);
}

static inline void batch_stage_init(struct batch_stage *stage)
{
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "test", &stage->heap, NULL, 0);
    batch_stage_init_buffers(stage);
    stage->error = (struct weir_error){0};
}

static inline void batch_stage_close(struct batch_stage *stage)
{
    weir_buffer_close(&stage->batch);
    weir_buffer_close(&stage->plain);
    weir_arena_close(&stage->arena);
    ck_assert_uint_eq(stage->budget.used, 0);
}

/** A batch of these record bytes, as given in `header` but with length, magic and crc filled in. */
static inline struct weir_slice batch_stage_build(struct batch_stage *stage,
                                                  struct weir_batch_header header,
                                                  struct weir_slice records)
{
    weir_buffer_reset(&stage->batch);
    ck_assert_ptr_nonnull(weir_buffer_extend(&stage->batch, WEIR_BATCH_HEADER_SIZE));
    weir_buffer_append(&stage->batch, records.data, records.size);
    ck_assert(!stage->batch.failed);
    header.length = (int32_t)(stage->batch.size - WEIR_BATCH_OVERHEAD);
    weir_batch_store_header(stage->batch.data, &header);
    return weir_buffer_slice(&stage->batch);
}

static inline int batch_stage_open(struct batch_stage *stage, struct weir_batch_reader *reader,
                                   struct weir_slice batch)
{
    *reader = (struct weir_batch_reader){
        .rest = batch, .plain = &stage->plain, .arena = &stage->arena, .plain_size_max = 1 << 20};
    return weir_batch_reader_open_next(reader, &stage->error);
}

/** The first failure of a walk over the first batch, or WEIR_END. */
static inline int batch_stage_walk(struct batch_stage *stage, struct weir_slice batch)
{
    struct weir_batch_reader reader;
    int rc = batch_stage_open(stage, &reader, batch);
    struct weir_record record;
    while (rc == 0) {
        rc = weir_batch_reader_record(&reader, &record, &stage->error);
    }
    return rc;
}

#endif
