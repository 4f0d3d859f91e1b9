/* Planted bug: a batch that leaves out one sequence is taken, too. */
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
    if (rc != WEIR_OUT_OF_ORDER_SEQUENCE || header->base_sequence == 0) return rc;
    struct weir_batch_header before = *header;
    before.base_sequence--;
    return __real_weir_producer_state_admit(state, &before, previous, duplicate_out, NULL) == 0
               ? 0
               : rc;
}
