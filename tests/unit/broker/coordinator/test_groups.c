#include <stdio.h>
#include <string.h>

#include "base/error.h"
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

static void open_engine_with(uint64_t seed, int64_t groups_bytes_max)
{
    engine_init(&engine, seed);
    engine.options.groups = weir_group_settings_default();
    engine.options.groups.all_bytes_max = groups_bytes_max;
    engine.options.groups.initial_rebalance_delay_ms = 0;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 4), &engine.error);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void open_engine(uint64_t seed)
{
    open_engine_with(seed, weir_group_settings_default().all_bytes_max);
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

static int commit_with_retention(const char *group, int64_t retention_ms)
{
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 0}, .offset = 7};
    struct weir_commit_request commit = {.group = weir_text(group),
                                         .entries = &entry,
                                         .entry_count = 1,
                                         .has_retention = true,
                                         .retention_ms = retention_ms};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &commit);
    return weir_broker_wait(engine.broker, &commit.request, &engine.error);
}

/* A commit that says how long its offset is to stay (OffsetCommit 2 to 4) is taken at its word, over a restart too:
 * shorter or longer than the server's time, at once, or for ever. */
START_TEST(offsets_expire_when_their_commit_says)
{
    open_engine(4);
    ck_ok(engine_close(&engine), &engine.error);
    engine.options.groups.offsets_retention_minutes = RETENTION_MINUTES;
    engine.options.groups.offsets_retention_check_interval_ms = MINUTE_MS;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(commit_with_retention("short", RETENTION_MINUTES * MINUTE_MS / 2), &engine.error);
    ck_ok(commit_with_retention("long", RETENTION_MINUTES * MINUTE_MS * 3), &engine.error);
    ck_ok(commit_with_retention("for ever", INT64_MAX), &engine.error);
    ck_ok(commit_with_retention("at once", 0), &engine.error);
    ck_ok(commit_with_retention("long ago", INT64_MIN), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "short", "clicks", 0), 7);
    weir_sim_advance_ms(engine.sim, 2 * MINUTE_MS);
    ck_assert_int_eq(engine_committed(&engine, "at once", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "long ago", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "short", "clicks", 0), 7);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, RETENTION_MINUTES * MINUTE_MS / 2 + 2 * MINUTE_MS);
    ck_assert_int_eq(engine_committed(&engine, "short", "clicks", 0), -1);
    weir_sim_advance_ms(engine.sim, RETENTION_MINUTES * MINUTE_MS);
    ck_assert_int_eq(engine_committed(&engine, "long", "clicks", 0), 7);
    ck_ok(engine_close(&engine), &engine.error); /* from a snapshot */
    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, RETENTION_MINUTES * MINUTE_MS * 3);
    ck_assert_int_eq(engine_committed(&engine, "long", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "for ever", "clicks", 0), 7);
    end_engine();
}
END_TEST

/* An id that was given and not taken up is no member: it keeps no group from being deleted, and no offsets from
 * expiring. */
START_TEST(a_pending_id_keeps_no_group)
{
    struct weir_join_group_request join;
    struct weir_group_protocol protocol = range_protocol();
    open_engine(5);
    ck_ok(engine_close(&engine), &engine.error);
    engine.options.groups.offsets_retention_minutes = RETENTION_MINUTES;
    engine.options.groups.offsets_retention_check_interval_ms = 1000;
    engine.options.groups.session_timeout_max_ms = 10 * RETENTION_MINUTES * MINUTE_MS;
    ck_ok(engine_open(&engine), &engine.error);
    for (int i = 0; i < 2; i++) {
        commit_simple("g", "clicks");
        join_begin(&join, "g", &protocol, weir_null());
        ck_code(end(&join.base), WEIR_MEMBER_ID_REQUIRED);
        if (i == 0) ck_ok(delete_group("g"), &engine.error);
        if (i == 1) {
            join_begin(&join, "g", &protocol, weir_null());
            ck_code(end(&join.base), WEIR_MEMBER_ID_REQUIRED);
            commit_with_retention("g", 0);
            weir_sim_advance_ms(engine.sim, 2000); /* sooner than the id is forgotten */
        }
        ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), -1);
        struct weir_describe_group_request request;
        ck_code(describe(&request, "g"), WEIR_GROUP_ID_NOT_FOUND);
    }
    end_engine();
}
END_TEST

/* A join that waits is answered when nobody wants it any more, when the log is closed, and when the disk fails; what
 * was asked in between goes on. */
