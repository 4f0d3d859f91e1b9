#include "tests/unit/server/handlers/data_stage.h"

#include "base/uuid.h"
#include "wire/generated/find_coordinator_request.h"
#include "wire/generated/find_coordinator_response.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"

/* FindCoordinator, OffsetCommit and OffsetFetch, mostly of clients that are no members of a group. */

typedef struct weir_wire_offset_commit_request_offset_commit_request_topic commit_topic;
typedef struct weir_wire_offset_commit_request_offset_commit_request_partition commit_partition;
typedef struct weir_wire_offset_fetch_request_offset_fetch_request_group fetch_group;
typedef struct weir_wire_offset_fetch_request_offset_fetch_request_topics fetch_topic;
typedef struct weir_wire_offset_fetch_response_offset_fetch_response_group group_answer;
typedef struct weir_wire_offset_fetch_response_offset_fetch_response_partitions offset_answer;

enum {
    COMMIT_MIN = 2,
    COMMIT_MAX = 10,
    FETCH_MIN = 1,
    FETCH_MAX = 10,
    GROUPS_FROM = 8,
    IDS_FROM = 10
};

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "a", 2);
    stage_create(&stage, "b", 1);
}

static void tear_down(void)
{
    stage_end(&stage);
}

static struct call *call(stage_handler handle, const struct weir_message_type *asked,
                         const struct weir_message_type *answer, int16_t version,
                         const void *request)
{
    struct call *call = stage_begin(&stage, 0, handle, asked, answer, version, request);
    stage_wait(call);
    return call;
}

/* ---- a commit -------------------------------------------------------------------------------- */

struct commit {
    int16_t version;   /* 0: 9 */
    const char *group; /* NULL: "g" */
    const char *topic; /* NULL: "a"; by name, or by its id from version 10 on */
    int32_t partition;
    int64_t offset;
    int32_t epoch;        /* 0: none */
    const char *metadata; /* NULL: null */
    int32_t generation;   /* 0: none; -2 is 0 */
    const char *member;   /* NULL: none */
    const char *instance; /* NULL: none */
    bool unknown_id;
};
#define COMMIT(...) ((struct commit){__VA_ARGS__})

/* What there are of one row of an answer, of as many as are asked for. */
static const struct weir_wire_offset_commit_response *
commit_all(struct commit spec, const commit_partition *partitions, size_t count)
{
    struct weir_wire_offset_commit_request request;
    int16_t version = spec.version != 0 ? spec.version : 9;
    const char *name = spec.topic != NULL ? spec.topic : "a";
    commit_topic topic = {.partitions = partitions, .partitions_count = count};
    if (version < IDS_FROM) {
        topic.name = weir_text(name);
    } else {
        topic.topic_id = spec.unknown_id ? (struct weir_uuid){{7}} : stage_topic_id(&stage, name);
    }
    weir_wire_offset_commit_request_init(&request);
    request.group_id = weir_text(spec.group != NULL ? spec.group : "g");
    request.member_id = weir_text(spec.member != NULL ? spec.member : "");
    if (spec.generation != 0) {
        request.generation_id_or_member_epoch = spec.generation == -2 ? 0 : spec.generation;
    }
    if (spec.instance != NULL) request.group_instance_id = weir_text(spec.instance);
    request.topics = &topic;
    request.topics_count = 1;
    struct call *made = call(weir_handle_offset_commit, &weir_wire_offset_commit_request_type,
                             &weir_wire_offset_commit_response_type, version, &request);
    ck_assert_int_eq(made->outcome, REPLIED);
    const struct weir_wire_offset_commit_response *answer = made->answer;
    ck_assert_uint_eq(answer->topics_count, 1);
    ck_assert_uint_eq(answer->topics[0].partitions_count, count);
    return answer;
}

static int16_t commit(struct commit spec)
{
    commit_partition partition = {
        .partition_index = spec.partition,
        .committed_offset = spec.offset,
        .committed_leader_epoch = spec.epoch != 0 ? spec.epoch : -1,
        .committed_metadata = spec.metadata != NULL ? weir_text(spec.metadata) : weir_null(),
    };
    int16_t version = spec.version != 0 ? spec.version : 9;
    if (version < 6) partition.committed_leader_epoch = -1;
    const struct weir_wire_offset_commit_response *answer = commit_all(spec, &partition, 1);
    ck_assert_int_eq(answer->topics[0].partitions[0].partition_index, spec.partition);
    return answer->topics[0].partitions[0].error_code;
}

