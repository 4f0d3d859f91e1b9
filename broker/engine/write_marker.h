#ifndef WEIR_BROKER_ENGINE_WRITE_MARKER_H
#define WEIR_BROKER_ENGINE_WRITE_MARKER_H

#include "broker/engine/engine.h"

/** The doors, as transaction_requests.h says it; any thread. */
void weir_engine_write_marker(struct weir_engine *engine,
                              struct weir_write_marker_request *request);

#endif
