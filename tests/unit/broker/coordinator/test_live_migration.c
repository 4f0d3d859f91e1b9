#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/generated/consumer_protocol_assignment.h"
#include "wire/generated/consumer_protocol_subscription.h"

/*
 * Groups on an engine in the simulator whose members go over from the classic to the consumer protocol and back, one by
 * one, and read on meanwhile: no partition is ever two members'.
 */
static struct engine engine;
static struct weir_heap heap; /* of what is given: it outlives a crash of the engine */
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_uuid topic_id;

enum { PARTITIONS = 6, ALL = (1 << PARTITIONS) - 1, SESSION_MS = 10000, REBALANCE_MS = 60000 };

/* One that speaks the classic protocol, or the consumer one. */
struct member {
    const char *group;
    struct weir_slice id;
    int32_t epoch; /* or generation */
    uint32_t has;  /* a bit for each partition */
    bool requires_id;
};

static void open_engine(uint64_t seed, const char *policy)
{
    engine_init(&engine, seed);
    engine.options.groups = weir_group_settings_default();
    engine.options.groups.initial_rebalance_delay_ms = 100;
    ck_ok(weir_group_settings_set(&engine.options.groups, "group.consumer.migration.policy", policy,
                                  &engine.error),
          &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", PARTITIONS), &engine.error);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void end_engine(void)
{
    weir_arena_close(&arena);
    engine_end(&engine);
}

static void restart(enum weir_sim_crash_kind kind)
{
    engine_crash(&engine, kind);
    ck_ok(engine_open(&engine), &engine.error);
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

/* ---- the classic protocol -------------------------------------------------------------------- */

static size_t list_of(uint32_t set, int32_t *numbers)
{
    size_t count = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (set & (1U << p)) numbers[count++] = p;
    }
    return count;
}

static struct weir_slice with_version(const struct weir_message_type *type, const void *message)
{
    struct weir_buffer buffer;
    weir_buffer_init(&buffer, &budget, 0);
    weir_store_u16(weir_buffer_extend(&buffer, 2), 1);
    ck_assert_int_eq(weir_message_encode(type, message, 1, &buffer), 0);
    struct weir_slice copy = weir_arena_copy(&arena, weir_buffer_slice(&buffer));
    weir_buffer_close(&buffer);
    return copy;
}

static struct weir_slice subscription(uint32_t owned)
{
    int32_t numbers[PARTITIONS];
    struct weir_slice topic = weir_text("clicks");
    struct weir_consumer_protocol_subscription_topic_partition partitions = {
        .topic = topic, .partitions = numbers, .partitions_count = list_of(owned, numbers)};
    struct weir_consumer_protocol_subscription message;
    weir_consumer_protocol_subscription_init(&message);
    message.topics = &topic;
    message.topics_count = 1;
    message.owned_partitions = &partitions;
    message.owned_partitions_count = owned != 0;
    return with_version(&weir_consumer_protocol_subscription_type, &message);
}

static struct weir_slice assignment(uint32_t set)
{
    int32_t numbers[PARTITIONS];
    struct weir_consumer_protocol_assignment_topic_partition partitions = {
        .topic = weir_text("clicks"),
        .partitions = numbers,
        .partitions_count = list_of(set, numbers)};
    struct weir_consumer_protocol_assignment message;
    weir_consumer_protocol_assignment_init(&message);
    message.assigned_partitions = &partitions;
    message.assigned_partitions_count = 1;
    return with_version(&weir_consumer_protocol_assignment_type, &message);
}

static uint32_t set_of(const int32_t *numbers, size_t count)
{
    uint32_t set = 0;
    for (size_t i = 0; i < count; i++) {
        set |= 1U << numbers[i];
    }
    return set;
}

static uint32_t decode(struct weir_slice bytes)
{
    struct weir_consumer_protocol_assignment message;
    struct weir_error error = {0};
    if (bytes.size == 0) return 0;
    struct weir_slice body = weir_slice(bytes.data + 2, bytes.size - 2);
    ck_ok(weir_message_decode_whole(&weir_consumer_protocol_assignment_type, &message, 1, body,
                                    &arena, &error),
          &error);
    if (message.assigned_partitions_count == 0) return 0;
    return set_of(message.assigned_partitions[0].partitions,
                  message.assigned_partitions[0].partitions_count);
}

static void join_begin(struct weir_join_group_request *join, const struct member *member,
                       struct weir_group_protocol *protocol)
{
    *protocol = (struct weir_group_protocol){weir_text("range"), subscription(member->has)};
    *join = (struct weir_join_group_request){
        .base = {.group = weir_text(member->group)},
        .member = {.member_id = member->id},
        .client_id = weir_text("client"),
        .client_host = weir_text("/127.0.0.1"),
        .protocol_type = weir_text("consumer"),
        .protocols = protocol,
        .protocol_count = 1,
        .session_timeout_ms = SESSION_MS,
        .rebalance_timeout_ms = REBALANCE_MS,
        .requires_member_id = member->requires_id,
    };
    begin(&join->base);
    weir_broker_group_join(engine.broker, join);
}

static int join_end(struct weir_join_group_request *join, struct member *member)
{
    int rc = end(&join->base);
    if (rc < 0) return rc;
    member->id = join->member_id_out;
    member->epoch = join->generation;
    return 0;
}

static void sync_begin(struct weir_sync_group_request *sync, const struct member *member,
                       const struct weir_member_assignment *assignments, size_t count)
{
    *sync = (struct weir_sync_group_request){
        .base = {.group = weir_text(member->group)},
        .member = {.member_id = member->id},
        .generation = member->epoch,
        .assignments = assignments,
        .assignment_count = count,
    };
    begin(&sync->base);
    weir_broker_group_sync(engine.broker, sync);
}

static int heartbeat(const struct member *member)
{
    struct weir_group_heartbeat_request request = {.base = {.group = weir_text(member->group)},
                                                   .member = {.member_id = member->id},
                                                   .generation = member->epoch};
    begin(&request.base);
    weir_broker_group_heartbeat(engine.broker, &request);
    return end(&request.base);
}

/* A classic group of these two: the first leads and gives each a half. */
static void make_classic(struct member members[2])
{
    static const uint32_t halves[2] = {0x07, 0x38};
    struct weir_join_group_request joins[2];
    struct weir_sync_group_request syncs[2];
    struct weir_group_protocol protocols[2];
    struct weir_member_assignment assignments[2];
    for (int i = 0; i < 2; i++)
        join_begin(&joins[i], &members[i], &protocols[i]);
    for (int i = 0; i < 2; i++)
        ck_ok(join_end(&joins[i], &members[i]), &engine.error);
    int leader = weir_slice_equal(joins[0].leader_id, members[0].id) ? 0 : 1;
    ck_assert_uint_eq(joins[leader].member_count, 2);
    for (int i = 0; i < 2; i++) {
        assignments[i] = (struct weir_member_assignment){members[i].id, assignment(halves[i])};
    }
    sync_begin(&syncs[1 - leader], &members[1 - leader], NULL, 0);
    sync_begin(&syncs[leader], &members[leader], assignments, 2);
    for (int i = 0; i < 2; i++) {
        ck_ok(end(&syncs[i].base), &engine.error);
        members[i].has = decode(syncs[i].assignment);
        ck_assert_uint_eq(members[i].has, halves[i]);
    }
}

/* A classic member does what it is told: joins again and syncs. */
static void follow(struct member *member)
{
    struct weir_join_group_request join;
    struct weir_sync_group_request sync;
    struct weir_group_protocol protocol;
    int rc = heartbeat(member);
    if (rc == 0) return;
    ck_code(rc, WEIR_REBALANCE_IN_PROGRESS);
    join_begin(&join, member, &protocol);
    ck_ok(join_end(&join, member), &engine.error);
    sync_begin(&sync, member, NULL, 0);
    rc = end(&sync.base);
    if (rc == 0) member->has = decode(sync.assignment);
    ck_assert(rc == 0 || rc == WEIR_REBALANCE_IN_PROGRESS);
}

/* ---- the consumer protocol ------------------------------------------------------------------- */

/* A heartbeat on its way, and what it points to. */
struct saying {
    struct weir_consumer_heartbeat_request request;
    struct weir_topic_partitions owned;
    int32_t numbers[PARTITIONS];
};

static void say_begin(struct saying *saying, const struct member *member, int32_t epoch)
{
    static const struct weir_slice topics[] = {{(const uint8_t *)"clicks", 6}};
    bool joins = epoch == 0;
    saying->owned = (struct weir_topic_partitions){topic_id, saying->numbers,
                                                   list_of(member->has, saying->numbers)};
    saying->request = (struct weir_consumer_heartbeat_request){
        .base = {.group = weir_text(member->group)},
        .member = {.member_id = member->id},
        .member_epoch = epoch,
        .client_id = weir_text("client"),
        .client_host = weir_text("/127.0.0.1"),
        .rebalance_timeout_ms = joins ? REBALANCE_MS : -1,
        .topic_names = topics,
        .topic_name_count = joins,
        .has_topic_names = joins,
        .owned = &saying->owned,
        .owned_count = member->has != 0,
        .has_owned = epoch >= 0,
    };
    begin(&saying->request.base);
    weir_broker_group_consumer_heartbeat(engine.broker, &saying->request);
}

static int say_end(struct saying *saying, struct member *member)
{
    const struct weir_consumer_heartbeat_request *request = &saying->request;
    int rc = end(&saying->request.base);
    if (rc < 0) return rc;
    member->epoch = request->member_epoch_out;
    if (!request->has_assignment) return 0;
    member->has = 0;
    if (request->assigned_count == 0) return 0;
    topic_id = request->assigned[0].topic_id;
    member->has = set_of(request->assigned[0].partitions, request->assigned[0].partition_count);
    return 0;
}

static int say(struct member *member, int32_t epoch)
{
    struct saying saying;
    say_begin(&saying, member, epoch);
    return say_end(&saying, member);
}

/* ---- what the group is ----------------------------------------------------------------------- */

static enum weir_group_type describe(const char *group, size_t *member_count_out)
{
    struct weir_describe_group_request request = {.base = {.group = weir_text(group)}};
    begin(&request.base);
    weir_broker_group_describe(engine.broker, &request);
    ck_ok(end(&request.base), &engine.error);
    *member_count_out = request.member_count;
    return request.type;
}

static void check_group(const char *group, enum weir_group_type type, size_t member_count)
{
    size_t count;
    ck_assert_int_eq(describe(group, &count), type);
    ck_assert_uint_eq(count, member_count);
}

static int commit(const struct member *member, int32_t epoch, int32_t partition, int64_t offset)
{
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), partition},
                                      .offset = offset,
                                      .leader_epoch = 0,
                                      .metadata = weir_text("")};
    struct weir_commit_request request = {.group = weir_text(member->group),
                                          .entries = &entry,
                                          .entry_count = 1,
                                          .has_member = true,
                                          .member = {.member_id = member->id},
                                          .generation = epoch};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &request);
    return weir_broker_wait(engine.broker, &request.request, &engine.error);
}

