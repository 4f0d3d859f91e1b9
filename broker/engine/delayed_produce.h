#ifndef WEIR_BROKER_ENGINE_DELAYED_PRODUCE_H
#define WEIR_BROKER_ENGINE_DELAYED_PRODUCE_H

#include "broker/engine/partition.h"

/** Have it answered by weir_partition_answer_acks, once its records are below the high watermark. */
void weir_partition_wait_for_flush(struct weir_partition *partition,
                                   struct weir_produce_request *produce);
/** Answer those whose data is durable; all of them with `rc` if that is negative. */
void weir_partition_answer_acks(struct weir_partition *partition, int rc, const char *text);

#endif
