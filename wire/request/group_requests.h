#ifndef WEIR_WIRE_REQUEST_GROUP_REQUESTS_H
#define WEIR_WIRE_REQUEST_GROUP_REQUESTS_H

#include "base/arena.h"
#include "wire/request/request.h"

/**
 * What can be asked of a consumer group, one struct per kind, in Kafka's terms. Offsets of a group are in
 * log_requests.h. The group coordinator of the engine answers them; a client of a cluster turns each into the
 * message of its name.
 *
 * Slices and arrays are the asker's until the answer. What is given lies in `arena`, the asker's too, which
 * nobody else touches until then. Ids that are not set are null or empty, as on the wire: both mean none.
 *
 * A join, a sync and a consumer group's heartbeat may wait in the coordinator (for the other members, for the disk).
 * Who does not want the answer any more says weir_broker_cancel_group: it is answered with WEIR_CLOSED then,
 * and the member stays until its session ends.
 *
 * Any of them: WEIR_INVALID_ARGUMENT (the group's id is empty or longer than 32,767 bytes),
 *              WEIR_GROUP_OWNED (by a stream application), WEIR_OFFLINE, WEIR_CLOSED, WEIR_NO_MEMORY, WEIR_LIMIT.
 */
struct weir_group_request {
    struct weir_request request; /* first */
    struct weir_slice group;
    struct weir_arena *arena;
    struct weir_message cancel;
    /* of the coordinator, while it has it */
    struct weir_group_request *next; /* in a list of answers */
    bool is_parked;                  /* a member waits for it: */
    void *parked_member;
    bool is_cancelled;   /* before a member could: it is not to wait any more */
    bool is_asked_again; /* instead of its answer, when that is durable */
    _Atomic int cancel_state;
};

/** Who says it is a member. */
struct weir_group_member_id {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* group.instance.id; null: a dynamic member */
};

/* ---- classic: JoinGroup, SyncGroup, Heartbeat, LeaveGroup ------------------------------------ */

/** One that the member speaks: an assignor's name and what it has to say to the leader. */
struct weir_group_protocol {
    struct weir_slice name;
    struct weir_slice metadata;
};

/** A member as the leader is told of it. */
struct weir_joined_member {
    struct weir_group_member_id id;
    struct weir_slice metadata; /* of the protocol that was chosen */
};

/**
 * Join, or say again that one is there while the group rebalances. Answered when every member has, or when
 * the rebalance timeout has passed without the others.
 *
 * Errors: WEIR_MEMBER_ID_REQUIRED (`member_id_out` is given), WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_INSTANCE_ID,
 *         WEIR_INCONSISTENT_GROUP_PROTOCOL, WEIR_INVALID_SESSION_TIMEOUT, WEIR_GROUP_MAX_SIZE_REACHED.
 */
struct weir_join_group_request {
    struct weir_group_request base;
    struct weir_group_member_id member;
    struct weir_slice client_id; /* null: none */
    struct weir_slice client_host;
    struct weir_slice protocol_type;
    const struct weir_group_protocol *protocols; /* in order of preference */
    size_t protocol_count;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* -1: the session's */
    bool requires_member_id; /* version 4 on: a dynamic member joins with an id that it was given */
    bool can_skip_assignment; /* version 9 on */
    struct weir_slice reason; /* for our log; null: none */
    /* given */
    int32_t generation;
    struct weir_slice member_id_out;
    struct weir_slice leader_id;
    struct weir_slice protocol_type_out;
    struct weir_slice protocol;         /* null: none was chosen */
    bool skip_assignment;               /* the leader's: the assignment stands */
    struct weir_joined_member *members; /* the leader's; for others none */
    size_t member_count;
};

struct weir_member_assignment {
    struct weir_slice member_id;
    struct weir_slice assignment;
};

/**
 * The leader brings everybody's assignment, each member is given its own.
 * Errors: WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_INSTANCE_ID, WEIR_ILLEGAL_GENERATION, WEIR_REBALANCE_IN_PROGRESS,
 *         WEIR_INCONSISTENT_GROUP_PROTOCOL.
 */
struct weir_sync_group_request {
    struct weir_group_request base;
    struct weir_group_member_id member;
    int32_t generation;
    struct weir_slice protocol_type; /* null: not said (before version 5), as the next */
    struct weir_slice protocol;
    const struct weir_member_assignment *assignments; /* the leader's */
    size_t assignment_count;
    /* given */
    struct weir_slice protocol_type_out;
    struct weir_slice protocol_out;
    struct weir_slice assignment; /* empty: nothing is assigned to it */
};

/** Errors: as those of a sync. WEIR_REBALANCE_IN_PROGRESS: the session goes on, and it is to join again. */
struct weir_group_heartbeat_request {
    struct weir_group_request base;
    struct weir_group_member_id member;
    int32_t generation;
};

struct weir_leaving_member {
    struct weir_group_member_id id; /* an administrator names the instance id alone */
    struct weir_slice reason;
    int rc; /* given: WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_INSTANCE_ID */
};
struct weir_leave_group_request {
    struct weir_group_request base;
    struct weir_leaving_member *members;
    size_t member_count;
};

