#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "broker/log/leader_epochs.h"
#include "broker/log/producer_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * The two small files in Kafka's form. The first byte chooses: 0 the epoch checkpoint; else a
 * producer snapshot, whose crc is made right when it is odd. What decodes encodes and decodes to
 * the same.
 */
enum { SNAPSHOT_MAX = 1 << 16, CRC_AT = 2, CRC_FROM = 6 };

static void try_epochs(struct weir_budget *budget, struct weir_slice text)
{
    struct weir_leader_epochs epochs;
    struct weir_leader_epochs again;
    struct weir_buffer encoded;
    weir_leader_epochs_init(&epochs, budget);
    weir_leader_epochs_init(&again, budget);
    weir_buffer_init(&encoded, budget, 0);
    if (weir_leader_epochs_decode(&epochs, text, NULL) == 0) {
        weir_leader_epochs_encode(&epochs, &encoded);
        weir_assert(weir_leader_epochs_decode(&again, weir_buffer_slice(&encoded), NULL) == 0);
        weir_assert(again.count == epochs.count);
        for (size_t i = 0; i < again.count; i++) {
            weir_assert(again.entries[i].epoch == epochs.entries[i].epoch);
            weir_assert(again.entries[i].start_offset == epochs.entries[i].start_offset);
        }
    }
    weir_buffer_close(&encoded);
    weir_leader_epochs_close(&again);
    weir_leader_epochs_close(&epochs);
}

static void try_snapshot(struct weir_budget *budget, struct weir_slice bytes)
{
    struct weir_producer_state state;
    struct weir_producer_state again;
    struct weir_buffer once;
    struct weir_buffer twice;
    struct weir_mono now = {0};
    weir_producer_state_init(&state, budget);
    weir_producer_state_init(&again, budget);
    weir_buffer_init(&once, budget, 0);
    weir_buffer_init(&twice, budget, 0);
    if (weir_producer_snapshot_read(&state, bytes, now, NULL) == 0) {
        weir_producer_snapshot_write(&state, &once);
        weir_assert(weir_producer_snapshot_read(&again, weir_buffer_slice(&once), now, NULL) == 0);
        weir_producer_snapshot_write(&again, &twice);
        weir_assert(weir_slice_equal(weir_buffer_slice(&once), weir_buffer_slice(&twice)));
    }
    weir_buffer_close(&once);
    weir_buffer_close(&twice);
    weir_producer_state_close(&again);
    weir_producer_state_close(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[SNAPSHOT_MAX];
    struct weir_heap heap;
    struct weir_budget budget;
    if (size < 1 || size > SNAPSHOT_MAX) return 0;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "small files", &heap, NULL, 0);
    size_t left = size - 1;
    memcpy(bytes, data + 1, left);
    if (data[0] == 0) {
        try_epochs(&budget, weir_slice(bytes, left));
    } else {
        if ((data[0] & 1) != 0 && left >= CRC_FROM) {
            weir_store_u32(bytes + CRC_AT, weir_crc32c(0, bytes + CRC_FROM, left - CRC_FROM));
        }
        try_snapshot(&budget, weir_slice(bytes, left));
    }
    weir_assert(budget.used == 0);
    return 0;
}
