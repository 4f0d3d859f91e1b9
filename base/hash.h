#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include <stdint.h>

#include "weir/types.h"

/** The partitioner's hash: Kafka's murmur2, seed 0x9747b28c. "21" -> -973932308. */
int32_t weir_murmur2(struct weir_slice slice);

/** Kafka's default partitioner for a keyed record: (murmur2 & 0x7fffffff) mod count. */
static inline int32_t weir_partition_of_key(struct weir_slice key, int32_t partition_count)
{
    return (int32_t)((uint32_t)weir_murmur2(key) & 0x7fffffffu) % partition_count;
}

/** In-memory hash (xxHash3, 64 bits). Never persisted: it may change between versions. */
uint64_t weir_hash(struct weir_slice slice);
/** The same under a seed: for tables whose keys come from outside (weir_heap.hash_seed). */
uint64_t weir_hash_seeded(struct weir_slice slice, uint64_t seed);

/** CRC-32C (Castagnoli) of a batch. "123456789" -> 0xe3069283. Continue from `crc`, 0 to begin. */
uint32_t weir_crc32c(uint32_t crc, const void *data, size_t size);

#endif
