#ifndef WEIR_BROKER_ENGINE_DESCRIBE_PRODUCERS_H
#define WEIR_BROKER_ENGINE_DESCRIBE_PRODUCERS_H

#include "broker/engine/engine.h"

/** The door, as transaction_requests.h says it; any thread. */
void weir_engine_describe_producers(struct weir_engine *engine,
                                    struct weir_describe_producers_request *request);

#endif
