#ifndef WEIR_BROKER_ENGINE_PARTITION_FLUSH_H
#define WEIR_BROKER_ENGINE_PARTITION_FLUSH_H

#include "broker/engine/partition.h"

/** What its shard's flush group asks of a partition. Thread: its shard's. */
extern const struct weir_flush_ops weir_partition_flush_ops;

/** Put the partition on its shard's flush group, if its log has something to flush. */
void weir_partition_flush_if_dirty(struct weir_partition *partition);

#endif
