#ifndef WEIR_BROKER_COORDINATOR_GROUP_CLASSIC_GROUP_H
#define WEIR_BROKER_COORDINATOR_GROUP_CLASSIC_GROUP_H

#include "base/map.h"
#include "broker/coordinator/group/group_settings.h"
#include "broker/coordinator/group/group_update.h"
#include "wire/generated/group_metadata_value.h"

/**
 * A classic group: members join, one of them is the leader and assigns, and each is given its part by the
 * coordinator, which knows nothing of what is assigned. Eager and cooperative members are the same to it.
 *
 *            +--------- nobody is left -----------+
 *            v                                    |
 *        [Empty] -- a member joins --> [PreparingRebalance] <--------------------+
 *            |                            |       ^      ^                       |
 *            |            all have joined |       |      | a member joins,       | a member joins
 *            |        or the others' time |       |      | leaves or is silent,  | or says other things,
 *     it is  |                    is over v       |      | or did not sync       | leaves, is silent, the
 *    deleted |                [CompletingRebalance]------+                       | leader joins again
 *            v                            |                                      |
 *          [Dead]                         +--- the leader's assignment ----> [Stable]
 *
 * A generation begins when all have joined. Until then joins are *parked* in their members, and in
 * CompletingRebalance so are the followers' syncs.
 *
 * Thread:  one at a time; nothing here waits, reads a clock or draws a number.
 * Source:  Kafka's group coordinator (ClassicGroup, GroupMetadataManager) as of 4.3; KIP-62, 134, 345, 394, 814.
 */
enum weir_classic_state {
    WEIR_CLASSIC_EMPTY,
    WEIR_CLASSIC_PREPARING_REBALANCE,
    WEIR_CLASSIC_COMPLETING_REBALANCE,
    WEIR_CLASSIC_STABLE,
    WEIR_CLASSIC_DEAD,
};

/** Protocols that one member may name. Weir's own bound; clients name three at most. */
enum { WEIR_CLASSIC_PROTOCOLS_MAX = 100 };

/** A member, in the order in which they came. Its slices are the group's own copies. */
struct weir_classic_member {
    struct weir_group_member_id id; /* `instance_id` null: a dynamic member */
    struct weir_slice client_id;
    struct weir_slice client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct weir_group_protocol *protocols; /* in order of preference, each name once */
    size_t protocol_count;
    struct weir_slice assignment; /* null: none */
    size_t bytes;                 /* of all this, for the group's bound */
    /* By then it must be heard of; not looked at while a request of it is parked, unless it is new. */
    int64_t session_deadline_ms;
    bool is_new;          /* of no generation yet: its parked join ends with its session */
    bool is_sync_pending; /* it has not synced in this generation yet */
    struct weir_join_group_request *join; /* parked, or NULL, as the next */
    struct weir_sync_group_request *sync;
};

/** Open for who reads it; changed by the functions below alone. */
struct weir_classic_group {
    struct weir_budget *budget;
    struct weir_slice name;
    enum weir_classic_state state;
    enum weir_classic_state previous_state;
    int64_t state_since_wall_ms; /* -1: not known */
    int32_t generation;
    struct weir_slice protocol_type;    /* null: no member has ever joined */
    struct weir_slice protocol;         /* the generation's; null: none */
    struct weir_classic_member *leader; /* NULL: none (Empty), or gone (PreparingRebalance) */

    struct weir_map members;   /* by member id */
    struct weir_map instances; /* the static ones, by instance id */
    struct weir_map pending;   /* ids that were given and have not joined yet */
    struct weir_map protocols; /* by name: how many members speak it */
    size_t joined_count;       /* members whose join is parked */
    size_t pending_sync_count; /* members that owe a sync */
    size_t bytes;              /* of members and ids; `bytes_max` bounds it */
    bool is_recorded;          /* the log has a record of it */

    /* No member's or pending id's deadline is earlier. It may be too early: then a tick looks through all. */
    int64_t scan_at_ms;
    int64_t
        join_deadline_ms; /* of PreparingRebalance; WEIR_GROUP_NEVER_MS in others, as the next */
    int64_t sync_deadline_ms; /* for those who owe a sync */
    /* Of the first rebalance, which newcomers extend. */
    int32_t initial_delay_ms;
    int32_t initial_remaining_ms;
    bool has_newcomer;
};

enum weir_classic_event_type {
    WEIR_CLASSIC_JOIN,
    WEIR_CLASSIC_SYNC,
    WEIR_CLASSIC_HEARTBEAT,
    WEIR_CLASSIC_LEAVE,
    WEIR_CLASSIC_CANCEL, /* who asked does not wait any more */
    WEIR_CLASSIC_TICK,
};

struct weir_classic_event {
    enum weir_classic_event_type type;
    int64_t now_ms;          /* of a clock that never goes back: deadlines are in its time */
    int64_t wall_ms;         /* Unix time, for records */
    struct weir_uuid random; /* of a join: the id that a new member may be given ends with it */
    const struct weir_group_settings *settings;
    union {
        struct weir_join_group_request *join;
        struct weir_sync_group_request *sync;
        struct weir_group_heartbeat_request *heartbeat;
        struct weir_leave_group_request *leave;
        struct weir_group_request *cancel; /* a join or a sync; not parked here: nothing happens */
    };
};

