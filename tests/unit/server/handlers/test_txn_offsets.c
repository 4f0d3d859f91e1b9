#include "tests/unit/server/handlers/data_stage.h"

#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"
#include "wire/generated/txn_offset_commit_request.h"
#include "wire/generated/txn_offset_commit_response.h"

/* TxnOffsetCommit, in all its versions. */

typedef struct weir_wire_txn_offset_commit_request_txn_offset_commit_request_topic topic_asked;
typedef struct weir_wire_txn_offset_commit_request_txn_offset_commit_request_partition
    partition_asked;

enum { VERSION_MAX = 5, MEMBER_FROM = 3 };

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

static struct weir_wire_txn_offset_commit_request a_request(void)
{
    struct weir_wire_txn_offset_commit_request request;
    weir_wire_txn_offset_commit_request_init(&request);
    request.transactional_id = weir_text("copier");
    request.group_id = weir_text("g");
    request.producer_id = 17;
    return request;
}

static const struct weir_wire_txn_offset_commit_response *
ask(int16_t version, const struct weir_wire_txn_offset_commit_request *request)
{
    struct call *made = stage_begin(&stage, 0, weir_handle_txn_offset_commit,
                                    &weir_wire_txn_offset_commit_request_type,
                                    &weir_wire_txn_offset_commit_response_type, version, request);
    stage_wait(made);
    ck_assert_int_eq(made->outcome, REPLIED);
    return made->answer;
}

static int16_t ask_one(int16_t version, struct weir_wire_txn_offset_commit_request request)
{
    partition_asked partition = {.partition_index = 1,
                                 .committed_offset = 5,
                                 .committed_leader_epoch = -1,
                                 .committed_metadata = weir_null()};
    topic_asked topic = {weir_text("a"), &partition, 1};
    request.topics = &topic;
    request.topics_count = 1;
    const struct weir_wire_txn_offset_commit_response *answer = ask(version, &request);
    ck_assert_uint_eq(answer->topics_count, 1);
    ck_assert(weir_slice_equal(answer->topics[0].name, weir_text("a")));
    ck_assert_uint_eq(answer->topics[0].partitions_count, 1);
    ck_assert_int_eq(answer->topics[0].partitions[0].partition_index, 1);
    return answer->topics[0].partitions[0].error_code;
}

/* Each partition that cannot be has its number, at its place. */
START_TEST(each_bad_partition_has_its_number)
{
    static char large[4098];
    memset(large, 'm', sizeof large - 1);
    const partition_asked of_a[] = {
        {2, 10, -1, weir_null()}, {1, 10, -1, weir_slice(large, 4097)}, {1, -5, -1, weir_null()}};
    const partition_asked of_none[] = {{0, 1, -1, weir_null()}};
    const topic_asked topics[] = {{weir_text("a"), of_a, 3}, {weir_text("none"), of_none, 1}};
    static const int16_t expected[] = {3, 12, 42, 3};
    for (int16_t version = 0; version <= VERSION_MAX; version++) {
        struct weir_wire_txn_offset_commit_request request = a_request();
        request.topics = topics;
        request.topics_count = 2;
        const struct weir_wire_txn_offset_commit_response *answer = ask(version, &request);
        ck_assert_uint_eq(answer->topics_count, 2);
        for (size_t i = 0; i < 4; i++) {
            const struct weir_wire_txn_offset_commit_response_txn_offset_commit_response_partition
                *row = i < 3 ? &answer->topics[0].partitions[i] : &answer->topics[1].partitions[0];
            ck_assert_int_eq(row->error_code, expected[i]);
            ck_assert_int_eq(row->partition_index, i < 3 ? of_a[i].partition_index : 0);
        }
    }
}
END_TEST

/* A transactional id and a group are to be written and read, and are to be named. */
START_TEST(who_may_not_is_refused)
{
    for (int16_t version = 0; version <= VERSION_MAX; version++) {
        struct weir_wire_txn_offset_commit_request request = a_request();
        stage.forbids = true;
        ck_assert_int_eq(ask_one(version, request), 53);
        stage.forbids = false;
        request.group_id = weir_text("");
        ck_assert_int_eq(ask_one(version, request), 24);
        request = a_request();
        request.transactional_id = weir_text("");
        ck_assert_int_eq(ask_one(version, request), 42);
        request = a_request();
        request.producer_id = -1;
        ck_assert_int_eq(ask_one(version, request), 42);
    }
}
END_TEST

/* Who says of which generation it is has to be in it; a group that is not there has none. */
START_TEST(a_generation_is_looked_at)
{
    for (int16_t version = MEMBER_FROM; version <= VERSION_MAX; version++) {
        struct weir_wire_txn_offset_commit_request request = a_request();
        request.generation_id = 3;
        request.member_id = weir_text("somebody");
        ck_assert_int_eq(ask_one(version, request), 22);
    }
}
END_TEST

/* ---- an open transaction ----------------------------------------------------------------------- */

struct producer {
    int64_t id;
    int16_t epoch;
};

