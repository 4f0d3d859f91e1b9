#include "client/membership_step.h"

#include <string.h>

#include "base/assert.h"
#include "base/state_table.h"
#include "weir/error.h"

enum { RETRY_FIRST_MS = 100, RETRY_MAX_MS = 1000, INTERVAL_DEFAULT_MS = 3000 };

#define TO(phase) WEIR_STATE_BIT(WEIR_MEMBER_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_MEMBER_UNSUBSCRIBED] = {"unsubscribed", TO(JOINING)},
    [WEIR_MEMBER_JOINING] = {"joining", TO(STABLE) | TO(RECONCILING) | TO(LEAVING) | TO(FENCED) |
                                            TO(FATAL) | TO(UNSUBSCRIBED)},
    [WEIR_MEMBER_RECONCILING] = {"reconciling",
                                 TO(ACKNOWLEDGING) | TO(LEAVING) | TO(FENCED) | TO(FATAL)},
    [WEIR_MEMBER_ACKNOWLEDGING] = {"acknowledging", TO(STABLE) | TO(RECONCILING) | TO(LEAVING) |
                                                        TO(FENCED) | TO(FATAL)},
    [WEIR_MEMBER_STABLE] = {"stable", TO(RECONCILING) | TO(LEAVING) | TO(FENCED) | TO(FATAL)},
    [WEIR_MEMBER_LEAVING] = {"leaving", TO(UNSUBSCRIBED) | TO(FENCED)},
    [WEIR_MEMBER_FENCED] = {"fenced", TO(JOINING) | TO(UNSUBSCRIBED)},
    [WEIR_MEMBER_FATAL] = {"fatal", TO(LEAVING) | TO(UNSUBSCRIBED)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("member of group", rows);

const char *weir_membership_phase_name(enum weir_membership_phase phase)
{
    return weir_state_name(&phases, phase);
}

static void move(struct weir_membership *membership, enum weir_membership_phase to)
{
    membership->phase = weir_state_move(&phases, membership->group, membership->phase, to);
}

/* ---- what holds ------------------------------------------------------------------------------ */

static bool is_active(const struct weir_membership *membership)
{
    return membership->phase == WEIR_MEMBER_RECONCILING ||
           membership->phase == WEIR_MEMBER_ACKNOWLEDGING ||
           membership->phase == WEIR_MEMBER_STABLE;
}

/* Those that the user is about to give up it still has, and those that it is about to take count as its own. */
static bool is_offer_sound(const struct weir_membership *membership)
{
    const struct weir_member_partitions *offered = &membership->offered;
    for (size_t i = 0; i < offered->count; i++) {
        if (!weir_member_partitions_have(&membership->owned, offered->rows[i])) return false;
    }
    return weir_member_partitions_are_sound(offered);
}

void weir_membership_check(const struct weir_membership *membership)
{
    const bool has_offer = membership->offer != WEIR_OFFER_NONE;
    weir_assert(has_offer || membership->offered.count == 0);
    weir_assert(is_active(membership) == (membership->epoch > 0));
    weir_assert(membership->phase != WEIR_MEMBER_STABLE || !has_offer);
    weir_assert(membership->phase != WEIR_MEMBER_RECONCILING || has_offer);
    weir_assert(membership->phase != WEIR_MEMBER_ACKNOWLEDGING || !membership->is_owned_told);
    weir_assert(membership->phase != WEIR_MEMBER_UNSUBSCRIBED || !membership->is_in_flight);
    weir_assert(membership->interval_ms > 0 && membership->retry_ms >= RETRY_FIRST_MS);
    weir_assert_slow(weir_member_partitions_are_sound(&membership->owned));
    weir_assert_slow(weir_member_partitions_are_sound(&membership->target));
    weir_assert_slow(is_offer_sound(membership));
}

void weir_membership_init(struct weir_membership *membership)
{
    weir_assert(membership->budget != NULL && membership->max_poll_interval_ms > 0);
    membership->interval_ms = INTERVAL_DEFAULT_MS;
    membership->retry_ms = RETRY_FIRST_MS;
    weir_membership_check(membership);
}

void weir_membership_close(struct weir_membership *membership)
{
    weir_member_partitions_close(&membership->owned);
    weir_member_partitions_close(&membership->target);
    weir_member_partitions_close(&membership->offered);
}

/* ---- offers ---------------------------------------------------------------------------------- */

static void offer(struct weir_membership *membership, enum weir_membership_offer what,
                  struct weir_membership_update *update)
{
    weir_assert(membership->offer == WEIR_OFFER_NONE);
    membership->offer = what;
    update->offer = what;
}

/* All that is owned. There is room: it was reserved with the target that brought it. */
static void offer_all(struct weir_membership *membership, enum weir_membership_offer what,
                      struct weir_membership_update *update)
{
    static const struct weir_member_partitions none = {0};
    weir_member_partitions_subtract(&membership->offered, &membership->owned, &none);
    offer(membership, what, update);
}

static void tell_owned(struct weir_membership *membership)
{
    membership->is_owned_told = false;
    membership->owned_in_flight = false; /* what is on its way tells what was owned before */
    membership->sends_now = true;
}

/* Offer the next part of the way to the target; at its end say what is owned, or that nothing has changed. */
static void reconcile(struct weir_membership *membership, bool has_changed,
                      struct weir_membership_update *update)
{
    struct weir_member_partitions *offered = &membership->offered;
    weir_assert(is_active(membership) && membership->offer == WEIR_OFFER_NONE);
    enum weir_membership_offer what = WEIR_OFFER_REVOKE;
    weir_member_partitions_subtract(offered, &membership->owned, &membership->target);
    if (offered->count == 0 && !membership->is_target_stale) {
        what = WEIR_OFFER_ASSIGN;
        weir_member_partitions_subtract(offered, &membership->target, &membership->owned);
        weir_member_partitions_add(&membership->owned, offered);
    }
    if (offered->count > 0) {
        if (membership->phase != WEIR_MEMBER_RECONCILING) move(membership, WEIR_MEMBER_RECONCILING);
        offer(membership, what, update);
        return;
    }
    if (!has_changed) return;
    tell_owned(membership);
    move(membership, WEIR_MEMBER_ACKNOWLEDGING);
}

/* ---- fenced, fatal --------------------------------------------------------------------------- */

static void forget_what_was_told(struct weir_membership *membership)
{
    membership->is_rest_told = false;
    membership->is_subscription_told = false;
    membership->is_owned_told = false;
}

static void join(struct weir_membership *membership)
{
    weir_assert(membership->owned.count == 0 && membership->epoch <= 0);
    move(membership, WEIR_MEMBER_JOINING);
    membership->target.count = 0;
    membership->epoch = WEIR_EPOCH_JOIN;
    membership->has_expired = false;
    membership->sends_now = true;
    forget_what_was_told(membership);
}

/* Tell the user what is lost, once it is through with what it has; without anything to tell, join again. One who
 * has not polled is told even of nothing, so as to hear that it does. */
static void lose_or_join(struct weir_membership *membership, struct weir_membership_update *update)
{
    weir_assert(membership->phase == WEIR_MEMBER_FENCED);
    if (membership->offer != WEIR_OFFER_NONE) return;
    if (membership->owned.count > 0 || membership->has_expired) {
        membership->has_expired = false;
        offer_all(membership, WEIR_OFFER_LOSE, update);
    } else {
        join(membership);
    }
}

static void fence(struct weir_membership *membership, struct weir_membership_update *update)
{
    move(membership, WEIR_MEMBER_FENCED);
    membership->epoch = WEIR_EPOCH_LEAVE;
    membership->sends_now = false;
    lose_or_join(membership, update);
}

static void fail(struct weir_membership *membership, int rc, struct weir_membership_update *update)
{
    membership->is_left_behind = is_active(membership) && rc != WEIR_FENCED_INSTANCE_ID;
    move(membership, WEIR_MEMBER_FATAL);
    membership->epoch = WEIR_EPOCH_LEAVE;
    membership->sends_now = false;
    membership->rc = rc;
    if (membership->offer == WEIR_OFFER_NONE) offer_all(membership, WEIR_OFFER_FAIL, update);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Room for all that can come of it, or none of it. */
static int take_target(struct weir_membership *membership,
                       const struct weir_membership_event *event)
{
    size_t most = event->assigned_count + membership->owned.count;
    int rc = weir_member_partitions_reserve(&membership->target, event->assigned_count,
                                            membership->budget);
    if (rc == 0) {
        rc = weir_member_partitions_reserve(&membership->owned, most, membership->budget);
    }
    if (rc == 0) {
        rc = weir_member_partitions_reserve(&membership->offered, most, membership->budget);
    }
    if (rc < 0) return rc;
    if (event->assigned_count > 0) {
        memcpy(membership->target.rows, event->assigned,
               event->assigned_count * sizeof *event->assigned);
    }
    membership->target.count = event->assigned_count;
    weir_member_partitions_sort(&membership->target);
    return 0;
}

static void wait_and_retry(struct weir_membership *membership, int64_t now_ms)
{
    forget_what_was_told(membership);
    membership->is_target_stale = true;
    membership->sends_now = false;
    membership->next_heartbeat_ms = now_ms + membership->retry_ms;
    membership->retry_ms *= 2;
    if (membership->retry_ms > RETRY_MAX_MS) membership->retry_ms = RETRY_MAX_MS;
}

/* What was on its way is told now, unless it has changed since. */
static void note_told(struct weir_membership *membership)
{
    membership->is_rest_told = true;
    if (membership->subscription_in_flight) membership->is_subscription_told = true;
    if (membership->owned_in_flight) membership->is_owned_told = true;
}

static void take_success(struct weir_membership *membership,
                         const struct weir_membership_event *event,
                         struct weir_membership_update *update)
{
    if (event->has_assignment && take_target(membership, event) < 0) {
        wait_and_retry(membership, event->now_ms);
        return;
    }
    note_told(membership);
    membership->is_target_stale = false;
    membership->epoch = event->epoch;
    membership->interval_ms = event->interval_ms > 0 ? event->interval_ms : INTERVAL_DEFAULT_MS;
    membership->retry_ms = RETRY_FIRST_MS;
    membership->next_heartbeat_ms = membership->sent_ms + membership->interval_ms;
    bool has_to_tell =
        !membership->is_subscription_told ||
        (membership->phase == WEIR_MEMBER_ACKNOWLEDGING && !membership->is_owned_told);
    membership->sends_now = has_to_tell;
    if (membership->phase == WEIR_MEMBER_JOINING) move(membership, WEIR_MEMBER_STABLE);
    if (membership->phase == WEIR_MEMBER_ACKNOWLEDGING && membership->is_owned_told) {
        move(membership, WEIR_MEMBER_STABLE);
    }
    if (membership->offer == WEIR_OFFER_NONE && is_active(membership)) {
        reconcile(membership, false, update);
    }
}

static bool is_fencing(int rc)
{
    return rc == WEIR_UNKNOWN_MEMBER_ID || rc == WEIR_FENCED_MEMBER_EPOCH;
}

static void take_answer(struct weir_membership *membership,
                        const struct weir_membership_event *event,
                        struct weir_membership_update *update)
{
    weir_assert(membership->is_in_flight);
    membership->is_in_flight = false;
    if (membership->phase == WEIR_MEMBER_LEAVING) {
        if (membership->sends_now) return; /* it was an earlier one's; the wish to leave goes now */
        if (membership->has_expired) {
            fence(membership, update);
            return;
        }
        move(membership, WEIR_MEMBER_UNSUBSCRIBED); /* refused or not: its session ends by itself */
        update->has_left = true;
        return;
    }
    if (event->rc == 0 && event->epoch > 0) {
        take_success(membership, event, update);
    } else if (is_fencing(event->rc) && membership->phase != WEIR_MEMBER_JOINING) {
        fence(membership, update);
    } else if (is_fencing(event->rc) || weir_code_action(event->rc) == WEIR_ACTION_RETRY ||
               event->rc == 0) {
        wait_and_retry(membership, event->now_ms);
    } else {
        fail(membership, event->rc, update);
    }
}

/* ---- the user -------------------------------------------------------------------------------- */

static void apply_offer(struct weir_membership *membership)
{
    if (membership->offer != WEIR_OFFER_ASSIGN) {
        weir_member_partitions_remove(&membership->owned, &membership->offered);
    }
    membership->offer = WEIR_OFFER_NONE;
    membership->offered.count = 0;
}

static void take_done(struct weir_membership *membership, struct weir_membership_update *update)
{
    weir_assert(membership->offer != WEIR_OFFER_NONE);
    bool has_failed = membership->offer == WEIR_OFFER_FAIL;
    apply_offer(membership);
    if (is_active(membership)) reconcile(membership, true, update);
    if (membership->phase == WEIR_MEMBER_FENCED) lose_or_join(membership, update);
    if (membership->phase == WEIR_MEMBER_FATAL && !has_failed) {
        offer_all(membership, WEIR_OFFER_FAIL, update);
    }
}

static void take_subscription(struct weir_membership *membership)
{
    membership->is_subscription_told = false;
    membership->subscription_in_flight = false;
    if (membership->phase == WEIR_MEMBER_UNSUBSCRIBED) {
        join(membership);
    } else if (is_active(membership) || membership->phase == WEIR_MEMBER_JOINING) {
        membership->sends_now = true;
    }
}

/* Whatever is offered, or was, is the user's own to let go of now. */
static void take_leave(struct weir_membership *membership, struct weir_membership_update *update)
{
    membership->offer = WEIR_OFFER_NONE;
    membership->offered.count = 0;
    membership->owned.count = 0;
    bool may_be_known = is_active(membership) || membership->is_in_flight ||
                        (membership->phase == WEIR_MEMBER_FATAL && membership->is_left_behind) ||
                        (membership->phase == WEIR_MEMBER_JOINING && !membership->sends_now);
    membership->epoch = WEIR_EPOCH_LEAVE;
    if (membership->phase == WEIR_MEMBER_LEAVING) {
        membership->has_expired = false; /* it is on its way out already, and stays there */
    } else if (may_be_known) {
        move(membership, WEIR_MEMBER_LEAVING);
        membership->has_expired = false;
        membership->sends_now = true;
    } else {
        if (membership->phase != WEIR_MEMBER_UNSUBSCRIBED)
            move(membership, WEIR_MEMBER_UNSUBSCRIBED);
        update->has_left = true;
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t poll_deadline(const struct weir_membership *membership, int64_t polled_ms)
{
    int64_t deadline;
    bool is_late = __builtin_add_overflow(polled_ms, membership->max_poll_interval_ms, &deadline);
    return is_late ? INT64_MAX : deadline;
}

/* A user who does not poll reads nothing, and others might: it leaves, and hears of it later. */
static void expire(struct weir_membership *membership)
{
    move(membership, WEIR_MEMBER_LEAVING);
    membership->epoch = WEIR_EPOCH_LEAVE;
    membership->has_expired = true;
    membership->sends_now = true;
}

static bool wants_heartbeat(const struct weir_membership *membership, int64_t now_ms)
{
    if (membership->is_in_flight) return false;
    if (membership->phase == WEIR_MEMBER_LEAVING) return membership->sends_now;
    if (!is_active(membership) && membership->phase != WEIR_MEMBER_JOINING) return false;
    return membership->sends_now || now_ms >= membership->next_heartbeat_ms;
}

static int32_t epoch_to_send(const struct weir_membership *membership)
{
    if (membership->phase == WEIR_MEMBER_JOINING) return WEIR_EPOCH_JOIN;
    if (membership->phase != WEIR_MEMBER_LEAVING) return membership->epoch;
    bool comes_back = membership->is_static && !membership->has_expired;
    return comes_back ? WEIR_EPOCH_LEAVE_STATIC : WEIR_EPOCH_LEAVE;
}

static void send(struct weir_membership *membership, int64_t now_ms,
                 struct weir_membership_update *update)
{
    bool leaves = membership->phase == WEIR_MEMBER_LEAVING;
    /* While it reconciles what it owns is not said: it would be taken for an acknowledgement. A member that is
     * asked for everything again says what it has. */
    bool tells_owned = !membership->is_owned_told &&
                       (membership->phase != WEIR_MEMBER_RECONCILING || !membership->is_rest_told);
    update->sends = true;
    update->epoch = epoch_to_send(membership);
    update->with_rest = !leaves && !membership->is_rest_told;
    update->with_subscription = !leaves && !membership->is_subscription_told;
    update->with_owned = !leaves && tells_owned;
    membership->is_in_flight = true;
    membership->sends_now = false;
    membership->subscription_in_flight = update->with_subscription;
    membership->owned_in_flight = update->with_owned;
    membership->sent_ms = now_ms;
}

static int64_t wake_time(const struct weir_membership *membership,
                         const struct weir_membership_event *event)
{
    bool is_in = is_active(membership) || membership->phase == WEIR_MEMBER_JOINING;
    if (!is_in) return INT64_MAX;
    int64_t wake_ms = poll_deadline(membership, event->polled_ms);
    bool beats = !membership->is_in_flight && membership->next_heartbeat_ms < wake_ms;
    return beats ? membership->next_heartbeat_ms : wake_ms;
}

/* ---- the step -------------------------------------------------------------------------------- */

void weir_membership_step(struct weir_membership *membership,
                          const struct weir_membership_event *event,
                          struct weir_membership_update *update)
{
    weir_membership_check(membership);
    *update = (struct weir_membership_update){0};
    switch (event->type) {
    case WEIR_MEMBERSHIP_SUBSCRIBED:
        take_subscription(membership);
        break;
    case WEIR_MEMBERSHIP_TICK:
        break;
    case WEIR_MEMBERSHIP_ANSWERED:
        take_answer(membership, event, update);
        break;
    case WEIR_MEMBERSHIP_DONE:
        take_done(membership, update);
        break;
    case WEIR_MEMBERSHIP_LEAVE:
        take_leave(membership, update);
        break;
    }
    bool is_in = is_active(membership) || membership->phase == WEIR_MEMBER_JOINING;
    if (is_in && event->now_ms >= poll_deadline(membership, event->polled_ms)) expire(membership);
    if (wants_heartbeat(membership, event->now_ms)) send(membership, event->now_ms, update);
    update->wake_at_ms = wake_time(membership, event);
    weir_membership_check(membership);
}
