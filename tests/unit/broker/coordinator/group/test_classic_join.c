#include <stdio.h>

#include "tests/unit/broker/coordinator/group/classic_stage.h"

/* A dynamic member that says no id is given one, and joins with it: KIP-394. */
START_TEST(a_new_member_joins_with_the_id_it_was_given)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = JOIN(&stage);
    ck_answered(first, WEIR_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(strncmp(id_of(first), "client-", 7), 0);
    ck_assert_uint_eq(strlen(id_of(first)), strlen("client-") + 36);
    ck_state(&stage, "Empty");
    ck_assert(!stage.update.is_gone);
    ck_assert(!weir_classic_group_is_idle(&stage.group));

    struct asked *second = JOIN(&stage, .id = id_of(first));
    ck_parked(second);
    ck_state(&stage, "PreparingRebalance");
    stage_pass(&stage, 3000);
    ck_answered(second, 0);
    ck_assert_str_eq(id_of(second), id_of(first));
    ck_assert_int_eq(second->join.generation, 1);
    ck_text(second->join.leader_id, id_of(first));
    ck_text(second->join.protocol, "range");
    ck_text(second->join.protocol_type_out, "consumer");
    ck_assert_uint_eq(second->join.member_count, 1);
    ck_text(second->join.members[0].metadata, "topics");
    ck_assert(!second->join.skip_assignment);
    ck_state(&stage, "CompletingRebalance");
    ck_assert_uint_eq(stage.update.record_count, 0);
    stage_close(&stage);
}
END_TEST

/* Below version 4 nobody is sent back for an id, and a static member never is. */
START_TEST(old_and_static_members_join_at_once)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *old = JOIN(&stage, .is_old = true);
    struct asked *fixed = JOIN(&stage, .instance = "shelf");
    ck_parked(old);
    ck_parked(fixed);
    stage_pass(&stage, 6000);
    ck_answered(old, 0);
    ck_answered(fixed, 0);
    ck_assert_int_eq(strncmp(id_of(fixed), "shelf-", 6), 0);
    stage_close(&stage);
}
END_TEST

/* An id that nobody joins with is forgotten after the session timeout, and the group with it. */
START_TEST(a_pending_id_is_forgotten_after_the_session_timeout)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = JOIN(&stage, .session_ms = 6000);
    stage_pass(&stage, 5999);
    ck_assert(!weir_classic_group_is_idle(&stage.group));
    stage_pass(&stage, 1);
    ck_assert(stage.update.is_gone);
    ck_assert_uint_eq(stage.group.bytes, 0);
    ck_assert_int_eq(stage.update.wake_at_ms, WEIR_GROUP_NEVER_MS);
    ck_answered(JOIN(&stage, .id = id_of(first)), WEIR_UNKNOWN_MEMBER_ID);
    stage_close(&stage);
}
END_TEST

/* A pending id belongs to a dynamic member. */
START_TEST(a_pending_id_is_not_for_a_static_member)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = JOIN(&stage);
    ck_answered(JOIN(&stage, .id = id_of(first), .instance = "shelf"), WEIR_UNKNOWN_MEMBER_ID);
    ck_parked(JOIN(&stage, .id = id_of(first)));
    stage_close(&stage);
}
END_TEST

START_TEST(a_session_timeout_out_of_bounds_is_refused)
{
    struct stage stage;
    stage_init(&stage);
    ck_answered(JOIN(&stage, .session_ms = 5999), WEIR_INVALID_SESSION_TIMEOUT);
    ck_answered(JOIN(&stage, .session_ms = 1800001), WEIR_INVALID_SESSION_TIMEOUT);
    ck_answered(JOIN(&stage, .session_ms = -1), WEIR_INVALID_SESSION_TIMEOUT);
    ck_assert(stage.update.is_gone);
    ck_answered(JOIN(&stage, .session_ms = 6000), WEIR_MEMBER_ID_REQUIRED);
    ck_answered(JOIN(&stage, .session_ms = 1800000), WEIR_MEMBER_ID_REQUIRED);
    stage_close(&stage);
}
END_TEST

