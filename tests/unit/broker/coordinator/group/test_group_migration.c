#include <stdlib.h>
#include <string.h>

#include "broker/coordinator/group/classic_group_internal.h"
#include "broker/coordinator/group/consumer_protocol.h"
#include "broker/coordinator/group/group_migration.h"
#include "tests/unit/broker/coordinator/group/consumer_stage.h"
#include "wire/generated/consumer_protocol_subscription.h"

/* The stage's group is the consumer group; `classic` what it comes from or goes to. */
static struct stage stage;
static struct weir_classic_group classic;
static struct weir_error error;
static char text[256];

/* ---- what members of the classic protocol say ------------------------------------------------ */

static struct weir_slice with_version(int16_t version, const struct weir_message_type *type,
                                      const void *message)
{
    struct weir_buffer buffer;
    weir_buffer_init(&buffer, &stage.own_budget, 0);
    weir_store_u16(weir_buffer_extend(&buffer, 2), (uint16_t)version);
    ck_assert_int_eq(weir_message_encode(type, message, version, &buffer), 0);
    struct weir_slice copy = weir_arena_copy(&stage.arena, weir_buffer_slice(&buffer));
    weir_buffer_close(&buffer);
    return copy;
}

/* One topic, and partitions of it from 0 on that the member says it has. */
static struct weir_slice subscription(const char *topic, int32_t owned_count)
{
    static const int32_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct weir_slice name = weir_text(topic);
    struct weir_consumer_protocol_subscription_topic_partition owned = {
        .topic = name, .partitions = numbers, .partitions_count = (size_t)owned_count};
    struct weir_consumer_protocol_subscription message;
    weir_consumer_protocol_subscription_init(&message);
    message.topics = &name;
    message.topics_count = 1;
    message.owned_partitions = &owned;
    message.owned_partitions_count = owned_count > 0;
    return with_version(1, &weir_consumer_protocol_subscription_type, &message);
}

static struct weir_slice assignment(const char *topic, int32_t from, int32_t to)
{
    struct weir_group_partition items[8];
    struct weir_partition_set set = {.items = items};
    struct weir_slice bytes = weir_null();
    for (int32_t p = from; p < to; p++) {
        items[set.count++] = (struct weir_group_partition){
            .topic_id = stage_find_topic(&stage, topic)->id, .partition = p};
    }
    ck_assert_int_eq(
        weir_consumer_assignment_encode(&set, &stage.topics.image, 1, &stage.arena, &bytes), 0);
    return bytes;
}

struct speaks {
    const char *member;
    const char *instance;
    const char *protocol; /* NULL: "range" */
    const char *topic;    /* NULL: "orders" */
    int32_t owned_count;
    bool requires_id;
};

static struct weir_join_group_request join_request;

/* JoinGroup into the consumer group. */
static int join(struct speaks speaks)
{
    weir_arena_reset(&stage.arena);
    struct weir_group_protocol protocol = {
        .name = weir_text(speaks.protocol != NULL ? speaks.protocol : "range"),
        .metadata =
            subscription(speaks.topic != NULL ? speaks.topic : "orders", speaks.owned_count),
    };
    join_request = (struct weir_join_group_request){
        .base = {.group = stage.group.name, .arena = &stage.arena},
        .member = {.member_id = weir_text(speaks.member),
                   .instance_id = weir_text(speaks.instance)},
        .client_id = weir_text("classic"),
        .client_host = weir_text("/127.0.0.1"),
        .protocol_type = weir_text("consumer"),
        .protocols = &protocol,
        .protocol_count = 1,
        .session_timeout_ms = 10000,
        .rebalance_timeout_ms = 20000,
        .requires_member_id = speaks.requires_id,
    };
    int rc = stage_step(&stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_CLASSIC_JOIN,
                                                             .join = &join_request});
    return rc < 0 ? rc : join_request.base.request.rc;
}

static struct weir_sync_group_request sync_request;

