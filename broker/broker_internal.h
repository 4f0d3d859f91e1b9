#ifndef WEIR_BROKER_BROKER_INTERNAL_H
#define WEIR_BROKER_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/controller/controller.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/engine/engine.h"

/** The whole, for broker.c and for tests that look inside: no room below sees more than its own part. */
struct weir_broker {
    struct weir_engine engine;
    struct weir_controller controller;
    struct weir_coordinator coordinator;
    struct weir_transaction_coordinator transactions;
    char cluster_id[WEIR_UUID_TEXT_SIZE];
};

#endif