/* ---- a question ------------------------------------------------------------------------------ */

static const struct weir_wire_offset_fetch_response *
fetch_groups(int16_t version, const fetch_group *groups, size_t count)
{
    struct weir_wire_offset_fetch_request request;
    weir_wire_offset_fetch_request_init(&request);
    request.groups = groups;
    request.groups_count = count;
    struct call *made = call(weir_handle_offset_fetch, &weir_wire_offset_fetch_request_type,
                             &weir_wire_offset_fetch_response_type, version, &request);
    ck_assert_int_eq(made->outcome, REPLIED);
    const struct weir_wire_offset_fetch_response *answer = made->answer;
    ck_assert_uint_eq(answer->groups_count, count);
    return answer;
}

/* Of one group, in the form that versions 8 and up have; topic NULL asks for all. */
static group_answer fetch_one(int16_t version, const char *group, const char *topic,
                              int32_t partition)
{
    static offset_answer offsets[8];
    static struct weir_wire_offset_fetch_response_offset_fetch_response_topics topics[4];
    fetch_topic asked = {.partition_indexes = &partition, .partition_indexes_count = 1};
    if (version >= GROUPS_FROM) {
        if (topic != NULL && version < IDS_FROM) asked.name = weir_text(topic);
        if (topic != NULL && version >= IDS_FROM) asked.topic_id = stage_topic_id(&stage, topic);
        fetch_group one = {.group_id = weir_text(group), .member_epoch = -1};
        if (topic != NULL) one.topics = &asked;
        one.topics_count = topic != NULL;
        return fetch_groups(version, &one, 1)->groups[0];
    }
    struct weir_wire_offset_fetch_request_offset_fetch_request_topic before = {weir_text(topic),
                                                                               &partition, 1};
    struct weir_wire_offset_fetch_request request;
    weir_wire_offset_fetch_request_init(&request);
    request.group_id = weir_text(group);
    request.topics = topic != NULL ? &before : NULL;
    request.topics_count = topic != NULL;
    struct call *made = call(weir_handle_offset_fetch, &weir_wire_offset_fetch_request_type,
                             &weir_wire_offset_fetch_response_type, version, &request);
    ck_assert_int_eq(made->outcome, REPLIED);
    const struct weir_wire_offset_fetch_response *answer = made->answer;
    ck_assert_uint_le(answer->topics_count, 4);
    size_t at = 0;
    for (size_t t = 0; t < answer->topics_count; t++) {
        topics[t].name = answer->topics[t].name;
        topics[t].partitions = &offsets[at];
        topics[t].partitions_count = answer->topics[t].partitions_count;
        for (size_t p = 0; p < answer->topics[t].partitions_count; p++, at++) {
            ck_assert_uint_lt(at, 8);
            offsets[at] = (offset_answer){
                .partition_index = answer->topics[t].partitions[p].partition_index,
                .committed_offset = answer->topics[t].partitions[p].committed_offset,
                .committed_leader_epoch = answer->topics[t].partitions[p].committed_leader_epoch,
                .metadata = answer->topics[t].partitions[p].metadata,
                .error_code = answer->topics[t].partitions[p].error_code,
            };
        }
    }
    return (group_answer){
        .topics = topics, .topics_count = answer->topics_count, .error_code = answer->error_code};
}

static offset_answer offset_of(int16_t version, const char *group, const char *topic,
                               int32_t partition)
{
    group_answer answer = fetch_one(version, group, topic, partition);
    ck_assert_int_eq(answer.error_code, 0);
    ck_assert_uint_eq(answer.topics_count, 1);
    ck_assert_uint_eq(answer.topics[0].partitions_count, 1);
    ck_assert_int_eq(answer.topics[0].partitions[0].partition_index, partition);
    return answer.topics[0].partitions[0];
}

static void expect_committed(const char *group, const char *topic, int32_t partition,
                             int64_t offset)
{
    offset_answer answer = offset_of(9, group, topic, partition);
    ck_assert_int_eq(answer.error_code, 0);
    ck_assert_int_eq(answer.committed_offset, offset);
}

/* ---- commits and questions ------------------------------------------------------------------- */

