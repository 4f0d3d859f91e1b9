#ifndef WEIR_BROKER_ENGINE_PARTITION_REQUESTS_H
#define WEIR_BROKER_ENGINE_PARTITION_REQUESTS_H

#include "broker/engine/engine.h"

/* The doors, as broker.h says it; any thread. */
void weir_engine_epoch_end(struct weir_engine *engine, struct weir_epoch_end_request *request);
void weir_engine_describe_partition(struct weir_engine *engine,
                                    struct weir_describe_partition_request *request);
void weir_engine_partition_state(struct weir_engine *engine,
                                 struct weir_partition_state_request *request);
void weir_engine_cut(struct weir_engine *engine, struct weir_cut_request *request);

#endif