static int sync_as(const char *member, int32_t generation)
{
    weir_arena_reset(&stage.arena);
    sync_request = (struct weir_sync_group_request){
        .base = {.group = stage.group.name, .arena = &stage.arena},
        .member = {.member_id = weir_text(member)},
        .generation = generation,
        .protocol_type = weir_text("consumer"),
        .protocol = weir_text("range"),
    };
    int rc = stage_step(&stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_CLASSIC_SYNC,
                                                             .sync = &sync_request});
    return rc < 0 ? rc : sync_request.base.request.rc;
}

/* How many partitions the sync has given. */
static int synced_count(void)
{
    struct weir_partition_set set = {0};
    ck_assert_int_eq(weir_consumer_assignment_decode(sync_request.assignment, &stage.topics.image,
                                                     &stage.arena, &set),
                     0);
    return (int)set.count;
}

static int heartbeat(const char *member, int32_t generation)
{
    weir_arena_reset(&stage.arena);
    struct weir_group_heartbeat_request request = {
        .base = {.group = stage.group.name, .arena = &stage.arena},
        .member = {.member_id = weir_text(member)},
        .generation = generation,
    };
    int rc =
        stage_step(&stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_CLASSIC_HEARTBEAT,
                                                        .classic_heartbeat = &request});
    return rc < 0 ? rc : request.base.request.rc;
}

/* ---- the stage ------------------------------------------------------------------------------- */

/* A stable classic group of generation 7: m1 has orders 0 and 1, m2 has 2 and 3. */
static void make_classic(void)
{
    struct weir_group_metadata_value_member_metadata members[] = {
        {.member_id = weir_text("m1"),
         .client_id = weir_text("c"),
         .client_host = weir_text("h"),
         .rebalance_timeout = 20000,
         .session_timeout = 10000,
         .subscription = subscription("orders", 2),
         .assignment = assignment("orders", 0, 2)},
        {.member_id = weir_text("m2"),
         .group_instance_id = weir_text("i2"),
         .client_id = weir_text("c"),
         .client_host = weir_text("h"),
         .rebalance_timeout = 20000,
         .session_timeout = 10000,
         .subscription = subscription("orders", 2),
         .assignment = assignment("orders", 2, 4)},
    };
    struct weir_group_metadata_value value;
    weir_group_metadata_value_init(&value);
    value.protocol_type = weir_text("consumer");
    value.generation = 7;
    value.protocol = weir_text("range");
    value.leader = weir_text("m1");
    value.members = members;
    value.members_count = 2;
    weir_classic_group_init(&classic, &stage.own_budget, weir_text("readers"));
    ck_ok(weir_classic_group_load(&classic, &value, stage.now_ms, &error), &error);
}

static void set_up(void)
{
    error = (struct weir_error){0};
    stage_open(&stage);
    stage_topic(&stage, "orders", 4);
    make_classic();
}

static void tear_down(void)
{
    weir_classic_group_close(&classic);
    stage_close(&stage);
}

static int upgrade(void)
{
    struct weir_consumer_event event = stage_event(&stage, (struct weir_consumer_event){0});
    int rc = weir_group_upgrade(&classic, &event, &stage.group, &stage.update, &error);
    if (rc == 0) stage_keep(&stage);
    return rc;
}

static const char *assigned(void)
{
    return stage_assigned(&stage, text, sizeof text);
}

/* ---- classic to consumer --------------------------------------------------------------------- */

/* The members, what they want and what they have are the same; so are the records' group. */
START_TEST(a_classic_group_becomes_a_consumer_group)
{
    ck_ok(upgrade(), &error);
    ck_assert_int_eq(stage.group.epoch, 7);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Stable");
    const struct weir_consumer_member *m2 =
        weir_consumer_group_instance(&stage.group, weir_text("i2"));
    ck_assert(weir_slice_equal(m2->member_id, weir_text("m2")));
    ck_assert_int_eq(m2->epoch, 7);
    ck_assert_uint_eq(m2->assigned.count, 2);
    ck_assert_int_eq(m2->assigned.items[0].epoch, 7);
    ck_assert_uint_eq(stage.group.classic_count, 2);
    ck_assert_int_eq(stage.update.wake_at_ms, stage.now_ms + 10000);
    ck_assert(stage.records[0].is_tombstone); /* of the classic group */
    stage_check_reload(&stage, NULL);
    ck_code(heartbeat("m1", 7), 0);
    ck_assert_uint_eq(stage.written, 0);
}
END_TEST

