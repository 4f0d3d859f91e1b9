/* A member's life, event by event, and a group of them under a model of the coordinator with random losses. */
#include "client/membership_step.h"

#include <string.h>

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_membership member;
static struct weir_membership_update update;
static int64_t now;

static void set_up(void)
{
    weir_heap_init(&heap, true);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    member =
        (struct weir_membership){.group = "g", .budget = &budget, .max_poll_interval_ms = 300000};
    weir_membership_init(&member);
    now = 1000;
}

static void tear_down(void)
{
    weir_membership_close(&member);
}

static struct weir_member_partition partition(int32_t number)
{
    return (struct weir_member_partition){.topic_id = {{7}}, .partition = number};
}

static void take(struct weir_membership_event event)
{
    event.now_ms = now;
    if (event.polled_ms == 0) event.polled_ms = now;
    weir_membership_step(&member, &event, &update);
}

static void subscribe(void)
{
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_SUBSCRIBED});
}

static void answer(int32_t epoch)
{
    take((struct weir_membership_event){
        .type = WEIR_MEMBERSHIP_ANSWERED, .epoch = epoch, .interval_ms = 5000});
}

static void answer_with(int32_t epoch, const struct weir_member_partition *assigned, size_t count)
{
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_ANSWERED,
                                        .epoch = epoch,
                                        .interval_ms = 5000,
                                        .has_assignment = true,
                                        .assigned = assigned,
                                        .assigned_count = count});
}

static void refuse(int rc)
{
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_ANSWERED, .rc = rc});
}

static void done(void)
{
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_DONE});
}

static void tick_at(int64_t at)
{
    now = at;
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK});
}

static void leave(void)
{
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_LEAVE});
}

/* Stable, with partitions 0 and 1. */
static void become_stable(void)
{
    struct weir_member_partition both[] = {partition(1), partition(0)};
    subscribe();
    answer_with(3, both, 2);
    done();
    answer(3);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_STABLE);
}

/* It joins with all that there is to say, and owns nothing. */
START_TEST(a_subscription_joins_with_everything)
{
    subscribe();
    ck_assert_int_eq(member.phase, WEIR_MEMBER_JOINING);
    ck_assert(update.sends && update.with_rest && update.with_subscription && update.with_owned);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_JOIN);
    answer(3);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_STABLE);
    ck_assert(!update.sends);
    ck_assert_int_eq(update.wake_at_ms, 1000 + 5000);
    tick_at(6000);
    ck_assert(update.sends && !update.with_rest && !update.with_subscription && !update.with_owned);
    ck_assert_int_eq(update.epoch, 3);
}
END_TEST

/* What is given is offered, and told at once when the user has it. */
START_TEST(an_assignment_is_acknowledged_when_the_user_has_it)
{
    struct weir_member_partition both[] = {partition(1), partition(0)};
    subscribe();
    answer_with(3, both, 2);
    ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
    ck_assert_uint_eq(member.offered.count, 2);
    ck_assert_int_eq(member.offered.rows[0].partition, 0);
    tick_at(6000); /* the callback takes its time: the session goes on, and nothing is told */
    ck_assert(update.sends && !update.with_owned);
    answer(3);
    done();
    ck_assert_int_eq(member.phase, WEIR_MEMBER_ACKNOWLEDGING);
    ck_assert(update.sends && update.with_owned);
    ck_assert_uint_eq(member.owned.count, 2);
    answer(3);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_STABLE);
}
END_TEST

/* First what is taken away, then what is new, then one heartbeat tells both. */
START_TEST(revoked_comes_before_assigned)
{
    struct weir_member_partition next[] = {partition(1), partition(2)};
    become_stable();
    tick_at(6000);
    answer_with(4, next, 2);
    ck_assert_int_eq(update.offer, WEIR_OFFER_REVOKE);
    ck_assert_uint_eq(member.offered.count, 1);
    ck_assert_int_eq(member.offered.rows[0].partition, 0);
    ck_assert(!update.sends);
    done();
    ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
    ck_assert_int_eq(member.offered.rows[0].partition, 2);
    ck_assert(!update.sends);
    done();
    ck_assert(update.sends && update.with_owned);
    ck_assert_int_eq(update.epoch, 4);
    ck_assert_uint_eq(member.owned.count, 2);
}
END_TEST