/* What one version has committed each version gives, with what it has a field for. */
START_TEST(an_offset_is_committed_and_given_in_every_version)
{
    for (int16_t version = COMMIT_MIN; version <= COMMIT_MAX; version++) {
        ck_assert_int_eq(commit(COMMIT(.version = version, .partition = 1, .offset = 100 + version,
                                       .epoch = 4, .metadata = "note")),
                         0);
        for (int16_t asked = FETCH_MIN; asked <= FETCH_MAX; asked++) {
            offset_answer answer = offset_of(asked, "g", "a", 1);
            ck_assert_int_eq(answer.error_code, 0);
            ck_assert_int_eq(answer.committed_offset, 100 + version);
            ck_assert_int_eq(answer.committed_leader_epoch, version >= 6 && asked >= 5 ? 4 : -1);
            ck_assert(weir_slice_equal(answer.metadata, weir_text("note")));
        }
    }
}
END_TEST

/* No group, no commit, no such partition: no offset, and no error. */
START_TEST(what_was_not_committed_is_no_error)
{
    ck_assert_int_eq(commit(COMMIT(.offset = 5)), 0);
    for (int16_t version = FETCH_MIN; version <= FETCH_MAX; version++) {
        const char *groups[] = {"g", "nobody"};
        for (size_t i = 0; i < 2; i++) {
            offset_answer answer = offset_of(version, groups[i], "a", i == 0 ? 1 : 0);
            ck_assert_int_eq(answer.error_code, 0);
            ck_assert_int_eq(answer.committed_offset, -1);
            ck_assert_int_eq(answer.committed_leader_epoch, -1);
            ck_assert_uint_eq(answer.metadata.size, 0);
            ck_assert_ptr_nonnull(answer.metadata.data);
        }
        if (version < IDS_FROM) {
            ck_assert_int_eq(offset_of(version, "g", "nothing", 0).committed_offset, -1);
            ck_assert_int_eq(offset_of(version, "g", "nothing", 0).error_code, 0);
        }
        ck_assert_int_eq(offset_of(version, "g", "a", 77).committed_offset, -1);
    }
}
END_TEST

/* Each partition that cannot be has its number; the others of the same request are committed. */
START_TEST(a_bad_partition_does_not_hold_up_the_others)
{
    static char large[4098];
    memset(large, 'm', sizeof large - 1);
    const commit_partition partitions[] = {
        {0, 10, -1, weir_null()},  {2, 10, -1, weir_null()},
        {-1, 10, -1, weir_null()}, {1, 10, -1, weir_slice(large, 4097)},
        {1, -5, -1, weir_null()},  {1, 11, -1, weir_slice(large, 4096)},
    };
    static const int16_t expected[] = {0, 3, 3, 12, 42, 0};
    const struct weir_wire_offset_commit_response *answer =
        commit_all(COMMIT(.version = 9), partitions, 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(answer->topics[0].partitions[i].partition_index,
                         partitions[i].partition_index);
        ck_assert_int_eq(answer->topics[0].partitions[i].error_code, expected[i]);
    }
    expect_committed("g", "a", 0, 10);
    expect_committed("g", "a", 1, 11);
    ck_assert_int_eq(commit(COMMIT(.topic = "nothing", .offset = 1)), 3);
    ck_assert_int_eq(commit(COMMIT(.version = 10, .unknown_id = true, .offset = 1)), 100);
    expect_committed("g", "a", 0, 10);
}
END_TEST

START_TEST(an_unknown_topic_id_is_told)
{
    int32_t partition = 0;
    fetch_topic topic = {
        .topic_id = {{9}}, .partition_indexes = &partition, .partition_indexes_count = 1};
    fetch_group group = {
        .group_id = weir_text("g"), .member_epoch = -1, .topics = &topic, .topics_count = 1};
    const group_answer *answer = &fetch_groups(10, &group, 1)->groups[0];
    ck_assert_int_eq(answer->error_code, 0);
    ck_assert_int_eq(answer->topics[0].partitions[0].error_code, 100);
    ck_assert_int_eq(answer->topics[0].partitions[0].committed_offset, -1);
}
END_TEST

START_TEST(a_group_without_a_name_or_a_right_is_refused)
{
    for (int16_t version = FETCH_MIN; version <= FETCH_MAX; version++) {
        stage.forbids = _i == 1;
        group_answer answer = fetch_one(version, _i == 0 ? "" : "g", "a", 0);
        int16_t expected = _i == 0 ? 24 : 30;
        ck_assert_int_eq(answer.error_code, version >= 2 ? expected : 0);
        if (version < GROUPS_FROM) {
            ck_assert_int_eq(answer.topics[0].partitions[0].error_code, expected);
        }
        stage.forbids = false;
    }
    for (int16_t version = COMMIT_MIN; version <= COMMIT_MAX; version++) {
        stage.forbids = _i == 1;
        struct commit spec = COMMIT(.version = version, .offset = 3);
        if (_i == 0) spec.group = "";
        ck_assert_int_eq(commit(spec), _i == 0 ? 24 : 30);
        stage.forbids = false;
    }
    expect_committed("g", "a", 0, -1);
}
END_TEST