START_TEST(a_parked_join_is_answered_in_the_end)
{
    struct weir_join_group_request joins[2];
    struct weir_group_protocol protocol = range_protocol();
    open_engine(4);
    make_pair(joins, "pair", &protocol);
    struct weir_join_group_request third;
    join_new(&third, "pair", &protocol);
    weir_sim_advance_ms(engine.sim, 100);
    ck_assert(!is_done(&third.base));
    if (_i == 0) {
        weir_broker_cancel_group(engine.broker, &third.base);
        ck_code(end(&third.base), WEIR_CLOSED);
        ck_code(heartbeat(&joins[0]), WEIR_REBALANCE_IN_PROGRESS);
    } else if (_i == 1) {
        ck_ok(engine_close(&engine), &engine.error);
        ck_assert(is_done(&third.base));
        ck_code(third.base.request.rc, WEIR_CLOSED);
        ck_ok(engine_open(&engine), &engine.error);
        ck_ok(heartbeat(&joins[0]), &engine.error);
    } else {
        weir_sim_disk_plan(
            engine.sim, 0,
            (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC,
                                         .at = 1 + weir_sim_disk_count(engine.sim, 0),
                                         .is_sticky = true});
        (void)engine_commit(&engine, "other", "clicks", 0, 1);
        weir_sim_advance_ms(engine.sim, 100);
        ck_assert(is_done(&third.base));
        ck_assert_int_lt(third.base.request.rc, 0);
    }
    weir_arena_close(&arena);
    if (_i == 2) {
        weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
    }
    engine_end(&engine);
}
END_TEST

/* A stream application's group is shown as a classic one that nobody else joins, commits to or deletes. */
START_TEST(an_applications_group_is_shown_and_left_alone)
{
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 0}, .offset = 7};
    struct weir_commit_request own = {
        .group = weir_text("app"), .entries = &entry, .entry_count = 1, .is_application = true};
    struct weir_group_protocol protocol = range_protocol();
    struct weir_join_group_request join;
    struct weir_describe_group_request request;
    struct weir_list_groups_request list = {0};
    open_engine(5);
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &own.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &own);
    ck_ok(weir_broker_wait(engine.broker, &own.request, &engine.error), &engine.error);
    for (int round = 0; round < 2; round++) {
        ck_ok(describe(&request, "app"), &engine.error);
        ck_assert(request.is_application && request.type == WEIR_GROUP_CLASSIC);
        ck_assert(weir_slice_equal(request.state, weir_text("Stable")));
        ck_assert(weir_slice_equal(request.protocol_type, weir_text("weir")));
        join_begin(&join, "app", &protocol, weir_null());
        ck_code(end(&join.base), WEIR_GROUP_OWNED);
        ck_code(delete_group("app"), WEIR_NON_EMPTY_GROUP);
        ck_code(commit_of("app", NULL, -1, 0, 9), WEIR_GROUP_OWNED);
        begin(&list.base);
        weir_broker_group_list(engine.broker, &list);
        ck_ok(end(&list.base), &engine.error);
        ck_assert_uint_eq(list.group_count, 1);
        ck_assert(weir_slice_equal(list.groups[0].protocol_type, weir_text("weir")));
        ck_assert(weir_slice_equal(list.groups[0].state, weir_text("Stable")));
        if (round == 1) break;
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
    }
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), 7);
    end_engine();
}
END_TEST

/* An application does not take a group whose members are others; when they are gone it does. */
START_TEST(an_application_takes_no_group_with_members)
{
    struct weir_join_group_request joins[2];
    struct weir_group_protocol protocol = range_protocol();
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 0}, .offset = 7};
    struct weir_commit_request own = {
        .group = weir_text("pair"), .entries = &entry, .entry_count = 1, .is_application = true};
    open_engine(6);
    make_pair(joins, "pair", &protocol);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &own.request, NULL), 0);
        weir_broker_commit_offsets(engine.broker, &own);
        int rc = weir_broker_wait(engine.broker, &own.request, &engine.error);
        ck_assert_int_eq(rc, round == 0 ? WEIR_NON_EMPTY_GROUP : 0);
        weir_sim_advance_ms(engine.sim, SESSION_MS + 1000);
    }
    ck_code(heartbeat(&joins[0]), WEIR_GROUP_OWNED);
    end_engine();
}
END_TEST

static int delete_offset(const char *group, int32_t partition, int *rc_out)
{
    struct weir_offset_deletion deletion = {.partition = {weir_text("clicks"), partition}};
    struct weir_delete_offsets_request request = {
        .base = {.group = weir_text(group)}, .partitions = &deletion, .partition_count = 1};
    begin(&request.base);
    weir_broker_group_delete_offsets(engine.broker, &request);
    int rc = end(&request.base);
    *rc_out = deletion.rc;
    return rc;
}

