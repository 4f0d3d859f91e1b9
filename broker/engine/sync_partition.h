#ifndef WEIR_BROKER_ENGINE_SYNC_PARTITION_H
#define WEIR_BROKER_ENGINE_SYNC_PARTITION_H

#include "broker/engine/engine.h"

/**
 * Answered when all that has been appended to a partition until now is durable, as the topic's flush.policy understands
 * it: for whoever is about to write down something that rests on it, and has not written it.
 * Errors: as of a produce; WEIR_UNKNOWN_TOPIC_OR_PARTITION.
 */
struct weir_sync_partition_request {
    struct weir_produce_request
        produce; /* first; it waits for the flush as one whose batch was the last */
};

/** Any thread. */
void weir_engine_sync_partition(struct weir_engine *engine,
                                struct weir_sync_partition_request *request,
                                struct weir_topic_partition of);

#endif
