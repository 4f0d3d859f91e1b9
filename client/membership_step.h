#ifndef WEIR_CLIENT_MEMBERSHIP_STEP_H
#define WEIR_CLIENT_MEMBERSHIP_STEP_H

#include "client/member_partitions.h"

/**
 * A consumer's membership in its group, by the consumer protocol (KIP-848): the pure part. It does no I/O and
 * reads no clock: an event goes in, with the time, and the update says what is to be done: send this heartbeat,
 * have the user give these partitions up or take those, wake again then.
 *
 *                   ┌────────────────────────── rejoins, lost told ────────────────────────┐
 *                   v                                                                      │
 *   unsubscribed ─> joining ─answered─┬─────> stable <──answered── acknowledging           │
 *        ^             │              │        │  ^                     ^    │             │
 *        │             │     another  v        v  └ nothing changed ┐   │    │ fenced,     │
 *        │             │     target  reconciling ──all callbacks────┴───┘    │ or its epoch│
 *        │             │              │   done, what is owned is told now    │ is not known│
 *        │             └──────────────┴────────────────────────┬─────────────┴──────────> fenced
 *        │ left                                                │ leaves; or the user has    ^
 *        ├──────────────────────────────────────────────── leaving   not polled for too long│
 *        │ unsubscribed                                        └────────────────────────────┘
 *      fatal <── an error that no wait mends; it leaves if it has joined before
 *
 * The coordinator decides who reads what. A heartbeat's answer may bring a target; what the member owns beyond
 * it is revoked first (the user's callback runs, offsets are committed), then what it lacks is assigned, and then
 * what it owns is told with a heartbeat at once: only with that may the coordinator give the revoked ones away.
 * A target that comes meanwhile is taken up behind the callback that is running.
 *
 * One heartbeat is on its way at most, and one offer with the user at most. A heartbeat says what has changed
 * since the last that was answered; after one that failed, all of it. What fails for a while is sent again after
 * 100 ms, twice as long each time, up to a second.
 *
 * What is told as owned the coordinator believes: what is missing there it gives to somebody else. So a partition
 * is owned from its offer on, not from the end of the callback; and after a lost answer nothing is taken from the
 * target until a new one has come, for the coordinator may have taken it back in the one that was lost.
 *
 * Fenced: the coordinator has given its partitions away, so they are lost and not revoked: nothing may be
 * committed for them. Then it joins again under the same member id. A user who does not poll for
 * `max_poll_interval_ms` leaves the group in the background, and is told that all is lost when it polls again.
 */
enum weir_membership_phase {
    WEIR_MEMBER_UNSUBSCRIBED,
    WEIR_MEMBER_JOINING,
    WEIR_MEMBER_RECONCILING,
    WEIR_MEMBER_ACKNOWLEDGING,
    WEIR_MEMBER_STABLE,
    WEIR_MEMBER_LEAVING,
    WEIR_MEMBER_FENCED,
    WEIR_MEMBER_FATAL,
};

/** What the user is to do with `offered`; done, it says so with WEIR_MEMBERSHIP_DONE. */
enum weir_membership_offer {
    WEIR_OFFER_NONE,
    WEIR_OFFER_REVOKE, /* commit, and give them up */
    WEIR_OFFER_ASSIGN, /* take them */
    WEIR_OFFER_LOSE,   /* they are somebody else's already; may be none */
    WEIR_OFFER_FAIL,   /* the same, and `rc` is why the membership has ended */
};

enum { WEIR_EPOCH_JOIN = 0, WEIR_EPOCH_LEAVE = -1, WEIR_EPOCH_LEAVE_STATIC = -2 };

struct weir_membership {
    const char *group; /* for what a wrong move says */
    struct weir_budget *budget;
    bool is_static;               /* it has an instance id, and leaves to come back */
    int64_t max_poll_interval_ms; /* at least 1 */
    enum weir_membership_phase phase;
    int32_t epoch;
    int64_t interval_ms;                   /* of heartbeats, as the coordinator says */
    struct weir_member_partitions owned;   /* the user has them, or they are on offer */
    struct weir_member_partitions target;  /* as the coordinator wants it */
    struct weir_member_partitions offered; /* with the user, while `offer` is not NONE */
    enum weir_membership_offer offer;
    int rc;              /* FATAL: why */
    bool is_left_behind; /* FATAL: the group has it still, until it leaves or its session ends */
    bool is_in_flight;
    bool sends_now; /* not at the interval's end: it joins, has something to tell, or leaves */
    bool is_subscription_told; /* by a heartbeat that was answered */
    bool is_owned_told;
    bool is_rest_told;           /* what never changes */
    bool subscription_in_flight; /* a heartbeat on its way tells it */
    bool owned_in_flight;
    bool is_target_stale; /* an answer was lost since it came */
    bool has_expired; /* leaving, or fenced: the user has not polled, and is told when it does */
    int64_t sent_ms;
    int64_t retry_ms; /* the next wait after a failure */
    int64_t next_heartbeat_ms;
};

enum weir_membership_event_type {
    WEIR_MEMBERSHIP_SUBSCRIBED, /* it wants topics, or others than before */
    WEIR_MEMBERSHIP_TICK,       /* time has gone by */
    WEIR_MEMBERSHIP_ANSWERED,   /* the heartbeat: `rc`, and if 0 what follows it */
    WEIR_MEMBERSHIP_DONE,       /* the user is through with what was offered */
    WEIR_MEMBERSHIP_LEAVE,      /* the user wants no more; nothing is offered after this */
};

struct weir_membership_event {
    enum weir_membership_event_type type;
    int64_t now_ms;
    int64_t polled_ms; /* when the user polled last */
    int rc;
    int32_t epoch;
    int64_t interval_ms;
    bool has_assignment;                          /* false: as before */
    const struct weir_member_partition *assigned; /* in any order, borrowed */
    size_t assigned_count;
};

struct weir_membership_update {
    bool sends; /* a heartbeat: */
    int32_t epoch;
    bool with_rest; /* rebalance timeout, assignor, instance */
    bool with_subscription;
    bool with_owned;                  /* `owned` of the membership */
    enum weir_membership_offer offer; /* new, of `offered`: for the user */
    bool has_left;                    /* the answer to the wish to leave has come */
    int64_t wake_at_ms;               /* a TICK at the latest then; INT64_MAX: none is needed */
};

/** Cannot fail; zeroed but for the three settings, which are the caller's to set before. */
void weir_membership_init(struct weir_membership *membership);
void weir_membership_close(struct weir_membership *membership);

/**
 * Take an event.
 *
 * Errors:  none of its own: an assignment that there is no memory for is taken as an answer that was lost, and
 *          asked for again. A move that the drawing does not have ends the program.
 * Owns:    `update` is written whole; `offered` and `owned` may be read until the next event.
 * Thread:  any, one at a time.
 */
void weir_membership_step(struct weir_membership *membership,
                          const struct weir_membership_event *event,
                          struct weir_membership_update *update);
/** It may commit as a member with `epoch`. */
static inline bool weir_membership_is_member(const struct weir_membership *membership)
{
    return membership->epoch > 0;
}
/** "joining", "stable", ... */
const char *weir_membership_phase_name(enum weir_membership_phase phase);
/** The invariants between the fields. */
void weir_membership_check(const struct weir_membership *membership);

#endif
