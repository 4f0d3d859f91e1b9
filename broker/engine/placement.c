#include "broker/engine/placement.h"

#include "base/assert.h"
#include "base/hash.h"
#include "wire/topic_names.h"

int32_t weir_placement_shard(struct weir_slice topic, int32_t partition, int32_t shard_count)
{
    weir_assert(shard_count > 0);
    if (shard_count == 1) return 0;
    if (weir_slice_equal(topic, weir_text(WEIR_CLUSTER_METADATA_TOPIC))) return 0;
    uint64_t hash = weir_hash(topic) + (uint64_t)(uint32_t)partition;
    return (int32_t)(hash % (uint64_t)shard_count);
}
