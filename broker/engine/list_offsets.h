#ifndef WEIR_BROKER_ENGINE_LIST_OFFSETS_H
#define WEIR_BROKER_ENGINE_LIST_OFFSETS_H

#include "broker/engine/engine.h"

/** The door, as broker.h says it; any thread. */
void weir_engine_list_offsets(struct weir_engine *engine,
                              struct weir_list_offsets_request *request);

#endif
