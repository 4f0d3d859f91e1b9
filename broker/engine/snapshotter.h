#ifndef WEIR_BROKER_ENGINE_SNAPSHOTTER_H
#define WEIR_BROKER_ENGINE_SNAPSHOTTER_H

#include "broker/engine/fold.h"

struct weir_partition;

/**
 * Takes snapshots of a folded partition in the background, and then has the log below them dropped.
 * The bytes are made in place (they are the state of one moment), the writing is a worker's.
 * Thread: the partition's shard.
 */
struct weir_snapshotter {
    struct weir_work work;
    struct weir_partition *partition;
    struct weir_fold *fold;
    struct weir_snapshot_builder builder;
    struct weir_snapshot_id id;
    bool is_running;
    int rc;
    struct weir_error error;
};

void weir_snapshotter_init(struct weir_snapshotter *snapshotter, struct weir_partition *partition,
                           struct weir_fold *fold);
/** Begin one if enough has been folded in since the last, and none is on its way. */
void weir_snapshotter_run(struct weir_snapshotter *snapshotter);
/** Take one now, if anything has been folded in since the last. Blocks; at the end. */
int weir_snapshotter_finish(struct weir_snapshotter *snapshotter, struct weir_error *error);

#endif
