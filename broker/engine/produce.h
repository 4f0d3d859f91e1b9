#ifndef WEIR_BROKER_ENGINE_PRODUCE_H
#define WEIR_BROKER_ENGINE_PRODUCE_H

#include "broker/engine/engine.h"

/** Append to an internal partition from its own shard; `produce` comes back through `done`. */
void weir_partition_write(struct weir_partition *partition, struct weir_produce_request *produce);
/** The door, as broker.h says it; any thread. */
void weir_engine_produce(struct weir_engine *engine, struct weir_produce_request *request);

#endif