static int32_t first_of(const struct member *member)
{
    int32_t numbers[PARTITIONS];
    ck_assert_uint_gt(list_of(member->has, numbers), 0);
    return numbers[0];
}

static void check_apart(const struct member *a, const struct member *b, const struct member *c)
{
    ck_assert_uint_eq(a->has & b->has, 0);
    ck_assert_uint_eq(a->has & c->has, 0);
    ck_assert_uint_eq(b->has & c->has, 0);
}

/* Until all three have two each; nothing is two members' on the way. */
static void share(struct member classics[2], struct member *consumer)
{
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 2; i++) {
            follow(&classics[i]);
            check_apart(&classics[0], &classics[1], consumer);
        }
        ck_ok(say(consumer, consumer->epoch), &engine.error);
        check_apart(&classics[0], &classics[1], consumer);
    }
    ck_assert_uint_eq(classics[0].has | classics[1].has | consumer->has, ALL);
    ck_assert_int_eq(__builtin_popcount(consumer->has), 2);
    ck_assert_int_eq(__builtin_popcount(classics[0].has), 2);
}

static void check_commits(const struct member classics[2], const struct member *consumer)
{
    for (int i = 0; i < 2; i++) {
        ck_ok(commit(&classics[i], classics[i].epoch, first_of(&classics[i]), 5), &engine.error);
        ck_code(commit(&classics[i], classics[i].epoch + 1, first_of(&classics[i]), 6),
                WEIR_ILLEGAL_GENERATION);
    }
    ck_ok(commit(consumer, consumer->epoch, first_of(consumer), 5), &engine.error);
    ck_code(commit(consumer, consumer->epoch + 1, first_of(consumer), 6), WEIR_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(engine_committed(&engine, consumer->group, "clicks", first_of(consumer)), 5);
}

static int leave(const struct member *member)
{
    struct weir_leaving_member leaving = {.id = {.member_id = member->id}};
    struct weir_leave_group_request request = {
        .base = {.group = weir_text(member->group)}, .members = &leaving, .member_count = 1};
    begin(&request.base);
    weir_broker_group_leave(engine.broker, &request);
    int rc = end(&request.base);
    return rc < 0 ? rc : leaving.rc;
}

/* A classic group is joined by a member of the consumer protocol: it is a consumer group, its members stay, give up what
 * is the newcomer's, and commit. When that one leaves (or is silent) the group is classic again. In between the engine
 * is killed: what comes back is of the type that was written last. */
START_TEST(a_group_goes_over_and_back)
{
    struct member classics[2] = {{.group = "g"}, {.group = "g"}};
    struct member consumer = {.group = "g", .id = weir_text("new")};
    open_engine(1 + (uint64_t)_i, "bidirectional");
    make_classic(classics);
    ck_ok(commit(&classics[0], classics[0].epoch, 0, 3), &engine.error);
    ck_ok(say(&consumer, 0), &engine.error);
    ck_assert_uint_eq(consumer.has, 0);
    check_group("g", WEIR_GROUP_CONSUMER, 3);
    restart(_i == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);
    check_group("g", WEIR_GROUP_CONSUMER, 3);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), 3);
    share(classics, &consumer);
    check_commits(classics, &consumer);

    if (_i == 0) {
        ck_ok(say(&consumer, -1), &engine.error);
    } else {
        int64_t session_ms = engine.options.groups.config.consumer_session_timeout_ms;
        for (int64_t ms = 0; ms <= session_ms; ms += SESSION_MS / 2) {
            weir_sim_advance_ms(engine.sim, SESSION_MS / 2);
            for (int i = 0; i < 2; i++)
                (void)heartbeat(&classics[i]);
        }
    }
    check_group("g", WEIR_GROUP_CLASSIC, 2);
    if (_i == 0) ck_code(heartbeat(&classics[0]), WEIR_REBALANCE_IN_PROGRESS);
    restart(_i == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    check_group("g", WEIR_GROUP_CLASSIC, 2);
    make_classic(classics);
    ck_ok(heartbeat(&classics[1]), &engine.error);
    ck_ok(commit(&classics[1], classics[1].epoch, 4, 9), &engine.error);
    ck_ok(leave(&classics[0]), &engine.error);
    end_engine();
}
END_TEST