/* A target that comes while a callback runs is taken up behind it. */
START_TEST(a_target_during_a_callback_waits_for_it)
{
    struct weir_member_partition next[] = {partition(2)};
    become_stable();
    tick_at(6000);
    answer_with(4, NULL, 0);
    ck_assert_int_eq(update.offer, WEIR_OFFER_REVOKE);
    tick_at(11000);
    ck_assert(update.sends);
    answer_with(5, next, 1);
    ck_assert_int_eq(update.offer, WEIR_OFFER_NONE);
    done();
    ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
    ck_assert_int_eq(member.offered.rows[0].partition, 2);
}
END_TEST

/* While a heartbeat is away nothing else goes; what was to be told goes with the next. */
START_TEST(what_changes_while_a_heartbeat_is_away_goes_with_the_next)
{
    become_stable();
    tick_at(6000);
    ck_assert(update.sends);
    subscribe();
    ck_assert(!update.sends);
    answer(3);
    ck_assert(update.sends && update.with_subscription && !update.with_rest);
}
END_TEST

/* After a failure all is said again, later and later. */
START_TEST(a_failure_is_retried_with_everything)
{
    become_stable();
    tick_at(6000);
    refuse(WEIR_DISCONNECTED);
    ck_assert_int_eq(update.wake_at_ms, 6100);
    tick_at(6099);
    ck_assert(!update.sends);
    tick_at(6100);
    ck_assert(update.sends && update.with_rest && update.with_subscription && update.with_owned);
    ck_assert_int_eq(update.epoch, 3);
    refuse(WEIR_TIMED_OUT);
    ck_assert_int_eq(update.wake_at_ms, 6100 + 200);
    for (int i = 0; i < 8; i++) {
        tick_at(update.wake_at_ms);
        refuse(WEIR_DISCONNECTED);
    }
    ck_assert_int_eq(update.wake_at_ms, now + 1000);
    tick_at(update.wake_at_ms);
    answer(3);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_STABLE);
}
END_TEST

/* What a lost answer may have taken back is not taken from the target that came before it. */
START_TEST(nothing_is_taken_from_a_target_after_a_lost_answer)
{
    struct weir_member_partition next[] = {partition(1), partition(2)};
    become_stable();
    tick_at(6000);
    answer_with(4, next, 2);
    ck_assert_int_eq(update.offer, WEIR_OFFER_REVOKE);
    tick_at(11000);
    refuse(WEIR_TIMED_OUT);
    done();
    ck_assert_int_eq(update.offer, WEIR_OFFER_NONE);
    ck_assert(update.sends && update.with_owned);
    ck_assert_uint_eq(member.owned.count, 1);
    answer_with(5, next, 2);
    ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
}
END_TEST

/* From its offer on a partition counts as owned: an answer that is lost then leaves it so. */
START_TEST(a_partition_on_offer_is_told_as_owned)
{
    struct weir_member_partition next[] = {partition(0), partition(1), partition(2)};
    become_stable();
    tick_at(6000);
    answer_with(4, next, 3);
    ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
    tick_at(11000);
    refuse(WEIR_TIMED_OUT);
    tick_at(update.wake_at_ms);
    ck_assert(update.sends && update.with_owned);
    ck_assert_uint_eq(member.owned.count, 3);
}
END_TEST

/* Fenced: all is lost, not revoked, and it joins again as the same member. */
START_TEST(a_fenced_member_loses_all_and_joins_again)
{
    become_stable();
    tick_at(6000);
    refuse(WEIR_FENCED_MEMBER_EPOCH);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_FENCED);
    ck_assert_int_eq(update.offer, WEIR_OFFER_LOSE);
    ck_assert_uint_eq(member.offered.count, 2);
    ck_assert(!update.sends && !weir_membership_is_member(&member));
    done();
    ck_assert_int_eq(member.phase, WEIR_MEMBER_JOINING);
    ck_assert(update.sends && update.with_rest && update.with_owned);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_JOIN);
    ck_assert_uint_eq(member.owned.count, 0);
}
END_TEST

