#ifndef WEIR_CLIENT_PARTITIONER_H
#define WEIR_CLIENT_PARTITIONER_H

#include <stdint.h>

#include "weir/types.h"

/**
 * Which partition a record goes to when the caller names none.
 *
 * With a key: murmur2 of it, Kafka's default, so that equal keys meet whoever wrote them. Without
 * one: the sticky partition, which stays until its batch is sealed, so that batches fill up.
 * Source: Kafka DefaultPartitioner; KIP-480.
 */
struct weir_partitioner {
    uint64_t random; /* state of a splitmix64 */
    int32_t sticky;  /* -1: none yet */
};

/** `seed` from the environment. */
void weir_partitioner_init(struct weir_partitioner *partitioner, uint64_t seed);
/** The partition of a record with this key, null for none. `partition_count > 0`. */
int32_t weir_partitioner_choose(struct weir_partitioner *partitioner, struct weir_slice key,
                                int32_t partition_count);
/** The batch of `partition` was sealed: if it was the sticky one, move on to another. */
void weir_partitioner_batch_sealed(struct weir_partitioner *partitioner, int32_t partition,
                                   int32_t partition_count);

#endif
