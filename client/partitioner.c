#include "client/partitioner.h"

#include "base/assert.h"
#include "base/hash.h"
#include "weir/log.h"

static uint64_t next_random(struct weir_partitioner *partitioner)
{
    partitioner->random += 0x9e3779b97f4a7c15u;
    uint64_t mixed = partitioner->random;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static int32_t below(struct weir_partitioner *partitioner, int32_t bound)
{
    weir_assert(bound > 0);
    return (int32_t)(next_random(partitioner) % (uint64_t)bound);
}

void weir_partitioner_init(struct weir_partitioner *partitioner, uint64_t seed)
{
    *partitioner = (struct weir_partitioner){.random = seed, .sticky = -1};
}

int32_t weir_partitioner_choose(struct weir_partitioner *partitioner, struct weir_slice key,
                                int32_t partition_count)
{
    weir_assert(partition_count > 0);
    if (!weir_slice_is_null(key)) return weir_partition_of_key(key, partition_count);
    if (partitioner->sticky < 0 || partitioner->sticky >= partition_count) {
        partitioner->sticky = below(partitioner, partition_count);
    }
    return partitioner->sticky;
}

void weir_partitioner_batch_sealed(struct weir_partitioner *partitioner, int32_t partition,
                                   int32_t partition_count)
{
    weir_assert(partition >= 0);
    if (partitioner->sticky != partition || partition_count < 2) return;
    int32_t other = below(partitioner, partition_count - 1);
    partitioner->sticky = other < partition ? other : other + 1; /* any but this one */
}

int32_t weir_partition_for_key(struct weir_slice key, int32_t partition_count)
{
    weir_assert(partition_count > 0);
    return weir_partition_of_key(key, partition_count);
}
