#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "broker/log/durable_mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Any bytes as a durable mark. With an odd first byte size and crc are made right, so that the
 * fuzzer gets at what lies behind them. What decodes encodes to something that decodes to the same.
 */
enum { MARK_MAX = 1 << 16, SIZE_AT = 12, CRC_AT = 16, BODY_AT = 20 };

static const struct weir_segment_facts *segment_at(const void *context, size_t index)
{
    const struct weir_durable_mark *mark = context;
    return &mark->segments[index];
}

static void encode(const struct weir_durable_mark *mark, struct weir_buffer *to)
{
    struct weir_durable_mark_view view = {
        .is_clean = mark->is_clean,
        .is_truncating = mark->is_truncating,
        .topic_id = mark->topic_id,
        .partition = mark->partition,
        .start_offset = mark->start_offset,
        .end_offset = mark->end_offset,
        .leader_epoch = mark->leader_epoch,
        .epochs = &mark->epochs,
        .producers = &mark->producers,
        .lost = &mark->lost,
        .sequence = mark->sequence,
        .segment_count = mark->segment_count,
        .segment = segment_at,
        .context = mark,
    };
    weir_durable_mark_encode(&view, to);
    weir_assert(!to->failed);
}

static void repair(uint8_t *bytes, size_t size)
{
    weir_store_u32(bytes + SIZE_AT, (uint32_t)size);
    uint32_t crc = weir_crc32c(0, bytes, CRC_AT);
    weir_store_u32(bytes + CRC_AT, weir_crc32c(crc, bytes + BODY_AT, size - BODY_AT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[MARK_MAX];
    if (size < 1 || size > MARK_MAX) return 0;
    size_t mark_size = size - 1;
    memcpy(bytes, data + 1, mark_size);
    if ((data[0] & 1) != 0 && mark_size >= BODY_AT) repair(bytes, mark_size);

    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "mark", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    struct weir_durable_mark mark;
    struct weir_mono now = {0};
    int rc =
        weir_durable_mark_decode(weir_slice(bytes, mark_size), &budget, &arena, now, &mark, NULL);
    if (rc == 0) {
        struct weir_buffer once;
        struct weir_buffer twice;
        struct weir_durable_mark again;
        weir_buffer_init(&once, &budget, 0);
        weir_buffer_init(&twice, &budget, 0);
        encode(&mark, &once);
        weir_assert(weir_durable_mark_decode(weir_buffer_slice(&once), &budget, &arena, now, &again,
                                             NULL) == 0);
        encode(&again, &twice);
        weir_assert(weir_slice_equal(weir_buffer_slice(&once), weir_buffer_slice(&twice)));
        weir_durable_mark_close(&again);
        weir_durable_mark_close(&mark);
        weir_buffer_close(&once);
        weir_buffer_close(&twice);
    }
    weir_arena_close(&arena);
    weir_assert(budget.used == 0);
    return 0;
}