/* Who is parked when the group goes over is told to join again, and is a member of the consumer group then; one that
 * leaves is not. Members of both protocols come to what is a consumer group. */
START_TEST(a_parked_join_is_sent_back)
{
    struct weir_group_protocol protocol;
    struct weir_join_group_request join;
    struct member classics[2] = {{.group = "g"}, {.group = "g"}};
    struct member third = {.group = "g"};
    struct member consumer = {.group = "g", .id = weir_text("new")};
    open_engine(3, "upgrade");
    make_classic(classics);
    join_begin(&join, &third, &protocol);
    ck_code(heartbeat(&classics[0]), WEIR_REBALANCE_IN_PROGRESS);
    ck_assert(!atomic_load(&join.base.request.is_done));
    ck_ok(say(&consumer, 0), &engine.error);
    ck_code(join_end(&join, &third), WEIR_REBALANCE_IN_PROGRESS);
    join_begin(&join, &third, &protocol);
    ck_ok(join_end(&join, &third), &engine.error);
    ck_ok(leave(&classics[0]), &engine.error);
    ck_code(heartbeat(&classics[0]), WEIR_UNKNOWN_MEMBER_ID);
    ck_ok(say(&consumer, -1), &engine.error);
    follow(&classics[1]);
    check_group("g", WEIR_GROUP_CONSUMER, 3); /* with the one that was not told its id */
    end_engine();
}
END_TEST