/* Who names a generation is a member, and has to be one; who names none commits to any group that is empty, as Kafka
 * has it, whatever it calls itself. */
START_TEST(who_names_a_generation_has_to_be_a_member)
{
    const struct commit members[] = {
        COMMIT(.offset = 1, .generation = 3),
        COMMIT(.offset = 1, .generation = -2),
        COMMIT(.offset = 1, .generation = -2, .member = "me"),
        COMMIT(.offset = 1, .generation = 3, .instance = "here"),
    };
    for (size_t i = 0; i < 4; i++) {
        struct commit spec = members[i];
        spec.version = 9;
        ck_assert_int_eq(commit(spec), 69);
        spec.version = 8;
        ck_assert_int_eq(commit(spec), 22);
    }
    ck_assert_int_eq(commit(COMMIT(.offset = 5)), 0);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(commit(members[i]), 25);
    }
    expect_committed("g", "a", 0, 5);
    ck_assert_int_eq(commit(COMMIT(.offset = 6, .member = "me")), 0);
    ck_assert_int_eq(commit(COMMIT(.offset = 7, .instance = "here")), 0);
    expect_committed("g", "a", 0, 7);
}
END_TEST

/* The offset is of the topic that there was when the commit came: it does not go to a new one of its name, which has
 * other records. The commit waits for its partition meanwhile. */
