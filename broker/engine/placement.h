#ifndef WEIR_BROKER_ENGINE_PLACEMENT_H
#define WEIR_BROKER_ENGINE_PLACEMENT_H

#include "base/bytes.h"

/**
 * Which of an engine's shards a partition belongs to: by nothing but its name, its number and how
 * many shards there are, so that any thread can say and nobody has to keep it. Neighbours of a
 * topic lie on neighbouring shards. The metadata's own is shard 0's, where the controller is.
 */
int32_t weir_placement_shard(struct weir_slice topic, int32_t partition, int32_t shard_count);

#endif
