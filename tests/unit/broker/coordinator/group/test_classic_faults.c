#include "tests/unit/broker/coordinator/group/classic_stage.h"
#include "wire/generated/group_metadata_value.h"

/*
 * Each allocation of an act fails once. A step that fell short says so, the event's request is answered or
 * parked, and the group can be drained and closed: stage_close asks each request for its one answer, and the
 * budgets for their bytes.
 */

typedef void (*act_fn)(struct stage *stage);

static void try_each(act_fn prepare, act_fn act, size_t hits_min)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct stage stage;
        stage_init(&stage);
        prepare(&stage);
        weir_test_failures_arm(&failures, &stage.heap);
        act(&stage);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(stage.rc, was_hit ? WEIR_NO_MEMORY : 0);
        if (was_hit) ck_assert(!stage.update.is_gone);
        stage_close(&stage);
    }
    ck_assert_uint_ge(failures.hits, hits_min);
}

static void nothing(struct stage *stage)
{
    (void)stage;
}

static void join_new(struct stage *stage)
{
    (void)JOIN(stage);
}
START_TEST(an_id_cannot_be_kept)
{
    try_each(nothing, join_new, 3);
}
END_TEST

static void join_static(struct stage *stage)
{
    (void)JOIN(stage, .instance = "shelf", .protocols = {"range", "sticky"});
}
START_TEST(a_member_cannot_be_kept)
{
    try_each(nothing, join_static, 8);
}
END_TEST

static void settle_static(struct stage *stage)
{
    stage->settings.initial_rebalance_delay_ms = 0;
    struct asked *asked = JOIN(stage, .instance = "shelf", .protocols = {"range", "sticky"});
    ck_answered(stage_sync(stage, id_of(asked), NULL), 0);
}
static void join_other_metadata(struct stage *stage)
{
    const struct weir_classic_member *member = stage->group.leader;
    (void)JOIN(stage, .id = text_of(member->id.member_id), .protocols = {"range", "other"});
}
START_TEST(a_members_other_metadata_cannot_be_kept)
{
    try_each(settle_static, join_other_metadata, 3);
}
END_TEST

static void join_back(struct stage *stage)
{
    (void)JOIN(stage, .instance = "shelf", .protocols = {"range", "sticky"}, .can_skip = true);
}
START_TEST(a_static_member_cannot_be_replaced)
{
    try_each(settle_static, join_back, 4);
}
END_TEST

static void wait_for_leader(struct stage *stage)
{
    struct asked *leader = ENTER(stage);
    struct asked *other = ENTER(stage);
    stage_pass(stage, 6000);
    ck_answered(leader, 0);
    ck_parked(stage_sync(stage, id_of(other), NULL));
}
static void sync_leader(struct stage *stage)
{
    const char *id = text_of(stage->group.leader->id.member_id);
    struct part parts[] = {{id, "mine"}, {0}};
    (void)stage_sync(stage, id, parts);
}
START_TEST(an_assignment_cannot_be_kept)
{
    try_each(wait_for_leader, sync_leader, 3);
}
END_TEST

static void two_wait(struct stage *stage)
{
    (void)ENTER(stage);
    (void)ENTER(stage);
}
static void tick_complete(struct stage *stage)
{
    stage->now_ms += 6000;
    stage->group.has_newcomer = false;
    (void)stage_step(stage, (struct weir_classic_event){.type = WEIR_CLASSIC_TICK});
}
START_TEST(a_generation_cannot_begin)
{
    try_each(two_wait, tick_complete, 1);
}
END_TEST

static void settle_one(struct stage *stage)
{
    struct asked *members[1];
    stage_settle(stage, 1, members);
}
static void leave(struct stage *stage)
{
    (void)stage_leave(stage, text_of(stage->group.leader->id.member_id), NULL);
}
START_TEST(a_group_cannot_be_written_empty)
{
    try_each(settle_one, leave, 1);
}
END_TEST

/* A load that fell short can be closed. */
START_TEST(a_record_cannot_be_loaded)
{
    struct weir_test_failures failures = {0};
    struct weir_group_metadata_value_member_metadata members[2] = {
        {.member_id = weir_text("a"), .session_timeout = 10000, .assignment = weir_text("mine")},
        {.member_id = weir_text("b"),
         .group_instance_id = weir_text("shelf"),
         .session_timeout = 10000},
    };
    struct weir_group_metadata_value value = {
        .protocol_type = weir_text("consumer"),
        .protocol = weir_text("range"),
        .members = members,
        .members_count = 2,
    };
    while (weir_test_failures_next(&failures)) {
        struct stage stage;
        struct weir_error error = {0};
        stage_init(&stage);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = weir_classic_group_load(&stage.group, &value, 0, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_code(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_told(rc, &error);
        stage_close(&stage);
    }
    ck_assert_uint_gt(failures.hits, 8);
}
END_TEST

/* If the asker's memory is too short for the answer, the answer says that; the group is none the worse. */
START_TEST(an_answer_that_has_no_room_says_so)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct stage stage;
        stage_init(&stage);
        stage.settings.initial_rebalance_delay_ms = 0;
        struct asked *given = JOIN(&stage);
        struct asked *other = JOIN(&stage, .session_ms = 1, .id = id_of(given));
        struct weir_classic_event event = {.type = WEIR_CLASSIC_JOIN, .join = &other->join};
        other->answer_count = 0;
        other->base.request.error = (struct weir_error){0};
        other->join.session_timeout_ms = 10000;
        weir_arena_close(&other->arena);
        weir_arena_init(&other->arena, &stage.asked_budget, 32);
        struct weir_group_protocol protocol = {weir_text("range"), weir_text("topics")};
        other->join.protocols = &protocol;
        weir_test_failures_arm(&failures, &stage.asked_heap);
        ck_assert_int_eq(stage_step(&stage, event), 0);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_answered(other, was_hit ? WEIR_NO_MEMORY : 0);
        ck_state(&stage, "CompletingRebalance");
        ck_answered(JOIN(&stage, .id = id_of(given)), 0);
        stage_close(&stage);
    }
    ck_assert_uint_ge(failures.hits, 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("faults");
    tcase_add_test(tests, an_id_cannot_be_kept);
    tcase_add_test(tests, a_member_cannot_be_kept);
    tcase_add_test(tests, a_members_other_metadata_cannot_be_kept);
    tcase_add_test(tests, a_static_member_cannot_be_replaced);
    tcase_add_test(tests, an_assignment_cannot_be_kept);
    tcase_add_test(tests, a_generation_cannot_begin);
    tcase_add_test(tests, a_group_cannot_be_written_empty);
    tcase_add_test(tests, a_record_cannot_be_loaded);
    tcase_add_test(tests, an_answer_that_has_no_room_says_so);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("classic_faults", add);
}
