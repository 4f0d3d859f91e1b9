#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "runtime/state/sorted_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Any bytes as a state's file of rows. With an odd first byte size and checksum are made right, so that the
 * fuzzer gets at what lies behind them. What is sound is found by its own keys, and merged with nothing it is
 * the same bytes.
 */
enum { FILE_MAX = 1 << 16, SIZE_AT = 16, CRC_AT = 28, BODY_AT = WEIR_SORTED_RUN_HEADER_SIZE };

static void repair(uint8_t *bytes, size_t size)
{
    weir_store_u64(bytes + SIZE_AT, size);
    uint32_t crc = weir_crc32c(0, bytes, CRC_AT);
    weir_store_u32(bytes + CRC_AT, weir_crc32c(crc, bytes + BODY_AT, size - BODY_AT));
}

static void look(struct weir_budget *budget, const struct weir_shared *run)
{
    const struct weir_sorted_run_dead none = {0};
    struct weir_shared *same = NULL;
    for (size_t i = 0; i < weir_sorted_run_count(run); i++) {
        weir_assert(weir_sorted_run_seek(run, weir_sorted_run_at(run, i).key) == i);
    }
    weir_assert(weir_sorted_run_merge(budget, run, none, NULL, 0, &same, NULL) == WEIR_OK);
    weir_assert(same->size == run->size && memcmp(same->data, run->data, run->size) == 0);
    weir_shared_unref(same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > FILE_MAX) return 0;
    struct weir_heap heap;
    struct weir_budget budget;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "run", &heap, NULL, 0);
    struct weir_shared *run = weir_shared_new(&budget, size);
    weir_assert(run != NULL);
    run->size = size - 1;
    weir_copy(run->data, data + 1, run->size);
    if ((data[0] & 1) != 0 && run->size >= BODY_AT) repair(run->data, run->size);
    if (weir_sorted_run_check(run, NULL) == WEIR_OK) look(&budget, run);
    weir_shared_unref(run);
    weir_assert(budget.used == 0);
    return 0;
}
