/* Planted bug: compaction passes the last stable offset, for what has no end where it looks counts as committed: a record
 * that is aborted later replaces one that was committed. */
#include "broker/log/cleaner_transactions.h"

int64_t __real_weir_cleaner_transactions_seal(struct weir_cleaner_transactions *transactions);
int64_t __wrap_weir_cleaner_transactions_seal(struct weir_cleaner_transactions *transactions);

int64_t __wrap_weir_cleaner_transactions_seal(struct weir_cleaner_transactions *transactions)
{
    (void)__real_weir_cleaner_transactions_seal(transactions);
    return INT64_MAX;
}
