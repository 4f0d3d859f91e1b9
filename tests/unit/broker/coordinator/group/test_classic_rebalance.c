#include <stdio.h>

#include "tests/unit/broker/coordinator/group/classic_stage.h"

/* A newcomer has the members join again, who hear of it from their heartbeats. */
START_TEST(a_newcomer_begins_a_rebalance)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    struct asked *third = ENTER(&stage);
    ck_state(&stage, "PreparingRebalance");
    ck_parked(third);
    ck_code(stage_heartbeat(&stage, id_of(members[0])), WEIR_REBALANCE_IN_PROGRESS);
    struct asked *first = JOIN(&stage, .id = id_of(members[0]));
    ck_parked(first);
    struct asked *second = JOIN(&stage, .id = id_of(members[1]));
    ck_answered(first, 0);
    ck_answered(second, 0);
    ck_answered(third, 0);
    ck_assert_int_eq(third->join.generation, 2);
    ck_text(third->join.leader_id, id_of(members[0]));
    ck_assert_uint_eq(first->join.member_count, 3);
    ck_assert_uint_eq(third->join.member_count, 0);
    stage_close(&stage);
}
END_TEST

/* The rebalance goes on without the dynamic members that have not joined within the longest timeout. */
START_TEST(who_does_not_join_again_in_time_is_out)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *silent = ENTER(&stage, .session_ms = 60000, .rebalance_ms = 20000);
    struct asked *other = ENTER(&stage, .session_ms = 60000, .rebalance_ms = 10000);
    stage_pass(&stage, 6000);
    ck_parked(stage_sync(&stage, id_of(other), NULL));
    ck_answered(stage_sync(&stage, id_of(silent), NULL), 0);
    struct asked *again =
        JOIN(&stage, .id = id_of(other), .metadata = "other topics", .rebalance_ms = 10000);
    ck_parked(again);
    stage_pass(&stage, 19999);
    ck_parked(again);
    stage_pass(&stage, 1);
    ck_assert_uint_eq(stage.update.silent_count, 1);
    ck_text(stage.update.silent->member_id, id_of(silent));
    ck_assert_str_eq(stage.update.silent->missed, "join");
    ck_answered(again, 0);
    ck_text(again->join.leader_id, id_of(other));
    ck_assert_uint_eq(again->join.member_count, 1);
    ck_text(again->join.members[0].metadata, "other topics");
    ck_code(stage_heartbeat(&stage, id_of(silent)), WEIR_UNKNOWN_MEMBER_ID);
    stage_close(&stage);
}
END_TEST

/* A pending id holds the rebalance up until it joins, leaves, or its time is over. */
START_TEST(a_pending_id_holds_a_rebalance_up)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    struct asked *pending = JOIN(&stage, .session_ms = 8000);
    struct asked *again = JOIN(&stage, .id = id_of(members[0]));
    ck_parked(again);
    stage_pass(&stage, 7999);
    ck_parked(again);
    stage_pass(&stage, 1);
    ck_answered(again, 0);
    ck_answered(JOIN(&stage, .id = id_of(pending)), WEIR_UNKNOWN_MEMBER_ID);

    pending = JOIN(&stage);
    ck_answered(stage_sync(&stage, id_of(members[0]), NULL), 0);
    again = JOIN(&stage, .id = id_of(members[0]));
    ck_parked(again);
    ck_code(stage_leave(&stage, id_of(pending), NULL), 0);
    ck_answered(again, 0);
    stage_close(&stage);
}
END_TEST

/* What a member that joins again hears depends on the state: Completing, with the same and with other metadata. */
START_TEST(a_join_while_completing_is_answered_again_or_begins_anew)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *leader = ENTER(&stage);
    struct asked *other = ENTER(&stage);
    stage_pass(&stage, 6000);
    struct asked *again = JOIN(&stage, .id = id_of(leader));
    ck_answered(again, 0);
    ck_assert_int_eq(again->join.generation, 1);
    ck_assert_uint_eq(again->join.member_count, 2);
    again = JOIN(&stage, .id = id_of(other));
    ck_answered(again, 0);
    ck_assert_uint_eq(again->join.member_count, 0);
    ck_state(&stage, "CompletingRebalance");

    struct asked *waiting = stage_sync(&stage, id_of(other), NULL);
    ck_parked(waiting);
    ck_parked(JOIN(&stage, .id = id_of(leader), .metadata = "more"));
    ck_state(&stage, "PreparingRebalance");
    ck_answered(waiting, WEIR_REBALANCE_IN_PROGRESS);
    stage_close(&stage);
}
END_TEST

