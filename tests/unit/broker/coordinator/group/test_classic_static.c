#include "tests/unit/broker/coordinator/group/classic_stage.h"

/* A static leader and a static follower, Stable; "mine" and "yours" are assigned. */
static void settle_static(struct stage *stage, const char **leader_out, const char **other_out)
{
    struct asked *leader = JOIN(stage, .instance = "shelf");
    struct asked *other = JOIN(stage, .instance = "table");
    stage_pass(stage, 6000);
    *leader_out = id_of(leader);
    *other_out = id_of(other);
    struct part parts[] = {{*leader_out, "mine"}, {*other_out, "yours"}, {0}};
    ck_answered(stage_sync_as(stage, *leader_out, "shelf", 1, parts), 0);
    ck_answered(stage_sync_as(stage, *other_out, "table", 1, NULL), 0);
    ck_state(stage, "Stable");
}

/* A static member that comes back is given a new id, with a record and without a rebalance: KIP-345. */
START_TEST(a_static_member_that_comes_back_disturbs_nobody)
{
    struct stage stage;
    const char *leader;
    const char *other;
    stage_init(&stage);
    settle_static(&stage, &leader, &other);
    struct asked *back = JOIN(&stage, .instance = "table");
    ck_answered(back, 0);
    ck_assert(back->was_durable);
    ck_assert_uint_eq(stage.update.record_count, 1);
    ck_assert_str_ne(id_of(back), other);
    ck_assert_int_eq(back->join.generation, 1);
    ck_text(back->join.leader_id, leader);
    ck_assert_uint_eq(back->join.member_count, 0);
    ck_state(&stage, "Stable");
    struct asked *sync = stage_sync_as(&stage, id_of(back), "table", 1, NULL);
    ck_answered(sync, 0);
    ck_text(sync->sync.assignment, "yours");
    ck_code(stage_heartbeat_as(&stage, other, "table", 1), WEIR_FENCED_INSTANCE_ID);
    ck_code(stage_heartbeat_as(&stage, other, NULL, 1), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_heartbeat_as(&stage, id_of(back), "table", 1), 0);
    stage_close(&stage);
}
END_TEST

/* Before version 9 a leader that comes back is told of its old id, so that it does not assign. */
START_TEST(an_old_static_leader_is_told_of_the_leader_that_it_was)
{
    struct stage stage;
    const char *leader;
    const char *other;
    stage_init(&stage);
    settle_static(&stage, &leader, &other);
    struct asked *back = JOIN(&stage, .instance = "shelf");
    ck_answered(back, 0);
    ck_text(back->join.leader_id, leader);
    ck_assert_uint_eq(back->join.member_count, 0);
    ck_assert(!back->join.skip_assignment);
    ck_assert_ptr_eq(stage.group.leader->id.instance_id.data != NULL ? stage.group.leader : NULL,
                     weir_map_get(&stage.group.members, weir_text(id_of(back))));
    stage_close(&stage);
}
END_TEST

/* From version 9 on it is told that it leads and that the assignment stands: KIP-814. */
START_TEST(a_static_leader_is_told_to_skip_the_assignment)
{
    struct stage stage;
    const char *leader;
    const char *other;
    stage_init(&stage);
    settle_static(&stage, &leader, &other);
    struct asked *back = JOIN(&stage, .instance = "shelf", .can_skip = true);
    ck_answered(back, 0);
    ck_assert(back->join.skip_assignment);
    ck_text(back->join.leader_id, id_of(back));
    ck_assert_uint_eq(back->join.member_count, 2);
    struct asked *follower = JOIN(&stage, .instance = "table", .can_skip = true);
    ck_answered(follower, 0);
    ck_assert(!follower->join.skip_assignment);
    ck_assert_uint_eq(follower->join.member_count, 0);
    struct asked *sync = stage_sync_as(&stage, id_of(back), "shelf", 1, NULL);
    ck_answered(sync, 0);
    ck_text(sync->sync.assignment, "mine");
    stage_close(&stage);
}
END_TEST

/* If its metadata changes what the group would choose, the group rebalances. */
START_TEST(a_static_member_that_changes_the_protocol_begins_a_rebalance)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *only = JOIN(&stage, .instance = "shelf", .protocols = {"range", "sticky"});
    stage_pass(&stage, 6000);
    ck_answered(stage_sync_as(&stage, id_of(only), "shelf", 1, NULL), 0);
    struct asked *back = JOIN(&stage, .instance = "shelf", .protocols = {"sticky", "range"});
    ck_answered(back, 0);
    ck_assert_int_eq(back->join.generation, 2);
    ck_text(back->join.protocol, "sticky");
    ck_state(&stage, "CompletingRebalance");
    stage_close(&stage);
}
END_TEST

/* Who has the instance id now fences whoever had it, also where that waits. */
START_TEST(the_parked_requests_of_a_fenced_member_are_answered)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = JOIN(&stage, .instance = "shelf");
    struct asked *second = JOIN(&stage, .instance = "shelf");
    ck_answered(first, WEIR_FENCED_INSTANCE_ID);
    ck_parked(second);
    struct asked *other = JOIN(&stage, .instance = "table");
    stage_pass(&stage, 6000);
    ck_answered(second, 0);
    struct asked *waiting = stage_sync_as(&stage, id_of(other), "table", 1, NULL);
    ck_parked(waiting);
    ck_parked(JOIN(&stage, .instance = "table"));
    ck_answered(waiting, WEIR_FENCED_INSTANCE_ID);
    ck_state(&stage, "PreparingRebalance");
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 2);
    stage_close(&stage);
}
END_TEST

