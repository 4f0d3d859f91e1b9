#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "broker/log/transaction_index.h"
#include "wire/request/committed_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * What is believed of aborted transactions. The first byte chooses: 0 a `.txnindex`, which encodes to what it was if it
 * decodes; else so many of a fetch's list, 16 bytes each, and behind them the run of batches that it came with: whatever
 * they are, the filter passes a batch once, and ends where the run does.
 */
enum { ABORTED_MAX = 16, ABORTED_SIZE = 16 };

static void try_index(struct weir_budget *budget, struct weir_slice bytes)
{
    struct weir_transaction_index index;
    struct weir_buffer encoded;
    weir_transaction_index_init(&index, budget);
    weir_buffer_init(&encoded, budget, 0);
    if (weir_transaction_index_decode(&index, bytes, 0, INT64_MAX, NULL) == 0) {
        weir_transaction_index_encode(&index, 0, &encoded);
        weir_assert(weir_slice_equal(weir_buffer_slice(&encoded), bytes));
        for (size_t i = 0; i < index.count; i++) {
            weir_assert(weir_transaction_index_find(&index, index.entries[i].last_offset) == i);
        }
    }
    weir_buffer_close(&encoded);
    weir_transaction_index_close(&index);
}

static void try_filter(struct weir_reader reader, size_t count)
{
    struct weir_aborted_transaction aborted[ABORTED_MAX];
    struct weir_committed_filter filter;
    if (count > ABORTED_MAX || weir_reader_left(&reader) < count * ABORTED_SIZE) return;
    for (size_t i = 0; i < count; i++) {
        aborted[i].producer_id = (int64_t)weir_reader_u64(&reader);
        aborted[i].first_offset = (int64_t)weir_reader_u64(&reader);
    }
    struct weir_batch_reader batches = {.rest = weir_slice(reader.at, weir_reader_left(&reader))};
    weir_committed_filter_begin(&filter, aborted, count);
    while (weir_batch_reader_next(&batches, NULL) == 0) {
        int rc = weir_committed_filter_admit(&filter, &batches, NULL);
        weir_assert(rc == 0 || rc == WEIR_END || rc == WEIR_CORRUPT);
        weir_assert(rc != 0 || !weir_batch_is_control(&batches.header));
        weir_assert(filter.open_count <= filter.next && filter.next <= count);
        if (rc < 0) return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_heap heap;
    struct weir_budget budget;
    if (size < 1) return 0;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "transactions", &heap, NULL, 0);
    struct weir_slice rest = weir_slice(data + 1, size - 1);
    if (data[0] == 0) {
        try_index(&budget, rest);
    } else {
        try_filter(weir_reader(rest), data[0] - 1u);
    }
    weir_assert(budget.used == 0);
    return 0;
}
