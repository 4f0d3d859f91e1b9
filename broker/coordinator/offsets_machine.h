#ifndef WEIR_BROKER_COORDINATOR_OFFSETS_MACHINE_H
#define WEIR_BROKER_COORDINATOR_OFFSETS_MACHINE_H

#include "broker/engine/state_machine.h"

/** A partition of `__consumer_offsets` as the engine knows it; registered with the coordinator. */
extern const struct weir_state_machine_ops weir_offsets_machine_ops;

#endif