/* The group goes over and the newcomer joins it as one: a classic member that is heard of before that is on the disk finds
 * a group with a member of the consumer protocol, and not one that is to go back. */
START_TEST(nobody_comes_between_going_over_and_the_newcomer)
{
    struct member classics[2] = {{.group = "g"}, {.group = "g"}};
    struct member consumer = {.group = "g", .id = weir_text("new")};
    struct weir_group_heartbeat_request beats[8];
    struct saying saying;
    open_engine(6, "bidirectional");
    make_classic(classics);
    say_begin(&saying, &consumer, 0);
    for (int i = 0; i < 8; i++) {
        beats[i] =
            (struct weir_group_heartbeat_request){.base = {.group = weir_text("g")},
                                                  .member = {.member_id = classics[i % 2].id},
                                                  .generation = classics[i % 2].epoch};
        begin(&beats[i].base);
        weir_broker_group_heartbeat(engine.broker, &beats[i]);
    }
    for (int i = 0; i < 8; i++)
        ck_code(end(&beats[i].base), WEIR_REBALANCE_IN_PROGRESS);
    ck_ok(say_end(&saying, &consumer), &engine.error);
    ck_assert_int_eq(consumer.epoch, classics[0].epoch + 1); /* once over, never back */
    check_group("g", WEIR_GROUP_CONSUMER, 3);
    end_engine();
}
END_TEST

