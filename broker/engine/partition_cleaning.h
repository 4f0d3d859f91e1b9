#ifndef WEIR_BROKER_ENGINE_PARTITION_CLEANING_H
#define WEIR_BROKER_ENGINE_PARTITION_CLEANING_H

#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/** Compaction of a shard's partitions, one after the other. On its thread, but for close. */

void weir_shard_cleaner_init(struct weir_shard *shard);
/** In a turn: go on with a pass, begin one that is asked for or due. How much was done; lowers `next` to when it wants a
 * turn. */
int weir_shard_cleaner_run(struct weir_shard *shard, struct weir_mono now, struct weir_mono *next);
/** Nothing begins any more, who waits is answered with `rc`, and a pass is given up as soon as no worker is in it. */
void weir_shard_cleaner_stop(struct weir_shard *shard, int rc, const char *text);
/** The actor is gone: let go of what a pass has. Before its partitions are freed. */
void weir_shard_cleaner_close(struct weir_shard *shard);
/** How much of the partition is clean, and how much is dirty; both 0 where it is not compacted. */
void weir_shard_cleaner_glance(struct weir_partition *partition, int64_t *clean_bytes_out,
                               int64_t *dirty_bytes_out);

void weir_engine_compact(struct weir_engine *engine, struct weir_compact_request *request);

#endif
