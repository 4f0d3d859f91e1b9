#ifndef WEIR_RUNTIME_JOB_START_PARTITION_H
#define WEIR_RUNTIME_JOB_START_PARTITION_H

#include "runtime/job/commit_kind.h"
#include "runtime/job/start_compare.h"
#include "wire/request/log_requests.h"

/**
 * What a partition is known by before a start, put together from answers: what the log says of it, what the commit
 * does, where an epoch ended, who wrote a tail, what lies where a batch was read. Pure; who asks is a start
 * (start_look.c, start_read.c), or somebody who looks at an application from outside (runtime/application).
 */

/** As if nothing had been committed or asked. */
struct weir_start_partition weir_start_partition_new(void);
/** What the log says of it. */
void weir_start_describe(struct weir_start_partition *partition,
                         const struct weir_describe_partition_request *described);
/** A partition of the job's own is offline from there on, -1: all of it, and what can be done. WEIR_OFFLINE. */
int weir_start_refuse_offline(const char *topic, int32_t partition, int64_t offline_from,
                              struct weir_error *error);
/** Topics are named so that may be an application's internal ones: another application's start may cut them. */
bool weir_start_is_named_as_internal(const char *name);
/** What the commit says of one of the topic's partitions, whose `partitions` are made where it exists. */
void weir_start_take_entry(struct weir_start_topic *topic, const struct weir_commit_entry *entry);

/** The committed leader epoch may have ended below the commit, so that its end is to be asked for. */
bool weir_start_is_in_doubt(const struct weir_start_topic *topic,
                            const struct weir_start_partition *partition);
/** Where it ended; -1: the log has not reached it. */
void weir_start_take_epoch_end(const struct weir_start_topic *topic,
                               struct weir_start_partition *partition, int64_t end_offset);

/** Batches of a tail, from `*from` on: `*is_ours_out` if all are of the run that the commit names, or nobody's, which
 * hold no records: a repair may have given up some of the run's. `*from` is moved behind them. WEIR_CORRUPT. */
int weir_start_check_tail(const struct weir_commit_recover *committed, struct weir_slice batches,
                          int64_t *from, bool *is_ours_out, struct weir_error *error);

/** The batch that was read last is known, and should still lie there. */
bool weir_start_is_comparable(const struct weir_start_partition *partition);
/** The first batch of `bytes` lies at `offset`: taken, if it can be believed. */
void weir_start_take_read(struct weir_start_partition *partition, int64_t offset,
                          struct weir_slice bytes);

#endif
