#include "base/buffer.h"
#include "tests/unit/broker/coordinator/group/classic_stage.h"
#include "wire/coordinator_record.h"
#include "wire/generated/consumer_protocol_subscription.h"
#include "wire/generated/group_metadata_key.h"
#include "wire/generated/group_metadata_value.h"

/* The last record of the last step; `arena` keeps what it points to. */
static void read_record(const struct stage *stage, struct weir_group_metadata_value *value_out,
                        struct weir_arena *arena)
{
    struct weir_group_metadata_key key;
    struct weir_error error = {0};
    ck_assert_uint_eq(stage->update.record_count, 1);
    const struct weir_group_record *record = &stage->update.records[0];
    struct weir_slice bytes = weir_arena_copy(arena, record->key);
    ck_ok(weir_coordinator_key_decode(bytes, &weir_group_metadata_key_type, &key, arena, &error),
          &error);
    ck_text(key.group, "orders");
    bytes = weir_arena_copy(arena, record->value);
    ck_assert_int_eq(weir_load_u16(bytes.data), 3);
    ck_ok(weir_coordinator_value_decode(bytes, &weir_group_metadata_value_type, value_out, arena,
                                        &error),
          &error);
}

/* Two members, one static, with assignments, Stable. */
static struct asked *settle_two(struct stage *stage)
{
    struct asked *fixed = JOIN(stage, .instance = "shelf", .protocols = {"range", "sticky"});
    struct asked *other = ENTER(stage, .protocols = {"sticky", "range"}, .client = "c2");
    stage_pass(stage, 6000);
    struct part parts[] = {{id_of(fixed), "mine"}, {id_of(other), "yours"}, {0}};
    ck_parked(stage_sync(stage, id_of(other), NULL));
    ck_answered(stage_sync(stage, id_of(fixed), parts), 0);
    return fixed;
}

/* The record of a Stable group says who is in it, with the chosen protocol's metadata and the assignment. */
START_TEST(a_stable_groups_record_has_members_and_assignments)
{
    struct stage stage;
    struct weir_arena arena;
    struct weir_group_metadata_value value;
    stage_init(&stage);
    weir_arena_init(&arena, &stage.asked_budget, 0);
    struct asked *leader = settle_two(&stage);
    read_record(&stage, &value, &arena);
    ck_text(value.protocol_type, "consumer");
    ck_text(value.protocol, "range");
    ck_text(value.leader, id_of(leader));
    ck_assert_int_eq(value.generation, 1);
    ck_assert_int_eq(value.current_state_timestamp, stage.group.state_since_wall_ms);
    ck_assert_int_eq(value.current_state_timestamp, stage.now_ms + 1000000);
    ck_assert_uint_eq(value.members_count, 2);
    ck_text(value.members[0].member_id, id_of(leader));
    ck_text(value.members[0].group_instance_id, "shelf");
    ck_text(value.members[0].client_id, "client");
    ck_text(value.members[0].client_host, "/127.0.0.1");
    ck_text(value.members[0].subscription, "topics");
    ck_text(value.members[0].assignment, "mine");
    ck_assert_int_eq(value.members[0].session_timeout, 10000);
    ck_assert_int_eq(value.members[0].rebalance_timeout, 60000);
    ck_assert(weir_slice_is_null(value.members[1].group_instance_id));
    ck_text(value.members[1].client_id, "c2");
    weir_arena_close(&arena);
    stage_close(&stage);
}
END_TEST

START_TEST(an_empty_groups_record_has_the_generation_and_no_protocol)
{
    struct stage stage;
    struct weir_arena arena;
    struct weir_group_metadata_value value;
    struct asked *members[1];
    stage_init(&stage);
    weir_arena_init(&arena, &stage.asked_budget, 0);
    stage_settle(&stage, 1, members);
    ck_code(stage_leave(&stage, id_of(members[0]), NULL), 0);
    read_record(&stage, &value, &arena);
    ck_text(value.protocol_type, "consumer");
    ck_assert(weir_slice_is_null(value.protocol));
    ck_assert(weir_slice_is_null(value.leader));
    ck_assert_int_eq(value.generation, 2);
    ck_assert_uint_eq(value.members_count, 0);
    weir_arena_close(&arena);
    stage_close(&stage);
}
END_TEST

