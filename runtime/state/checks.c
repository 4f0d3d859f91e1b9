/** What holds between the fields of a store, a generation and a state, after each call that changed one. */
#include "base/assert.h"
#include "runtime/state/state_internal.h"

void weir_store_check(const struct weir_store *store)
{
    weir_assert(store->schema != NULL);
    weir_assert(weir_store_is_segmented(store) == (store->segment_interval_ms > 0));
    weir_assert(store->given_count <= store->given_end);
    weir_assert(store->given_end <= store->unforwarded.count);
    weir_assert(store->retired_count <= store->retired_capacity);
    weir_assert(store->clean_bytes <= store->state->clean_bytes);
    weir_assert(!store->is_resident || store->clean_bytes == 0);
    /* The first live segment comes to be known here before it is known below. */
    weir_assert(store->expired_segment <= store->stored_segment);
    weir_assert(store->stored_segment <= store->sealed_segment);
    weir_assert(store->sealed_segment <= store->live_segment);
    weir_assert(store->swept_segment <= store->live_segment);
    weir_table_check(&store->table);
}

void weir_generation_check(const struct weir_state *state, const struct weir_generation *generation)
{
    const uint32_t both = WEIR_ENTRY_GATHERED_EVEN | WEIR_ENTRY_GATHERED_ODD;
    weir_assert(generation->flag != 0 && (generation->flag & ~both) == 0);
    weir_assert(generation->flag != both);
    weir_assert(generation->row_count + state->options.store_count <= generation->capacity);
    weir_assert(generation->sealed_size <= generation->size);
}

void weir_state_check(const struct weir_state *state)
{
    const struct weir_generation *gathering = state->gathering;
    const struct weir_generation *writing = state->write_down.generation;
    size_t clean_bytes = 0;
    weir_assert(state->magic == WEIR_STATE_MAGIC);
    weir_assert(state->committed_count <= state->sealed_count);
    weir_assert(writing != NULL || !state->write_down.is_running);
    weir_assert(gathering == NULL || gathering != state->spare);
    if (gathering != NULL) weir_generation_check(state, gathering);
    if (writing != NULL) weir_generation_check(state, writing);
    if (gathering != NULL && writing != NULL) weir_assert(gathering->flag != writing->flag);
    for (size_t i = 0; i < state->options.store_count; i++) {
        weir_store_check(&state->stores[i]);
        clean_bytes += state->stores[i].clean_bytes;
    }
    weir_assert(clean_bytes == state->clean_bytes);
}
