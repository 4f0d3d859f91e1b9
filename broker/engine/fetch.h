#ifndef WEIR_BROKER_ENGINE_FETCH_H
#define WEIR_BROKER_ENGINE_FETCH_H

#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/** Have another look at the fetches that wait here for what has come. */
void weir_partition_wake_fetches(struct weir_partition *partition);
/** Its deadline has come. */
void weir_fetch_expire(struct weir_fetch_request *fetch);

/* The doors, as broker.h says it; any thread. */
void weir_engine_fetch(struct weir_engine *engine, struct weir_fetch_request *request);
void weir_engine_cancel_fetch(struct weir_engine *engine, struct weir_fetch_request *request);

#endif