/* What was written is what is loaded: the members go on where they were, their sessions begin now. */
START_TEST(a_group_that_is_loaded_goes_on)
{
    struct stage stage;
    struct stage loaded;
    struct weir_arena arena;
    struct weir_group_metadata_value value;
    struct weir_error error = {0};
    stage_init(&stage);
    stage_init(&loaded);
    weir_arena_init(&arena, &stage.asked_budget, 0);
    const char *leader = id_of(settle_two(&stage));
    read_record(&stage, &value, &arena);
    loaded.now_ms = 77;
    ck_ok(weir_classic_group_load(&loaded.group, &value, loaded.now_ms, &error), &error);
    ck_state(&loaded, "Stable");
    ck_assert_int_eq(weir_classic_group_wake_at(&loaded.group), 77);
    ck_text(loaded.group.leader->id.member_id, leader);
    ck_code(stage_heartbeat_as(&loaded, leader, "shelf", 1), 0);
    ck_code(stage_commit(&loaded, leader, "shelf", 1), 0);
    struct asked *sync = stage_sync(&loaded, leader, NULL);
    ck_answered(sync, 0);
    ck_text(sync->sync.assignment, "mine");
    struct asked *again = JOIN(&loaded, .id = text_of(value.members[1].member_id));
    ck_answered(again, 0);
    ck_assert_int_eq(again->join.generation, 1);
    stage_pass(&loaded, 10000);
    ck_state(&loaded, "Empty");
    weir_arena_close(&arena);
    stage_close(&loaded);
    stage_close(&stage);
}
END_TEST

static struct weir_group_metadata_value_member_metadata member_record(const char *id)
{
    return (struct weir_group_metadata_value_member_metadata){
        .member_id = weir_text(id),
        .client_id = weir_text("client"),
        .client_host = weir_text("/127.0.0.1"),
        .rebalance_timeout = -1,
        .session_timeout = 10000,
        .subscription = weir_text("topics"),
        .assignment = weir_text("mine"),
    };
}

static struct weir_group_metadata_value
group_record(const struct weir_group_metadata_value_member_metadata *members, size_t count)
{
    return (struct weir_group_metadata_value){
        .protocol_type = weir_text("consumer"),
        .protocol = weir_text("range"),
        .leader = weir_text("a"),
        .generation = 7,
        .current_state_timestamp = -1,
        .members = members,
        .members_count = count,
    };
}

/* Each version of the record, 0 to 4: what a version does not have is as Kafka takes it. */
START_TEST(every_version_of_the_record_is_loaded)
{
    for (int16_t version = 0; version <= 4; version++) {
        struct stage stage;
        struct weir_buffer buffer;
        struct weir_arena arena;
        struct weir_error error = {0};
        struct weir_group_metadata_value_member_metadata members[2] = {member_record("a"),
                                                                       member_record("b")};
        if (version >= 1) members[0].rebalance_timeout = 44000;
        if (version >= 3) members[1].group_instance_id = weir_text("shelf");
        struct weir_group_metadata_value value = group_record(members, 2);
        struct weir_group_metadata_value read;
        stage_init(&stage);
        weir_buffer_init(&buffer, &stage.asked_budget, 0);
        weir_arena_init(&arena, &stage.asked_budget, 0);
        ck_assert_int_eq(weir_coordinator_value_encode(&weir_group_metadata_value_type, &value,
                                                       version, &buffer),
                         0);
        ck_ok(weir_coordinator_value_decode(weir_buffer_slice(&buffer),
                                            &weir_group_metadata_value_type, &read, &arena, &error),
              &error);
        ck_ok(weir_classic_group_load(&stage.group, &read, stage.now_ms, &error), &error);
        ck_assert_int_eq(stage.group.generation, 7);
        const struct weir_classic_member *first =
            weir_map_get(&stage.group.members, weir_text("a"));
        ck_assert_int_eq(first->rebalance_timeout_ms, version >= 1 ? 44000 : 10000);
        ck_assert_uint_eq(weir_map_count(&stage.group.instances), version >= 3 ? 1 : 0);
        weir_buffer_close(&buffer);
        weir_arena_close(&arena);
        stage_close(&stage);
    }
}
END_TEST

/* The leader that a record names and does not have is nobody; another member leads. */
START_TEST(a_record_whose_leader_is_gone_is_loaded)
{
    struct stage stage;
    struct weir_group_metadata_value_member_metadata member = member_record("b");
    struct weir_group_metadata_value value = group_record(&member, 1);
    stage_init(&stage);
    ck_assert_int_eq(weir_classic_group_load(&stage.group, &value, 0, NULL), 0);
    ck_text(stage.group.leader->id.member_id, "b");
    stage_close(&stage);

    stage_init(&stage);
    value.members_count = 0;
    ck_assert_int_eq(weir_classic_group_load(&stage.group, &value, 0, NULL), 0);
    ck_state(&stage, "Empty");
    ck_assert_int_eq(stage.group.generation, 7);
    ck_assert(weir_classic_group_is_idle(&stage.group));
    stage.settings.initial_rebalance_delay_ms = 0;
    struct asked *first = ENTER(&stage);
    ck_answered(first, 0);
    ck_assert_int_eq(first->join.generation, 8);
    stage_close(&stage);
}
END_TEST