/* Between two generations nobody is assigned anything, and members of a cooperative protocol read on: what they have
 * joined with is theirs, and a new member is not given it. */
START_TEST(what_members_keep_through_a_rebalance_is_theirs)
{
    size_t at = 0;
    struct weir_classic_member *member;
    while ((member = weir_classic_next(&classic, &at)) != NULL) {
        ck_assert_int_eq(weir_classic_assign(&classic, member, weir_null()), 0);
    }
    ck_ok(upgrade(), &error);
    const struct weir_consumer_member *m1 =
        weir_consumer_group_member(&stage.group, weir_text("m1"));
    const struct weir_consumer_member *m2 =
        weir_consumer_group_member(&stage.group, weir_text("m2"));
    ck_assert_uint_eq(m1->assigned.count + m2->assigned.count, 2); /* both say orders 0 and 1 */
    weir_consumer_group_check(&stage.group);
    stage_check_reload(&stage, NULL);
    ck_code(stage_join(&stage, "new", "orders"), 0);
    ck_code(stage_says(&stage, (struct says){.member = "new", .epoch = 8}), 0);
    const struct weir_consumer_member *fresh =
        weir_consumer_group_member(&stage.group, weir_text("new"));
    for (size_t i = 0; i < fresh->assigned.count; i++) {
        ck_assert_int_ge(fresh->assigned.items[i].partition, 2);
    }
}
END_TEST

/* What a member says it has and there is not is nobody's. */
START_TEST(partitions_that_there_are_not_are_not_kept)
{
    size_t at = 0;
    struct weir_classic_member *member = weir_classic_next(&classic, &at);
    struct weir_slice before = member->protocols[0].metadata;
    ck_assert_int_eq(weir_classic_assign(&classic, member, weir_null()), 0);
    member->protocols[0].metadata = subscription("orders", 8); /* it has four */
    ck_ok(upgrade(), &error);
    member->protocols[0].metadata = before;
    const struct weir_consumer_member *m1 =
        weir_consumer_group_member(&stage.group, weir_text("m1"));
    ck_assert_uint_eq(m1->assigned.count, 2); /* the other two are assigned */
    weir_consumer_group_check(&stage.group);
}
END_TEST

/* A classic member is told to join, says what it has, gives up what it is not given, and joins again for the rest.
 * Returns how many partitions it has then. */
static int follow(const char *member)
{
    ck_code(heartbeat(member, 7), WEIR_REBALANCE_IN_PROGRESS);
    ck_code(sync_as(member, 7), WEIR_REBALANCE_IN_PROGRESS);
    ck_code(join((struct speaks){.member = member, .owned_count = 2}), 0);
    ck_assert(weir_slice_equal(join_request.protocol, weir_text("range")));
    ck_assert_uint_eq(join_request.member_count, 0);
    int32_t generation = join_request.generation;
    ck_code(sync_as(member, generation), 0);
    int kept = synced_count();
    ck_assert_int_eq(kept, 1);
    if (generation == 9) return kept; /* m2 said nothing of what it has to give up */
    ck_assert_int_eq(generation, 7);
    ck_code(heartbeat(member, generation), WEIR_REBALANCE_IN_PROGRESS);
    ck_code(join((struct speaks){.member = member, .owned_count = 1}), 0);
    ck_assert_int_eq(join_request.generation, 9);
    ck_code(sync_as(member, 9), 0);
    ck_assert_int_eq(synced_count(), kept);
    return kept;
}