/* Joins, syncs, commits and leaving with an id that another one has the instance of now. */
START_TEST(a_fenced_member_is_refused_everywhere)
{
    struct stage stage;
    const char *leader;
    const char *other;
    stage_init(&stage);
    settle_static(&stage, &leader, &other);
    (void)JOIN(&stage, .instance = "table");
    ck_answered(JOIN(&stage, .id = other, .instance = "table"), WEIR_FENCED_INSTANCE_ID);
    ck_answered(stage_sync_as(&stage, other, "table", 1, NULL), WEIR_FENCED_INSTANCE_ID);
    ck_code(stage_commit(&stage, other, "table", 1), WEIR_FENCED_INSTANCE_ID);
    ck_code(stage_leave(&stage, other, "table"), WEIR_FENCED_INSTANCE_ID);
    ck_answered(JOIN(&stage, .id = other, .instance = "lamp"), WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 2);
    ck_state(&stage, "Stable");
    stage_close(&stage);
}
END_TEST

/* A static member that does not join again stays in, until its session ends. */
START_TEST(a_static_member_stays_until_its_session_ends)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *fixed =
        JOIN(&stage, .instance = "shelf", .session_ms = 100000, .rebalance_ms = 20000);
    struct asked *other = ENTER(&stage, .session_ms = 100000, .rebalance_ms = 20000);
    stage_pass(&stage, 6000);
    struct part parts[] = {{id_of(fixed), "mine"}, {0}};
    ck_answered(stage_sync_as(&stage, id_of(fixed), "shelf", 1, parts), 0);
    ck_answered(stage_sync(&stage, id_of(other), NULL), 0);
    struct asked *again = JOIN(&stage, .id = id_of(other), .metadata = "more", .session_ms = 100000,
                               .rebalance_ms = 20000);
    stage_pass(&stage, 20000);
    ck_answered(again, 0);
    ck_text(again->join.leader_id, id_of(other));
    ck_assert_uint_eq(again->join.member_count, 2);
    ck_text(again->join.members[0].id.instance_id, "shelf");
    stage_close(&stage);
}
END_TEST

/* If only static members are left and none joins, the group waits for one, or for their end. */
START_TEST(a_rebalance_that_nobody_joins_waits_for_static_members)
{
    struct stage stage;
    const char *leader;
    const char *other;
    stage_init(&stage);
    stage.settings.session_timeout_max_ms = INT32_MAX;
    settle_static(&stage, &leader, &other);
    struct asked *given = JOIN(&stage);
    struct asked *dynamic = JOIN(&stage, .id = id_of(given), .rebalance_ms = 1);
    ck_code(stage_leave(&stage, id_of(given), NULL), 0);
    ck_answered(dynamic, WEIR_UNKNOWN_MEMBER_ID);
    ck_state(&stage, "PreparingRebalance");
    for (int i = 0; i < 30; i++) {
        stage_pass(&stage, 5000);
        ck_code(stage_heartbeat_as(&stage, leader, "shelf", 1), WEIR_REBALANCE_IN_PROGRESS);
        ck_code(stage_heartbeat_as(&stage, other, "table", 1), WEIR_REBALANCE_IN_PROGRESS);
    }
    ck_state(&stage, "PreparingRebalance");
    struct asked *back = JOIN(&stage, .instance = "table");
    ck_parked(back);
    stage_pass(&stage, 10000);
    ck_answered(back, 0);
    stage_close(&stage);
}
END_TEST

/* A rebalance timeout of nothing does not have the group look all the time. */
START_TEST(waiting_for_static_members_is_not_busy)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *only = JOIN(&stage, .instance = "shelf", .rebalance_ms = 1);
    stage_pass(&stage, 3000);
    ck_answered(stage_sync_as(&stage, id_of(only), "shelf", 1, NULL), 0);
    (void)JOIN(&stage, .instance = "table", .rebalance_ms = 1);
    ck_code(stage_leave(&stage, "", "table"), 0);
    stage.now_ms += 1;
    ck_assert_int_eq(stage_step(&stage, (struct weir_classic_event){.type = WEIR_CLASSIC_TICK}), 0);
    ck_state(&stage, "PreparingRebalance");
    ck_assert_int_ge(stage.update.wake_at_ms, stage.now_ms + 1000);
    stage_close(&stage);
}
END_TEST

/* What the member had not fetched yet, its successor has to. */
START_TEST(a_replaced_member_still_owes_its_sync)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *leader = JOIN(&stage, .instance = "shelf", .session_ms = 100000);
    (void)JOIN(&stage, .instance = "table", .session_ms = 100000);
    stage_pass(&stage, 6000);
    ck_answered(stage_sync_as(&stage, id_of(leader), "shelf", 1, NULL), 0);
    ck_answered(JOIN(&stage, .instance = "table", .session_ms = 100000), 0);
    ck_assert_uint_eq(stage.group.pending_sync_count, 1);
    stage_pass(&stage, 60000);
    ck_state(&stage, "PreparingRebalance");
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 1);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("static members");
    tcase_add_test(tests, a_static_member_that_comes_back_disturbs_nobody);
    tcase_add_test(tests, an_old_static_leader_is_told_of_the_leader_that_it_was);
    tcase_add_test(tests, a_static_leader_is_told_to_skip_the_assignment);
    tcase_add_test(tests, a_static_member_that_changes_the_protocol_begins_a_rebalance);
    tcase_add_test(tests, the_parked_requests_of_a_fenced_member_are_answered);
    tcase_add_test(tests, a_fenced_member_is_refused_everywhere);
    tcase_add_test(tests, a_static_member_stays_until_its_session_ends);
    tcase_add_test(tests, a_rebalance_that_nobody_joins_waits_for_static_members);
    tcase_add_test(tests, waiting_for_static_members_is_not_busy);
    tcase_add_test(tests, a_replaced_member_still_owes_its_sync);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("classic_static", add);
}