START_TEST(an_id_that_the_group_does_not_know_is_refused)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    ck_answered(JOIN(&stage, .id = "client-1"), WEIR_UNKNOWN_MEMBER_ID);
    ck_assert(stage.update.is_gone);
    stage_settle(&stage, 2, members);
    struct asked *asked = JOIN(&stage, .id = "client-1");
    ck_answered(asked, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_ptr_nonnull(strstr(asked->base.request.error.text, "orders"));
    ck_assert_ptr_nonnull(strstr(asked->base.request.error.text, "client-1"));
    ck_state(&stage, "Stable");
    stage_close(&stage);
}
END_TEST

/* One protocol at least is spoken by all, and all are of one type. */
START_TEST(a_member_that_has_no_protocol_in_common_is_refused)
{
    struct stage stage;
    stage_init(&stage);
    ck_answered(JOIN(&stage, .type = ""), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    struct asked *first = ENTER(&stage, .protocols = {"range", "sticky"});
    ck_answered(JOIN(&stage, .protocols = {"roundrobin"}), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_answered(JOIN(&stage, .type = "connect"), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    struct asked *second = ENTER(&stage, .protocols = {"sticky"});
    ck_answered(JOIN(&stage, .protocols = {"range"}), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    stage_pass(&stage, 6000);
    ck_answered(first, 0);
    ck_answered(second, 0);
    ck_text(first->join.protocol, "sticky");
    stage_close(&stage);
}
END_TEST

/* A join without any protocol, and one with more than anybody has. */
START_TEST(none_and_too_many_protocols_are_refused)
{
    struct stage stage;
    struct asked *members[1];
    struct weir_group_protocol many[WEIR_CLASSIC_PROTOCOLS_MAX + 1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        many[i] = (struct weir_group_protocol){weir_text("range"), weir_text("")};
    }
    struct weir_classic_event event = {.type = WEIR_CLASSIC_JOIN, .join = &members[0]->join};
    for (size_t count = 0; count < 200; count += WEIR_CLASSIC_PROTOCOLS_MAX + 1) {
        members[0]->join.protocols = many;
        members[0]->join.protocol_count = count;
        members[0]->answer_count = 0;
        members[0]->base.request.error = (struct weir_error){0};
        ck_assert_int_eq(stage_step(&stage, event), 0);
        ck_answered(members[0], WEIR_INCONSISTENT_GROUP_PROTOCOL);
    }
    stage_close(&stage);
}
END_TEST

/* Each member votes for the first of its protocols that all speak. */
START_TEST(the_protocol_with_most_votes_is_chosen)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *one = ENTER(&stage, .protocols = {"solo", "range", "sticky"});
    (void)ENTER(&stage, .protocols = {"sticky", "range"});
    (void)ENTER(&stage, .protocols = {"sticky", "range", "solo2"});
    stage_pass(&stage, 9000);
    ck_answered(one, 0);
    ck_text(one->join.protocol, "sticky");
    stage_close(&stage);
}
END_TEST

/* Nobody is let in above group.max.size, and nobody is put out for it. */
START_TEST(a_full_group_refuses_newcomers)
{
    struct stage stage;
    struct asked *members[2];
    stage_init(&stage);
    stage.settings.members_max = 2;
    stage_settle(&stage, 2, members);
    struct asked *third = JOIN(&stage);
    ck_answered(third, WEIR_GROUP_MAX_SIZE_REACHED);
    ck_assert_ptr_nonnull(strstr(third->base.request.error.text, "group.max.size"));
    ck_state(&stage, "Stable");
    ck_answered(JOIN(&stage, .id = id_of(members[1])), 0);
    stage_close(&stage);
}
END_TEST

/* A static member that comes back takes the room that it has. */
START_TEST(a_static_member_comes_back_to_a_full_group)
{
    struct stage stage;
    stage_init(&stage);
    stage.settings.members_max = 1;
    stage.settings.initial_rebalance_delay_ms = 0;
    struct asked *first = JOIN(&stage, .instance = "shelf");
    ck_answered(stage_sync_as(&stage, id_of(first), "shelf", 1, NULL), 0);
    ck_answered(JOIN(&stage, .instance = "table"), WEIR_GROUP_MAX_SIZE_REACHED);
    ck_answered(JOIN(&stage, .instance = "shelf"), 0);
    ck_state(&stage, "Stable");
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 1);
    stage_close(&stage);
}
END_TEST

/* A group that is larger than it may be loses those that join again last. */
START_TEST(a_crowded_group_keeps_those_that_join_first)
{
    struct stage stage;
    struct asked *members[3];
    stage_init(&stage);
    stage_settle(&stage, 3, members);
    stage.settings.members_max = 2;
    stage_pass(&stage, 0);
    ck_state(&stage, "PreparingRebalance");
    struct asked *second = JOIN(&stage, .id = id_of(members[1]));
    struct asked *third = JOIN(&stage, .id = id_of(members[2]));
    ck_parked(third);
    ck_answered(JOIN(&stage, .id = id_of(members[0])), WEIR_GROUP_MAX_SIZE_REACHED);
    ck_answered(second, 0);
    ck_answered(third, 0);
    ck_text(third->join.leader_id, id_of(members[1]));
    stage_close(&stage);
}
END_TEST

/* What a group may hold is bounded, and what is refused for it names the bound. */
START_TEST(a_group_that_holds_too_many_bytes_refuses_joins)
{
    struct stage stage;
    static char large[20000];
    memset(large, 'x', sizeof large - 1);
    stage_init(&stage);
    stage.settings.bytes_max = 30000;
    struct asked *first = ENTER(&stage, .metadata = large);
    ck_parked(first);
    struct asked *second = ENTER(&stage, .metadata = large);
    ck_answered(second, WEIR_GROUP_MAX_SIZE_REACHED);
    ck_assert_ptr_nonnull(strstr(second->base.request.error.text, "30000"));
    ck_assert_uint_eq(weir_map_count(&stage.group.members), 1);
    for (size_t i = 0; stage.group.bytes < 29900; i++) {
        ck_answered(JOIN(&stage), WEIR_MEMBER_ID_REQUIRED);
        ck_assert_uint_lt(i, 200);
    }
    ck_answered(JOIN(&stage), WEIR_GROUP_MAX_SIZE_REACHED);
    stage_close(&stage);
}
END_TEST

/* The first rebalance waits, and again for whoever came meanwhile, up to the rebalance timeout. */
START_TEST(the_first_rebalance_waits_for_newcomers)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = ENTER(&stage, .rebalance_ms = 8000);
    stage_pass(&stage, 2000);
    (void)ENTER(&stage, .rebalance_ms = 7000);
    stage_pass(&stage, 1000);
    ck_parked(first);
    stage_pass(&stage, 2000);
    (void)ENTER(&stage, .rebalance_ms = 7000);
    stage_pass(&stage, 1000);
    ck_parked(first);
    (void)ENTER(&stage, .rebalance_ms = 7000);
    stage_pass(&stage, 1999);
    ck_parked(first);
    stage_pass(&stage, 1); /* 3 + 3 + 2 */
    ck_answered(first, 0);
    ck_assert_uint_eq(first->join.member_count, 4);
    stage_close(&stage);
}
END_TEST

START_TEST(without_a_delay_the_first_member_joins_at_once)
{
    struct stage stage;
    stage_init(&stage);
    stage.settings.initial_rebalance_delay_ms = 0;
    struct asked *first = ENTER(&stage);
    ck_answered(first, 0);
    ck_state(&stage, "CompletingRebalance");
    stage_close(&stage);
}
END_TEST

/* The join that a client repeats takes the place of the one before. */
START_TEST(a_repeated_join_is_answered_once_and_the_first_is_sent_away)
{
    struct stage stage;
    stage_init(&stage);
    struct asked *first = ENTER(&stage);
    struct asked *given = JOIN(&stage);
    struct asked *second = JOIN(&stage, .id = id_of(given));
    struct asked *again = JOIN(&stage, .id = id_of(given));
    ck_answered(second, WEIR_REBALANCE_IN_PROGRESS);
    ck_parked(again);
    stage_pass(&stage, 6000);
    ck_answered(first, 0);
    ck_answered(again, 0);
    stage_close(&stage);
}
END_TEST

/* Ids end with 36 characters of a UUID; what stands before is cut where the whole would not fit a string. */
START_TEST(a_member_id_is_no_longer_than_a_string_may_be)
{
    struct stage stage;
    static char client[INT16_MAX + 2];
    for (size_t i = 0; i + 1 < INT16_MAX; i += 2) {
        memcpy(client + i, "\xc3\xa9", 2);
    }
    stage_init(&stage);
    struct asked *first = JOIN(&stage, .client = client);
    ck_answered(first, WEIR_MEMBER_ID_REQUIRED);
    ck_assert_uint_le(first->join.member_id_out.size, INT16_MAX);
    ck_assert_uint_ge(first->join.member_id_out.size, INT16_MAX - 1);
    memset(client, 'x', INT16_MAX + 1);
    ck_answered(JOIN(&stage, .client = client), WEIR_INVALID_ARGUMENT);
    stage_close(&stage);
}
END_TEST

/* After the last number there is no next one. */
START_TEST(generations_never_begin_again)
{
    struct stage stage;
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    stage.group.generation = INT32_MAX - 1;
    struct asked *again = JOIN(&stage, .id = id_of(members[0]));
    ck_answered(again, 0);
    ck_assert_int_eq(again->join.generation, INT32_MAX);
    ck_answered(stage_sync(&stage, id_of(members[0]), NULL), 0);
    ck_answered(JOIN(&stage, .id = id_of(members[0])), WEIR_INVALID_ARGUMENT);
    ck_answered(JOIN(&stage), WEIR_INVALID_ARGUMENT);
    ck_code(stage_leave(&stage, id_of(members[0]), NULL), 0);
    ck_state(&stage, "Empty");
    ck_assert_int_eq(stage.group.generation, INT32_MAX);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("join");
    tcase_add_test(tests, a_new_member_joins_with_the_id_it_was_given);
    tcase_add_test(tests, old_and_static_members_join_at_once);
    tcase_add_test(tests, a_pending_id_is_forgotten_after_the_session_timeout);
    tcase_add_test(tests, a_pending_id_is_not_for_a_static_member);
    tcase_add_test(tests, a_session_timeout_out_of_bounds_is_refused);
    tcase_add_test(tests, an_id_that_the_group_does_not_know_is_refused);
    tcase_add_test(tests, a_member_that_has_no_protocol_in_common_is_refused);
    tcase_add_test(tests, none_and_too_many_protocols_are_refused);
    tcase_add_test(tests, the_protocol_with_most_votes_is_chosen);
    tcase_add_test(tests, a_full_group_refuses_newcomers);
    tcase_add_test(tests, a_static_member_comes_back_to_a_full_group);
    tcase_add_test(tests, a_crowded_group_keeps_those_that_join_first);
    tcase_add_test(tests, a_group_that_holds_too_many_bytes_refuses_joins);
    tcase_add_test(tests, the_first_rebalance_waits_for_newcomers);
    tcase_add_test(tests, without_a_delay_the_first_member_joins_at_once);
    tcase_add_test(tests, a_repeated_join_is_answered_once_and_the_first_is_sent_away);
    tcase_add_test(tests, a_member_id_is_no_longer_than_a_string_may_be);
    tcase_add_test(tests, generations_never_begin_again);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("classic_join", add);
}
