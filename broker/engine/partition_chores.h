#ifndef WEIR_BROKER_ENGINE_PARTITION_CHORES_H
#define WEIR_BROKER_ENGINE_PARTITION_CHORES_H

#include "broker/engine/partition.h"

/** What comes by itself and has the log alone. On its shard. */

/** Back from working: open again, who waits for data is woken, and what is in line goes on. The partition
 * may be gone on return. */
void weir_partition_resume(struct weir_partition *partition);
/** May a worker begin a new segment? Else who appends does it himself. */
bool weir_partition_may_roll(const struct weir_partition *partition);
/** Have a worker begin a new segment; `requests` are put back for it, and the next to be served. */
void weir_partition_roll_before(struct weir_partition *partition,
                                struct weir_request *const *requests, size_t count);
/** Want that where a flush has held a new segment back. The partition is yet to be settled. */
void weir_partition_roll_if_owed(struct weir_partition *partition);
/** Give up what lies below `offset`, in the background. */
void weir_partition_trim(struct weir_partition *partition, int64_t offset);
/** Remove old segments in the background, if there may be any. */
void weir_partition_retain(struct weir_partition *partition);

#endif
