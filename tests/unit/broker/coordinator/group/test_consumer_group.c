#include <stdio.h>

#include "tests/unit/broker/coordinator/group/consumer_stage.h"

static struct stage stage;
static char text[512];

static void set_up(void)
{
    stage_open(&stage);
}

static void tear_down(void)
{
    stage_check_reload(&stage, NULL);
    stage_close(&stage);
}

/* One member alone is given everything at once, and a second heartbeat says nothing new. */
START_TEST(one_member_has_it_all)
{
    stage_topic(&stage, "orders", 3);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "orders:0,1,2");
    ck_assert_int_eq(stage.request.member_epoch_out, 1);
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, 5000);
    ck_assert(stage.was_durable);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1}), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "same");
    ck_assert_uint_eq(stage.written, 0);
    ck_assert(!stage.was_durable);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Stable");
}
END_TEST

/* Two members: the first gives up what the second shall have, and only then the second is given it. */
START_TEST(a_partition_is_given_up_before_it_is_given)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "");
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Reconciling");

    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 1);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "orders:0,1");
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = 2}), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "same");

    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1"}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = 2}), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "orders:2,3");
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Stable");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("consumer group");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, one_member_has_it_all);
    tcase_add_test(tests, a_partition_is_given_up_before_it_is_given);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("consumer_group", add);
}