/* Stable: a follower that says the same is told the generation; other metadata, and the leader's, rebalance. */
START_TEST(a_join_in_a_stable_group)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage_settle(&stage, 2, members);
    struct asked *again = JOIN(&stage, .id = id_of(members[1]));
    ck_answered(again, 0);
    ck_assert_int_eq(again->join.generation, 1);
    ck_text(again->join.leader_id, id_of(members[0]));
    ck_state(&stage, "Stable");
    ck_answered(stage_sync(&stage, id_of(members[1]), NULL), 0);

    ck_parked(JOIN(&stage, .id = id_of(members[1]), .metadata = "more"));
    ck_state(&stage, "PreparingRebalance");
    stage_close(&stage);

    stage_init(&stage);
    stage_settle(&stage, 2, members);
    ck_parked(JOIN(&stage, .id = id_of(members[0])));
    ck_state(&stage, "PreparingRebalance");
    stage_close(&stage);
}
END_TEST

/* Everybody is given what the leader says; whom it leaves out, empty bytes; the answers wait for the record. */
START_TEST(the_leaders_assignment_goes_to_everybody)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *members[3];
    for (size_t i = 0; i < 3; i++) {
        members[i] = ENTER(&stage);
    }
    stage_pass(&stage, 6000);
    struct asked *second = stage_sync(&stage, id_of(members[1]), NULL);
    struct asked *third = stage_sync(&stage, id_of(members[2]), NULL);
    ck_parked(second);
    struct part parts[] = {{id_of(members[1]), "first"},
                           {"a stranger", "lost"},
                           {id_of(members[0]), "mine"},
                           {id_of(members[1]), "yours"},
                           {0}};
    struct asked *leader = stage_sync(&stage, id_of(members[0]), parts);
    ck_answered(leader, 0);
    ck_answered(second, 0);
    ck_answered(third, 0);
    ck_assert(leader->was_durable && second->was_durable && third->was_durable);
    ck_assert_uint_eq(stage.update.record_count, 1);
    ck_text(leader->sync.assignment, "mine");
    ck_text(second->sync.assignment, "yours");
    ck_assert(!weir_slice_is_null(third->sync.assignment));
    ck_text(third->sync.assignment, "");
    ck_text(third->sync.protocol_out, "range");
    ck_text(third->sync.protocol_type_out, "consumer");
    struct asked *late = stage_sync(&stage, id_of(members[1]), NULL);
    ck_answered(late, 0);
    ck_assert(late->was_durable);
    ck_text(late->sync.assignment, "yours");
    stage_close(&stage);
}
END_TEST

START_TEST(a_sync_that_does_not_fit_is_refused)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    ck_answered(stage_sync(&stage, "client-1", NULL), WEIR_UNKNOWN_MEMBER_ID);
    stage_settle(&stage, 2, members);
    ck_answered(stage_sync(&stage, "client-1", NULL), WEIR_UNKNOWN_MEMBER_ID);
    ck_answered(stage_sync_as(&stage, id_of(members[0]), NULL, 0, NULL), WEIR_ILLEGAL_GENERATION);
    ck_answered(stage_sync_as(&stage, id_of(members[0]), "shelf", 1, NULL), WEIR_UNKNOWN_MEMBER_ID);
    (void)ENTER(&stage);
    ck_answered(stage_sync(&stage, id_of(members[0]), NULL), WEIR_REBALANCE_IN_PROGRESS);
    stage_close(&stage);
}
END_TEST

/* From version 5 on a sync says which protocol it is about. */
START_TEST(a_sync_of_another_protocol_is_refused)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    struct asked *sync = stage_sync(&stage, id_of(members[0]), NULL);
    struct weir_classic_event event = {.type = WEIR_CLASSIC_SYNC, .sync = &sync->sync};
    sync->answer_count = 0;
    sync->sync.protocol_type = weir_text("consumer");
    sync->sync.protocol = weir_text("sticky");
    ck_assert_int_eq(stage_step(&stage, event), 0);
    ck_answered(sync, WEIR_INCONSISTENT_GROUP_PROTOCOL);
    sync->answer_count = 0;
    sync->base.request.error = (struct weir_error){0};
    sync->sync.protocol = weir_text("range");
    ck_assert_int_eq(stage_step(&stage, event), 0);
    ck_answered(sync, 0);
    sync->answer_count = 0;
    sync->sync.protocol_type = weir_text("connect");
    ck_assert_int_eq(stage_step(&stage, event), 0);
    ck_answered(sync, WEIR_INCONSISTENT_GROUP_PROTOCOL);
    stage_close(&stage);
}
END_TEST

