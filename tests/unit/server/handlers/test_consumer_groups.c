#include "tests/unit/server/handlers/data_stage.h"

#include "base/uuid.h"
#include "wire/generated/consumer_group_describe_request.h"
#include "wire/generated/consumer_group_describe_response.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_delete_request.h"
#include "wire/generated/offset_delete_response.h"

/* The requests of consumer groups as they are on the wire, in each of their versions; what a group does with them is
 * the coordinator's tests to say. */
enum { HEARTBEAT_MAX = 1, DESCRIBE_MAX = 1, PARTITIONS = 2, JOINS = 0, LEAVES = -1 };

typedef struct weir_wire_consumer_group_heartbeat_request heartbeat_request;
typedef struct weir_wire_consumer_group_heartbeat_response heartbeat_response;
typedef struct weir_wire_consumer_group_describe_response_described_group described_group;

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "orders", PARTITIONS);
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

/* ---- heartbeats ------------------------------------------------------------------------------ */

static heartbeat_request joins(const char *group, const char *member)
{
    static struct weir_slice orders;
    heartbeat_request request;
    weir_wire_consumer_group_heartbeat_request_init(&request);
    orders = weir_text("orders");
    request.group_id = weir_text(group);
    request.member_id = weir_text(member);
    request.rebalance_timeout_ms = 10000;
    request.subscribed_topic_names = &orders;
    request.subscribed_topic_names_count = 1;
    request.topic_partitions = weir_no_elements(); /* it owns none yet */
    return request;
}

static heartbeat_request says(const char *group, const char *member, int32_t epoch)
{
    heartbeat_request request;
    weir_wire_consumer_group_heartbeat_request_init(&request);
    request.group_id = weir_text(group);
    request.member_id = weir_text(member);
    request.member_epoch = epoch;
    return request;
}

static const heartbeat_response *heartbeat(int16_t version, heartbeat_request request)
{
    return ASK(consumer_group_heartbeat, version, &request);
}

/* Joined, and told what to read. */
static const heartbeat_response *join(int16_t version, const char *group, const char *member)
{
    const heartbeat_response *heard = heartbeat(version, joins(group, member));
    ck_assert_int_eq(heard->error_code, 0);
    ck_assert_int_gt(heard->member_epoch, 0);
    ck_assert_ptr_nonnull(heard->assignment);
    return heard;
}

static const described_group *describe(int16_t version, const char *group)
{
    const struct weir_slice name = weir_text(group);
    struct weir_wire_consumer_group_describe_request request;
    weir_wire_consumer_group_describe_request_init(&request);
    request.group_ids = &name;
    request.group_ids_count = 1;
    const struct weir_wire_consumer_group_describe_response *told =
        ASK(consumer_group_describe, version, &request);
    ck_assert_uint_eq(told->groups_count, 1);
    ck_assert(weir_slice_equal(told->groups[0].group_id, name));
    return &told->groups[0];
}

static bool is_text(struct weir_slice slice, const char *text)
{
    return weir_slice_equal(slice, weir_text(text));
}

/* It is told all partitions, and when to come again; once it has them it is described with them; and gone when it has
 * left. */
