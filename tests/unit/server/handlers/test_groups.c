#include "tests/unit/server/handlers/data_stage.h"

#include <stdio.h>

#include "wire/generated/delete_groups_request.h"
#include "wire/generated/delete_groups_response.h"
#include "wire/generated/describe_groups_request.h"
#include "wire/generated/describe_groups_response.h"
#include "wire/generated/heartbeat_request.h"
#include "wire/generated/heartbeat_response.h"
#include "wire/generated/join_group_request.h"
#include "wire/generated/join_group_response.h"
#include "wire/generated/leave_group_request.h"
#include "wire/generated/leave_group_response.h"
#include "wire/generated/list_groups_request.h"
#include "wire/generated/list_groups_response.h"
#include "wire/generated/sync_group_request.h"
#include "wire/generated/sync_group_response.h"

/* The requests of classic groups, in each of their versions; the rules of groups are the coordinator's tests to say. */
enum { JOIN_MAX = 9, IDS_FROM = 4, LEAVE_LIST_FROM = 3, NOT_FOUND_FROM = 6, STATES_FROM = 4 };

typedef struct weir_wire_join_group_request_join_group_request_protocol protocol;
typedef struct weir_wire_leave_group_request_member_identity identity;

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "a", 2);
}

static void tear_down(void)
{
    stage_end(&stage);
}

