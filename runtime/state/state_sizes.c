/** What a state holds, and whether that is too much. */
#include "base/assert.h"
#include "runtime/state/state_internal.h"

struct weir_store *weir_state_store(struct weir_state *state, size_t index)
{
    weir_assert(index < state->options.store_count);
    return &state->stores[index];
}

bool weir_state_wants_commit(const struct weir_state *state)
{
    return state->open_bytes > state->options.open_bytes_max;
}

/* Gathering or being written. */
static size_t sealed_bytes(const struct weir_state *state)
{
    const struct weir_generation *gathering = state->gathering;
    const struct weir_generation *writing = state->write_down.generation;
    return (gathering != NULL ? gathering->sealed_size : 0) +
           (writing != NULL ? writing->sealed_size : 0);
}

bool weir_state_is_stalled(const struct weir_state *state)
{
    return sealed_bytes(state) > state->options.sealed_bytes_max;
}

bool weir_state_is_writing(const struct weir_state *state)
{
    return state->write_down.is_running;
}

int64_t weir_state_memory(const struct weir_state *state)
{
    const struct weir_backend *backend = &state->backend;
    const bool has_memory = backend->ops != NULL && backend->ops->memory != NULL;
    const int64_t below = has_memory ? backend->ops->memory(backend->impl) : 0;
    return (int64_t)(state->table_budget.used + sealed_bytes(state)) + below;
}

struct weir_state_sizes weir_state_sizes(const struct weir_state *state)
{
    const struct weir_backend *backend = &state->backend;
    return (struct weir_state_sizes){
        .cache_bytes = (int64_t)state->table_budget.used,
        .open_bytes = (int64_t)state->open_bytes,
        .sealed_bytes = (int64_t)sealed_bytes(state),
        .backend_bytes = backend->ops != NULL ? backend->ops->size(backend->impl) : 0,
    };
}
