#ifndef WEIR_BROKER_COORDINATOR_GROUP_EXPIRY_H
#define WEIR_BROKER_COORDINATOR_GROUP_EXPIRY_H

#include "broker/coordinator/offsets_partition.h"

/**
 * Offsets that nobody comes back for are forgotten, every offsets.retention.check.interval.ms, so many groups in a turn:
 *
 *   a group that only has offsets, a consumer group    offsets.retention.minutes after each commit
 *   a classic group that is Empty                      after it became so
 *   topics that the members do not subscribe to        after each commit
 *   topics that are gone, or are others by now         at once
 *
 * A group that nobody is in goes with its last offset, and so does one without any. What is a stream
 * application's own is never touched.
 * Source:  Kafka's OffsetExpirationCondition, ClassicGroup, ConsumerGroup; KIP-211.
 */

/** Go on with a sweep, or begin one if it is time; `offsets->expiry.due` is when it wants the next turn. The
 * partition is open. */
void weir_group_expiry_run(struct weir_offsets_partition *offsets, struct weir_mono now);

#endif