static const void *ask(stage_handler handle, const struct weir_message_type *asked,
                       const struct weir_message_type *answer, int16_t version, const void *request)
{
    struct call *call = stage_begin(&stage, 0, handle, asked, answer, version, request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    return call->answer;
}
#define ASK(name, version, request)                                                                \
    ask(weir_handle_##name, &weir_wire_##name##_request_type, &weir_wire_##name##_response_type,   \
        version, request)

static int16_t smaller(int16_t version, int16_t max)
{
    return version < max ? version : max;
}

static const struct weir_wire_join_group_response *join(int16_t version, const char *group,
                                                        struct weir_slice member_id)
{
    const protocol range = {.name = weir_text("range"), .metadata = weir_text("words")};
    struct weir_wire_join_group_request request;
    weir_wire_join_group_request_init(&request);
    request.group_id = weir_text(group);
    request.member_id = member_id;
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = version >= 1 ? 10000 : -1;
    request.protocol_type = weir_text("consumer");
    request.protocols = &range;
    request.protocols_count = 1;
    return ASK(join_group, version, &request);
}

static const struct weir_wire_join_group_response *become_leader(int16_t version, const char *group)
{
    const struct weir_wire_join_group_response *joined = join(version, group, weir_text(""));
    if (version >= IDS_FROM) {
        ck_assert_int_eq(joined->error_code, WEIR_WIRE_MEMBER_ID_REQUIRED);
        joined = join(version, group, joined->member_id);
    }
    ck_assert_int_eq(joined->error_code, 0);
    ck_assert(weir_slice_equal(joined->leader, joined->member_id));
    ck_assert_uint_eq(joined->members_count, 1);
    ck_assert(weir_slice_equal(joined->protocol_name, weir_text("range")));
    return joined;
}

static void sync_as_leader(int16_t version, const char *group,
                           const struct weir_wire_join_group_response *joined)
{
    const struct weir_wire_sync_group_request_sync_group_request_assignment mine = {
        joined->member_id, weir_text("all")};
    struct weir_wire_sync_group_request request;
    weir_wire_sync_group_request_init(&request);
    request.group_id = weir_text(group);
    request.member_id = joined->member_id;
    request.generation_id = joined->generation_id;
    request.assignments = &mine;
    request.assignments_count = 1;
    if (version >= 5) {
        request.protocol_type = weir_text("consumer");
        request.protocol_name = weir_text("range");
    }
    const struct weir_wire_sync_group_response *synced = ASK(sync_group, version, &request);
    ck_assert_int_eq(synced->error_code, 0);
    ck_assert(weir_slice_equal(synced->assignment, weir_text("all")));
}

static int16_t heartbeat(int16_t version, const char *group, struct weir_slice member_id,
                         int32_t generation)
{
    struct weir_wire_heartbeat_request request;
    weir_wire_heartbeat_request_init(&request);
    request.group_id = weir_text(group);
    request.member_id = member_id;
    request.generation_id = generation;
    const struct weir_wire_heartbeat_response *heard = ASK(heartbeat, version, &request);
    return heard->error_code;
}

static const struct weir_wire_describe_groups_response_described_group *describe(int16_t version,
                                                                                 const char *group)
{
    const struct weir_slice name = weir_text(group);
    struct weir_wire_describe_groups_request request;
    weir_wire_describe_groups_request_init(&request);
    request.groups = &name;
    request.groups_count = 1;
    const struct weir_wire_describe_groups_response *told = ASK(describe_groups, version, &request);
    ck_assert_uint_eq(told->groups_count, 1);
    return &told->groups[0];
}

/* The error of the one member that leaves. */
static int16_t leave(int16_t version, const char *group, struct weir_slice member_id)
{
    const identity member = {.member_id = member_id, .group_instance_id = weir_null()};
    struct weir_wire_leave_group_request request;
    weir_wire_leave_group_request_init(&request);
    request.group_id = weir_text(group);
    if (version < LEAVE_LIST_FROM) {
        request.member_id = member_id;
    } else {
        request.members = &member;
        request.members_count = 1;
    }
    const struct weir_wire_leave_group_response *left = ASK(leave_group, version, &request);
    if (version < LEAVE_LIST_FROM) return left->error_code;
    ck_assert_int_eq(left->error_code, 0);
    ck_assert_uint_eq(left->members_count, 1);
    return left->members[0].error_code;
}

static size_t list(int16_t version, const char *state)
{
    const struct weir_slice filter = state != NULL ? weir_text(state) : weir_null();
    struct weir_wire_list_groups_request request;
    weir_wire_list_groups_request_init(&request);
    request.states_filter = &filter;
    request.states_filter_count = state != NULL && version >= STATES_FROM ? 1 : 0;
    const struct weir_wire_list_groups_response *listed = ASK(list_groups, version, &request);
    ck_assert_int_eq(listed->error_code, 0);
    return listed->groups_count;
}

static int16_t delete_group(int16_t version, const char *group)
{
    const struct weir_slice name = weir_text(group);
    struct weir_wire_delete_groups_request request;
    weir_wire_delete_groups_request_init(&request);
    request.groups_names = &name;
    request.groups_names_count = 1;
    const struct weir_wire_delete_groups_response *deleted = ASK(delete_groups, version, &request);
    ck_assert_uint_eq(deleted->results_count, 1);
    return deleted->results[0].error_code;
}

/* One member's life in its group, whatever the version. */
START_TEST(a_member_lives_in_every_version)
{
    for (int16_t version = 0; version <= JOIN_MAX; version++) {
        char group[16];
        (void)snprintf(group, sizeof group, "g-%d", version);
        const struct weir_wire_join_group_response *joined = become_leader(version, group);
        struct weir_slice id = joined->member_id;
        int32_t generation = joined->generation_id;
        sync_as_leader(smaller(version, 5), group, joined);
        int16_t beat = smaller(version, 4);
        ck_assert_int_eq(heartbeat(beat, group, id, generation), 0);
        ck_assert_int_eq(heartbeat(beat, group, id, generation + 1), WEIR_WIRE_ILLEGAL_GENERATION);
        ck_assert_int_eq(heartbeat(beat, group, weir_text("no"), 1), WEIR_WIRE_UNKNOWN_MEMBER_ID);
        const struct weir_wire_describe_groups_response_described_group *told =
            describe(smaller(version, 6), group);
        ck_assert(weir_slice_equal(told->group_state, weir_text("Stable")));
        ck_assert(weir_slice_equal(told->protocol_data, weir_text("range")));
        ck_assert_uint_eq(told->members_count, 1);
        ck_assert(weir_slice_equal(told->members[0].member_assignment, weir_text("all")));
        ck_assert_uint_eq(list(smaller(version, 5), "stable"), 1);
        ck_assert_int_eq(delete_group(smaller(version, 2), group), WEIR_WIRE_NON_EMPTY_GROUP);
        ck_assert_int_eq(leave(smaller(version, 5), group, id), 0);
        ck_assert_int_eq(leave(smaller(version, 5), group, id), WEIR_WIRE_UNKNOWN_MEMBER_ID);
        ck_assert_int_eq(delete_group(smaller(version, 2), group), 0);
        ck_assert_int_eq(delete_group(smaller(version, 2), group), WEIR_WIRE_GROUP_ID_NOT_FOUND);
    }
    ck_assert_uint_eq(list(5, NULL), 0);
}
END_TEST

/* Each group would be compared with each of them. */
START_TEST(so_many_filters_are_refused)
{
    struct weir_slice states[101];
    struct weir_wire_list_groups_request request;
    for (size_t i = 0; i < 101; i++) {
        states[i] = weir_text("Stable");
    }
    weir_wire_list_groups_request_init(&request);
    request.states_filter = states;
    for (size_t count = 100; count <= 101; count++) {
        request.states_filter_count = count;
        const struct weir_wire_list_groups_response *listed = ASK(list_groups, 5, &request);
        ck_assert_int_eq(listed->error_code, count > 100 ? WEIR_WIRE_INVALID_REQUEST : 0);
    }
}
END_TEST

/* A group that is not there is Dead, and an error where there is a number for it; one without a name is none. */
START_TEST(what_is_not_there_is_told)
{
    for (int16_t version = 0; version <= NOT_FOUND_FROM; version++) {
        const struct weir_wire_describe_groups_response_described_group *told =
            describe(version, "nobody");
        ck_assert(weir_slice_equal(told->group_state, weir_text("Dead")));
        ck_assert_int_eq(told->error_code,
                         version < NOT_FOUND_FROM ? 0 : WEIR_WIRE_GROUP_ID_NOT_FOUND);
    }
    ck_assert_int_eq(join(9, "", weir_text(""))->error_code, WEIR_WIRE_INVALID_GROUP_ID);
    ck_assert_int_eq(join(9, "g", weir_text("other"))->error_code, WEIR_WIRE_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(heartbeat(4, "g", weir_text("me"), 1), WEIR_WIRE_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(leave(5, "g", weir_text("me")), WEIR_WIRE_UNKNOWN_MEMBER_ID);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("groups");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_member_lives_in_every_version);
    tcase_add_test(tests, so_many_filters_are_refused);
    tcase_add_test(tests, what_is_not_there_is_told);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server groups", add);
}
