#ifndef WEIR_BROKER_COORDINATOR_GROUP_HASH_H
#define WEIR_BROKER_COORDINATOR_GROUP_HASH_H

#include <stdint.h>

#include "weir/types.h"

/**
 * Where a group lives: the partition of `__consumer_offsets` that Kafka would put it into.
 *
 *     partition = abs(hash) mod count,  hash = Java's String.hashCode: s[0]*31^(n-1) + … + s[n-1], in 32 bits,
 *                                       over the name's UTF-16 units; abs of the smallest number is 0
 */
int32_t weir_group_hash(struct weir_slice group);
int32_t weir_group_partition(struct weir_slice group, int32_t count);

#endif
