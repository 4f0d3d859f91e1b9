#ifndef WEIR_BROKER_ENGINE_PRODUCE_H
#define WEIR_BROKER_ENGINE_PRODUCE_H

#include "broker/engine/engine.h"

/** Append to an internal partition from its own shard; `produce` comes back through `done`. */
void weir_partition_write(struct weir_partition *partition, struct weir_produce_request *produce);
/** Append to the partition's log, and what comes of it for the partition and its engine: the flush is asked for,
 * offsets are taken over; readers are for the caller to wake. As weir_partition_log_append. `batches`: how many. */
int weir_partition_append(struct weir_partition *partition, const struct weir_append *append,
                          int64_t batches, struct weir_append_result *result_out,
                          struct weir_error *error);
/** The door, as broker.h says it; any thread. */
void weir_engine_produce(struct weir_engine *engine, struct weir_produce_request *request);

#endif
