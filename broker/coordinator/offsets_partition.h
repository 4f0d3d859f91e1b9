#ifndef WEIR_BROKER_COORDINATOR_OFFSETS_PARTITION_H
#define WEIR_BROKER_COORDINATOR_OFFSETS_PARTITION_H

#include "broker/coordinator/offsets_image.h"
#include "broker/engine/fold.h"
#include "broker/engine/snapshotter.h"
#include "broker/engine/state_machine.h"

struct weir_commit_work;
struct weir_coordinator;
struct weir_partition;

/**
 * What a partition of `__consumer_offsets` has beside its log: the offsets themselves. A commit is
 * one batch, appended, flushed and only then folded in, so that nobody sees what a crash takes
 * back.
 * It is the partition's state machine (broker/engine/state_machine.h).
 * Thread: the partition's shard (restore: the worker that opens the log).
 */
struct weir_offsets_partition {
    struct weir_coordinator *coordinator;
    struct weir_partition *partition;
    struct weir_offsets_image image;
    struct weir_fold fold;
    struct weir_snapshotter snapshotter;
    int64_t flushed_end; /* commits below are durable: the image is behind only after a failure */
    struct weir_commit_work *owning; /* commits on their way that make a group an application's */
    struct weir_batch_builder builder;
    struct weir_buffer key;
    struct weir_buffer value;
};

/** How an image is folded and written down. */
extern const struct weir_fold_ops weir_offsets_fold_ops;

/** As the engine knows it; registered with the coordinator. */
extern const struct weir_state_machine_ops weir_offsets_state_machine_ops;
/** The offsets of a partition of `__consumer_offsets`, from its topic being known on. */
struct weir_offsets_partition *weir_offsets_partition_of(const struct weir_partition *partition);
/** Fold in what a failure left out below `end_offset`: weir_fold_catch_up. Damage that is met takes the
 * partition offline, and who waits for it is told. */
int weir_offsets_partition_catch_up(struct weir_offsets_partition *offsets, int64_t end_offset,
                                    struct weir_error *error);

#endif