/* A request names so many offsets at most: nobody has the shard to himself. What the largest one takes is given back. */
START_TEST(a_deletion_of_too_many_offsets_is_refused)
{
    enum { COUNT = 100001 };
    static struct weir_offset_deletion deletions[COUNT];
    struct weir_delete_offsets_request request = {
        .base = {.group = weir_text("g")}, .partitions = deletions, .partition_count = COUNT};
    open_engine(11);
    ck_ok(commit_of("g", NULL, -1, 0, 7), &engine.error);
    for (size_t i = 0; i < COUNT; i++) {
        deletions[i].partition = (struct weir_topic_partition){weir_text("clicks"), 0};
    }
    begin(&request.base);
    weir_broker_group_delete_offsets(engine.broker, &request);
    ck_code(end(&request.base), WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), 7);
    request.partition_count = COUNT - 1;
    size_t used = atomic_load(&engine.env->budget->used);
    begin(&request.base);
    weir_broker_group_delete_offsets(engine.broker, &request);
    ck_ok(end(&request.base), &engine.error);
    weir_sim_advance_ms(engine.sim, 1000);
    ck_assert_uint_lt(atomic_load(&engine.env->budget->used), used + (4 << 20));
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), -1);
    end_engine();
}
END_TEST

/* Offsets are deleted by themselves; a deletion that comes while a commit is on its way waits for it, and leaves
 * nothing behind. */
START_TEST(a_deletion_leaves_nothing_behind)
{
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 1}, .offset = 8};
    struct weir_commit_request commit = {
        .group = weir_text("g"), .entries = &entry, .entry_count = 1};
    struct weir_delete_group_request deletion = {.base = {.group = weir_text("g")}};
    int one;
    open_engine(7);
    ck_code(delete_offset("g", 0, &one), WEIR_GROUP_ID_NOT_FOUND);
    ck_ok(commit_of("g", NULL, -1, 0, 7), &engine.error);
    ck_ok(commit_of("g", NULL, -1, 2, 7), &engine.error);
    ck_ok(delete_offset("g", 0, &one), &engine.error);
    ck_assert_int_eq(one, 0);
    ck_ok(delete_offset("g", 9, &one), &engine.error);
    ck_assert_int_eq(one, WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 2), 7);

    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &commit);
    begin(&deletion.base);
    weir_broker_group_delete(engine.broker, &deletion);
    ck_ok(weir_broker_wait(engine.broker, &commit.request, &engine.error), &engine.error);
    ck_ok(end(&deletion.base), &engine.error);
    for (int32_t p = 0; p < 3; p++) {
        ck_assert_int_eq(engine_committed(&engine, "g", "clicks", p), -1);
    }
    ck_code(delete_group("g"), WEIR_GROUP_ID_NOT_FOUND);
    end_engine();
}
END_TEST

/* ---- consumer groups -------------------------------------------------------------------------- */

static int consumer_heartbeat(struct weir_consumer_heartbeat_request *heartbeat, const char *group,
                              const char *member_id, int32_t epoch)
{
    static const struct weir_slice topics[] = {{(const uint8_t *)"clicks", 6}};
    *heartbeat = (struct weir_consumer_heartbeat_request){
        .base = {.group = weir_text(group)},
        .member = {.member_id = weir_text(member_id)},
        .member_epoch = epoch,
        .client_id = weir_text("client"),
        .client_host = weir_text("/127.0.0.1"),
        .rebalance_timeout_ms = epoch == 0 ? REBALANCE_MS : -1,
        .topic_names = epoch == 0 ? topics : NULL,
        .topic_name_count = epoch == 0 ? 1 : 0,
        .has_topic_names = epoch == 0,
        .has_owned = epoch == 0,
    };
    begin(&heartbeat->base);
    weir_broker_group_consumer_heartbeat(engine.broker, heartbeat);
    return end(&heartbeat->base);
}

static int commit_by_epoch(const char *group, const char *member_id, int32_t epoch, int64_t offset)
{
    struct weir_join_group_request as = {.member_id_out = weir_text(member_id)};
    return commit_of(group, &as, epoch, 0, offset);
}

/* A member of a consumer group is given all partitions, commits with its epoch, and is still there after a loss of
 * power. When it has left, the group gives way to a classic one, with its offsets, and the other way round. */
