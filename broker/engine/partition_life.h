#ifndef WEIR_BROKER_ENGINE_PARTITION_LIFE_H
#define WEIR_BROKER_ENGINE_PARTITION_LIFE_H

#include "broker/engine/partition.h"

/** A partition's way through its states: opening, being used by one at a time, closing. On its shard. */

/** Find or begin to open the partition that `request` names, then run its stage. */
void weir_partition_enter(struct weir_shard *shard, struct weir_request *request);
/** Has it ever been made? Else there is nothing in it, and who only asks what is in it need not enter. On the shard that
 * it would be on. */
bool weir_partition_was_made(struct weir_shard *shard, struct weir_slice topic, int32_t number);
/** Put a request that is being served back, in front of all that wait: for what has been wanted. */
void weir_partition_put_back(struct weir_partition *partition, struct weir_request *request);
/** Something went idle: go on with what waits. The partition may be gone on return. */
void weir_partition_settle(struct weir_partition *partition);
/** Have `begin` run once nothing else uses the log; false if something is wanted already. */
bool weir_partition_want(struct weir_partition *partition,
                         void (*begin)(struct weir_partition *partition));
/** Hand the log to a worker: `job` there, `done` here afterwards. State is set by the caller. */
void weir_partition_submit(struct weir_partition *partition,
                           int (*job)(struct weir_partition *partition),
                           void (*done)(struct weir_partition *partition));
/** The log is the shard's again: open, with the settings and the offsets of now, and its state machine has a turn.
 * Who waits for data is not told. */
void weir_partition_take_back(struct weir_partition *partition);
/** A sync or a work of the log has failed, with `rc`: what comes of that for the directory, and for this log
 * alone. `why` says what, for a person. */
void weir_partition_failed(struct weir_partition *partition, enum weir_availability_event_type type,
                           int rc, struct weir_error *why);
/** Damage may have been read, or this log alone may have failed: if so it is told, once, and those who wait for
 * data are answered. */
void weir_partition_look_for_damage(struct weir_partition *partition);
/** Close it for good, then `closing->gone`. Once. */
void weir_partition_close_for(struct weir_partition *partition,
                              struct weir_partition_closing *closing);

/** Send the metadata owner's answer back to the partition that asked. On shard 0. */
void weir_auto_create_answer(struct weir_auto_create *create);
void weir_assign_answer(struct weir_assign *assign);
/** Tell the log what opening this one found, unless there is nothing to say. */
void weir_partition_say_recovery(struct weir_env *env, struct weir_slice topic, int32_t number,
                                 const struct weir_log_recovery *recovery);

#endif
