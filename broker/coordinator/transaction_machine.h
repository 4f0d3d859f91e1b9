#ifndef WEIR_BROKER_COORDINATOR_TRANSACTION_MACHINE_H
#define WEIR_BROKER_COORDINATOR_TRANSACTION_MACHINE_H

#include "broker/engine/state_machine.h"

/** The state machine of `__transaction_state`; `impl` is the transaction coordinator. */
extern const struct weir_state_machine_ops weir_transaction_machine_ops;

#endif
