#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

/*
 * Classic groups on an engine in the simulator: joined, synced, committed to, deleted, lost and found again. What the
 * rules of a group are is the core's tests to say; here it is what lies between them and the log.
 */
static struct engine engine;
static struct weir_heap heap; /* of what is given: it outlives a crash of the engine */
static struct weir_budget budget;
static struct weir_arena arena;

enum { SESSION_MS = 10000, REBALANCE_MS = 60000 };

static void open_engine(uint64_t seed)
{
    engine_init(&engine, seed);
    engine.options.groups = weir_group_settings_default();
    engine.options.groups.initial_rebalance_delay_ms = 0;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 4), &engine.error);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void end_engine(void)
{
    weir_arena_close(&arena);
    engine_end(&engine);
}

static void begin(struct weir_group_request *request)
{
    request->arena = &arena;
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request->request, NULL), 0);
}

static int end(struct weir_group_request *request)
{
    return weir_broker_wait(engine.broker, &request->request, &engine.error);
}

static bool is_done(const struct weir_group_request *request)
{
    return atomic_load(&request->request.is_done);
}

static struct weir_group_protocol range_protocol(void)
{
    return (struct weir_group_protocol){weir_text("range"), weir_text("wants clicks")};
}

static void join_begin(struct weir_join_group_request *join, const char *group,
                       const struct weir_group_protocol *protocol, struct weir_slice member_id)
{
    *join = (struct weir_join_group_request){
        .base = {.group = weir_text(group)},
        .member = {.member_id = member_id},
        .client_id = weir_text("client"),
        .client_host = weir_text("/127.0.0.1"),
        .protocol_type = weir_text("consumer"),
        .protocols = protocol,
        .protocol_count = 1,
        .session_timeout_ms = SESSION_MS,
        .rebalance_timeout_ms = REBALANCE_MS,
        .requires_member_id = true,
    };
    begin(&join->base);
    weir_broker_group_join(engine.broker, join);
}

/* As clients do it: asked for an id, then with it. */
static void join_new(struct weir_join_group_request *join, const char *group,
                     const struct weir_group_protocol *protocol)
{
    join_begin(join, group, protocol, weir_null());
    ck_code(end(&join->base), WEIR_MEMBER_ID_REQUIRED);
    struct weir_slice id = join->member_id_out;
    join_begin(join, group, protocol, id);
}

static void sync_begin(struct weir_sync_group_request *sync,
                       const struct weir_join_group_request *join,
                       const struct weir_member_assignment *assignments, size_t count)
{
    *sync = (struct weir_sync_group_request){
        .base = {.group = join->base.group},
        .member = {.member_id = join->member_id_out},
        .generation = join->generation,
        .assignments = assignments,
        .assignment_count = count,
    };
    begin(&sync->base);
    weir_broker_group_sync(engine.broker, sync);
}

static int heartbeat(const struct weir_join_group_request *join)
{
    struct weir_group_heartbeat_request request = {.base = {.group = join->base.group},
                                                   .member = {.member_id = join->member_id_out},
                                                   .generation = join->generation};
    begin(&request.base);
    weir_broker_group_heartbeat(engine.broker, &request);
    return end(&request.base);
}

static int leave(const struct weir_join_group_request *join)
{
    struct weir_leaving_member member = {.id = {.member_id = join->member_id_out}};
    struct weir_leave_group_request request = {
        .base = {.group = join->base.group}, .members = &member, .member_count = 1};
    begin(&request.base);
    weir_broker_group_leave(engine.broker, &request);
    int rc = end(&request.base);
    return rc < 0 ? rc : member.rc;
}

static int commit_of(const char *group, const struct weir_join_group_request *join,
                     int32_t generation, int32_t partition, int64_t offset)
{
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), partition},
                                      .offset = offset,
                                      .leader_epoch = 0,
                                      .metadata = weir_text("")};
    struct weir_commit_request request = {
        .group = weir_text(group), .entries = &entry, .entry_count = 1};
    if (join != NULL) {
        request.has_member = true;
        request.member.member_id = join->member_id_out;
        request.generation = generation;
    }
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &request);
    return weir_broker_wait(engine.broker, &request.request, &engine.error);
}

