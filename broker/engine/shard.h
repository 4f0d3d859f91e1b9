#ifndef WEIR_BROKER_ENGINE_SHARD_H
#define WEIR_BROKER_ENGINE_SHARD_H

#include "broker/engine/engine.h"

/** A shard as an actor: its beginning, its turns, its end. What it has is in engine.h. */

/** It listens to `engine->serving`; nothing is opened. */
void weir_shard_init(struct weir_shard *shard, struct weir_engine *engine);
/** A turn: deadlines, the metadata's owner (on shard 0), the flush group, retention, the service; how much
 * was done. `impl` is the shard. Thread: the shard's. */
int weir_shard_run_once(void *impl);
/** Close what is left, when the actor is gone; blocks. First error. A zeroed one is fine. */
int weir_shard_close(struct weir_shard *shard, struct weir_error *error);

#endif