/* KIP-848's way: a new member joins, the old ones are told to join again, give up, and sync. */
START_TEST(members_of_both_protocols_share)
{
    ck_ok(upgrade(), &error);
    ck_code(stage_join(&stage, "new", "orders"), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 8);
    ck_assert_str_eq(assigned(), "");
    ck_code(stage_join(&stage, "newer", "orders"), 0);
    ck_assert_int_eq(follow("m1") + follow("m2"), 2);
    ck_code(heartbeat("m1", 9), 0);
    ck_code(stage_says(&stage, (struct says){.member = "new", .epoch = 8}), 0);
    ck_assert_int_eq(stage_assigned_count(&stage), 1);
    ck_code(stage_says(&stage, (struct says){.member = "newer", .epoch = 9}), 0);
    ck_assert_int_eq(stage_assigned_count(&stage), 1);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Stable");
    stage_check_reload(&stage, NULL);
}
END_TEST

/* What cannot go over does not: the policy, the kind of the members, words that are none. */
START_TEST(what_is_no_consumer_group_stays_classic)
{
    stage.settings.migration = WEIR_MIGRATION_DOWNGRADE;
    ck_code(upgrade(), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.text, "group.consumer.migration.policy"));
    stage.settings.migration = WEIR_MIGRATION_UPGRADE;
    stage.settings.consumer_members_max = 1;
    ck_code(upgrade(), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    stage.settings.consumer_members_max = 10;
    struct weir_slice type = classic.protocol_type;
    classic.protocol_type = weir_text("connect");
    ck_code(upgrade(), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.text, "not consumers"));
    classic.protocol_type = type;
    size_t at = 0;
    struct weir_classic_member *member = weir_map_next(&classic.members, &at);
    struct weir_slice metadata = member->protocols[0].metadata;
    member->protocols[0].metadata = weir_text("?");
    ck_code(upgrade(), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.text, "cannot be read"));
    member->protocols[0].metadata = metadata;
    stage_forget(&stage);
    ck_ok(upgrade(), &error);
}
END_TEST

/* A leader that gave one partition twice: it has one owner from now on. */
START_TEST(a_partition_given_twice_stays_with_one)
{
    size_t at = 0;
    struct weir_classic_member *member = weir_map_next(&classic.members, &at);
    struct weir_slice before = member->assignment;
    member->assignment = assignment("orders", 0, 4);
    ck_ok(upgrade(), &error);
    member->assignment = before;
    ck_assert_uint_eq(weir_consumer_group_member(&stage.group, weir_text("m1"))->assigned.count, 4);
    ck_assert_uint_eq(weir_consumer_group_member(&stage.group, weir_text("m2"))->assigned.count, 0);
}
END_TEST

/* ---- classic members in a consumer group ----------------------------------------------------- */

/* A member that has to join again, or to sync, and does not, is removed. */
START_TEST(a_classic_member_joins_and_syncs_in_time)
{
    ck_ok(upgrade(), &error);
    ck_code(stage_join(&stage, "new", "orders"), 0);
    ck_code(heartbeat("m1", 7), WEIR_REBALANCE_IN_PROGRESS);
    for (int i = 0; i < 3; i++) {
        stage.now_ms += 6000;
        ck_code(heartbeat("m1", 7), WEIR_REBALANCE_IN_PROGRESS);
        ck_code(stage_tick(&stage), 0);
    }
    ck_assert_ptr_nonnull(weir_consumer_group_member(&stage.group, weir_text("m1")));
    stage.now_ms += 2000;
    ck_code(stage_tick(&stage), 0);
    ck_assert_ptr_null(weir_consumer_group_member(&stage.group, weir_text("m1")));

    ck_code(join((struct speaks){.member = "m3"}), 0);
    int32_t generation = join_request.generation;
    for (int i = 0; i < 3; i++) {
        stage.now_ms += 6000;
        ck_code(heartbeat("m3", generation), 0);
        ck_code(stage_tick(&stage), 0);
    }
    stage.now_ms += 2000;
    ck_code(stage_tick(&stage), 0);
    ck_assert_ptr_null(weir_consumer_group_member(&stage.group, weir_text("m3")));
}
END_TEST