static int describe(struct weir_describe_group_request *request, const char *group)
{
    *request = (struct weir_describe_group_request){.base = {.group = weir_text(group)}};
    begin(&request->base);
    weir_broker_group_describe(engine.broker, request);
    return end(&request->base);
}

static int delete_group(const char *group)
{
    struct weir_delete_group_request request = {.base = {.group = weir_text(group)}};
    begin(&request.base);
    weir_broker_group_delete(engine.broker, &request);
    return end(&request.base);
}

static void check_state(const char *group, const char *state, size_t member_count)
{
    struct weir_describe_group_request request;
    ck_ok(describe(&request, group), &engine.error);
    ck_assert(weir_slice_equal(request.state, weir_text(state)));
    ck_assert_uint_eq(request.member_count, member_count);
}

/* A group of two: `joins[0]` leads. Stable on return. */
static void make_pair(struct weir_join_group_request joins[2], const char *group,
                      const struct weir_group_protocol *protocol)
{
    struct weir_sync_group_request syncs[2];
    struct weir_member_assignment assignments[2];
    join_new(&joins[0], group, protocol);
    ck_ok(end(&joins[0].base), &engine.error);
    join_new(&joins[1], group, protocol);
    ck_code(heartbeat(&joins[0]), WEIR_REBALANCE_IN_PROGRESS);
    ck_assert(!is_done(&joins[1].base));
    struct weir_slice id = joins[0].member_id_out;
    join_begin(&joins[0], group, protocol, id);
    ck_ok(end(&joins[0].base), &engine.error);
    ck_ok(end(&joins[1].base), &engine.error);
    ck_assert_int_eq(joins[0].generation, joins[1].generation);
    ck_assert(weir_slice_equal(joins[0].leader_id, joins[0].member_id_out));
    ck_assert_uint_eq(joins[0].member_count, 2);
    assignments[0] = (struct weir_member_assignment){joins[0].member_id_out, weir_text("first")};
    assignments[1] = (struct weir_member_assignment){joins[1].member_id_out, weir_text("second")};
    sync_begin(&syncs[1], &joins[1], NULL, 0);
    sync_begin(&syncs[0], &joins[0], assignments, 2);
    ck_ok(end(&syncs[1].base), &engine.error);
    ck_ok(end(&syncs[0].base), &engine.error);
    ck_assert(weir_slice_equal(syncs[0].assignment, weir_text("first")));
    ck_assert(weir_slice_equal(syncs[1].assignment, weir_text("second")));
}

/* Two members share a group, commit as members of their generation, and nobody else does. After a loss of power the
 * group is as it was: its members go on with heartbeats and commits, and the generation goes on from there. */
START_TEST(a_group_outlives_a_loss_of_power)
{
    struct weir_join_group_request joins[2];
    struct weir_group_protocol protocol = range_protocol();
    open_engine(1);
    make_pair(joins, "pair", &protocol);
    int32_t generation = joins[0].generation;
    for (int round = 0; round < 2; round++) {
        check_state("pair", "Stable", 2);
        ck_ok(heartbeat(&joins[0]), &engine.error);
        ck_ok(heartbeat(&joins[1]), &engine.error);
        ck_ok(commit_of("pair", &joins[1], generation, 1, 5 + round), &engine.error);
        ck_code(commit_of("pair", &joins[1], generation - 1, 1, 9), WEIR_ILLEGAL_GENERATION);
        ck_code(commit_of("pair", NULL, -1, 1, 9), WEIR_UNKNOWN_MEMBER_ID);
        ck_code(delete_group("pair"), WEIR_NON_EMPTY_GROUP);
        ck_assert_int_eq(engine_committed(&engine, "pair", "clicks", 1), 5 + round);
        if (round == 1) break;
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
    }
    ck_ok(leave(&joins[0]), &engine.error);
    ck_code(heartbeat(&joins[1]), WEIR_REBALANCE_IN_PROGRESS);
    struct weir_slice id = joins[1].member_id_out;
    join_begin(&joins[1], "pair", &protocol, id);
    ck_ok(end(&joins[1].base), &engine.error);
    ck_assert_int_eq(joins[1].generation, generation + 1);
    end_engine();
}
END_TEST

