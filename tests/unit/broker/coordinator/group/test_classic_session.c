#include "tests/unit/broker/coordinator/group/classic_stage.h"

/* Heartbeats keep a member in; without them its session ends, the others rebalance, and it is not known. */
START_TEST(a_silent_member_is_out_when_its_session_ends)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    for (int i = 0; i < 5; i++) {
        stage_pass(&stage, 1999);
        ck_code(stage_heartbeat(&stage, id_of(members[0])), 0);
    }
    ck_state(&stage, "Stable");
    stage_pass(&stage, 5);
    ck_assert_uint_eq(stage.update.silent_count, 1);
    ck_text(stage.update.silent->member_id, id_of(members[1]));
    ck_assert_str_eq(stage.update.silent->missed, "heartbeat");
    ck_state(&stage, "PreparingRebalance");
    ck_code(stage_heartbeat(&stage, id_of(members[1])), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_heartbeat(&stage, id_of(members[0])), WEIR_REBALANCE_IN_PROGRESS);
    stage_close(&stage);
}
END_TEST

/* When all are silent the group is Empty, with one record that says so. */
START_TEST(a_group_whose_members_are_all_silent_is_empty)
{
    struct stage stage;
    struct asked *members[3];
    stage_init(&stage);
    stage_settle(&stage, 3, members);
    stage.now_ms += 10000;
    ck_assert_int_eq(stage_step(&stage, (struct weir_classic_event){.type = WEIR_CLASSIC_TICK}), 0);
    ck_state(&stage, "Empty");
    ck_assert_uint_eq(stage.update.record_count, 1);
    ck_assert_int_eq(stage.group.generation, 2);
    ck_assert(weir_classic_group_is_idle(&stage.group));
    ck_assert(!stage.update.is_gone);
    ck_assert_int_eq(stage.update.wake_at_ms, WEIR_GROUP_NEVER_MS);
    ck_assert_uint_eq(stage.group.bytes, 0);
    ck_assert_uint_eq(stage.update.silent_count, 3);
    stage_close(&stage);
}
END_TEST

/* While a request of it is parked a member need not be heard of. */
START_TEST(who_waits_is_not_silent)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *leader = ENTER(&stage, .session_ms = 60000);
    struct asked *other = ENTER(&stage, .session_ms = 10000);
    stage_pass(&stage, 6000);
    struct asked *waiting = stage_sync(&stage, id_of(other), NULL);
    stage_pass(&stage, 30000);
    ck_parked(waiting);
    ck_answered(stage_sync(&stage, id_of(leader), NULL), 0);
    ck_answered(waiting, 0);
    stage_pass(&stage, 9999);
    ck_state(&stage, "Stable");
    struct asked *again = JOIN(&stage, .id = id_of(other), .metadata = "more");
    stage_pass(&stage, 10001);
    ck_parked(again);
    stage_close(&stage);
}
END_TEST

/* A new member cannot send heartbeats: its join ends after five minutes. */
START_TEST(a_newcomers_join_ends_after_five_minutes)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *fixed =
        JOIN(&stage, .instance = "shelf", .rebalance_ms = 1000000, .session_ms = 1000000);
    stage_pass(&stage, 3000);
    ck_answered(stage_sync(&stage, id_of(fixed), NULL), 0);
    struct asked *fresh = JOIN(&stage, .is_old = true);
    stage_pass(&stage, 299999);
    ck_parked(fresh);
    stage_pass(&stage, 1);
    ck_answered(fresh, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 1);
    stage_close(&stage);
}
END_TEST

/* Whose connection is gone is answered, and its session begins to count. */
START_TEST(a_join_that_is_not_waited_for_is_answered_and_the_member_stays_for_its_session)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    struct asked *again = JOIN(&stage, .id = id_of(members[0]));
    ck_parked(again);
    stage_pass(&stage, 9000);
    ck_code(stage_heartbeat(&stage, id_of(members[1])), WEIR_REBALANCE_IN_PROGRESS);
    stage_cancel(&stage, again);
    ck_answered(again, WEIR_CLOSED);
    stage_cancel(&stage, again);
    ck_answered(again, WEIR_CLOSED);
    struct asked *other = JOIN(&stage, .id = id_of(members[1]));
    stage_pass(&stage, 9999);
    ck_parked(other);
    stage_pass(&stage, 1);
    ck_answered(other, 0);
    ck_assert_uint_eq(other->join.member_count, 1);
    stage_close(&stage);
}
END_TEST

