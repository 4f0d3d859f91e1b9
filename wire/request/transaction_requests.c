#include "wire/request/transaction_requests.h"

#include "base/assert.h"

static const char *const state_names[WEIR_TRANSACTION_STATES] = {
    [WEIR_TRANSACTION_EMPTY] = "Empty",
    [WEIR_TRANSACTION_ONGOING] = "Ongoing",
    [WEIR_TRANSACTION_PREPARE_COMMIT] = "PrepareCommit",
    [WEIR_TRANSACTION_PREPARE_ABORT] = "PrepareAbort",
    [WEIR_TRANSACTION_COMPLETE_COMMIT] = "CompleteCommit",
    [WEIR_TRANSACTION_COMPLETE_ABORT] = "CompleteAbort",
    [WEIR_TRANSACTION_DEAD] = "Dead",
    [WEIR_TRANSACTION_PREPARE_EPOCH_FENCE] = "PrepareEpochFence",
};

const char *weir_transaction_state_name(enum weir_transaction_state state)
{
    weir_assert((int)state >= 0 && state < WEIR_TRANSACTION_STATES);
    return state_names[state];
}

int weir_transaction_state_named(struct weir_slice name)
{
    for (int state = 0; state < WEIR_TRANSACTION_STATES; state++) {
        if (weir_slice_equal(name, weir_text(state_names[state]))) return state;
    }
    return -1;
}
