#ifndef WEIR_BROKER_ENGINE_PARTITION_CHORES_H
#define WEIR_BROKER_ENGINE_PARTITION_CHORES_H

#include "broker/engine/partition.h"

/** What comes by itself and has the log alone. On its shard. */

/** Back from working: open again, who waits for data is woken, and what is in line goes on. The partition
 * may be gone on return. */
void weir_partition_resume(struct weir_partition *partition);
/** Give up what lies below `offset`, in the background. */
void weir_partition_trim(struct weir_partition *partition, int64_t offset);
/** Remove old segments in the background, if there may be any. */
void weir_partition_retain(struct weir_partition *partition);

#endif
