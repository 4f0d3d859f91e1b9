#ifndef WEIR_BROKER_COORDINATOR_OFFSETS_PARTITION_H
#define WEIR_BROKER_COORDINATOR_OFFSETS_PARTITION_H

#include "broker/engine/fold.h"
#include "broker/coordinator/offsets_image.h"
#include "broker/engine/snapshotter.h"

struct weir_commit_work;
struct weir_partition;

/**
 * What a partition of `__consumer_offsets` has beside its log: the offsets themselves. A commit is
 * one batch, appended, flushed and only then folded in, so that nobody sees what a crash takes
 * back.
 * Thread: the partition's shard (restore: the worker that opens the log).
 */
struct weir_offsets_partition {
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

/** WEIR_NO_MEMORY. */
int weir_offsets_partition_new(struct weir_partition *partition,
                               struct weir_offsets_partition **offsets_out);
/** Bring it to the end of the partition's log; blocks. */
int weir_offsets_partition_restore(struct weir_offsets_partition *offsets,
                                   struct weir_error *error);
/** Fold in what a failure left out below `end_offset`: weir_fold_catch_up. Damage that is met takes the
 * partition offline, and who waits for it is told. */
int weir_offsets_partition_catch_up(struct weir_offsets_partition *offsets, int64_t end_offset,
                                    struct weir_error *error);
/** A last snapshot if the log is open, and gone. Blocks. NULL is fine. */
int weir_offsets_partition_free(struct weir_offsets_partition *offsets, struct weir_error *error);

#endif