START_TEST(a_member_without_partitions_joins_again_at_once)
{
    subscribe();
    answer(3);
    tick_at(6000);
    refuse(WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_JOINING);
    ck_assert(update.sends);
}
END_TEST

/* What the user is given while it is fenced is lost, too, once the callback is through. */
START_TEST(fenced_during_a_callback_waits_for_it)
{
    struct weir_member_partition next[] = {partition(0), partition(1), partition(2)};
    become_stable();
    tick_at(6000);
    answer_with(4, next, 3);
    ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
    tick_at(11000);
    refuse(WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(update.offer, WEIR_OFFER_NONE);
    done();
    ck_assert_int_eq(update.offer, WEIR_OFFER_LOSE);
    ck_assert_uint_eq(member.offered.count, 3);
}
END_TEST

/* An error that no wait mends: all is lost, with the reason, and nothing is sent any more. */
START_TEST(a_refusal_ends_the_membership)
{
    become_stable();
    tick_at(6000);
    refuse(WEIR_FENCED_INSTANCE_ID);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_FATAL);
    ck_assert_int_eq(update.offer, WEIR_OFFER_FAIL);
    ck_assert_int_eq(member.rc, WEIR_FENCED_INSTANCE_ID);
    ck_assert_uint_eq(member.offered.count, 2);
    done();
    ck_assert_int_eq(update.offer, WEIR_OFFER_NONE);
    ck_assert_int_eq(update.wake_at_ms, INT64_MAX);
    leave();
    ck_assert(update.has_left && !update.sends);
}
END_TEST

/* What was refused of a member leaves it in the group, so it leaves; who never joined, or was replaced, is in none. */
START_TEST(a_refused_member_leaves_the_group)
{
    become_stable();
    subscribe();
    refuse(WEIR_INVALID_REGULAR_EXPRESSION);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_FATAL);
    done();
    ck_assert(!update.sends);
    leave();
    ck_assert(update.sends && !update.has_left);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_LEAVE);
    answer(-1);
    ck_assert(update.has_left);
    subscribe();
    refuse(WEIR_GROUP_MAX_SIZE_REACHED);
    leave();
    ck_assert(update.has_left && !update.sends);
}
END_TEST

/* Who does not poll leaves, and is told when it polls. */
START_TEST(a_user_who_does_not_poll_leaves)
{
    const int64_t polled = 1000;
    become_stable();
    now = 300999;
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK, .polled_ms = polled});
    ck_assert(update.sends && update.epoch == 3);
    answer(3);
    now = 301000;
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK, .polled_ms = polled});
    ck_assert_int_eq(member.phase, WEIR_MEMBER_LEAVING);
    ck_assert(update.sends && !update.with_owned);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_LEAVE);
    now = 301010;
    take((struct weir_membership_event){
        .type = WEIR_MEMBERSHIP_ANSWERED, .epoch = -1, .polled_ms = polled});
    ck_assert_int_eq(member.phase, WEIR_MEMBER_FENCED);
    ck_assert_int_eq(update.offer, WEIR_OFFER_LOSE);
    ck_assert_int_eq(update.wake_at_ms, INT64_MAX);
    now = 400000;
    done();
    ck_assert_int_eq(member.phase, WEIR_MEMBER_JOINING);
    ck_assert(update.sends);
}
END_TEST

/* Without a partition there is nothing lost, but it does not come back before the user does. */
START_TEST(who_does_not_poll_and_has_nothing_waits_for_the_poll)
{
    subscribe();
    answer(3);
    now = 301000;
    take((struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK, .polled_ms = 1000});
    take((struct weir_membership_event){
        .type = WEIR_MEMBERSHIP_ANSWERED, .epoch = -1, .polled_ms = 1000});
    ck_assert_int_eq(update.offer, WEIR_OFFER_LOSE);
    ck_assert_uint_eq(member.offered.count, 0);
    done();
    ck_assert_int_eq(member.phase, WEIR_MEMBER_JOINING);
}
END_TEST

