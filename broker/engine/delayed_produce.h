#ifndef WEIR_BROKER_ENGINE_DELAYED_PRODUCE_H
#define WEIR_BROKER_ENGINE_DELAYED_PRODUCE_H

#include "broker/engine/partition.h"

/** Have it answered by weir_partition_answer_acks, once its records are below the high watermark. */
void weir_partition_wait_for_flush(struct weir_partition *partition,
                                   struct weir_produce_request *produce);
/** The same for a marker; until then what it has ended is as good as open. */
void weir_partition_hold_marker(struct weir_partition *partition,
                                struct weir_write_marker_request *marker);
/** Answer those whose data is durable, markers too; all of them with `rc` if that is negative. The high watermark
 * has been raised before (weir_partition_refresh); the last stable offset follows the markers. */
void weir_partition_answer_acks(struct weir_partition *partition, int rc, const char *text);

#endif