START_TEST(a_sync_that_is_not_waited_for_is_answered)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *leader = ENTER(&stage);
    struct asked *other = ENTER(&stage);
    stage_pass(&stage, 6000);
    struct asked *waiting = stage_sync(&stage, id_of(other), NULL);
    stage_cancel(&stage, waiting);
    ck_answered(waiting, WEIR_CLOSED);
    ck_answered(stage_sync(&stage, id_of(leader), NULL), 0);
    ck_answered(stage_sync(&stage, id_of(other), NULL), 0);
    stage_close(&stage);
}
END_TEST

/* A newcomer whose connection is gone does not keep the others for its five minutes. */
START_TEST(a_newcomer_that_is_gone_ends_with_its_session)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = ENTER(&stage, .session_ms = 400000);
    stage_cancel(&stage, first);
    ck_answered(first, WEIR_CLOSED);
    stage_pass(&stage, 3000);
    ck_state(&stage, "Empty"); /* it has not joined by the end of the initial delay */
    stage_close(&stage);

    stage_init(&stage);
    struct asked *members[1];
    stage_settle(&stage, 1, members);
    struct asked *fresh = ENTER(&stage, .session_ms = 6000);
    stage_cancel(&stage, fresh);
    struct asked *again = JOIN(&stage, .id = id_of(members[0]));
    stage_pass(&stage, 5999);
    ck_parked(again);
    stage_pass(&stage, 1);
    ck_answered(again, 0);
    stage_close(&stage);
}
END_TEST

/* And one that comes back waits as long as the others: its join does not end with that session. */
START_TEST(a_newcomer_that_hung_up_and_joins_again_is_not_silent)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    struct asked *given = JOIN(&stage, .session_ms = 6000);
    struct asked *fresh = JOIN(&stage, .id = id_of(given), .session_ms = 6000);
    stage_cancel(&stage, fresh);
    stage_pass(&stage, 5000);
    ck_code(stage_heartbeat(&stage, id_of(members[0])), WEIR_REBALANCE_IN_PROGRESS);
    struct asked *again = JOIN(&stage, .id = id_of(given), .session_ms = 6000);
    stage_pass(&stage, 9000);
    ck_parked(again);
    ck_answered(JOIN(&stage, .id = id_of(members[0])), 0);
    ck_answered(again, 0);
    stage_close(&stage);
}
END_TEST

START_TEST(a_heartbeat_that_does_not_fit_is_refused)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    ck_code(stage_heartbeat(&stage, "client-1"), WEIR_UNKNOWN_MEMBER_ID);
    ck_assert(stage.update.is_gone);
    stage_settle(&stage, 1, members);
    ck_code(stage_heartbeat(&stage, "client-1"), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_heartbeat(&stage, ""), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_heartbeat_as(&stage, id_of(members[0]), NULL, 0), WEIR_ILLEGAL_GENERATION);
    ck_code(stage_heartbeat_as(&stage, id_of(members[0]), "shelf", 1), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_heartbeat(&stage, id_of(members[0])), 0);
    stage_close(&stage);
}
END_TEST

/* Members hear in CompletingRebalance already that they are in. */
START_TEST(a_heartbeat_while_completing_is_fine)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = ENTER(&stage);
    stage_pass(&stage, 6000);
    ck_code(stage_heartbeat(&stage, id_of(first)), 0);
    stage_close(&stage);
}
END_TEST

/* The last one that leaves leaves an Empty group, and hears of it when that is written. */
START_TEST(a_group_that_all_have_left_is_empty)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    ck_code(stage_leave(&stage, "client-1", NULL), WEIR_UNKNOWN_MEMBER_ID);
    ck_state(&stage, "Stable");
    ck_code(stage_leave(&stage, id_of(members[0]), NULL), 0);
    ck_state(&stage, "PreparingRebalance");
    ck_assert_uint_eq(stage.update.record_count, 0);
    ck_code(stage_leave(&stage, id_of(members[1]), NULL), 0);
    ck_state(&stage, "Empty");
    ck_assert_uint_eq(stage.update.record_count, 1);
    ck_assert_ptr_nonnull(stage.update.durable.first);
    stage_close(&stage);
}
END_TEST

