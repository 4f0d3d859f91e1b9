#include "tests/unit/broker/coordinator/group/consumer_stage.h"

/* consumer.assignment.interval.ms: a target is not computed again before, and then for all that has happened. */
enum { INTERVAL_MS = 1000, HEARTBEAT_MS = 5000 };

static struct stage stage;
static char text[512];

static void set_up(void)
{
    stage_open(&stage);
    stage.settings.config.consumer_assignment_interval_ms = INTERVAL_MS;
    stage_topic(&stage, "orders", 6);
}

static void tear_down(void)
{
    stage_check_reload(&stage, NULL);
    stage_close(&stage);
}

static const char *assigned(void)
{
    return stage_assigned(&stage, text, sizeof text);
}

static int beat(const char *member, int epoch)
{
    return stage_says(&stage, (struct says){.member = member, .epoch = epoch});
}

/* The shell calls when the group wants it to, for whichever of its deadlines. */
static void wake(void)
{
    for (int i = 0; i < 3 && stage.group.epoch > stage.group.assignment_epoch; i++) {
        ck_assert_int_lt(stage.update.wake_at_ms, WEIR_GROUP_NEVER_MS);
        if (stage.update.wake_at_ms > stage.now_ms) stage.now_ms = stage.update.wake_at_ms;
        ck_code(stage_tick(&stage), 0);
    }
}

/* The first member has a target at once. Two more that come within the interval are members, with nothing, and are told
 * to be back when it is over; then there is one target for both, for which the group wants to be woken. */
START_TEST(who_joins_within_the_interval_is_in_the_next_target)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_assert_str_eq(assigned(), "orders:0,1,2,3,4,5");
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, HEARTBEAT_MS);
    stage.now_ms += 300;
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_assert_str_eq(assigned(), "");
    ck_assert_int_eq(stage.request.member_epoch_out, 1);
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, INTERVAL_MS - 300);
    stage.now_ms += 400;
    ck_code(stage_join(&stage, "c", "orders"), 0);
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, INTERVAL_MS - 700);
    ck_code(beat("a", 1), 0); /* it has something: it comes when it would, and loses nothing yet */
    ck_assert_str_eq(assigned(), "same");
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, HEARTBEAT_MS);
    ck_assert_int_eq(stage.group.epoch, 3);
    ck_assert_int_eq(stage.group.assignment_epoch, 1);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Assigning");
    ck_assert_int_eq(stage.update.wake_at_ms, stage.now_ms + 300);

    wake();
    ck_assert_int_eq(stage.group.assignment_epoch, 3);
    ck_code(beat("a", 1), 0);
    ck_assert_str_eq(assigned(), "orders:0,1");
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, HEARTBEAT_MS);
}
END_TEST

/* A heartbeat that comes before the tick computes it as well. */
START_TEST(a_heartbeat_behind_the_interval_computes_the_target)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    stage.now_ms += INTERVAL_MS - 1;
    ck_code(beat("b", 1), 0);
    ck_assert_str_eq(assigned(), "same");
    stage.now_ms++;
    ck_code(beat("b", 1), 0);
    ck_assert_int_eq(stage.group.assignment_epoch, 2);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
}
END_TEST

/* One member leaves and its successor comes within the interval: what was free is given on in one step. */
START_TEST(a_member_that_is_replaced_costs_one_target)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    stage.now_ms += INTERVAL_MS;
    ck_code(beat("a", 1), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1,2"}),
            0);
    ck_code(beat("b", 1), 0);
    ck_assert_str_eq(assigned(), "orders:3,4,5");
    ck_assert_int_eq(stage.group.assignment_epoch, 2);
    stage.now_ms += INTERVAL_MS;
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = -1}), 0);
    ck_assert_int_eq(stage.group.assignment_epoch, 2); /* computed by the next heartbeat */
    ck_assert_int_le(stage.update.wake_at_ms, stage.now_ms + INTERVAL_MS); /* or without one */
    ck_code(stage_join(&stage, "c", "orders"), 0);
    ck_assert_str_eq(assigned(), "orders:3,4,5");
    ck_assert_int_eq(stage.group.assignment_epoch, stage.group.epoch);
    ck_code(beat("a", 2), 0);
    ck_assert_str_eq(assigned(), "same");
}
END_TEST

/* Nobody waits for others where there are none: a member that comes back to a group that it alone is in. */
START_TEST(a_member_alone_does_not_wait)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = -1}), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_assert_str_eq(assigned(), "orders:0,1,2,3,4,5");
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, HEARTBEAT_MS);
}
END_TEST

/* Who wants another topic is not left with one that it does not want. */
START_TEST(another_subscription_does_not_wait)
{
    stage_topic(&stage, "clicks", 2);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .topics = "clicks"}), 0);
    ck_assert_str_eq(assigned(), "");
    ck_assert_int_eq(stage.group.assignment_epoch, stage.group.epoch);
}
END_TEST

/* A topic that grows is looked at at once, and given out when it is time. */
START_TEST(new_partitions_wait)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    stage.now_ms += INTERVAL_MS;
    ck_code(beat("b", 1), 0);
    stage_grow(&stage, "orders", 8);
    ck_code(beat("b", 2), 0);
    ck_assert_int_eq(stage.group.epoch, 3);
    ck_assert_int_eq(stage.group.assignment_epoch, 2);
    wake();
    ck_assert_int_eq(stage.group.assignment_epoch, 3);
}
END_TEST

/* The interval begins where the last target was computed, also for a group that was loaded since then; and where the
 * wall clock was set back meanwhile nobody waits for it. */
START_TEST(a_loaded_group_keeps_the_interval)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    stage.now_ms += 400;
    stage_reload(&stage);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_assert_int_eq(stage.group.assignment_epoch, 1);
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, INTERVAL_MS - 400);
    stage_reload(&stage);
    stage.now_ms -= 401;
    ck_code(beat("b", 1), 0);
    ck_assert_int_eq(stage.group.assignment_epoch, 2);
}
END_TEST

/* An interval of 0 is none, and one that is longer than the interval of heartbeats makes nobody come earlier. */
START_TEST(the_interval_is_what_the_group_is_given)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    stage.settings.config.consumer_assignment_interval_ms = 15000;
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_assert_int_eq(stage.group.assignment_epoch, 1);
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, HEARTBEAT_MS);
    stage.settings.config.consumer_assignment_interval_ms = 0;
    ck_code(stage_join(&stage, "c", "orders"), 0);
    ck_assert_int_eq(stage.group.assignment_epoch, 3);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("assignment interval");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, who_joins_within_the_interval_is_in_the_next_target);
    tcase_add_test(tests, a_heartbeat_behind_the_interval_computes_the_target);
    tcase_add_test(tests, a_member_that_is_replaced_costs_one_target);
    tcase_add_test(tests, a_member_alone_does_not_wait);
    tcase_add_test(tests, another_subscription_does_not_wait);
    tcase_add_test(tests, new_partitions_wait);
    tcase_add_test(tests, a_loaded_group_keeps_the_interval);
    tcase_add_test(tests, the_interval_is_what_the_group_is_given);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("assignment interval", add);
}