START_TEST(a_member_lives_in_every_version)
{
    for (int16_t version = 0; version <= HEARTBEAT_MAX; version++) {
        const char *group = version == 0 ? "g-0" : "g-1";
        const heartbeat_response *heard = join(version, group, "me");
        ck_assert(is_text(heard->member_id, "me"));
        ck_assert_int_eq(heard->heartbeat_interval_ms, 5000);
        ck_assert_uint_eq(heard->assignment->topic_partitions_count, 1);
        ck_assert_uint_eq(heard->assignment->topic_partitions[0].partitions_count, PARTITIONS);
        ck_assert(weir_uuid_equal(heard->assignment->topic_partitions[0].topic_id,
                                  stage_topic_id(&stage, "orders")));
        int32_t epoch = heard->member_epoch;
        heard = heartbeat(version, says(group, "me", epoch));
        ck_assert_int_eq(heard->error_code, 0);
        ck_assert_int_eq(heard->member_epoch, epoch);
        ck_assert_ptr_null(heard->assignment); /* nothing new */

        const described_group *told = describe(version, group);
        ck_assert_int_eq(told->error_code, 0);
        ck_assert(is_text(told->group_state, "Stable"));
        ck_assert(is_text(told->assignor_name, "uniform"));
        ck_assert_int_eq(told->group_epoch, epoch);
        ck_assert_int_eq(told->assignment_epoch, epoch);
        ck_assert_uint_eq(told->members_count, 1);
        ck_assert(is_text(told->members[0].member_id, "me"));
        ck_assert_int_eq(told->members[0].member_epoch, epoch);
        ck_assert_int_eq(told->members[0].member_type, version >= 1 ? 1 : -1);
        ck_assert(is_text(told->members[0].subscribed_topic_names[0], "orders"));
        ck_assert_uint_eq(told->members[0].assignment.topic_partitions_count, 1);
        ck_assert(is_text(told->members[0].assignment.topic_partitions[0].topic_name, "orders"));

        heard = heartbeat(version, says(group, "me", LEAVES));
        ck_assert_int_eq(heard->error_code, 0);
        ck_assert_int_eq(heard->member_epoch, LEAVES);
        told = describe(version, group);
        ck_assert(is_text(told->group_state, "Empty"));
        ck_assert_uint_eq(told->members_count, 0);
    }
}
END_TEST

/* A second member gets what the first has given up, and not before. */
START_TEST(a_partition_is_given_on_when_it_is_given_up)
{
    int32_t alone = join(1, "g", "a")->member_epoch;
    stage_pass(&stage, 1000); /* group.consumer.assignment.interval.ms */
    const heartbeat_response *second = heartbeat(1, joins("g", "b"));
    ck_assert_int_eq(second->error_code, 0);
    ck_assert_uint_eq(second->assignment->topic_partitions_count, 0);
    int32_t together = second->member_epoch;
    ck_assert_int_gt(together, alone);
    /* The first hears what it is to keep, and says that it has no more. */
    const heartbeat_response *first = heartbeat(1, says("g", "a", alone));
    ck_assert_uint_eq(first->assignment->topic_partitions[0].partitions_count, 1);
    int32_t kept = first->assignment->topic_partitions[0].partitions[0];
    const struct weir_wire_consumer_group_heartbeat_request_topic_partitions owned = {
        .topic_id = stage_topic_id(&stage, "orders"), .partitions = &kept, .partitions_count = 1};
    ck_assert_ptr_null(heartbeat(1, says("g", "b", together))->assignment); /* not yet */
    heartbeat_request gives_up = says("g", "a", alone);
    gives_up.topic_partitions = &owned;
    gives_up.topic_partitions_count = 1;
    ck_assert_int_eq(heartbeat(1, gives_up)->member_epoch, together);
    second = heartbeat(1, says("g", "b", together));
    ck_assert_uint_eq(second->assignment->topic_partitions[0].partitions_count, 1);
    ck_assert_int_eq(second->assignment->topic_partitions[0].partitions[0], 1 - kept);
}
END_TEST

/* What is wrong is told by Kafka's number, with a text. */
START_TEST(what_a_member_says_wrong_is_told)
{
    int32_t epoch = join(1, "g", "me")->member_epoch;
    heartbeat_request wrong[] = {
        joins("", "me"),            /* no group */
        joins("g", "other"),        /* an assignor that nobody knows */
        joins("g", "other"),        /* no time to rebalance */
        says("g", "stranger", 3),   /* not a member */
        says("g", "me", epoch + 1), /* an epoch that is not yet */
        says("nobody", "me", 3),    /* no group of this name */
        joins("g", "me"),           /* a pattern that is none */
        joins("g", ""),             /* no id */
        says("nobody", "me", -3),   /* no epoch at all, wherever */
        says("g", "me", -3),
    };
    static const int16_t errors[] = {
        WEIR_WIRE_INVALID_REQUEST,
        WEIR_WIRE_UNSUPPORTED_ASSIGNOR,
        WEIR_WIRE_INVALID_REQUEST,
        WEIR_WIRE_UNKNOWN_MEMBER_ID,
        WEIR_WIRE_FENCED_MEMBER_EPOCH,
        WEIR_WIRE_GROUP_ID_NOT_FOUND,
        WEIR_WIRE_INVALID_REGULAR_EXPRESSION,
        WEIR_WIRE_INVALID_REQUEST,
        WEIR_WIRE_INVALID_REQUEST,
        WEIR_WIRE_INVALID_REQUEST,
    };
    wrong[1].server_assignor = weir_text("by dice");
    wrong[2].rebalance_timeout_ms = -1;
    wrong[6].subscribed_topic_regex = weir_text("(");
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        const heartbeat_response *heard = heartbeat(1, wrong[i]);
        ck_assert_msg(heard->error_code == errors[i], "%zu: %d", i, heard->error_code);
        ck_assert_msg(heard->error_message.size > 0, "%zu", i);
    }
    ck_assert_int_eq(heartbeat(1, says("g", "me", epoch))->error_code, 0);
}
END_TEST