/* Who leaves while its join is parked has that answered. */
START_TEST(a_parked_join_of_a_member_that_leaves_is_answered)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    struct asked *again = JOIN(&stage, .id = id_of(members[0]));
    ck_code(stage_leave(&stage, id_of(members[0]), NULL), 0);
    ck_answered(again, WEIR_UNKNOWN_MEMBER_ID);
    struct asked *other = JOIN(&stage, .id = id_of(members[1]));
    ck_answered(other, 0);
    ck_text(other->join.leader_id, id_of(members[1]));
    stage_close(&stage);
}
END_TEST

/* And a parked sync, which Kafka leaves to its timeout. */
START_TEST(a_parked_sync_of_a_member_that_leaves_is_answered)
{
    struct stage stage;
    stage_init(&stage);
    (void)ENTER(&stage);
    struct asked *other = ENTER(&stage);
    stage_pass(&stage, 6000);
    struct asked *waiting = stage_sync(&stage, id_of(other), NULL);
    ck_code(stage_leave(&stage, id_of(other), NULL), 0);
    ck_answered(waiting, WEIR_UNKNOWN_MEMBER_ID);
    ck_state(&stage, "PreparingRebalance");
    stage_close(&stage);
}
END_TEST

/* Version 3: several at once, each with an answer of its own; an administrator names instances. */
START_TEST(several_members_leave_at_once)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    struct asked *fixed = JOIN(&stage, .instance = "shelf");
    struct asked *asked = JOIN(&stage, .session_ms = 1);
    struct weir_leaving_member leaving[] = {
        {.id = {weir_text(""), weir_text("shelf")}},
        {.id = {weir_text(id_of(members[0])), weir_text("shelf")}},
        {.id = {weir_text(""), weir_text("table")}},
        {.id = {weir_text(id_of(members[0])), weir_null()}},
        {.id = {weir_text(id_of(members[0])), weir_null()}},
    };
    asked->answer_count = 0;
    asked->leave.members = leaving;
    asked->leave.member_count = 5;
    asked->base.request.error = (struct weir_error){0};
    (void)stage_step(
        &stage, (struct weir_classic_event){.type = WEIR_CLASSIC_LEAVE, .leave = &asked->leave});
    ck_answered(asked, 0);
    ck_assert_str_eq(asked->base.request.error.text, "");
    ck_answered(fixed, WEIR_UNKNOWN_MEMBER_ID);
    ck_code(leaving[0].rc, 0);
    ck_code(leaving[1].rc, WEIR_UNKNOWN_MEMBER_ID); /* the instance is gone */
    ck_code(leaving[2].rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_code(leaving[3].rc, 0);
    ck_code(leaving[4].rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 1);
    stage_close(&stage);
}
END_TEST

/* Nobody rebalances because an id that nobody had joined with is given back. */
START_TEST(a_pending_id_that_leaves_disturbs_nobody)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    struct asked *pending = JOIN(&stage);
    ck_code(stage_leave(&stage, id_of(pending), NULL), 0);
    ck_state(&stage, "Stable");
    ck_assert_uint_eq(weir_map_count(&stage.group.pending), 0);
    stage_close(&stage);
}
END_TEST

/* Who is no member commits only while nobody is. */
START_TEST(a_commit_by_nobody_is_for_an_empty_group)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    ck_code(stage_commit(&stage, "", NULL, -1), 0);
    ck_code(stage_commit(&stage, "client-1", NULL, 3), WEIR_UNKNOWN_MEMBER_ID);
    stage_settle(&stage, 1, members);
    ck_code(stage_commit(&stage, "", NULL, -1), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_commit(&stage, id_of(members[0]), NULL, -1), WEIR_ILLEGAL_GENERATION);
    stage_close(&stage);
}
END_TEST

START_TEST(a_member_commits_in_its_generation_and_not_between)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    ck_code(stage_commit(&stage, id_of(members[0]), NULL, 1), 0);
    ck_code(stage_commit(&stage, id_of(members[0]), NULL, 0), WEIR_ILLEGAL_GENERATION);
    ck_code(stage_commit(&stage, id_of(members[0]), NULL, 2), WEIR_ILLEGAL_GENERATION);
    ck_code(stage_commit(&stage, id_of(members[0]), "shelf", 1), WEIR_UNKNOWN_MEMBER_ID);
    (void)JOIN(&stage, .id = id_of(members[0]));
    ck_state(&stage, "PreparingRebalance");
    ck_code(stage_commit(&stage, id_of(members[1]), NULL, 1), 0);
    (void)JOIN(&stage, .id = id_of(members[1]));
    ck_state(&stage, "CompletingRebalance");
    ck_code(stage_commit(&stage, id_of(members[1]), NULL, 1), WEIR_ILLEGAL_GENERATION);
    ck_code(stage_commit(&stage, id_of(members[1]), NULL, 2), WEIR_REBALANCE_IN_PROGRESS);
    stage_close(&stage);
}
END_TEST

