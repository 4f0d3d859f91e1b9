/* Planted bug: what a group writes, commits too, is answered before the flush. */
#include "broker/engine/partition.h"
#include "broker/engine/produce.h"

void __real_weir_partition_write(struct weir_partition *partition,
                                 struct weir_produce_request *request);
void __wrap_weir_partition_write(struct weir_partition *partition,
                                 struct weir_produce_request *request);

void __wrap_weir_partition_write(struct weir_partition *partition,
                                 struct weir_produce_request *request)
{
    bool is_of_groups = weir_slice_equal(partition->topic, weir_text(WEIR_CONSUMER_OFFSETS_TOPIC));
    if (is_of_groups) request->acks = WEIR_ACKS_LEADER;
    __real_weir_partition_write(partition, request);
}
