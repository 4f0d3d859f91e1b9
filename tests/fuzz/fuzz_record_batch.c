#include <stdlib.h>

#include "base/assert.h"
#include "wire/record_batch_internal.h"
#include "wire/record_batch_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * A record batch from outside, with any codec. The first byte says whether length, magic and crc
 * are made right first, so that the fuzzer gets at what lies behind them.
 */
enum { REPAIR = 1, PLAIN_SIZE_MAX = 1 << 20, RUN_SIZE = 7 };

static void repair(uint8_t *batch, size_t size)
{
    struct weir_batch_header header;
    batch[16] = WEIR_BATCH_MAGIC;
    batch[8] = (uint8_t)((size - WEIR_BATCH_OVERHEAD) >> 24);
    batch[9] = (uint8_t)((size - WEIR_BATCH_OVERHEAD) >> 16);
    batch[10] = (uint8_t)((size - WEIR_BATCH_OVERHEAD) >> 8);
    batch[11] = (uint8_t)(size - WEIR_BATCH_OVERHEAD);
    if (weir_batch_peek(weir_slice(batch, size), 0, &header, NULL) == 0) {
        weir_batch_store_header(batch, &header);
    }
}

static bool same_record(const struct weir_record *a, const struct weir_record *b)
{
    return weir_slice_equal(a->key, b->key) && weir_slice_equal(a->value, b->value) &&
           a->offset == b->offset && a->timestamp_ms == b->timestamp_ms &&
           a->header_count == b->header_count;
}

/* One by one and in runs, the same records come out and the same end is reached. */
static void walk(struct weir_slice batch, struct weir_buffer *plain, struct weir_arena *arena)
{
    struct weir_batch_reader single = {
        .rest = batch, .plain = plain, .arena = arena, .plain_size_max = PLAIN_SIZE_MAX};
    if (weir_batch_reader_open_next(&single, NULL) != 0) return;
    struct weir_batch_reader runs = single;
    struct weir_record run[RUN_SIZE];
    int count = 0;
    do {
        count = weir_batch_reader_records(&runs, run, RUN_SIZE, NULL);
        int rc = 0;
        for (int i = 0; i < (count < 0 ? RUN_SIZE : count) && rc == 0; i++) {
            struct weir_record record;
            rc = weir_batch_reader_record(&single, &record, NULL);
            weir_assert(count < 0 || (rc == 0 && same_record(&record, &run[i])));
        }
        if (count < 0 && rc == 0) rc = weir_batch_reader_record(&single, &run[0], NULL);
        weir_assert(count >= 0 || rc < 0);
    } while (count > 0);
    struct weir_record record;
    if (count == 0) weir_assert(weir_batch_reader_record(&single, &record, NULL) == WEIR_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_buffer plain;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 64 << 20);
    weir_arena_init(&arena, &budget, 0);
    weir_buffer_init(&plain, &budget, 0);

    size_t batch_size = size - 1;
    uint8_t *bytes = malloc(batch_size + 1);
    memcpy(bytes, data + 1, batch_size);
    if ((data[0] & REPAIR) != 0 && batch_size >= WEIR_BATCH_HEADER_SIZE) repair(bytes, batch_size);
    struct weir_slice batch = weir_slice(bytes, batch_size);
    struct weir_batch_check check = {.plain_size_max = PLAIN_SIZE_MAX,
                                     .allow_control = true,
                                     .walk_records = true,
                                     .budget = &budget};
    (void)weir_batch_check(batch, &check, NULL); /* whatever it says */
    walk(batch, &plain, &arena);
    check.allow_control = false;
    if (weir_batch_admit(bytes, batch_size, &check, NULL) == 0) {
        weir_assert(weir_batch_check(batch, &check, NULL) == 0); /* what it put right is right */
    }
    free(bytes);

    weir_buffer_close(&plain);
    weir_arena_close(&arena);
    weir_assert(budget.used == 0);
    return 0;
}