static void refuses(const struct weir_group_metadata_value *value)
{
    struct stage stage;
    struct weir_error error = {0};
    stage_init(&stage);
    int rc = weir_classic_group_load(&stage.group, value, 0, &error);
    ck_code(rc, WEIR_CORRUPT);
    ck_told(rc, &error);
    ck_assert_ptr_nonnull(strstr(error.text, "orders"));
    stage_close(&stage);
}

START_TEST(a_record_that_cannot_be_is_refused)
{
    struct weir_group_metadata_value_member_metadata members[2] = {member_record("a"),
                                                                   member_record("a")};
    struct weir_group_metadata_value value = group_record(members, 2);
    refuses(&value);
    members[1] = member_record("b");
    members[0].group_instance_id = members[1].group_instance_id = weir_text("shelf");
    refuses(&value);
    members[1] = member_record("");
    refuses(&value);
    members[1] = member_record("b");
    members[1].session_timeout = -1;
    refuses(&value);
    members[1] = member_record("b");
    value.generation = -1;
    refuses(&value);
    value = group_record(members, 2);
    value.protocol = weir_null();
    refuses(&value);
    value = group_record(members, 2);
    value.protocol_type = weir_text("");
    refuses(&value);
}
END_TEST

START_TEST(an_empty_group_is_deleted_with_a_tombstone)
{
    struct stage stage;
    struct weir_error error = {0};
    struct asked *members[1];
    stage_init(&stage);
    stage_settle(&stage, 1, members);
    weir_arena_reset(&stage.arena);
    weir_group_update_init(&stage.update, &stage.arena);
    int rc = weir_classic_group_delete(&stage.group, 1, &stage.update, &error);
    ck_code(rc, WEIR_NON_EMPTY_GROUP);
    ck_told(rc, &error);
    ck_state(&stage, "Stable");
    ck_assert_uint_eq(stage.update.record_count, 0);
    ck_code(stage_leave(&stage, id_of(members[0]), NULL), 0);
    weir_arena_reset(&stage.arena);
    weir_group_update_init(&stage.update, &stage.arena);
    ck_ok(weir_classic_group_delete(&stage.group, 1, &stage.update, &error), &error);
    ck_state(&stage, "Dead");
    ck_assert(stage.update.is_gone);
    ck_assert_uint_eq(stage.update.record_count, 1);
    ck_assert(weir_slice_is_null(stage.update.records[0].value));
    stage_close(&stage);
}
END_TEST

/* DescribeGroups tells members in every state, and what they speak in a Stable group alone. */
START_TEST(a_group_is_described)
{
    struct stage stage;
    struct weir_arena arena;
    stage_init(&stage);
    weir_arena_init(&arena, &stage.asked_budget, 0);
    struct weir_describe_group_request described = {.base.arena = &arena};
    weir_classic_group_describe(&stage.group, &described);
    ck_text(described.state, "Empty");
    ck_assert(weir_slice_is_null(described.protocol_type));
    ck_assert_uint_eq(described.member_count, 0);
    struct asked *leader = settle_two(&stage);
    weir_classic_group_describe(&stage.group, &described);
    ck_assert_int_eq(described.type, WEIR_GROUP_CLASSIC);
    ck_text(described.state, "Stable");
    ck_text(described.protocol_type, "consumer");
    ck_text(described.protocol, "range");
    ck_assert_int_eq(described.group_epoch, 1);
    ck_assert_uint_eq(described.member_count, 2);
    ck_text(described.members[0].id.member_id, id_of(leader));
    ck_text(described.members[0].id.instance_id, "shelf");
    ck_text(described.members[0].metadata, "topics");
    ck_text(described.members[0].assignment, "mine");
    ck_text(described.members[1].client_id, "c2");
    (void)ENTER(&stage);
    weir_classic_group_describe(&stage.group, &described);
    ck_text(described.state, "PreparingRebalance");
    ck_assert(weir_slice_is_null(described.protocol));
    ck_assert_uint_eq(described.member_count, 3);
    ck_text(described.members[0].metadata, "");
    ck_assert(!weir_arena_failed(&arena));
    weir_arena_close(&arena);
    stage_close(&stage);
}
END_TEST

/* A version and a subscription to "clicks" and "orders" in it, as a C string: no byte in it is zero but lengths,
 * so it is joined by hand. */