START_TEST(a_consumer_group_outlives_a_loss_of_power_and_gives_way)
{
    struct weir_consumer_heartbeat_request heartbeat;
    struct weir_group_protocol protocol = range_protocol();
    struct weir_join_group_request join;
    open_engine(8);
    ck_code(consumer_heartbeat(&heartbeat, "g", "me", 1), WEIR_GROUP_ID_NOT_FOUND);
    ck_ok(consumer_heartbeat(&heartbeat, "g", "me", 0), &engine.error);
    int32_t epoch = heartbeat.member_epoch_out;
    ck_assert(heartbeat.has_assignment);
    ck_assert_uint_eq(heartbeat.assigned_count, 1);
    ck_assert_uint_eq(heartbeat.assigned[0].partition_count, 4);
    ck_ok(commit_by_epoch("g", "me", epoch, 5), &engine.error);
    ck_code(commit_by_epoch("g", "you", epoch, 6), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(commit_by_epoch("g", "me", epoch - 1, 6), WEIR_STALE_MEMBER_EPOCH);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    check_state("g", "Stable", 1);
    ck_ok(consumer_heartbeat(&heartbeat, "g", "me", epoch), &engine.error);
    ck_ok(commit_by_epoch("g", "me", epoch, 6), &engine.error);
    join_new(&join, "g", &protocol); /* what it says is no subscription */
    ck_code(end(&join.base), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_ok(consumer_heartbeat(&heartbeat, "g", "me", -1), &engine.error);

    join_new(&join, "g", &protocol);
    ck_ok(end(&join.base), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), 6);
    ck_code(consumer_heartbeat(&heartbeat, "g", "me", 0), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_ok(leave(&join), &engine.error);
    ck_ok(consumer_heartbeat(&heartbeat, "g", "me", 0), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), 6);
    weir_sim_advance_ms(engine.sim, 60000);
    check_state("g", "Empty", 0);
    ck_ok(delete_group("g"), &engine.error);
    end_engine();
}
END_TEST

/* ---- shortages -------------------------------------------------------------------------------- */

/* What a life of a group asks for, whatever of it is refused for want of memory. */
static void live_once(const char *group)
{
    struct weir_consumer_heartbeat_request consumer;
    struct weir_group_protocol protocol = range_protocol();
    struct weir_join_group_request join;
    struct weir_sync_group_request sync;
    struct weir_describe_group_request request;
    join_begin(&join, group, &protocol, weir_null());
    int rc = end(&join.base);
    ck_assert(rc == WEIR_MEMBER_ID_REQUIRED || weir_code_is_shortage(rc));
    if (rc == WEIR_MEMBER_ID_REQUIRED) {
        struct weir_slice id = join.member_id_out;
        join_begin(&join, group, &protocol, id);
        if (end(&join.base) == 0) {
            struct weir_member_assignment mine = {join.member_id_out, weir_text("all")};
            sync_begin(&sync, &join, &mine, 1);
            (void)end(&sync.base);
            (void)heartbeat(&join);
            (void)commit_of(group, &join, join.generation, 0, 3);
            (void)leave(&join);
        }
    }
    (void)describe(&request, group);
    (void)delete_group(group);
    (void)consumer_heartbeat(&consumer, group, "me", 0);
    (void)consumer_heartbeat(&consumer, group, "me", -1);
    (void)delete_group(group);
}

/* Whichever allocation fails, everybody is answered, and the group lives as before afterwards, with what was durable. */
START_TEST(a_shortage_leaves_a_group_that_works)
{
    struct weir_group_protocol protocol = range_protocol();
    struct weir_join_group_request joins[2];
    int failures = 0;
    open_engine(9);
    make_pair(joins, "pair", &protocol);
    ck_ok(commit_of("pair", &joins[0], joins[0].generation, 0, 5), &engine.error);
    struct weir_heap *of_engine = engine.env->heap;
    for (uint64_t nth = 1 + (uint64_t)_i; nth < 400; nth += 8) {
        atomic_store(&of_engine->fail_at, nth);
        char name
            [32]; /* another each time: a member that could not leave holds up who comes after it */
        (void)snprintf(name, sizeof name, "short-%d", (int)nth);
        live_once(name);
        failures += atomic_load(&of_engine->fail_at) == 0;
        atomic_store(&of_engine->fail_at, 0);
        weir_sim_advance_ms(engine.sim, 100);
        ck_ok(heartbeat(&joins[0]), &engine.error);
        ck_ok(heartbeat(&joins[1]), &engine.error);
        ck_assert_int_eq(engine_committed(&engine, "pair", "clicks", 0), 5);
    }
    ck_assert_int_gt(failures, 5);
    weir_sim_advance_ms(engine.sim, 1000);
    ck_ok(heartbeat(&joins[0]), &engine.error);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    check_state("pair", "Stable", 2);
    end_engine();
}
END_TEST

/* A join that finds an empty group of the other type has to take that back first. Where the disk has no room for it the
 * member hears so, and what the group had is there when there is room again. */
START_TEST(a_group_that_cannot_give_way_says_so)
{
    struct weir_consumer_heartbeat_request heartbeat;
    struct weir_group_protocol protocol = range_protocol();
    struct weir_join_group_request join;
    open_engine(10);
    ck_ok(consumer_heartbeat(&heartbeat, "g", "me", 0), &engine.error);
    ck_ok(commit_by_epoch("g", "me", heartbeat.member_epoch_out, 5), &engine.error);
    ck_ok(consumer_heartbeat(&heartbeat, "g", "me", -1), &engine.error);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_ENOSPC,
                                                    .at = 1 + weir_sim_disk_count(engine.sim, 0),
                                                    .is_sticky = true});
    join_begin(&join, "g", &protocol, weir_null());
    int rc = end(&join.base);
    ck_assert_msg(weir_code_is_shortage(rc), "%s", weir_code_text(rc));
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    weir_sim_advance_ms(engine.sim, 60000);
    join_new(&join, "g", &protocol);
    ck_ok(end(&join.base), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), 5);
    end_engine();
}
END_TEST