/* A dynamic member leaves for good, a static one to come back; an answer that was on its way is waited for. */
START_TEST(leaving_says_so)
{
    become_stable();
    tick_at(6000);
    leave();
    ck_assert_int_eq(member.phase, WEIR_MEMBER_LEAVING);
    ck_assert(!update.sends && !update.has_left);
    answer(3);
    ck_assert(update.sends && !update.with_rest);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_LEAVE);
    answer(-1);
    ck_assert(update.has_left);
    ck_assert_int_eq(member.phase, WEIR_MEMBER_UNSUBSCRIBED);
    member.is_static = true;
    become_stable();
    leave();
    ck_assert(update.sends);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_LEAVE_STATIC);
    refuse(WEIR_DISCONNECTED); /* its session ends by itself */
    ck_assert(update.has_left);
}
END_TEST

START_TEST(who_never_joined_has_left_at_once)
{
    leave();
    ck_assert(update.has_left && !update.sends);
    subscribe();
    refuse(WEIR_DISCONNECTED); /* it may have been taken all the same */
    leave();
    ck_assert(update.sends && !update.has_left);
    ck_assert_int_eq(update.epoch, WEIR_EPOCH_LEAVE);
}
END_TEST

/* An assignment that there is no room for is asked for again; none of it is half taken. */
START_TEST(an_assignment_without_memory_is_asked_for_again)
{
    struct weir_member_partition both[] = {partition(0), partition(1)};
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        set_up();
        subscribe();
        weir_test_failures_arm(&failures, &heap);
        answer_with(3, both, 2);
        (void)weir_test_failures_disarm(&failures);
        if (member.phase == WEIR_MEMBER_JOINING) {
            ck_assert_uint_eq(member.target.count, 0);
            tick_at(update.wake_at_ms);
            ck_assert(update.sends && update.with_subscription);
            answer_with(3, both, 2);
        }
        ck_assert_int_eq(update.offer, WEIR_OFFER_ASSIGN);
        tear_down();
    }
    set_up();
}
END_TEST

/* ---- a group under a model of the coordinator ------------------------------------------------ */

enum { MEMBERS = 4, PARTITIONS = 7, STEPS = 1000, SESSION_MS = 45000 };

/* What the coordinator knows of one member, and what its user has in hand. */
struct player {
    struct weir_membership membership;
    bool wants;   /* it is subscribed */
    bool is_away; /* it does not poll */
    int64_t polled_ms;
    /* the heartbeat on its way, and its answer */
    bool has_request;
    struct weir_membership_update request;
    bool held[PARTITIONS]; /* by the user, who has not been told otherwise */
    /* the coordinator's */
    int32_t epoch;            /* 0: no member */
    bool granted[PARTITIONS]; /* given, or not yet known to be given up */
    bool wanted[PARTITIONS];  /* by the assignment */
    bool sent[PARTITIONS];    /* as of the last answer that was made */
    bool was_sent;
    int64_t heard_ms;
};

static struct player players[MEMBERS];
static struct weir_test_random dice;
static int32_t group_epoch;

static bool chance(uint64_t one_in)
{
    return weir_test_random_below(&dice, one_in) == 0;
}

static void assign(void)
{
    int members[MEMBERS];
    int count = 0;
    group_epoch++;
    for (int m = 0; m < MEMBERS; m++) {
        if (players[m].epoch > 0) members[count++] = m;
        memset(players[m].wanted, 0, sizeof players[m].wanted);
    }
    for (int p = 0; count > 0 && p < PARTITIONS; p++) {
        players[members[weir_test_random_below(&dice, (uint64_t)count)]].wanted[p] = true;
    }
}

static void drop_member(struct player *player)
{
    player->epoch = 0;
    player->was_sent = false;
    memset(player->granted, 0, sizeof player->granted);
    assign();
}

static bool is_free(int p)
{
    for (int m = 0; m < MEMBERS; m++) {
        if (players[m].granted[p]) return false;
    }
    return true;
}

