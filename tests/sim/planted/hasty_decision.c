/* Planted bug: what a transaction has come to is told before the flush. */
#include "broker/engine/partition.h"
#include "broker/engine/produce.h"
#include "wire/topic_names.h"

void __real_weir_partition_write(struct weir_partition *partition,
                                 struct weir_produce_request *request);
void __wrap_weir_partition_write(struct weir_partition *partition,
                                 struct weir_produce_request *request);

void __wrap_weir_partition_write(struct weir_partition *partition,
                                 struct weir_produce_request *request)
{
    bool is_of_transactions =
        weir_slice_equal(partition->topic, weir_text(WEIR_TRANSACTION_STATE_TOPIC));
    if (is_of_transactions) request->acks = WEIR_ACKS_LEADER;
    __real_weir_partition_write(partition, request);
}