/* Mistakes of classic members have the codes of classic groups. */
START_TEST(classic_members_are_refused_as_in_a_classic_group)
{
    struct weir_join_group_request *request = &join_request;
    ck_ok(upgrade(), &error);
    ck_code(join((struct speaks){.requires_id = true}), WEIR_MEMBER_ID_REQUIRED);
    ck_assert_uint_eq(request->member_id_out.size, 22);
    ck_code(join((struct speaks){.member = "m9", .protocol = "mine"}),
            WEIR_INCONSISTENT_GROUP_PROTOCOL);
    ck_code(join((struct speaks){.member = "m9", .instance = "i2"}), WEIR_FENCED_INSTANCE_ID);
    ck_code(join((struct speaks){.member = "m9", .instance = "i9"}), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(heartbeat("m9", 7), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(heartbeat("m1", 6), WEIR_ILLEGAL_GENERATION);
    ck_code(sync_as("m1", 8), WEIR_ILLEGAL_GENERATION);
    stage.settings.session_timeout_min_ms = 10001;
    ck_code(join((struct speaks){.member = "m1"}), WEIR_INVALID_SESSION_TIMEOUT);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
    ck_assert_int_eq(stage.group.epoch, 7);

    const struct weir_group_member_id id = {.member_id = weir_text("m1")};
    ck_code(weir_consumer_group_check_commit(&stage.group, &id, 7, NULL, 0, &error), 0);
    ck_code(weir_consumer_group_check_commit(&stage.group, &id, 8, NULL, 0, &error),
            WEIR_ILLEGAL_GENERATION);
    const struct weir_consumer_commit nobodys = {.topic_id = {{9}}, .partition = 0};
    ck_code(weir_consumer_group_check_commit(&stage.group, &id, 6, &nobodys, 1, &error),
            WEIR_ILLEGAL_GENERATION);
    ck_code(stage_join(&stage, "new", "orders"), 0);
    ck_code(heartbeat("new", 8), WEIR_UNKNOWN_MEMBER_ID);
}
END_TEST

/* One of a name comes back in the other protocol, whichever, and has what it had. */
START_TEST(a_static_member_changes_its_protocol)
{
    ck_ok(upgrade(), &error);
    ck_code(stage_says(&stage, (struct says){.member = "n2",
                                             .instance = "i2",
                                             .topics = "orders",
                                             .timeout_ms = 20000,
                                             .owned = ""}),
            0);
    ck_assert_str_eq(assigned(), "orders:2,3");
    ck_assert_uint_eq(stage.group.classic_count, 1);
    ck_code(join((struct speaks){.member = "", .instance = "i2"}), 0);
    ck_assert_uint_eq(stage.group.classic_count, 2);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
    const struct weir_consumer_member *member =
        weir_consumer_group_instance(&stage.group, weir_text("i2"));
    ck_assert_uint_eq(member->assigned.count, 2);
    stage_check_reload(&stage, NULL);
}
END_TEST

/* While the next target is not due a classic member is told nothing, and has what it had. One that joins then is in the
 * group with nothing; both hear of the target once it is there. */
START_TEST(a_classic_member_waits_for_the_next_target)
{
    stage.settings.config.consumer_assignment_interval_ms = 1000;
    ck_ok(upgrade(), &error);
    ck_code(stage_join(&stage, "new", "orders"), 0); /* the first target */
    ck_code(heartbeat("m1", 7), WEIR_REBALANCE_IN_PROGRESS);
    ck_code(join((struct speaks){.member = "m1", .owned_count = 2}), 0);
    ck_code(sync_as("m1", 8), 0);
    ck_assert_int_eq(synced_count(), 2);
    ck_code(join((struct speaks){.member = "m3"}), 0);
    ck_assert_int_eq(join_request.generation, 8);
    ck_assert_int_eq(stage.group.epoch, 9);
    ck_code(sync_as("m3", 8), 0);
    ck_assert_int_eq(synced_count(), 0);
    ck_code(heartbeat("m1", 8), 0);
    ck_code(heartbeat("m3", 8), 0);
    ck_assert_int_eq(stage.update.wake_at_ms, stage.now_ms + 1000);
    stage.now_ms += 1000;
    ck_code(stage_tick(&stage), 0);
    ck_code(heartbeat("m1", 8), WEIR_REBALANCE_IN_PROGRESS);
    ck_code(heartbeat("m3", 8), WEIR_REBALANCE_IN_PROGRESS);
}
END_TEST

/* LeaveGroup takes out members of the classic protocol by their ids, and no others. */
START_TEST(classic_members_leave)
{
    ck_ok(upgrade(), &error);
    ck_code(stage_join(&stage, "new", "orders"), 0);
    struct weir_leaving_member leaving[] = {{.id = {.member_id = weir_text("m1")}},
                                            {.id = {.member_id = weir_text("new")}}};
    struct weir_leave_group_request request = {.members = leaving, .member_count = 2};
    ck_code(stage_step(&stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_LEAVE,
                                                            .leave = &request}),
            0);
    ck_assert_int_eq(leaving[0].rc, 0);
    ck_assert_int_eq(leaving[1].rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
}
END_TEST

/* ---- consumer to classic --------------------------------------------------------------------- */

static int downgrade(struct weir_classic_group *to)
{
    struct weir_consumer_event event = stage_event(&stage, (struct weir_consumer_event){0});
    return weir_group_downgrade(&stage.group, &event, to, &stage.update, &error);
}

/* The last member of the consumer protocol leaves: the others go on in a classic group, which rebalances. Its generation
 * is the one that they know, also where the consumer group had gone ahead of them. */
START_TEST(a_group_of_classic_members_becomes_classic_again)
{
    struct weir_classic_group back;
    ck_ok(upgrade(), &error);
    ck_code(stage_join(&stage, "new", "orders"), 0);
    ck_assert(!weir_group_wants_downgrade(&stage.group, &stage.settings));
    ck_code(stage_says(&stage, (struct says){.member = "new", .epoch = -1}), 0);
    ck_assert(weir_group_wants_downgrade(&stage.group, &stage.settings));
    stage.settings.migration = WEIR_MIGRATION_UPGRADE;
    ck_assert(!weir_group_wants_downgrade(&stage.group, &stage.settings));
    stage.settings.migration = WEIR_MIGRATION_BIDIRECTIONAL;

    weir_classic_group_init(&back, &stage.budget, weir_text("readers"));
    ck_ok(downgrade(&back), &error);
    ck_assert_int_eq(back.state, WEIR_CLASSIC_PREPARING_REBALANCE);
    ck_assert_int_eq(stage.group.epoch, 9);
    ck_assert_int_eq(back.generation, 7);
    ck_assert_uint_eq(weir_map_count(&back.members), 2);
    ck_assert(weir_slice_equal(back.protocol, weir_text("range")));
    ck_assert_int_lt(stage.update.wake_at_ms, INT64_MAX);
    stage_keep(&stage);
    weir_consumer_group_close(&stage.group);
    ck_assert_int_eq(stage_load(&stage, &stage.group, &error), 0);
    ck_assert(weir_consumer_group_is_empty(&stage.group)); /* nothing of it is left */
    ck_assert_int_eq(stage.group.epoch, 0);
    weir_classic_group_close(&back);
}
END_TEST

/* ---- bytes, memory --------------------------------------------------------------------------- */

/* What consumers say is read in any version, and damage is told. */
START_TEST(the_consumer_protocol_is_read)
{
    struct weir_consumer_subscription said;
    struct weir_partition_set set;
    struct weir_arena *arena = &stage.arena;
    const struct weir_metadata_image *image = &stage.topics.image;
    struct weir_slice good = subscription("orders", 3);
    ck_assert_int_eq(weir_consumer_subscription_decode(good, image, arena, &said), 0);
    ck_assert_uint_eq(said.owned.count, 3);
    ck_assert(weir_slice_equal(said.topic_names[0], weir_text("orders")));
    ck_assert(weir_slice_is_null(said.rack_id));
    ck_assert_int_eq(
        weir_consumer_subscription_decode(subscription("gone", 3), image, arena, &said), 0);
    ck_assert_uint_eq(said.owned.count, 0);
    for (size_t size = 0; size < good.size; size++) {
        ck_code(weir_consumer_subscription_decode(weir_slice(good.data, size), image, arena, &said),
                WEIR_CORRUPT);
    }
    ck_assert_int_eq(
        weir_consumer_assignment_decode(assignment("orders", 1, 3), image, arena, &set), 0);
    ck_assert_uint_eq(set.count, 2);
    ck_assert_int_eq(weir_consumer_assignment_decode(weir_null(), image, arena, &set), 0);
    ck_assert_uint_eq(set.count, 0);
    ck_code(weir_consumer_assignment_decode(weir_text("x"), image, arena, &set), WEIR_CORRUPT);
}
END_TEST

/* Memory is short on the way to the other protocol: it is said, and the old group is as it was. */
START_TEST(a_group_does_not_go_over_without_memory)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        stage_forget(&stage);
        weir_arena_close(&stage.update_arena);
        weir_arena_init(&stage.update_arena, &stage.budget, 128);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = upgrade();
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        weir_classic_group_check(&classic);
    }
    ck_assert_uint_gt(failures.hits, 20);
}
END_TEST