/* No two members that are not fenced hold the same partition, and nobody holds what it was not given. Asserted only
 * when it does not hold: each assertion of check's is a write. */
static void check_group(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        int owners = 0;
        for (int m = 0; m < MEMBERS; m++) {
            bool may_act = players[m].epoch > 0 && players[m].held[p] &&
                           weir_membership_is_member(&players[m].membership);
            owners += may_act;
            if (may_act && !players[m].granted[p]) {
                ck_abort_msg("member %d has partition %d, which was not given to it", m, p);
            }
        }
        if (owners > 1) ck_abort_msg("partition %d has %d owners", p, owners);
    }
}

static void deliver_offer(struct player *player, enum weir_membership_offer offer)
{
    const struct weir_member_partitions *offered = &player->membership.offered;
    for (size_t i = 0; i < offered->count; i++) {
        player->held[offered->rows[i].partition] = offer == WEIR_OFFER_ASSIGN;
    }
}

static void take_event(struct player *player, struct weir_membership_event event)
{
    struct weir_membership_update result;
    event.now_ms = now;
    event.polled_ms = player->polled_ms;
    weir_membership_step(&player->membership, &event, &result);
    if (result.sends) {
        ck_assert(!player->has_request);
        player->has_request = true;
        player->request = result;
    }
}

/* The coordinator hears a heartbeat: the smallest thing that keeps KIP-848's promises. */
static void hear(struct player *player, bool loses_answer)
{
    struct weir_member_partition assigned[PARTITIONS];
    struct weir_membership_event answer = {.type = WEIR_MEMBERSHIP_ANSWERED, .interval_ms = 5000};
    const struct weir_membership_update request = player->request;
    player->has_request = false;
    player->heard_ms = now;
    if (request.epoch < 0) {
        if (player->epoch > 0) drop_member(player);
        answer.epoch = request.epoch;
    } else if (request.epoch > 0 && player->epoch == 0) {
        answer.rc = WEIR_UNKNOWN_MEMBER_ID;
    } else if (request.epoch > player->epoch) {
        answer.rc = WEIR_FENCED_MEMBER_EPOCH;
    } else {
        if (request.epoch == 0) {
            ck_assert(request.with_rest && request.with_subscription && request.with_owned);
            ck_assert_uint_eq(player->membership.owned.count, 0);
            memset(player->granted, 0, sizeof player->granted);
            if (player->epoch == 0) {
                player->epoch = 1;
                assign();
            }
            player->was_sent = false;
        }
        if (request.with_owned && player->was_sent) {
            /* what it was told to give up, and does not own any more, is free */
            for (int p = 0; p < PARTITIONS; p++) {
                bool owns = weir_member_partitions_have(&player->membership.owned, partition(p));
                if (player->granted[p] && !player->sent[p] && !owns) player->granted[p] = false;
            }
        }
        bool has_changed = !player->was_sent || request.with_rest;
        for (int p = 0; p < PARTITIONS; p++) {
            if (player->wanted[p] && is_free(p)) player->granted[p] = true;
            bool shows = player->wanted[p] && player->granted[p];
            has_changed = has_changed || shows != player->sent[p];
        }
        for (int p = 0; p < PARTITIONS; p++) {
            player->sent[p] = player->wanted[p] && player->granted[p];
            if (player->sent[p]) assigned[answer.assigned_count++] = partition(p);
        }
        player->was_sent = true;
        player->epoch = group_epoch + 1;
        answer.epoch = player->epoch;
        answer.has_assignment = has_changed;
        answer.assigned = assigned;
        if (!has_changed) answer.assigned_count = 0;
    }
    if (loses_answer) {
        answer =
            (struct weir_membership_event){.type = WEIR_MEMBERSHIP_ANSWERED, .rc = WEIR_TIMED_OUT};
    }
    take_event(player, answer);
}

static void poll_one(struct player *player)
{
    player->polled_ms = now;
    enum weir_membership_offer offer = player->membership.offer;
    if (offer == WEIR_OFFER_NONE) return;
    deliver_offer(player, offer);
    take_event(player, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_DONE});
}