/* In a transaction a commit is taken while the rebalance is completed, and by who says nothing of itself. */
START_TEST(a_commit_in_a_transaction_is_less_strict)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = ENTER(&stage);
    stage_pass(&stage, 6000);
    struct weir_classic_committer committer = {
        .member.member_id = weir_text(id_of(first)),
        .generation = 1,
        .is_transactional = true,
        .now_ms = stage.now_ms,
    };
    ck_code(weir_classic_group_check_commit(&stage.group, &committer, NULL), 0);
    committer.generation = 0;
    ck_code(weir_classic_group_check_commit(&stage.group, &committer, NULL),
            WEIR_ILLEGAL_GENERATION);
    committer = (struct weir_classic_committer){.generation = -1, .is_transactional = true};
    ck_code(weir_classic_group_check_commit(&stage.group, &committer, NULL), 0);
    stage_close(&stage);
}
END_TEST

START_TEST(a_commit_keeps_the_member_in)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    for (int i = 0; i < 5; i++) {
        stage_pass(&stage, 9000);
        ck_code(stage_commit(&stage, id_of(members[0]), NULL, 1), 0);
    }
    ck_state(&stage, "Stable");
    stage_close(&stage);
}
END_TEST

/* A tick that comes too early, or long too late, does no harm; heartbeats of many are not looked through. */
START_TEST(ticks_come_when_they_want)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    struct weir_classic_event tick = {.type = WEIR_CLASSIC_TICK};
    int64_t scan_at_ms = stage.group.scan_at_ms;
    stage.now_ms += 1000;
    ck_code(stage_heartbeat(&stage, id_of(members[0])), 0);
    ck_code(stage_heartbeat(&stage, id_of(members[1])), 0);
    ck_assert_int_eq(stage.group.scan_at_ms, scan_at_ms);
    ck_assert_int_eq(stage_step(&stage, tick), 0);
    ck_assert_int_eq(stage.group.scan_at_ms, scan_at_ms);
    stage.now_ms = scan_at_ms;
    ck_assert_int_eq(stage_step(&stage, tick), 0);
    ck_state(&stage, "Stable");
    ck_assert_int_gt(stage.group.scan_at_ms, scan_at_ms);
    stage.now_ms += 1000000;
    ck_assert_int_eq(stage_step(&stage, tick), 0);
    ck_state(&stage, "Empty");
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("session");
    tcase_add_test(tests, a_silent_member_is_out_when_its_session_ends);
    tcase_add_test(tests, a_group_whose_members_are_all_silent_is_empty);
    tcase_add_test(tests, who_waits_is_not_silent);
    tcase_add_test(tests, a_newcomers_join_ends_after_five_minutes);
    tcase_add_test(tests,
                   a_join_that_is_not_waited_for_is_answered_and_the_member_stays_for_its_session);
    tcase_add_test(tests, a_sync_that_is_not_waited_for_is_answered);
    tcase_add_test(tests, a_newcomer_that_is_gone_ends_with_its_session);
    tcase_add_test(tests, a_newcomer_that_hung_up_and_joins_again_is_not_silent);
    tcase_add_test(tests, a_heartbeat_that_does_not_fit_is_refused);
    tcase_add_test(tests, a_heartbeat_while_completing_is_fine);
    tcase_add_test(tests, a_group_that_all_have_left_is_empty);
    tcase_add_test(tests, a_parked_join_of_a_member_that_leaves_is_answered);
    tcase_add_test(tests, a_parked_sync_of_a_member_that_leaves_is_answered);
    tcase_add_test(tests, several_members_leave_at_once);
    tcase_add_test(tests, a_pending_id_that_leaves_disturbs_nobody);
    tcase_add_test(tests, a_commit_by_nobody_is_for_an_empty_group);
    tcase_add_test(tests, a_member_commits_in_its_generation_and_not_between);
    tcase_add_test(tests, a_commit_in_a_transaction_is_less_strict);
    tcase_add_test(tests, a_commit_keeps_the_member_in);
    tcase_add_test(tests, ticks_come_when_they_want);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("classic_session", add);
}