START_TEST(a_group_does_not_go_back_without_memory)
{
    struct weir_test_failures failures = {0};
    ck_ok(upgrade(), &error);
    while (weir_test_failures_next(&failures)) {
        struct weir_classic_group back;
        weir_classic_group_init(&back, &stage.budget, weir_text("readers"));
        weir_arena_close(&stage.update_arena);
        weir_arena_init(&stage.update_arena, &stage.budget, 128);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = downgrade(&back);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        weir_classic_group_close(&back);
        weir_consumer_group_check(&stage.group);
    }
    ck_assert_uint_gt(failures.hits, 20);
}
END_TEST

/* Each allocation of a join, a sync and a heartbeat fails once. */
START_TEST(a_shortage_of_a_classic_member_is_said)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        stage_forget(&stage);
        ck_ok(upgrade(), &error);
        ck_code(stage_join(&stage, "new", "orders"), 0);
        weir_arena_close(&stage.update_arena);
        weir_arena_init(&stage.update_arena, &stage.budget, 128);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = join((struct speaks){.member = "m5", .owned_count = 1});
        if (rc == 0) rc = sync_as("m5", join_request.generation);
        if (rc == 0) rc = heartbeat("m5", join_request.generation);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
    }
    ck_assert_uint_gt(failures.hits, 20);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group migration");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_classic_group_becomes_a_consumer_group);
    tcase_add_test(tests, members_of_both_protocols_share);
    tcase_add_test(tests, what_is_no_consumer_group_stays_classic);
    tcase_add_test(tests, a_partition_given_twice_stays_with_one);
    tcase_add_test(tests, a_classic_member_joins_and_syncs_in_time);
    tcase_add_test(tests, classic_members_are_refused_as_in_a_classic_group);
    tcase_add_test(tests, a_static_member_changes_its_protocol);
    tcase_add_test(tests, what_members_keep_through_a_rebalance_is_theirs);
    tcase_add_test(tests, partitions_that_there_are_not_are_not_kept);
    tcase_add_test(tests, a_classic_member_waits_for_the_next_target);
    tcase_add_test(tests, classic_members_leave);
    tcase_add_test(tests, a_group_of_classic_members_becomes_classic_again);
    tcase_add_test(tests, the_consumer_protocol_is_read);
    tcase_add_test(tests, a_group_does_not_go_over_without_memory);
    tcase_add_test(tests, a_group_does_not_go_back_without_memory);
    tcase_add_test(tests, a_shortage_of_a_classic_member_is_said);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group_migration", add);
}
