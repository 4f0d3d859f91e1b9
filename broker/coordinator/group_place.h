#ifndef WEIR_BROKER_COORDINATOR_GROUP_PLACE_H
#define WEIR_BROKER_COORDINATOR_GROUP_PLACE_H

#include "broker/coordinator/coordinator.h"

/** WEIR_INVALID_ARGUMENT: 1 to 32,767 bytes are allowed. */
int weir_group_id_check(struct weir_slice group, struct weir_error *error);

/**
 * Set a request out to the shard of this group's partition, where `arrive` is run; when groups are where they belong
 * (group_settle.h), for which it waits, or is answered with WEIR_LOCKED if it may not. Any thread.
 */
void weir_group_place_send(struct weir_coordinator *coordinator, struct weir_request *request,
                           struct weir_slice group, bool may_wait,
                           void (*arrive)(struct weir_message *message));
/** The same for a partition of `__consumer_offsets`. */
void weir_group_place_send_to(struct weir_coordinator *coordinator, struct weir_request *request,
                              int32_t partition, void (*arrive)(struct weir_message *message));
/** There: has the partition been made? Else no group is in it, and nobody who only asks has it made. */
bool weir_group_place_was_made(const struct weir_request *request);
/** There: have it run `stage` when the partition is open. */
void weir_group_place_enter(struct weir_request *request,
                            void (*stage)(struct weir_partition *partition,
                                          struct weir_request *request));

#endif
