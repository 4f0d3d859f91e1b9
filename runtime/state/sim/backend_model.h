#ifndef WEIR_RUNTIME_STATE_SIM_BACKEND_MODEL_H
#define WEIR_RUNTIME_STATE_SIM_BACKEND_MODEL_H

#include "runtime/state/backend.h"

/**
 * The backend of a simulated node: an ordered map in memory that lives with the node's disk and is cut
 * back at each crash as RocksDB would be. The environment has to be of a simulator (asserted).
 *
 * Thread: the simulator's.
 */
extern const struct weir_backend_kind weir_backend_model;

#endif
