#ifndef WEIR_BROKER_COORDINATOR_GROUP_PLACE_H
#define WEIR_BROKER_COORDINATOR_GROUP_PLACE_H

#include "broker/coordinator/coordinator.h"

/**
 * Where a group lives: the partition of `__consumer_offsets` that Kafka would put it into.
 *
 *     partition = abs(hash) mod count,  hash = Java's String.hashCode: s[0]*31^(n-1) + … + s[n-1], in 32 bits,
 *                                       over the name's UTF-16 units; abs of the smallest number is 0
 */
int32_t weir_group_hash(struct weir_slice group);
int32_t weir_group_partition(struct weir_slice group, int32_t count);

/** WEIR_INVALID_ARGUMENT: 1 to 32,767 bytes are allowed. */
int weir_group_id_check(struct weir_slice group, struct weir_error *error);

/** The partition as its group requests name it. Any thread. */
struct weir_topic_partition weir_group_place(const struct weir_coordinator *coordinator,
                                             struct weir_slice group);
/** Set a request out to the shard of this partition, where `arrive` is run. Any thread. */
void weir_group_place_send(struct weir_coordinator *coordinator, struct weir_request *request,
                           struct weir_topic_partition place,
                           void (*arrive)(struct weir_message *message));
/** There: have it run `stage` when the partition is open. */
void weir_group_place_enter(struct weir_request *request,
                            void (*stage)(struct weir_partition *partition,
                                          struct weir_request *request));

#endif
