#ifndef WEIR_BROKER_COORDINATOR_COORDINATOR_H
#define WEIR_BROKER_COORDINATOR_COORDINATOR_H

#include "broker/broker.h"
#include "broker/coordinator/group_claims.h"

struct weir_engine;

/**
 * The group coordinator: what it needs beside the partitions of `__consumer_offsets`, whose state
 * machines have the offsets (offsets_partition.h).
 */
struct weir_coordinator {
    struct weir_engine *engine;
    struct weir_group_claims claims; /* the groups of the jobs that run now */
};

/** Borrows the engine, which is opened later. */
void weir_coordinator_init(struct weir_coordinator *coordinator, struct weir_engine *engine);

/* commit_offsets.c. The doors: any thread, as broker.h says it. */
void weir_coordinator_commit(struct weir_coordinator *coordinator,
                             struct weir_commit_request *request);
void weir_coordinator_committed(struct weir_coordinator *coordinator,
                                struct weir_committed_request *request);

#endif