/* Before version 1 the coordinator gives a member its id. */
START_TEST(a_member_without_an_id_is_given_one)
{
    const heartbeat_response *heard = heartbeat(0, joins("g", ""));
    ck_assert_int_eq(heard->error_code, 0);
    ck_assert_uint_eq(heard->member_id.size, 22);
}
END_TEST

static int16_t commit(int16_t version, const char *member, int32_t epoch)
{
    const struct weir_wire_offset_commit_request_offset_commit_request_partition first = {
        .committed_offset = 3, .committed_leader_epoch = -1, .committed_metadata = weir_text("")};
    const struct weir_wire_offset_commit_request_offset_commit_request_topic topic = {
        .name = weir_text("orders"), .partitions = &first, .partitions_count = 1};
    struct weir_wire_offset_commit_request request;
    weir_wire_offset_commit_request_init(&request);
    request.group_id = weir_text("g");
    request.member_id = weir_text(member);
    request.generation_id_or_member_epoch = epoch;
    request.topics = &topic;
    request.topics_count = 1;
    const struct weir_wire_offset_commit_response *answer = ASK(offset_commit, version, &request);
    return answer->topics[0].partitions[0].error_code;
}

/* Member epochs came with version 9: a member that has one is told so by the older ones, nobody else. */
START_TEST(an_epoch_needs_a_version_that_has_it)
{
    int32_t epoch = join(1, "g", "me")->member_epoch;
    for (int16_t version = 2; version <= 8; version++) {
        ck_assert_int_eq(commit(version, "me", epoch), WEIR_WIRE_UNSUPPORTED_VERSION);
        ck_assert_int_eq(commit(version, "other", epoch), WEIR_WIRE_UNKNOWN_MEMBER_ID);
    }
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "orders", 0), -1);
    ck_assert_int_eq(commit(9, "me", epoch), 0);
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "orders", 0), 3);
}
END_TEST

/* A group that is not there, one that is a classic one, and one without a name. */
START_TEST(what_cannot_be_described_is_told)
{
    for (int16_t version = 0; version <= DESCRIBE_MAX; version++) {
        ck_assert_int_eq(describe(version, "nobody")->error_code, WEIR_WIRE_GROUP_ID_NOT_FOUND);
        ck_assert_int_eq(describe(version, "")->error_code, WEIR_WIRE_INVALID_GROUP_ID);
        stage.forbids = true;
        ck_assert_int_eq(describe(version, "g")->error_code, WEIR_WIRE_GROUP_AUTHORIZATION_FAILED);
        stage.forbids = false;
        ck_assert_int_eq(engine_commit(&stage.engine, "offsets only", "orders", 0, 3), 0);
        ck_assert_int_eq(describe(version, "offsets only")->error_code,
                         WEIR_WIRE_GROUP_ID_NOT_FOUND);
    }
    stage.forbids = true;
    ck_assert_int_eq(heartbeat(1, joins("g", "me"))->error_code,
                     WEIR_WIRE_GROUP_AUTHORIZATION_FAILED);
    stage.forbids = false;
}
END_TEST

/* ---- offsets that are deleted ---------------------------------------------------------------- */