/* An id that was given and not taken up is no member: it keeps no one out, and whoever has it joins what the group is by
 * then. */
START_TEST(an_id_that_is_not_taken_up_keeps_nobody_out)
{
    struct weir_group_protocol protocol;
    struct weir_join_group_request join;
    struct member classic = {.group = "g", .requires_id = true};
    struct member consumer = {.group = "g", .id = weir_text("new")};
    open_engine(7, "disabled");
    join_begin(&join, &classic, &protocol);
    ck_code(end(&join.base), WEIR_MEMBER_ID_REQUIRED);
    classic.id = join.member_id_out;
    ck_ok(say(&consumer, 0), &engine.error);
    ck_assert_uint_eq(consumer.has, ALL);
    join_begin(&join, &classic, &protocol);
    ck_ok(join_end(&join, &classic), &engine.error);
    check_group("g", WEIR_GROUP_CONSUMER, 2);
    end_engine();
}
END_TEST

/* Where the policy does not have it the members of a classic group are left alone, and so are they where the newcomer
 * is refused for what it says. */
START_TEST(a_group_that_may_not_go_over_stays)
{
    struct member classics[2] = {{.group = "g"}, {.group = "g"}};
    struct member consumer = {.group = "g", .id = weir_text("new")};
    open_engine(4, _i == 0 ? "disabled" : "bidirectional");
    make_classic(classics);
    if (_i == 0) {
        ck_code(say(&consumer, 0), WEIR_INCONSISTENT_GROUP_PROTOCOL);
        ck_assert_ptr_nonnull(strstr(engine.error.text, "group.consumer.migration.policy"));
    } else {
        struct member nameless = {.group = "g", .has = 1};
        ck_code(say(&nameless, 0), WEIR_INVALID_ARGUMENT); /* it says that it has something */
    }
    check_group("g", WEIR_GROUP_CLASSIC, 2);
    for (int i = 0; i < 2; i++)
        ck_ok(heartbeat(&classics[i]), &engine.error);
    ck_code(say(&consumer, 1), WEIR_GROUP_ID_NOT_FOUND);
    end_engine();
}
END_TEST

/* ---- crashes --------------------------------------------------------------------------------- */

/* `member` says this, and the node ends at the nth change of the disk from here, if there are so many. Then it is
 * started again. */
static bool say_and_crash(struct member *member, int32_t epoch, uint64_t nth,
                          enum weir_sim_crash_kind kind)
{
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH,
                                                    .at = nth + weir_sim_disk_count(engine.sim, 0),
                                                    .crash = kind});
    int rc = say(member, epoch);
    bool has_crashed = weir_sim_has_crashed(engine.sim, 0);
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    if (has_crashed) {
        engine_forget(&engine);
        ck_ok(engine_open(&engine), &engine.error);
    } else {
        ck_ok(rc, &engine.error);
    }
    return has_crashed;
}

/* The group is one or the other, with all members of that. Is it the consumer group? */
static bool is_over(void)
{
    size_t count;
    enum weir_group_type type = describe("g", &count);
    ck_assert(type == WEIR_GROUP_CLASSIC || type == WEIR_GROUP_CONSUMER);
    ck_assert_uint_eq(count, type == WEIR_GROUP_CLASSIC ? 2 : 3);
    return type == WEIR_GROUP_CONSUMER;
}

