#ifndef WEIR_BROKER_COORDINATOR_GROUP_CLAIMS_H
#define WEIR_BROKER_COORDINATOR_GROUP_CLAIMS_H

#include <stdatomic.h>

#include "broker/broker.h"

/**
 * The applications that run on this log. A data directory is open in one process, so a list in its
 * memory is the log's own lock: it holds whatever state directories the jobs were given, and a crash
 * lets go of it.
 * Thread: any. The lock is held for a walk over a handful of jobs.
 */
struct weir_group_claims {
    atomic_flag lock;
    struct weir_group_claim *first;
};

void weir_group_claims_init(struct weir_group_claims *claims);
bool weir_group_claims_has(struct weir_group_claims *claims, struct weir_slice group);

/** As weir_broker_claim_group says it: WEIR_LOCKED. `run` is the one that claims, and becomes its member id. */
int weir_group_claims_add(struct weir_group_claims *claims, struct weir_slice group,
                          struct weir_uuid run, struct weir_group_claim *claim,
                          struct weir_error *error);
/** A zeroed claim is fine. */
void weir_group_claims_release(struct weir_group_claim *claim);

#endif
