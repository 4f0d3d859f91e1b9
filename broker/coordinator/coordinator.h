#ifndef WEIR_BROKER_COORDINATOR_COORDINATOR_H
#define WEIR_BROKER_COORDINATOR_COORDINATOR_H

#include "broker/broker.h"
#include "broker/coordinator/group_claims.h"

struct weir_controller;

/**
 * The group coordinator: what it needs beside the partitions of `__consumer_offsets`, whose state
 * machines have the offsets (offsets_partition.h). It asks the controller for the topics' ids and for its own topic.
 */
struct weir_coordinator {
    struct weir_controller *controller;
    struct weir_group_claims claims; /* the groups of the jobs that run now */
};

/** Borrows the controller, which is opened later. */
void weir_coordinator_init(struct weir_coordinator *coordinator,
                           struct weir_controller *controller);

/* commit_offsets.c. The doors: any thread, as broker.h says it. */
void weir_coordinator_commit(struct weir_coordinator *coordinator,
                             struct weir_commit_request *request);
void weir_coordinator_committed(struct weir_coordinator *coordinator,
                                struct weir_committed_request *request);

#endif