/* Whoever is silent is out, also when the log was closed meanwhile: a restart begins the sessions anew, without
 * anybody asking for the group. Then it is empty, and can be committed to by anybody, and be deleted. */
START_TEST(members_that_are_gone_leave_by_themselves)
{
    struct weir_join_group_request joins[2];
    struct weir_group_protocol protocol = range_protocol();
    open_engine(2);
    make_pair(joins, "pair", &protocol);
    ck_ok(commit_of("pair", &joins[0], joins[0].generation, 0, 5), &engine.error);
    if (_i == 1) {
        ck_ok(engine_close(&engine), &engine.error);
        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_committed(&engine, "other", "clicks", 0), -1);
    }
    weir_sim_advance_ms(engine.sim, SESSION_MS + 1000);
    check_state("pair", "Empty", 0);
    ck_code(heartbeat(&joins[0]), WEIR_UNKNOWN_MEMBER_ID);
    ck_ok(commit_of("pair", NULL, -1, 0, 6), &engine.error);
    ck_ok(delete_group("pair"), &engine.error);
    struct weir_describe_group_request request;
    ck_code(describe(&request, "pair"), WEIR_GROUP_ID_NOT_FOUND);
    ck_assert_int_eq(engine_committed(&engine, "pair", "clicks", 0), -1);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_code(describe(&request, "pair"), WEIR_GROUP_ID_NOT_FOUND);
    end_engine();
}
END_TEST

enum { RETENTION_MINUTES = 10, MINUTE_MS = 60000 };

static void commit_simple(const char *group, const char *topic)
{
    ck_ok(engine_commit(&engine, group, topic, 0, 7), &engine.error);
}

/* Offsets are forgotten when their time is over: of a group without members after the commit, of one that had some after
 * they left. A commit begins it anew. An application's stay, and so do those of a group that is there. */
START_TEST(offsets_expire)
{
    struct weir_join_group_request joins[2];
    struct weir_group_protocol protocol = range_protocol();
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 0}, .offset = 7};
    struct weir_commit_request own = {
        .group = weir_text("app"), .entries = &entry, .entry_count = 1, .is_application = true};
    open_engine(3);
    ck_ok(engine_close(&engine), &engine.error);
    engine.options.groups.offsets_retention_minutes = RETENTION_MINUTES;
    engine.options.groups.offsets_retention_check_interval_ms = MINUTE_MS;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "gone", 1), &engine.error);
    commit_simple("simple", "clicks");
    commit_simple("later", "clicks");
    commit_simple("of-gone", "gone");
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &own.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &own);
    ck_ok(weir_broker_wait(engine.broker, &own.request, &engine.error), &engine.error);
    make_pair(joins, "pair", &protocol);
    ck_ok(commit_of("pair", &joins[0], joins[0].generation, 0, 7), &engine.error);
    ck_ok(engine_delete(&engine, "gone"), &engine.error);
    weir_sim_advance_ms(engine.sim, RETENTION_MINUTES * MINUTE_MS / 2);
    commit_simple("later", "clicks");
    ck_ok(engine_create(&engine, "gone", 1), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "of-gone", "gone", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "simple", "clicks", 0), 7);
    check_state("pair", "Empty", 0); /* since their sessions ended */

    weir_sim_advance_ms(engine.sim, RETENTION_MINUTES * MINUTE_MS / 2 + 2 * MINUTE_MS);
    ck_assert_int_eq(engine_committed(&engine, "simple", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "pair", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "later", "clicks", 0), 7);
    struct weir_describe_group_request request;
    ck_code(describe(&request, "pair"), WEIR_GROUP_ID_NOT_FOUND);
    ck_code(describe(&request, "simple"), WEIR_GROUP_ID_NOT_FOUND);

    weir_sim_advance_ms(engine.sim, (RETENTION_MINUTES + 2) * MINUTE_MS);
    ck_assert_int_eq(engine_committed(&engine, "later", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), 7);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "simple", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), 7);
    end_engine();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("groups");
    tcase_add_test(tests, a_group_outlives_a_loss_of_power);
    tcase_add_loop_test(tests, members_that_are_gone_leave_by_themselves, 0, 2);
    tcase_add_test(tests, offsets_expire);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("groups", add);
}