static struct producer init_producer(void)
{
    struct weir_init_transactions_request request = {
        .base = {.transactional_id = weir_text("copier"),
                 .producer_id = -1,
                 .producer_epoch = -1,
                 .is_version_2 = true},
        .timeout_ms = 60000,
    };
    struct weir_broker *broker = stage.engine.broker;
    ck_ok(weir_broker_wait_begin(broker, &request.base.request, NULL), NULL);
    weir_broker_init_transactions(broker, &request);
    ck_ok(weir_broker_wait(broker, &request.base.request, &stage.engine.error),
          &stage.engine.error);
    return (struct producer){request.producer_id, request.producer_epoch};
}

/* Of version 1: told to the coordinator before. */
static void add_offsets(struct producer producer)
{
    struct weir_add_offsets_request request = {
        .base = {.transactional_id = weir_text("copier"),
                 .producer_id = producer.id,
                 .producer_epoch = producer.epoch},
        .group = weir_text("g"),
    };
    struct weir_broker *broker = stage.engine.broker;
    ck_ok(weir_broker_wait_begin(broker, &request.base.request, NULL), NULL);
    weir_broker_add_offsets(broker, &request);
    ck_ok(weir_broker_wait(broker, &request.base.request, &stage.engine.error),
          &stage.engine.error);
}

static void end_transaction(struct producer producer, bool is_version_2, bool is_commit)
{
    struct weir_end_transaction_request request = {
        .base = {.transactional_id = weir_text("copier"),
                 .producer_id = producer.id,
                 .producer_epoch = producer.epoch,
                 .is_version_2 = is_version_2},
        .is_commit = is_commit,
    };
    struct weir_broker *broker = stage.engine.broker;
    ck_ok(weir_broker_wait_begin(broker, &request.base.request, NULL), NULL);
    weir_broker_end_transaction(broker, &request);
    ck_ok(weir_broker_wait(broker, &request.base.request, &stage.engine.error),
          &stage.engine.error);
}

/* Of partition 1 of topic a. */
static struct weir_wire_offset_fetch_response_offset_fetch_response_partitions
fetch_offset(bool requires_stable)
{
    int32_t partition = 1;
    struct weir_wire_offset_fetch_request_offset_fetch_request_topics topic = {
        .name = weir_text("a"), .partition_indexes = &partition, .partition_indexes_count = 1};
    struct weir_wire_offset_fetch_request_offset_fetch_request_group group = {
        .group_id = weir_text("g"), .member_epoch = -1, .topics = &topic, .topics_count = 1};
    struct weir_wire_offset_fetch_request request;
    weir_wire_offset_fetch_request_init(&request);
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = requires_stable;
    struct call *made =
        stage_begin(&stage, 0, weir_handle_offset_fetch, &weir_wire_offset_fetch_request_type,
                    &weir_wire_offset_fetch_response_type, 8, &request);
    stage_wait(made);
    ck_assert_int_eq(made->outcome, REPLIED);
    const struct weir_wire_offset_fetch_response *answer = made->answer;
    ck_assert_int_eq(answer->groups[0].error_code, 0);
    return answer->groups[0].topics[0].partitions[0];
}

/* The offset once nothing is pending of it: each question lets the markers come closer. */
static int64_t stable_offset(void)
{
    for (int i = 0; i < 1000; i++) {
        int16_t error_code = fetch_offset(true).error_code;
        if (error_code == 0) return fetch_offset(true).committed_offset;
        ck_assert_int_eq(error_code, 88);
        weir_sim_advance_ms(stage.engine.sim, 1);
    }
    return -2;
}

/* In every version an offset is nobody's until the marker: who wants what is stable is told to wait, others see what was
 * there before. A commit moves it, an abort leaves it. From version 5 on the transaction hears of the group by itself. */
START_TEST(an_offset_moves_with_its_transaction)
{
    int64_t before = -1;
    for (int16_t version = 0; version <= VERSION_MAX; version++) {
        bool is_version_2 = version >= 5;
        struct producer producer = init_producer();
        struct weir_wire_txn_offset_commit_request request = a_request();
        request.producer_id = producer.id;
        request.producer_epoch = producer.epoch;
        if (!is_version_2) {
            /* Nobody has added the group: before version 4 there was no number for that. */
            ck_assert_int_eq(ask_one(version, request), version < 4 ? 48 : 120);
            add_offsets(producer);
        }
        ck_assert_int_eq(ask_one(version, request), 0);
        ck_assert_int_eq(fetch_offset(true).error_code, 88);
        ck_assert_int_eq(fetch_offset(true).committed_offset, -1);
        ck_assert_int_eq(fetch_offset(false).error_code, 0);
        ck_assert_int_eq(fetch_offset(false).committed_offset, before);
        end_transaction(producer, is_version_2, _i == 0);
        if (_i == 0) before = 5;
        ck_assert_int_eq(stable_offset(), before);
        request.producer_epoch = 0; /* an older producer's */
        if (version > 0) ck_assert_int_ne(ask_one(version, request), 0);
        ck_assert_int_eq(stable_offset(), before);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("txn offsets");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, each_bad_partition_has_its_number);
    tcase_add_test(tests, who_may_not_is_refused);
    tcase_add_test(tests, a_generation_is_looked_at);
    tcase_add_loop_test(tests, an_offset_moves_with_its_transaction, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("txn offsets", add);
}
