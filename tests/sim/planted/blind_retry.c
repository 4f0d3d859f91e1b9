/* Planted bug: a batch that a producer sends again is not known again. */
#include "broker/log/producer_state.h"

int __real_weir_producer_state_admit(const struct weir_producer_state *state,
                                     const struct weir_batch_header *header,
                                     const struct weir_batch_header *previous,
                                     struct weir_producer_batch *duplicate_out,
                                     struct weir_error *error);
int __wrap_weir_producer_state_admit(const struct weir_producer_state *state,
                                     const struct weir_batch_header *header,
                                     const struct weir_batch_header *previous,
                                     struct weir_producer_batch *duplicate_out,
                                     struct weir_error *error);

int __wrap_weir_producer_state_admit(const struct weir_producer_state *state,
                                     const struct weir_batch_header *header,
                                     const struct weir_batch_header *previous,
                                     struct weir_producer_batch *duplicate_out,
                                     struct weir_error *error)
{
    int rc = __real_weir_producer_state_admit(state, header, previous, duplicate_out, error);
    return rc == WEIR_END ? 0 : rc;
}