static void end_sessions(void)
{
    for (int m = 0; m < MEMBERS; m++) {
        if (players[m].epoch > 0 && now - players[m].heard_ms > SESSION_MS)
            drop_member(&players[m]);
    }
}

static void play(struct player *player, bool has_faults)
{
    if (has_faults && chance(60)) player->is_away = !player->is_away;
    bool is_out = player->membership.phase == WEIR_MEMBER_UNSUBSCRIBED;
    if (!player->wants && is_out && chance(4)) {
        player->wants = true;
        player->polled_ms = now;
        take_event(player, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_SUBSCRIBED});
    } else if (has_faults && player->wants && chance(80)) {
        player->wants = false;
        memset(player->held, 0, sizeof player->held);
        take_event(player, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_LEAVE});
    }
    if (player->has_request && !(has_faults && chance(5))) hear(player, has_faults && chance(12));
    if (!player->is_away) poll_one(player);
    take_event(player, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK});
}

static void assert_settled(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        int owners = 0;
        for (int m = 0; m < MEMBERS; m++) {
            owners += players[m].held[p];
        }
        ck_assert_msg(owners == 1, "partition %d has %d owners", p, owners);
    }
    for (int m = 0; m < MEMBERS; m++) {
        ck_assert_int_eq(players[m].membership.phase, WEIR_MEMBER_STABLE);
    }
}

/* Members join, leave, go away, and answers are lost: no partition has two owners, and once that stops each has
 * one. */
START_TEST(a_group_shares_its_partitions_whatever_is_lost)
{
    memset(players, 0, sizeof players);
    dice = (struct weir_test_random){(uint64_t)_i + 1};
    group_epoch = 1;
    for (int m = 0; m < MEMBERS; m++) {
        players[m].membership = (struct weir_membership){
            .group = "g", .budget = &budget, .max_poll_interval_ms = 30000};
        weir_membership_init(&players[m].membership);
    }
    for (int i = 0; i < STEPS; i++) {
        bool has_faults = i < STEPS * 3 / 4;
        now += 200 + (int64_t)weir_test_random_below(&dice, 800);
        end_sessions();
        for (int m = 0; m < MEMBERS; m++) {
            if (!has_faults) players[m].is_away = false;
            play(&players[m], has_faults);
            check_group();
        }
    }
    assert_settled();
    for (int m = 0; m < MEMBERS; m++) {
        weir_membership_close(&players[m].membership);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("membership_step");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_subscription_joins_with_everything);
    tcase_add_test(tests, an_assignment_is_acknowledged_when_the_user_has_it);
    tcase_add_test(tests, revoked_comes_before_assigned);
    tcase_add_test(tests, a_target_during_a_callback_waits_for_it);
    tcase_add_test(tests, what_changes_while_a_heartbeat_is_away_goes_with_the_next);
    tcase_add_test(tests, a_failure_is_retried_with_everything);
    tcase_add_test(tests, nothing_is_taken_from_a_target_after_a_lost_answer);
    tcase_add_test(tests, a_partition_on_offer_is_told_as_owned);
    tcase_add_test(tests, a_fenced_member_loses_all_and_joins_again);
    tcase_add_test(tests, a_member_without_partitions_joins_again_at_once);
    tcase_add_test(tests, fenced_during_a_callback_waits_for_it);
    tcase_add_test(tests, a_refusal_ends_the_membership);
    tcase_add_test(tests, a_refused_member_leaves_the_group);
    tcase_add_test(tests, a_user_who_does_not_poll_leaves);
    tcase_add_test(tests, who_does_not_poll_and_has_nothing_waits_for_the_poll);
    tcase_add_test(tests, leaving_says_so);
    tcase_add_test(tests, who_never_joined_has_left_at_once);
    tcase_add_test(tests, an_assignment_without_memory_is_asked_for_again);
    tcase_add_loop_test(tests, a_group_shares_its_partitions_whatever_is_lost, 0, 60);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("membership_step", add);
}
