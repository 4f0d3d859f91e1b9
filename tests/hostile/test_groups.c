/* Groups and members that nobody asked for: a flood of each is bounded, and whoever is healthy goes on. */
#include <stdio.h>

#include "tests/hostile/healthy.h"
#include "wire/error_codes.h"
#include "wire/generated/heartbeat_request.h"
#include "wire/generated/heartbeat_response.h"
#include "wire/generated/join_group_request.h"
#include "wire/generated/join_group_response.h"
#include "wire/generated/sync_group_request.h"
#include "wire/generated/sync_group_response.h"

enum { MIB = 1024 * 1024, FLOOD = 20000, LARGE = 600 * 1024 };

typedef struct weir_wire_join_group_request_join_group_request_protocol protocol;

static struct hostile_server server;
static struct healthy healthy;

/* A member of a group of its own, that is there before the storm and after it. */
static struct weir_wire_join_group_response member;

static void join(int peer, int16_t version, const char *group, struct weir_slice member_id,
                 struct weir_slice metadata, struct weir_wire_join_group_response *response_out)
{
    const protocol range = {.name = weir_text("range"), .metadata = metadata};
    struct weir_wire_join_group_request request;
    weir_wire_join_group_request_init(&request);
    request.group_id = weir_text(group);
    request.member_id = member_id;
    request.protocol_type = weir_text("consumer");
    request.session_timeout_ms = 60000;
    request.rebalance_timeout_ms = 60000;
    request.protocols = &range;
    request.protocols_count = 1;
    peer_call(&server, peer, PEER_EXCHANGE(join_group, version), &request, response_out);
}

static void become_member(int peer)
{
    struct weir_wire_sync_group_request sync;
    struct weir_wire_sync_group_response synced;
    join(peer, 3, "healthy", weir_text(""), weir_text("mine"), &member);
    ck_assert_int_eq(member.error_code, 0);
    weir_wire_sync_group_request_init(&sync);
    sync.group_id = weir_text("healthy");
    sync.member_id = member.member_id;
    sync.generation_id = member.generation_id;
    peer_call(&server, peer, PEER_EXCHANGE(sync_group, 3), &sync, &synced);
    ck_assert_int_eq(synced.error_code, 0);
}

static int16_t heartbeat(int peer, const char *group, struct weir_slice member_id,
                         int32_t generation)
{
    struct weir_wire_heartbeat_request request;
    struct weir_wire_heartbeat_response response;
    weir_wire_heartbeat_request_init(&request);
    request.group_id = weir_text(group);
    request.member_id = member_id;
    request.generation_id = generation;
    peer_call(&server, peer, PEER_EXCHANGE(heartbeat, 3), &request, &response);
    return response.error_code;
}

static void begin(void)
{
    static const char *const settings[] = {"groups.max.bytes=8388608", "flush.policy=os",
                                           "group.initial.rebalance.delay.ms=0", NULL};
    hostile_begin(&server, settings);
    healthy_begin(&healthy, &server);
    become_member(healthy.peer);
}

/* The healthy member is in its group as before, and memory stays below what groups may take. */
static void still_well(void)
{
    healthy_work(&healthy, 5);
    ck_assert_int_eq(heartbeat(healthy.peer, "healthy", member.member_id, member.generation_id), 0);
    ck_assert_int_le(hostile_memory(&server), hostile_memory_bound(healthy.memory + 64 * MIB));
}

static void end(void)
{
    still_well();
    healthy_end(&healthy);
    hostile_end(&server);
}

/* Each join of a new group is given an id that is kept for a session: until groups take all that they may. */
START_TEST(a_flood_of_groups_is_refused)
{
    struct weir_wire_join_group_response response;
    int taken = 0;
    int refused = 0;
    begin();
    int peer = peer_open(&server);
    for (int i = 0; i < FLOOD; i++) {
        char group[32];
        (void)snprintf(group, sizeof group, "flood-%d", i);
        join(peer, 4, group, weir_text(""), weir_text("x"), &response);
        taken += response.error_code == WEIR_WIRE_MEMBER_ID_REQUIRED;
        refused += response.error_code == WEIR_WIRE_COORDINATOR_NOT_AVAILABLE;
        if (i % (FLOOD / 4) == 0) still_well();
    }
    ck_assert_int_gt(taken, 1000);
    ck_assert_int_gt(refused, 100);
    ck_assert_int_eq(taken + refused, FLOOD);
    ck_assert_int_ge(hostile_log_lines(&server, "groups.max.bytes"), 1);
    peer_close(peer);
    end();
}
END_TEST

/* Members with much to say, each in a group of its own. */
START_TEST(huge_subscriptions_are_refused)
{
    static uint8_t large[LARGE];
    struct weir_wire_join_group_response response;
    int refused = 0;
    begin();
    int peer = peer_open(&server);
    for (int i = 0; i < 40; i++) {
        char group[32];
        (void)snprintf(group, sizeof group, "large-%d", i);
        join(peer, 3, group, weir_text(""), weir_slice(large, sizeof large), &response);
        refused += response.error_code != 0;
        still_well();
    }
    ck_assert_int_ge(refused, 20);
    ck_assert_int_lt(refused, 40);
    peer_close(peer);
    end();
}
END_TEST

/* Heartbeats of members that are nobody's cost nothing that stays. */
START_TEST(heartbeats_of_nobody_leave_nothing)
{
    begin();
    int peer = peer_open(&server);
    for (int i = 0; i < FLOOD; i++) {
        char group[32];
        (void)snprintf(group, sizeof group, "nobody-%d", i);
        ck_assert_int_eq(heartbeat(peer, group, weir_text("me"), i), WEIR_WIRE_UNKNOWN_MEMBER_ID);
        if (i % (FLOOD / 4) == 0) still_well();
    }
    peer_close(peer);
    end();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("groups");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_flood_of_groups_is_refused);
    tcase_add_test(tests, huge_subscriptions_are_refused);
    tcase_add_test(tests, heartbeats_of_nobody_leave_nothing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("hostile groups", add);
}