/** Who commits offsets, and what it says of itself. */
struct weir_classic_committer {
    struct weir_group_member_id member;
    int32_t generation;    /* negative: not said */
    bool is_transactional; /* TxnOffsetCommit: allowed while the rebalance is completed */
    int64_t now_ms;
};

/** An Empty group of generation 0. Allocates nothing: `name` is borrowed until close. */
void weir_classic_group_init(struct weir_classic_group *group, struct weir_budget *budget,
                             struct weir_slice name);
/** No request is parked in it: see weir_classic_group_take_parked. A zeroed one and a closed one are fine. */
void weir_classic_group_close(struct weir_classic_group *group);
/** Its invariants; those that look at each member only where assertions may be slow. */
void weir_classic_group_check(const struct weir_classic_group *group);

/**
 * Become what the record says: Stable, or Empty without members. The group is fresh from init. All sessions
 * begin now, and the group wants a tick at once.
 *
 * Errors: WEIR_CORRUPT (two members with one id, a negative generation or timeout, members without a protocol),
 *         WEIR_NO_MEMORY; the group may only be closed then.
 */
int weir_classic_group_load(struct weir_classic_group *group,
                            const struct weir_group_metadata_value *value, int64_t now_ms,
                            struct weir_error *error);

/**
 * Do what the event says. The event's request is answered (in `update`), or it is parked and a later step
 * answers it; each exactly once.
 *
 * Answers that stand on a record are `durable` ones: a sync's assignment and a static member's new id. A sync
 * in a Stable group is one of them, without a record of its own: it must wait for the leader's, if that is still
 * on its way. `update->wake_at_ms` takes the place of the one before, and may have passed already. `is_gone`
 * after a step: no member, no pending id and no record has come of the group.
 *
 * Errors: WEIR_NO_MEMORY. The group may only be asked for its parked requests then, and closed. The event's
 *         request is answered with the shortage, or parked; answers that are in `update` are to be given, but
 *         the durable ones with the shortage, and the records are not to be written.
 */
int weir_classic_group_step(struct weir_classic_group *group,
                            const struct weir_classic_event *event,
                            struct weir_group_update *update);

/** When the group wants a tick, at the latest. */
int64_t weir_classic_group_wake_at(const struct weir_classic_group *group);

/**
 * May this member commit offsets? If so, its session begins anew.
 *
 * Errors: WEIR_UNKNOWN_MEMBER_ID (also: nobody in particular, while the group has members),
 *         WEIR_FENCED_INSTANCE_ID, WEIR_ILLEGAL_GENERATION, WEIR_REBALANCE_IN_PROGRESS (the member has joined
 *         and not synced).
 */
int weir_classic_group_check_commit(struct weir_classic_group *group,
                                    const struct weir_classic_committer *committer,
                                    struct weir_error *error);

/** Fill in what is given; members' metadata and the protocol of a Stable group alone, as Kafka does. The
 * request's arena fails where memory is short. */
void weir_classic_group_describe(const struct weir_classic_group *group,
                                 struct weir_describe_group_request *request);
/** As DescribeGroups and ListGroups write it: "PreparingRebalance". Lives for ever. */
struct weir_slice weir_classic_group_state_name(const struct weir_classic_group *group);

/** The topics that members want, for who asks about many: each subscription is read once. */
struct weir_classic_subscription {
    struct weir_map topics; /* by name; borrowed from the members */
    bool is_all;            /* what they want is not known: every topic */
};
/**
 * Read it; the group must not change before the close. Every topic is wanted where subscriptions cannot be read: no
 * generation yet, bytes that are no ConsumerProtocolSubscription, no memory. None is by members that are not consumers.
 */
void weir_classic_subscription_read(struct weir_classic_subscription *subscription,
                                    const struct weir_classic_group *group);
void weir_classic_subscription_close(struct weir_classic_subscription *subscription);
bool weir_classic_subscription_has(const struct weir_classic_subscription *subscription,
                                   struct weir_slice topic);
/** May offsets be deleted at all, those of topics that nobody subscribes to? WEIR_NON_EMPTY_GROUP where the
 * members are not consumers. */
int weir_classic_group_check_offset_delete(const struct weir_classic_group *group,
                                           struct weir_error *error);

/** Nobody is in it and no id is pending: what the log has of it is all, and the live group may be closed. */
bool weir_classic_group_is_idle(const struct weir_classic_group *group);
/**
 * Delete it: Dead, with a tombstone in `update`, which is `is_gone`. No step comes after it.
 * Errors: WEIR_NON_EMPTY_GROUP: nothing has changed. WEIR_NO_MEMORY: as for a step.
 */
int weir_classic_group_delete(struct weir_classic_group *group, int64_t wall_ms,
                              struct weir_group_update *update, struct weir_error *error);

/** All parked requests, one behind the other by `next`, in the order of their members; none is parked any more,
 * and whoever takes them answers them. */
struct weir_group_request *weir_classic_group_take_parked(struct weir_classic_group *group);

#endif