/* Without the leader's sync the rebalance timeout ends the generation, and whoever owed one is out. */
START_TEST(who_does_not_sync_in_time_is_out)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *leader = ENTER(&stage, .session_ms = 60000, .rebalance_ms = 15000);
    struct asked *other = ENTER(&stage, .session_ms = 60000, .rebalance_ms = 15000);
    stage_pass(&stage, 6000);
    ck_answered(leader, 0);
    struct asked *waiting = stage_sync(&stage, id_of(other), NULL);
    stage_pass(&stage, 14999);
    ck_parked(waiting);
    stage_pass(&stage, 1);
    ck_assert_uint_eq(stage.update.silent_count, 1);
    ck_text(stage.update.silent->member_id, id_of(leader));
    ck_assert_str_eq(stage.update.silent->missed, "sync");
    ck_answered(waiting, WEIR_REBALANCE_IN_PROGRESS);
    ck_state(&stage, "PreparingRebalance");
    ck_code(stage_heartbeat(&stage, id_of(leader)), WEIR_UNKNOWN_MEMBER_ID);
    struct asked *again = JOIN(&stage, .id = id_of(other));
    ck_answered(again, 0);
    ck_text(again->join.leader_id, id_of(other));
    stage_close(&stage);
}
END_TEST

/* The same holds for a follower that has an assignment and does not fetch it. */
START_TEST(a_follower_that_never_syncs_is_out_of_a_stable_group)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *leader = ENTER(&stage, .session_ms = 60000, .rebalance_ms = 15000);
    struct asked *other = ENTER(&stage, .session_ms = 60000, .rebalance_ms = 15000);
    stage_pass(&stage, 6000);
    ck_answered(stage_sync(&stage, id_of(leader), NULL), 0);
    stage_pass(&stage, 14999);
    ck_code(stage_heartbeat(&stage, id_of(other)), 0);
    stage_pass(&stage, 1);
    ck_state(&stage, "PreparingRebalance");
    ck_code(stage_heartbeat(&stage, id_of(other)), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_heartbeat(&stage, id_of(leader)), WEIR_REBALANCE_IN_PROGRESS);
    stage_close(&stage);
}
END_TEST

/* An assignment that the group has no room for is refused, and the members' metadata stays. */
START_TEST(an_assignment_that_is_too_large_is_refused)
{
    struct stage stage;
    static char large[20000];
    memset(large, 'x', sizeof large - 1);
    stage_init(&stage);
    stage.settings.bytes_max = 15000;
    struct asked *leader = ENTER(&stage);
    stage_pass(&stage, 6000);
    struct part parts[] = {{id_of(leader), large}, {0}};
    ck_answered(stage_sync(&stage, id_of(leader), parts), WEIR_GROUP_MAX_SIZE_REACHED);
    ck_state(&stage, "CompletingRebalance");
    ck_answered(stage_sync(&stage, id_of(leader), NULL), 0);
    ck_state(&stage, "Stable");
    stage_close(&stage);
}
END_TEST

/* If the leader is gone, the first member that has joined leads. */
START_TEST(another_member_leads_when_the_leader_is_gone)
{
    struct stage stage;
    struct asked *members[3];
    stage_init(&stage);
    stage_settle(&stage, 3, members);
    ck_code(stage_leave(&stage, id_of(members[0]), NULL), 0);
    ck_state(&stage, "PreparingRebalance");
    struct asked *third = JOIN(&stage, .id = id_of(members[2]));
    struct asked *second = JOIN(&stage, .id = id_of(members[1]));
    ck_answered(second, 0);
    ck_answered(third, 0);
    ck_text(third->join.leader_id, id_of(members[1]));
    ck_assert_uint_eq(second->join.member_count, 2);
    ck_assert_uint_eq(third->join.member_count, 0);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("rebalance");
    tcase_add_test(tests, a_newcomer_begins_a_rebalance);
    tcase_add_test(tests, who_does_not_join_again_in_time_is_out);
    tcase_add_test(tests, a_pending_id_holds_a_rebalance_up);
    tcase_add_test(tests, a_join_while_completing_is_answered_again_or_begins_anew);
    tcase_add_test(tests, a_join_in_a_stable_group);
    tcase_add_test(tests, the_leaders_assignment_goes_to_everybody);
    tcase_add_test(tests, a_sync_that_does_not_fit_is_refused);
    tcase_add_test(tests, a_sync_of_another_protocol_is_refused);
    tcase_add_test(tests, who_does_not_sync_in_time_is_out);
    tcase_add_test(tests, a_follower_that_never_syncs_is_out_of_a_stable_group);
    tcase_add_test(tests, an_assignment_that_is_too_large_is_refused);
    tcase_add_test(tests, another_member_leads_when_the_leader_is_gone);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("classic_rebalance", add);
}
