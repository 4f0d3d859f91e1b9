/* Planted bug: the last stable offset is one too far, behind the first record of what is open. */
#include "broker/log/producer_state.h"

int64_t __real_weir_producer_state_first_unstable(const struct weir_producer_state *state);
int64_t __wrap_weir_producer_state_first_unstable(const struct weir_producer_state *state);

int64_t __wrap_weir_producer_state_first_unstable(const struct weir_producer_state *state)
{
    int64_t offset = __real_weir_producer_state_first_unstable(state);
    return offset < 0 ? offset : offset + 1;
}
