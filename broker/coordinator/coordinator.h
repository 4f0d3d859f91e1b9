#ifndef WEIR_BROKER_COORDINATOR_COORDINATOR_H
#define WEIR_BROKER_COORDINATOR_COORDINATOR_H

#include "broker/broker.h"
#include "broker/coordinator/group/group_settings.h"
#include "broker/coordinator/group_claims.h"
#include "broker/coordinator/group_settle.h"

struct weir_engine;

/**
 * The group coordinator: what it needs beside the partitions of `__consumer_offsets`, whose state
 * machines have the groups (offsets_partition.h).
 */
struct weir_coordinator {
    struct weir_engine *engine;
    struct weir_group_claims claims;     /* the groups of the jobs that run now */
    struct weir_group_settings settings; /* written before any actor runs */
    struct weir_budget budget;       /* of live groups, of all partitions; its limit is a bound */
    _Atomic int64_t live_count;      /* of these */
    struct weir_group_settle settle; /* is every group where it is looked for? */
};

/** Borrows the engine, which is opened later. */
void weir_coordinator_init(struct weir_coordinator *coordinator, struct weir_engine *engine);
/** The engine's budget and options are there; no actor runs yet. */
void weir_coordinator_open(struct weir_coordinator *coordinator);

/* commit_offsets.c. The doors: any thread, as broker.h says it. */
void weir_coordinator_commit(struct weir_coordinator *coordinator,
                             struct weir_commit_request *request);
void weir_coordinator_committed(struct weir_coordinator *coordinator,
                                struct weir_committed_request *request);
/* group_requests.c. */
void weir_coordinator_join(struct weir_coordinator *coordinator,
                           struct weir_join_group_request *request);
void weir_coordinator_sync(struct weir_coordinator *coordinator,
                           struct weir_sync_group_request *request);
void weir_coordinator_heartbeat(struct weir_coordinator *coordinator,
                                struct weir_group_heartbeat_request *request);
void weir_coordinator_leave(struct weir_coordinator *coordinator,
                            struct weir_leave_group_request *request);
void weir_coordinator_consumer_heartbeat(struct weir_coordinator *coordinator,
                                         struct weir_consumer_heartbeat_request *request);
void weir_coordinator_cancel(struct weir_coordinator *coordinator,
                             struct weir_group_request *request);
/* group_admin.c. */
void weir_coordinator_describe(struct weir_coordinator *coordinator,
                               struct weir_describe_group_request *request);
void weir_coordinator_list(struct weir_coordinator *coordinator,
                           struct weir_list_groups_request *request);
void weir_coordinator_delete(struct weir_coordinator *coordinator,
                             struct weir_delete_group_request *request);
void weir_coordinator_delete_offsets(struct weir_coordinator *coordinator,
                                     struct weir_delete_offsets_request *request);

#endif
