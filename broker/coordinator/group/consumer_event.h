#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_EVENT_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_EVENT_H

#include "broker/coordinator/group/group_settings.h"
#include "broker/metadata/metadata_image.h"
#include "wire/request/group_requests.h"

/** What happens to a consumer group, with all that its step may know of the world. */
enum weir_consumer_event_type {
    WEIR_CONSUMER_HEARTBEAT,
    WEIR_CONSUMER_TICK, /* the time that the group wanted to be woken at has come, or earlier */
    WEIR_CONSUMER_METADATA, /* topics have changed; a heartbeat notices too, so this one may be left out */
    /* An administrator removes static members; members that speak the classic protocol leave. */
    WEIR_CONSUMER_LEAVE,
    /* Of members that speak the classic protocol (consumer_classic.h). */
    WEIR_CONSUMER_CLASSIC_JOIN,
    WEIR_CONSUMER_CLASSIC_SYNC,
    WEIR_CONSUMER_CLASSIC_HEARTBEAT,
};

struct weir_consumer_event {
    enum weir_consumer_event_type type;
    int64_t now_ms;          /* for deadlines; never goes back */
    int64_t wall_ms;         /* for what is written */
    struct weir_uuid random; /* the id of a new member, where the coordinator gives it */
    const struct weir_group_settings *settings;
    const struct weir_metadata_image *topics; /* borrowed during the step */
    uint64_t topics_version;                  /* another number when `topics` has changed; not 0 */
    union {
        struct weir_consumer_heartbeat_request *heartbeat;
        struct weir_join_group_request *join;
        struct weir_sync_group_request *sync;
        struct weir_group_heartbeat_request *classic_heartbeat;
        struct weir_leave_group_request *leave;
    };
};

#endif