START_TEST(a_commit_is_of_the_topic_that_it_found)
{
    const commit_partition partition = {
        .committed_offset = 5, .committed_leader_epoch = -1, .committed_metadata = weir_text("")};
    const commit_topic topic = {
        .name = weir_text("a"), .partitions = &partition, .partitions_count = 1};
    struct weir_wire_offset_commit_request request;
    weir_wire_offset_commit_request_init(&request);
    request.group_id = weir_text("g");
    request.topics = &topic;
    request.topics_count = 1;
    struct call *made =
        stage_begin(&stage, 0, weir_handle_offset_commit, &weir_wire_offset_commit_request_type,
                    &weir_wire_offset_commit_response_type, 9, &request);
    struct weir_topic_request deletion = {.operation = WEIR_TOPIC_DELETE, .topic = weir_text("a")};
    struct weir_topic_request creation = {
        .operation = WEIR_TOPIC_CREATE, .topic = weir_text("a"), .partition_count = 2};
    ck_assert_int_eq(weir_broker_wait_begin(stage.engine.broker, &deletion.request, NULL), 0);
    weir_broker_topic(stage.engine.broker, &deletion);
    ck_assert_int_eq(weir_broker_wait_begin(stage.engine.broker, &creation.request, NULL), 0);
    weir_broker_topic(stage.engine.broker, &creation);
    ck_assert_int_eq(weir_broker_wait(stage.engine.broker, &deletion.request, NULL), 0);
    ck_assert_int_eq(weir_broker_wait(stage.engine.broker, &creation.request, NULL), 0);
    ck_assert_int_eq(made->outcome, PENDING);
    stage_wait(made);
    const struct weir_wire_offset_commit_response *answer = made->answer;
    ck_assert_int_eq(answer->topics[0].partitions[0].error_code,
                     WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* The group of a stream application is moved by its jobs alone. */
START_TEST(an_applications_group_is_not_moved)
{
    struct weir_offset_entry entry = {.partition = {weir_text("a"), 0}, .offset = 7};
    struct weir_commit_request own = {
        .group = weir_text("app"), .entries = &entry, .entry_count = 1, .is_application = true};
    ck_ok(weir_broker_wait_begin(stage.engine.broker, &own.request, NULL), NULL);
    weir_broker_commit_offsets(stage.engine.broker, &own);
    ck_ok(weir_broker_wait(stage.engine.broker, &own.request, &stage.engine.error),
          &stage.engine.error);
    ck_assert_int_eq(commit(COMMIT(.group = "app", .offset = 0)), 25);
    ck_assert_int_eq(commit(COMMIT(.group = "app", .offset = 0, .generation = 1)), 25);
    expect_committed("app", "a", 0, 7); /* and may be looked at */
}
END_TEST

/* Sorted by topic and partition; of a topic that is not the one it was committed for, none. */
START_TEST(all_that_a_group_has_committed_is_given)
{
    ck_assert_int_eq(commit(COMMIT(.topic = "b", .offset = 1)), 0);
    ck_assert_int_eq(commit(COMMIT(.partition = 1, .offset = 2)), 0);
    ck_assert_int_eq(commit(COMMIT(.offset = 3)), 0);
    ck_assert_int_eq(commit(COMMIT(.group = "other", .offset = 4)), 0);
    for (int16_t version = 2; version <= FETCH_MAX; version++) {
        group_answer answer = fetch_one(version, "g", NULL, 0);
        ck_assert_int_eq(answer.error_code, 0);
        ck_assert_uint_eq(answer.topics_count, 2);
        if (version < IDS_FROM) ck_assert(weir_slice_equal(answer.topics[0].name, weir_text("a")));
        if (version >= IDS_FROM) {
            ck_assert(weir_uuid_equal(answer.topics[0].topic_id, stage_topic_id(&stage, "a")));
        }
        ck_assert_uint_eq(answer.topics[0].partitions_count, 2);
        ck_assert_int_eq(answer.topics[0].partitions[0].committed_offset, 3);
        ck_assert_int_eq(answer.topics[0].partitions[1].committed_offset, 2);
        ck_assert_uint_eq(answer.topics[1].partitions_count, 1);
        ck_assert_int_eq(answer.topics[1].partitions[0].committed_offset, 1);
        ck_assert_uint_eq(fetch_one(version, "nobody", NULL, 0).topics_count, 0);
    }
    ck_ok(engine_delete(&stage.engine, "a"), &stage.engine.error);
    ck_assert_uint_eq(fetch_one(9, "g", NULL, 0).topics_count, 1);
    stage_create(&stage, "a", 2);
    ck_assert_uint_eq(fetch_one(9, "g", NULL, 0).topics_count, 1);
    expect_committed("g", "a", 0, -1);
    ck_assert_int_eq(commit(COMMIT(.offset = 9)), 0);
    ck_assert_uint_eq(fetch_one(9, "g", NULL, 0).topics_count, 2);
}
END_TEST

/* Each group has its own answer, in the order of the request; what is refused holds up nobody. */
START_TEST(several_groups_are_answered_together)
{
    enum { REFUSED = 2000 };
    static fetch_group groups[REFUSED + 3];
    int32_t partition = 0;
    fetch_topic topic = {weir_text("a"), {{0}}, &partition, 1};
    ck_assert_int_eq(commit(COMMIT(.offset = 3)), 0);
    ck_assert_int_eq(commit(COMMIT(.group = "h", .offset = 4)), 0);
    for (size_t i = 0; i < REFUSED + 3; i++) {
        groups[i] = (fetch_group){.group_id = weir_text(""), .member_epoch = -1};
    }
    groups[0] = (fetch_group){weir_text("g"), weir_null(), -1, &topic, 1};
    groups[REFUSED + 1] = (fetch_group){weir_text("h"), weir_null(), -1, NULL, 0};
    const struct weir_wire_offset_fetch_response *answer = fetch_groups(8, groups, REFUSED + 3);
    ck_assert_int_eq(answer->groups[0].topics[0].partitions[0].committed_offset, 3);
    ck_assert_int_eq(answer->groups[REFUSED + 1].topics[0].partitions[0].committed_offset, 4);
    ck_assert(weir_slice_equal(answer->groups[REFUSED + 1].group_id, weir_text("h")));
    ck_assert_int_eq(answer->groups[1].error_code, 24);
    ck_assert_int_eq(answer->groups[REFUSED + 2].error_code, 24);
    ck_assert_uint_eq(fetch_groups(8, NULL, 0)->groups_count, 0);
}
END_TEST

/* Whichever allocation fails: no answer and the connection ends, or one that is whole, and of a commit it is
 * known whether it holds. */
START_TEST(without_memory_nothing_is_half)
{
    struct weir_test_failures failures = {0};
    int64_t committed = 0;
    int64_t offset = 0;
    ck_assert_int_eq(commit(COMMIT(.offset = 0)), 0);
    while (weir_test_failures_next(&failures)) {
        commit_partition partition = {0, ++offset, -1, weir_null()};
        commit_topic topic = {weir_text("a"), {{0}}, &partition, 1};
        struct weir_wire_offset_commit_request request;
        weir_wire_offset_commit_request_init(&request);
        request.group_id = weir_text("g");
        request.topics = &topic;
        request.topics_count = 1;
        stage.failures = &failures;
        struct call *made =
            stage_begin(&stage, 0, weir_handle_offset_commit, &weir_wire_offset_commit_request_type,
                        &weir_wire_offset_commit_response_type, 9, &request);
        stage_wait(made);
        (void)weir_test_failures_disarm(&failures);
        stage.failures = NULL;
        const struct weir_wire_offset_commit_response *answer = made->answer;
        int16_t error_code =
            made->outcome == REPLIED ? answer->topics[0].partitions[0].error_code : -1;
        int64_t found = offset_of(9, "g", "a", 0).committed_offset;
        if (error_code == 0) committed = offset;
        ck_assert_msg(found == committed || (error_code != 0 && found == offset), "%d: %d, not %d",
                      error_code, (int)found, (int)committed);
        committed = found;
    }
    ck_assert_uint_gt(failures.hits, 5);
}
END_TEST

/* ---- coordinators ---------------------------------------------------------------------------- */

static const struct weir_wire_find_coordinator_response *
find(int16_t version, int8_t type, const struct weir_slice *keys, size_t count)
{
    struct weir_wire_find_coordinator_request request;
    weir_wire_find_coordinator_request_init(&request);
    request.key_type = type;
    if (version < 4) request.key = keys[0];
    if (version >= 4) {
        request.coordinator_keys = keys;
        request.coordinator_keys_count = count;
    }
    struct call *made = call(weir_handle_find_coordinator, &weir_wire_find_coordinator_request_type,
                             &weir_wire_find_coordinator_response_type, version, &request);
    ck_assert_int_eq(made->outcome, REPLIED);
    return made->answer;
}

/* This broker is the coordinator of every group and transactional id; there is none of share groups. */
START_TEST(this_broker_is_the_coordinator)
{
    struct weir_slice keys[] = {weir_text("g"), weir_text("h")};
    for (int16_t version = 0; version <= 6; version++) {
        for (int8_t type = 0; type <= (version > 0 ? 2 : 0); type++) {
            static const int16_t expected[] = {0, 0, 42};
            const struct weir_wire_find_coordinator_response *answer = find(version, type, keys, 2);
            ck_assert_uint_eq(answer->coordinators_count, version < 4 ? 0 : 2);
            bool is_flat = version < 4;
            int16_t error_code = is_flat ? answer->error_code : answer->coordinators[1].error_code;
            int32_t node = is_flat ? answer->node_id : answer->coordinators[1].node_id;
            int32_t port = is_flat ? answer->port : answer->coordinators[1].port;
            struct weir_slice host = is_flat ? answer->host : answer->coordinators[1].host;
            ck_assert_int_eq(error_code, expected[type]);
            ck_assert_int_eq(node, type < 2 ? WEIR_NODE_ID : -1);
            ck_assert((port > 0) == (type < 2) && (host.size > 0) == (type < 2));
            if (!is_flat) ck_assert(weir_slice_equal(answer->coordinators[1].key, keys[1]));
        }
    }
    ck_assert_uint_eq(find(6, 0, NULL, 0)->coordinators_count, 0);
    stage.forbids = true;
    ck_assert_int_eq(find(4, 0, keys, 1)->coordinators[0].error_code, 30);
    ck_assert_int_eq(find(4, 1, keys, 1)->coordinators[0].error_code, 53);
    stage.forbids = false;
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group offsets");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_offset_is_committed_and_given_in_every_version);
    tcase_add_test(tests, what_was_not_committed_is_no_error);
    tcase_add_test(tests, a_bad_partition_does_not_hold_up_the_others);
    tcase_add_test(tests, an_unknown_topic_id_is_told);
    tcase_add_loop_test(tests, a_group_without_a_name_or_a_right_is_refused, 0, 2);
    tcase_add_test(tests, who_names_a_generation_has_to_be_a_member);
    tcase_add_test(tests, a_commit_is_of_the_topic_that_it_found);
    tcase_add_test(tests, an_applications_group_is_not_moved);
    tcase_add_test(tests, all_that_a_group_has_committed_is_given);
    tcase_add_test(tests, several_groups_are_answered_together);
    tcase_add_test(tests, without_memory_nothing_is_half);
    tcase_add_test(tests, this_broker_is_the_coordinator);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group offsets", add);
}