static int join_consumer(struct stage *stage, int16_t version, size_t cut)
{
    static uint8_t bytes[512];
    struct weir_buffer buffer;
    struct weir_slice topics[] = {weir_text("clicks"), weir_text("orders")};
    struct weir_consumer_protocol_subscription said;
    weir_consumer_protocol_subscription_init(&said);
    said.topics = topics;
    said.topics_count = 2;
    weir_buffer_init(&buffer, &stage->asked_budget, 0);
    ck_assert_int_eq(weir_consumer_protocol_subscription_encode(&said, version, &buffer), 0);
    weir_store_u16(bytes, (uint16_t)version);
    memcpy(bytes + 2, buffer.data, buffer.size);
    struct weir_group_protocol protocol = {weir_text("range"),
                                           weir_slice(bytes, buffer.size + 2 - cut)};
    weir_buffer_close(&buffer);
    struct asked *asked = JOIN(stage, .session_ms = 1);
    asked->answer_count = 0;
    asked->base.request.error = (struct weir_error){0};
    asked->join.session_timeout_ms = 10000;
    asked->join.requires_member_id = false;
    asked->join.protocols = &protocol;
    (void)stage_step(stage,
                     (struct weir_classic_event){.type = WEIR_CLASSIC_JOIN, .join = &asked->join});
    return asked->base.request.rc;
}

static bool subscribes(const struct stage *stage, struct weir_slice topic)
{
    struct weir_classic_subscription subscription;
    weir_classic_subscription_read(&subscription, &stage->group);
    bool has_topic = weir_classic_subscription_has(&subscription, topic);
    weir_classic_subscription_close(&subscription);
    return has_topic;
}

/* A topic is subscribed to if a member's subscription names it; every version begins with the topics. */
START_TEST(subscriptions_are_read)
{
    for (int16_t version = 0; version <= 3; version++) {
        struct stage stage;
        stage_init(&stage);
        ck_assert(!subscribes(&stage, weir_text("clicks")));
        (void)join_consumer(&stage, version, 0);
        ck_assert(subscribes(&stage, weir_text("trades")));
        stage_pass(&stage, 6000);
        ck_state(&stage, "CompletingRebalance");
        ck_assert(subscribes(&stage, weir_text("clicks")));
        ck_assert(subscribes(&stage, weir_text("orders")));
        ck_assert(!subscribes(&stage, weir_text("trades")));
        ck_code(weir_classic_group_check_offset_delete(&stage.group, NULL), 0);
        stage_close(&stage);
    }
}
END_TEST

START_TEST(a_subscription_that_cannot_be_read_is_one_to_everything)
{
    struct stage stage;
    for (size_t cut = 1; cut < 20; cut++) {
        stage_init(&stage);
        (void)join_consumer(&stage, 0, cut);
        stage_pass(&stage, 6000);
        ck_state(&stage, "CompletingRebalance");
        ck_assert(subscribes(&stage, weir_text("trades")));
        stage_close(&stage);
    }
}
END_TEST

/* What members of another kind read is not known, so nothing of theirs is deleted. */
START_TEST(offsets_of_members_that_are_no_consumers_are_not_deleted)
{
    struct stage stage;
    struct weir_error error = {0};
    stage_init(&stage);
    ck_code(weir_classic_group_check_offset_delete(&stage.group, &error), 0);
    (void)JOIN(&stage, .instance = "shelf", .type = "connect");
    int rc = weir_classic_group_check_offset_delete(&stage.group, &error);
    ck_code(rc, WEIR_NON_EMPTY_GROUP);
    ck_told(rc, &error);
    ck_assert(!subscribes(&stage, weir_text("clicks")));
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("record");
    tcase_add_test(tests, a_stable_groups_record_has_members_and_assignments);
    tcase_add_test(tests, an_empty_groups_record_has_the_generation_and_no_protocol);
    tcase_add_test(tests, a_group_that_is_loaded_goes_on);
    tcase_add_test(tests, every_version_of_the_record_is_loaded);
    tcase_add_test(tests, a_record_whose_leader_is_gone_is_loaded);
    tcase_add_test(tests, a_record_that_cannot_be_is_refused);
    tcase_add_test(tests, an_empty_group_is_deleted_with_a_tombstone);
    tcase_add_test(tests, a_group_is_described);
    tcase_add_test(tests, subscriptions_are_read);
    tcase_add_test(tests, a_subscription_that_cannot_be_read_is_one_to_everything);
    tcase_add_test(tests, offsets_of_members_that_are_no_consumers_are_not_deleted);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("classic_record", add);
}
