#ifndef WEIR_CLIENT_MEMBERSHIP_H
#define WEIR_CLIENT_MEMBERSHIP_H

#include "client/client.h"
#include "client/membership_step.h"

/**
 * A consumer's membership at work: membership_step.h on an actor of its own, so that heartbeats go out while the
 * user's thread is busy with records.
 *
 *   user's thread                                     the member's actor
 *   subscribe, leave, "done" ──messages──>            the step ──heartbeat──> log's operations
 *   weir_member_take_offer   <──one offer at a time── (revoke, assign, lose, fail)
 *   weir_member_polled ─────────an atomic time──────> who does not poll leaves
 *   weir_member_epoch  <────────an atomic number───── what a commit names
 *
 * An offer is a copy: the actor goes on with its own sets while the user's callbacks run.
 */
struct weir_member;

struct weir_member_options {
    struct weir_log *log;
    const char *group;
    const char *instance_id; /* NULL: a dynamic member */
    const char *assignor;    /* NULL: the group's */
    int64_t max_poll_interval_ms;
};

/** What the user is to do; taken with weir_member_take_offer, and given back with weir_member_done. */
struct weir_member_offer {
    struct weir_message message; /* first */
    struct weir_member *member;
    enum weir_membership_offer what;
    struct weir_member_partition *rows;
    size_t count;
    int rc; /* of WEIR_OFFER_FAIL: why the membership has ended, and in words: */
    struct weir_error error;
};

/** What is subscribed to: copied. Either names or a pattern. */
struct weir_member_wish {
    const char *const *topics;
    size_t topic_count;
    const char *pattern; /* NULL: names */
};

/** Make it, with its actor; nothing is sent before the first subscription. WEIR_NO_MEMORY, WEIR_LIMIT (threads). */
int weir_member_open(const struct weir_member_options *options, struct weir_member **member_out,
                     struct weir_error *error);
/** Leave the group, and free. Waits for the answer to that, unless it was never joined. Nothing that was offered
 * may be used after. WEIR_CRASHED: it went with its node. */
int weir_member_close(struct weir_member *member, struct weir_error *error);

/** Tell the group what is wanted, or wanted now. Does not wait. WEIR_NO_MEMORY. */
int weir_member_subscribe(struct weir_member *member, const struct weir_member_wish *wish,
                          struct weir_error *error);
/** The user is there. */
void weir_member_polled(struct weir_member *member);
/** There is an offer to take. For weir_wait; `member` as a context. */
bool weir_member_has_offer(void *member);
/** The offer, or NULL. It is the user's until weir_member_done. */
struct weir_member_offer *weir_member_take_offer(struct weir_member *member);
/** What was offered is done; the offer is the actor's again. Waits until the actor has seen that, which is soon: what it
 * offers next can be taken then. WEIR_CRASHED. */
int weir_member_done(struct weir_member_offer *offer);

struct weir_slice weir_member_id(const struct weir_member *member);
/** The epoch that a commit names; below 1: it is no member now. Any thread. */
int32_t weir_member_epoch(const struct weir_member *member);

#endif
