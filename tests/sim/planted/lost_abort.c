/* Planted bug: a reader is not told of the transactions that were aborted, but for the first. */
#include "broker/log/partition_log.h"

int __real_weir_partition_log_aborted(const struct weir_partition_log *log, int64_t from,
                                      int64_t to, struct weir_aborted_transaction **list_out,
                                      size_t *count_out);
int __wrap_weir_partition_log_aborted(const struct weir_partition_log *log, int64_t from,
                                      int64_t to, struct weir_aborted_transaction **list_out,
                                      size_t *count_out);

int __wrap_weir_partition_log_aborted(const struct weir_partition_log *log, int64_t from,
                                      int64_t to, struct weir_aborted_transaction **list_out,
                                      size_t *count_out)
{
    int rc = __real_weir_partition_log_aborted(log, from, to, list_out, count_out);
    if (rc == 0 && *count_out > 1) *count_out = 1;
    return rc;
}