/* Wherever the node ends on the way over or back, what it finds is a whole group of the one type or the other. */
START_TEST(a_crash_on_the_way_leaves_a_whole_group)
{
    enum weir_sim_crash_kind kind = _i == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL;
    int crashes = 0;
    bool has_crashed = true;
    for (uint64_t nth = 1; has_crashed; nth++) {
        struct member classics[2] = {{.group = "g"}, {.group = "g"}};
        struct member consumer = {.group = "g", .id = weir_text("new")};
        open_engine(100 + nth, "bidirectional");
        make_classic(classics);
        has_crashed = say_and_crash(&consumer, 0, nth, kind);
        crashes += has_crashed;
        if (!is_over()) ck_ok(say(&consumer, 0), &engine.error);
        if (consumer.epoch == 0) ck_ok(say(&consumer, 0), &engine.error);
        check_group("g", WEIR_GROUP_CONSUMER, 3);
        share(classics, &consumer);
        crashes += say_and_crash(&consumer, -1, nth, kind);
        if (is_over()) ck_ok(say(&consumer, -1), &engine.error);
        check_group("g", WEIR_GROUP_CLASSIC, 2);
        make_classic(classics);
        end_engine();
    }
    ck_assert_int_ge(crashes, 4);
}
END_TEST

/* ---- shortages ------------------------------------------------------------------------------- */

/* `member` says this while the nth allocation fails: it is answered. Has one failed? */
static bool say_short(struct member *member, int32_t epoch, uint64_t nth)
{
    struct weir_heap *of_engine = engine.env->heap;
    atomic_store(&of_engine->fail_at, nth);
    int rc = say(member, epoch);
    bool has_failed = atomic_load(&of_engine->fail_at) == 0;
    atomic_store(&of_engine->fail_at, 0);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert(rc == 0 || (has_failed && weir_code_is_shortage(rc)));
    if (rc < 0) ck_ok(say(member, epoch), &engine.error);
    return has_failed;
}

/* Whichever allocation fails on the way over or back: asked again the group goes, with all its members. */
START_TEST(a_shortage_leaves_a_group_that_can_go_over)
{
    int failures = 0;
    open_engine(5, "bidirectional");
    for (uint64_t nth = 1 + (uint64_t)_i; nth < 120; nth += 8) {
        char name[32];
        (void)snprintf(name, sizeof name, "short-%d", (int)nth);
        struct member classics[2] = {{.group = name}, {.group = name}};
        struct member consumer = {.group = name, .id = weir_text("new")};
        make_classic(classics);
        failures += say_short(&consumer, 0, nth);
        check_group(name, WEIR_GROUP_CONSUMER, 3);
        share(classics, &consumer);
        failures += say_short(&consumer, -1, nth);
        check_group(name, WEIR_GROUP_CLASSIC, 2);
        make_classic(classics);
        weir_arena_reset(&arena);
    }
    ck_assert_int_gt(failures, 5);
    end_engine();
}
END_TEST

/* A group that nobody is in takes the other protocol, and its epochs and generations go on: what a member has sent before
 * is not of the current one once more when it comes back under its id. */
START_TEST(an_empty_group_goes_on_counting)
{
    struct member consumer = {.group = "g", .id = weir_text("one")};
    struct member classics[2] = {{.group = "g"}, {.group = "g"}};
    open_engine(7, "bidirectional");
    ck_ok(say(&consumer, 0), &engine.error);
    int32_t before = consumer.epoch;
    ck_ok(commit(&consumer, before, 0, 5), &engine.error);
    ck_ok(say(&consumer, -1), &engine.error);

    make_classic(classics);
    ck_assert_int_gt(classics[0].epoch, before);
    for (int i = 0; i < 2; i++)
        ck_ok(leave(&classics[i]), &engine.error);
    check_group("g", WEIR_GROUP_CLASSIC, 0);
    if (_i == 1) restart(WEIR_SIM_POWER);

    consumer.has = 0;
    ck_ok(say(&consumer, 0), &engine.error);
    check_group("g", WEIR_GROUP_CONSUMER, 1);
    ck_assert_int_gt(consumer.epoch, classics[0].epoch);
    ck_code(commit(&consumer, before, 0, 3), WEIR_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(engine_committed(&engine, "g", "clicks", 0), 5);
    end_engine();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("live migration");
    tcase_add_loop_test(tests, a_group_goes_over_and_back, 0, 2);
    tcase_add_test(tests, a_parked_join_is_sent_back);
    tcase_add_test(tests, nobody_comes_between_going_over_and_the_newcomer);
    tcase_add_test(tests, an_id_that_is_not_taken_up_keeps_nobody_out);
    tcase_add_loop_test(tests, a_group_that_may_not_go_over_stays, 0, 2);
    tcase_add_loop_test(tests, a_crash_on_the_way_leaves_a_whole_group, 0, 2);
    tcase_add_loop_test(tests, a_shortage_leaves_a_group_that_can_go_over, 0, 8);
    tcase_add_loop_test(tests, an_empty_group_goes_on_counting, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("live migration", add);
}