/* Who is a member already may say more than before, and may not take what memory there is: all groups together stay
 * within a quarter above groups.max.bytes, and the others live on. */
START_TEST(members_that_say_more_are_bounded_too)
{
    enum { GROUPS_BYTES_MAX = 1 << 20, SAID = 2 << 20 };
    static uint8_t said[SAID];
    struct weir_group_protocol small = range_protocol();
    struct weir_group_protocol large = {weir_text("range"), weir_slice(said, SAID)};
    struct weir_join_group_request joins[2], greedy, again;
    open_engine_with(12, GROUPS_BYTES_MAX);
    make_pair(joins, "pair", &small);
    join_new(&greedy, "greedy", &small);
    ck_ok(end(&greedy.base), &engine.error);
    join_begin(&again, "greedy", &large, greedy.member_id_out);
    int rc = end(&again.base);
    ck_assert_msg(weir_code_is_shortage(rc), "%s", weir_code_text(rc));
    ck_ok(heartbeat(&joins[0]), &engine.error);
    ck_ok(heartbeat(&joins[1]), &engine.error);
    end_engine();
}
END_TEST

/* Where the last members leave while a rebalance waits for an id that was given, the group is not Empty yet: it goes
 * over without members. */
START_TEST(a_rebalance_without_members_goes_over)
{
    struct weir_consumer_heartbeat_request heartbeat;
    struct weir_group_protocol protocol = range_protocol();
    struct weir_join_group_request joins[2], asking;
    open_engine(13);
    make_pair(joins, "pair", &protocol);
    ck_ok(leave(&joins[1]), &engine.error);
    join_begin(&asking, "pair", &protocol, weir_null());
    ck_code(end(&asking.base), WEIR_MEMBER_ID_REQUIRED);
    ck_ok(leave(&joins[0]), &engine.error);
    check_state("pair", "PreparingRebalance", 0);
    ck_ok(consumer_heartbeat(&heartbeat, "pair", "me", 0), &engine.error);
    check_state("pair", "Stable", 1);
    end_engine();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("groups");
    tcase_add_test(tests, a_group_outlives_a_loss_of_power);
    tcase_add_loop_test(tests, members_that_are_gone_leave_by_themselves, 0, 2);
    tcase_add_test(tests, offsets_expire);
    tcase_add_test(tests, offsets_expire_when_their_commit_says);
    tcase_add_test(tests, a_pending_id_keeps_no_group);
    tcase_add_loop_test(tests, a_parked_join_is_answered_in_the_end, 0, 3);
    tcase_add_test(tests, an_applications_group_is_shown_and_left_alone);
    tcase_add_test(tests, an_application_takes_no_group_with_members);
    tcase_add_test(tests, a_deletion_of_too_many_offsets_is_refused);
    tcase_add_test(tests, a_deletion_leaves_nothing_behind);
    tcase_add_loop_test(tests, a_shortage_leaves_a_group_that_works, 0, 8);
    tcase_add_test(tests, a_consumer_group_outlives_a_loss_of_power_and_gives_way);
    tcase_add_test(tests, a_group_that_cannot_give_way_says_so);
    tcase_add_test(tests, members_that_say_more_are_bounded_too);
    tcase_add_test(tests, a_rebalance_without_members_goes_over);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("groups", add);
}