typedef struct weir_wire_offset_delete_request_offset_delete_request_topic deleted_topic;
typedef struct weir_wire_offset_delete_request_offset_delete_request_partition deleted_partition;

static const struct weir_wire_offset_delete_response *
delete_offsets(const char *group, const deleted_topic *topics, size_t count)
{
    struct weir_wire_offset_delete_request request;
    weir_wire_offset_delete_request_init(&request);
    request.group_id = weir_text(group);
    request.topics = topics;
    request.topics_count = count;
    return ASK(offset_delete, 0, &request);
}

/* Each partition is answered in its place; what a member reads stays, and so does what was not named. */
START_TEST(offsets_that_nobody_reads_are_deleted)
{
    static const deleted_partition both[] = {{0}, {1}};
    static const deleted_partition far[] = {{0}, {7}};
    const deleted_topic topics[] = {{weir_text("clicks"), both, 2}, {weir_text("orders"), far, 2}};
    stage_create(&stage, "clicks", 2);
    ck_assert_int_eq(engine_commit(&stage.engine, "g", "orders", 0, 3), 0);
    ck_assert_int_eq(engine_commit(&stage.engine, "g", "orders", 1, 4), 0);
    ck_assert_int_eq(engine_commit(&stage.engine, "g", "clicks", 0, 5), 0);
    (void)join(1, "g", "me");

    const struct weir_wire_offset_delete_response *deleted = delete_offsets("g", topics, 2);
    ck_assert_int_eq(deleted->error_code, 0);
    ck_assert_uint_eq(deleted->topics_count, 2);
    ck_assert(is_text(deleted->topics[0].name, "clicks"));
    ck_assert_int_eq(deleted->topics[0].partitions[0].error_code, 0);
    ck_assert_int_eq(deleted->topics[0].partitions[1].error_code, 0); /* there is none */
    ck_assert_int_eq(deleted->topics[1].partitions[0].error_code,
                     WEIR_WIRE_GROUP_SUBSCRIBED_TO_TOPIC);
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "clicks", 0), -1);
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "orders", 0), 3);

    ck_assert_int_eq(heartbeat(1, says("g", "me", LEAVES))->error_code, 0);
    deleted = delete_offsets("g", &topics[1], 1);
    ck_assert_int_eq(deleted->topics[0].partitions[0].error_code, 0);
    ck_assert_int_eq(deleted->topics[0].partitions[1].error_code,
                     WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "orders", 0), -1);
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "orders", 1), 4);
}
END_TEST

/* A group that is not there, one without a name, and who may not. */
START_TEST(a_deletion_of_offsets_that_may_not_be_is_refused)
{
    static const deleted_partition first[] = {{0}};
    const deleted_topic topic = {weir_text("orders"), first, 1};
    ck_assert_int_eq(delete_offsets("nobody", &topic, 1)->error_code, WEIR_WIRE_GROUP_ID_NOT_FOUND);
    ck_assert_int_eq(delete_offsets("", &topic, 1)->error_code, WEIR_WIRE_INVALID_GROUP_ID);
    ck_assert_int_eq(engine_commit(&stage.engine, "g", "orders", 0, 3), 0);
    stage.forbids = true;
    ck_assert_int_eq(delete_offsets("g", &topic, 1)->error_code,
                     WEIR_WIRE_GROUP_AUTHORIZATION_FAILED);
    stage.forbids = false;
    ck_assert_int_eq(engine_committed(&stage.engine, "g", "orders", 0), 3);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("consumer groups");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_member_lives_in_every_version);
    tcase_add_test(tests, a_partition_is_given_on_when_it_is_given_up);
    tcase_add_test(tests, what_a_member_says_wrong_is_told);
    tcase_add_test(tests, a_member_without_an_id_is_given_one);
    tcase_add_test(tests, an_epoch_needs_a_version_that_has_it);
    tcase_add_test(tests, what_cannot_be_described_is_told);
    tcase_add_test(tests, offsets_that_nobody_reads_are_deleted);
    tcase_add_test(tests, a_deletion_of_offsets_that_may_not_be_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server consumer groups", add);
}