/* ---- consumer groups: ConsumerGroupHeartbeat (KIP-848) --------------------------------------- */

struct weir_topic_partitions {
    struct weir_uuid topic_id;
    const int32_t *partitions;
    size_t partition_count;
};

/**
 * All that a member of a consumer group says and hears. Epoch 0 joins, -1 leaves, -2 leaves for a while (a
 * static member).
 *
 * Errors: WEIR_INVALID_ARGUMENT, WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_MEMBER_EPOCH, WEIR_UNRELEASED_INSTANCE_ID,
 *         WEIR_FENCED_INSTANCE_ID, WEIR_UNSUPPORTED_ASSIGNOR, WEIR_INVALID_REGULAR_EXPRESSION,
 *         WEIR_GROUP_MAX_SIZE_REACHED, WEIR_GROUP_ID_NOT_FOUND, WEIR_INCONSISTENT_GROUP_PROTOCOL (a classic group that
 *         cannot be taken over).
 */
struct weir_consumer_heartbeat_request {
    struct weir_group_request base;
    struct weir_group_member_id
        member; /* an empty member id with epoch 0: it is given one (version 0) */
    int32_t member_epoch;
    struct weir_slice client_id;
    struct weir_slice client_host;
    struct weir_slice rack_id;    /* null: not changed, as all that follow; */
    int32_t rebalance_timeout_ms; /* here -1 */
    const struct weir_slice *topic_names;
    size_t topic_name_count;
    bool has_topic_names;          /* false: not changed */
    struct weir_slice topic_regex; /* null: not changed; empty: none any more */
    struct weir_slice assignor;
    const struct weir_topic_partitions *owned;
    size_t owned_count;
    bool has_owned;
    /* given */
    struct weir_slice member_id_out;
    int32_t member_epoch_out;
    int32_t heartbeat_interval_ms;
    bool has_assignment; /* false: the same as before */
    struct weir_topic_partitions *assigned;
    size_t assigned_count;
};

/* ---- administration -------------------------------------------------------------------------- */

enum weir_group_type {
    WEIR_GROUP_UNKNOWN,
    WEIR_GROUP_CLASSIC, /* also one that has committed offsets alone, and a stream application's */
    WEIR_GROUP_CONSUMER,
};

/** One of a group that is described. Texts that there are none of are null. */
struct weir_described_member {
    struct weir_group_member_id id;
    struct weir_slice client_id;
    struct weir_slice client_host;
    /* classic */
    struct weir_slice metadata;
    struct weir_slice assignment;
    /* consumer */
    struct weir_slice rack_id;
    int32_t member_epoch;
    struct weir_slice *topic_names;
    size_t topic_name_count;
    struct weir_slice topic_regex;
    struct weir_topic_partitions *assigned;
    size_t assigned_count;
    struct weir_topic_partitions *target;
    size_t target_count;
    bool is_classic_protocol; /* it speaks the classic protocol in a consumer group */
};

/** Errors: WEIR_GROUP_ID_NOT_FOUND. */
struct weir_describe_group_request {
    struct weir_group_request base;
    /* given */
    enum weir_group_type type;
    struct weir_slice
        state; /* as Kafka writes it: "Stable", "PreparingRebalance", "Assigning", ... */
    struct weir_slice protocol_type;
    struct weir_slice protocol; /* classic: the one chosen; consumer: the assignor */
    int32_t group_epoch;        /* classic: the generation */
    int32_t assignment_epoch;
    bool is_application; /* a stream application's own */
    struct weir_described_member *members;
    size_t member_count;
};

struct weir_group_listing {
    struct weir_slice group;
    struct weir_slice protocol_type;
    struct weir_slice state;
    enum weir_group_type type;
};

/** All groups of one partition of `__consumer_offsets`; asked for each by who wants them all. `base.group` is not
 * looked at. */
struct weir_list_groups_request {
    struct weir_group_request base;
    int32_t offsets_partition;
    /* given */
    struct weir_group_listing *groups;
    size_t group_count;
    /* the coordinator's, on its way from turn to turn */
    struct weir_slice *names;
    size_t name_count;
    size_t next_name;
};

/** Forget the group and its offsets. Errors: WEIR_NON_EMPTY_GROUP, WEIR_GROUP_ID_NOT_FOUND. */
struct weir_delete_group_request {
    struct weir_group_request base;
};

struct weir_offset_deletion {
    struct weir_topic_partition partition;
    int rc; /* given: WEIR_GROUP_SUBSCRIBED_TO_TOPIC, WEIR_UNKNOWN_TOPIC_OR_PARTITION */
};
/** Forget these offsets. Errors: WEIR_GROUP_ID_NOT_FOUND, WEIR_NON_EMPTY_GROUP (a group whose subscriptions are not
 * known). */
struct weir_delete_offsets_request {
    struct weir_group_request base;
    struct weir_offset_deletion *partitions;
    size_t partition_count;
};

#endif
