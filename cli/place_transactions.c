#include "cli/place_transactions.h"

#include <string.h>

#include "base/error.h"

bool place_transaction_is_open(const struct place_transaction *transaction)
{
    return strcmp(transaction->state, "Ongoing") == 0 ||
           strncmp(transaction->state, "Prepare", 7) == 0;
}

int place_transactions_check_whole(const struct place_transactions *listed,
                                   struct weir_error *error)
{
    if (listed->offline_count == 0) return 0;
    if (listed->offline_count == 1) {
        return weir_error_set(error, WEIR_OFFLINE,
                              "partition %d of '" WEIR_TRANSACTION_STATE_TOPIC "' is offline",
                              (int)listed->offline[0]);
    }
    return weir_error_set(error, WEIR_OFFLINE,
                          "partition %d of '" WEIR_TRANSACTION_STATE_TOPIC
                          "' is offline, and %zu more of them",
                          (int)listed->offline[0], listed->offline_count - 1);
}
