#include "tests/unit/server/handlers/data_stage.h"

#include <stdio.h>
#include "wire/generated/add_offsets_to_txn_request.h"
#include "wire/generated/add_offsets_to_txn_response.h"
#include "wire/generated/add_partitions_to_txn_request.h"
#include "wire/generated/add_partitions_to_txn_response.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/describe_transactions_request.h"
#include "wire/generated/describe_transactions_response.h"
#include "wire/generated/end_txn_request.h"
#include "wire/generated/end_txn_response.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"
#include "wire/generated/list_transactions_request.h"
#include "wire/generated/list_transactions_response.h"
#include "wire/topic_names.h"

/* The requests of transactions, in each of their versions; the rules are the coordinator's tests to say. */
enum { FENCED_INIT_FROM = 4, FENCED_FROM = 2, BATCHES_FROM = 4, EPOCH_FROM = 5 };

typedef struct weir_wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topic_asked;
typedef struct weir_wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction
    transaction_asked;
typedef struct weir_wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result
    topic_row;
typedef struct weir_wire_list_transactions_response listing;

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "a", 4);
    stage_create(&stage, "b", 1);
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
    return call->outcome == REPLIED ? call->answer : NULL;
}
#define ASK(name, version, request)                                                                \
    ask(weir_handle_##name, &weir_wire_##name##_request_type, &weir_wire_##name##_response_type,   \
        version, request)

struct producer {
    int64_t id;
    int16_t epoch;
};

static const struct weir_wire_init_producer_id_response *init(int16_t version, const char *name,
                                                              int64_t id, int16_t epoch)
{
    struct weir_wire_init_producer_id_request request;
    weir_wire_init_producer_id_request_init(&request);
    request.transactional_id = weir_text(name);
    request.transaction_timeout_ms = 60000;
    if (version >= 3) {
        request.producer_id = id;
        request.producer_epoch = epoch;
    }
    return ASK(init_producer_id, version, &request);
}

static struct producer begin(const char *name)
{
    const struct weir_wire_init_producer_id_response *answer = init(5, name, -1, -1);
    ck_assert_int_eq(answer->error_code, 0);
    return (struct producer){answer->producer_id, answer->producer_epoch};
}

/* Topics as one transaction's; the rows of the answer. */
static const topic_row *add(int16_t version, const char *name, struct producer producer,
                            const topic_asked *topics, size_t count, bool is_verify)
{
    struct weir_wire_add_partitions_to_txn_request request;
    weir_wire_add_partitions_to_txn_request_init(&request);
    transaction_asked transaction = {.transactional_id = weir_text(name),
                                     .producer_id = producer.id,
                                     .producer_epoch = producer.epoch,
                                     .verify_only = is_verify,
                                     .topics = topics,
                                     .topics_count = count};
    if (version >= BATCHES_FROM) {
        request.transactions = &transaction;
        request.transactions_count = 1;
    } else {
        request.v3_and_below_transactional_id = weir_text(name);
        request.v3_and_below_producer_id = producer.id;
        request.v3_and_below_producer_epoch = producer.epoch;
        request.v3_and_below_topics = topics;
        request.v3_and_below_topics_count = count;
    }
    const struct weir_wire_add_partitions_to_txn_response *answer =
        ASK(add_partitions_to_txn, version, &request);
    ck_assert_ptr_nonnull(answer);
    if (version < BATCHES_FROM) {
        ck_assert_uint_eq(answer->results_by_topic_v3_and_below_count, count);
        return answer->results_by_topic_v3_and_below;
    }
    ck_assert_int_eq(answer->error_code, 0);
    ck_assert_uint_eq(answer->results_by_transaction_count, 1);
    ck_assert(
        weir_slice_equal(answer->results_by_transaction[0].transactional_id, weir_text(name)));
    ck_assert_uint_eq(answer->results_by_transaction[0].topic_results_count, count);
    return answer->results_by_transaction[0].topic_results;
}

static int16_t add_one(int16_t version, const char *name, struct producer producer,
                       const char *topic, int32_t partition, bool is_verify)
{
    topic_asked asked = {weir_text(topic), &partition, 1};
    const topic_row *row = add(version, name, producer, &asked, 1, is_verify);
    ck_assert_int_eq(row->results_by_partition[0].partition_index, partition);
    return row->results_by_partition[0].partition_error_code;
}

static int16_t add_offsets(int16_t version, const char *name, struct producer producer,
                           const char *group)
{
    struct weir_wire_add_offsets_to_txn_request request;
    weir_wire_add_offsets_to_txn_request_init(&request);
    request.transactional_id = weir_text(name);
    request.producer_id = producer.id;
    request.producer_epoch = producer.epoch;
    request.group_id = weir_text(group);
    const struct weir_wire_add_offsets_to_txn_response *answer =
        ASK(add_offsets_to_txn, version, &request);
    ck_assert_ptr_nonnull(answer);
    return answer->error_code;
}

static const struct weir_wire_end_txn_response *end(int16_t version, const char *name,
                                                    struct producer producer, bool is_commit)
{
    struct weir_wire_end_txn_request request;
    weir_wire_end_txn_request_init(&request);
    request.transactional_id = weir_text(name);
    request.producer_id = producer.id;
    request.producer_epoch = producer.epoch;
    request.committed = is_commit;
    return ASK(end_txn, version, &request);
}

static const struct weir_wire_describe_transactions_response *describe(const struct weir_slice *ids,
                                                                       size_t count)
{
    struct weir_wire_describe_transactions_request request;
    weir_wire_describe_transactions_request_init(&request);
    request.transactional_ids = ids;
    request.transactional_ids_count = count;
    return ASK(describe_transactions, 0, &request);
}

/* ---- producers ---------------------------------------------------------------------------------- */

/* Each version gives the next epoch; who has had one before is fenced, by the number that its version knows. */
START_TEST(a_producer_begins_in_every_version)
{
    struct producer first = begin("t");
    for (int16_t version = 0; version <= 5; version++) {
        const struct weir_wire_init_producer_id_response *answer = init(version, "t", -1, -1);
        ck_assert_int_eq(answer->error_code, 0);
        ck_assert_int_eq(answer->producer_id, first.id);
        ck_assert_int_eq(answer->producer_epoch, version + 1);
    }
    for (int16_t version = 3; version <= 5; version++) {
        const struct weir_wire_init_producer_id_response *answer = init(version, "t", first.id, 2);
        ck_assert_int_eq(answer->error_code, version < FENCED_INIT_FROM
                                                 ? WEIR_WIRE_INVALID_PRODUCER_EPOCH
                                                 : WEIR_WIRE_PRODUCER_FENCED);
        ck_assert_int_eq(answer->producer_id, -1);
        ck_assert_int_eq(answer->producer_epoch, -1);
    }
    ck_assert_int_eq(init(5, "t", first.id, -1)->error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(init(5, "t", -1, 3)->error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(init(5, "t", -7, 3)->error_code, WEIR_WIRE_INVALID_REQUEST);
}
END_TEST

/* From partitions to the end, in each version of each request. */
START_TEST(a_transaction_ends_in_every_version)
{
    for (int16_t version = 0; version <= 5; version++) {
        for (int commits = 0; commits < 2; commits++) {
            struct producer producer = begin("t");
            int16_t other = version < 4 ? version : 4;
            ck_assert_int_eq(add_one(version, "t", producer, "a", 1, false), 0);
            ck_assert_int_eq(add_offsets(other, "t", producer, "g"), 0);
            const struct weir_wire_end_txn_response *ended = end(version, "t", producer, commits);
            ck_assert_int_eq(ended->error_code, 0);
            ck_assert_int_eq(ended->producer_id, version < EPOCH_FROM ? -1 : producer.id);
            ck_assert_int_eq(ended->producer_epoch, version < EPOCH_FROM ? -1 : producer.epoch + 1);
            stage_pass(&stage, 100);
            struct weir_slice id = weir_text("t");
            const struct weir_wire_describe_transactions_response *found = describe(&id, 1);
            ck_assert(weir_slice_equal(found->transaction_states[0].transaction_state,
                                       weir_text(commits ? "CompleteCommit" : "CompleteAbort")));
        }
    }
}
END_TEST

/* What is refused, with the number that the version knows. */
START_TEST(a_fenced_producer_is_told_so_in_every_version)
{
    struct producer old = begin("t");
    struct producer now = begin("t");
    struct producer other = {now.id + 1, now.epoch};
    for (int16_t version = 0; version <= 5; version++) {
        int16_t fenced =
            version < FENCED_FROM ? WEIR_WIRE_INVALID_PRODUCER_EPOCH : WEIR_WIRE_PRODUCER_FENCED;
        ck_assert_int_eq(add_one(version, "t", old, "a", 0, false), fenced);
        ck_assert_int_eq(end(version, "t", old, true)->error_code, fenced);
        ck_assert_int_eq(add_one(version, "t", other, "a", 0, false), 49);
        ck_assert_int_eq(end(version, "t", other, true)->error_code, 49);
        ck_assert_int_eq(end(version, "unknown", now, true)->error_code, 49);
        ck_assert_int_eq(end(version, "t", now, true)->error_code, 48);
        ck_assert_int_eq(end(version, "", now, true)->error_code, 42);
        if (version > 4) continue;
        ck_assert_int_eq(add_offsets(version, "t", old, "g"), fenced);
        ck_assert_int_eq(add_offsets(version, "t", other, "g"), 49);
        ck_assert_int_eq(add_offsets(version, "t", now, ""), WEIR_WIRE_INVALID_GROUP_ID);
    }
}
END_TEST

/* ---- partitions --------------------------------------------------------------------------------- */

/* One that cannot be keeps all others out; each is told which it is. */
START_TEST(all_partitions_are_added_or_none)
{
    int32_t of_a[] = {0, 9, 3};
    int32_t zero = 0;
    const topic_asked topics[] = {{weir_text("a"), of_a, 3},
                                  {weir_text("none"), &zero, 1},
                                  {weir_text(WEIR_CONSUMER_OFFSETS_TOPIC), &zero, 1}};
    struct producer producer = begin("t");
    for (int16_t version = 0; version <= 5; version++) {
        const topic_row *rows = add(version, "t", producer, topics, 3, false);
        ck_assert_int_eq(rows[0].results_by_partition[0].partition_error_code, 55);
        ck_assert_int_eq(rows[0].results_by_partition[1].partition_error_code, 3);
        ck_assert_int_eq(rows[0].results_by_partition[2].partition_error_code, 55);
        ck_assert_int_eq(rows[1].results_by_partition[0].partition_error_code, 3);
        ck_assert_int_eq(rows[2].results_by_partition[0].partition_error_code,
                         version < BATCHES_FROM ? 29 : 3);
    }
    struct weir_slice id = weir_text("t");
    ck_assert_uint_eq(describe(&id, 1)->transaction_states[0].topics_count, 0);
}
END_TEST

/* Brokers ask for several transactions at once, and whether partitions are in them. */
START_TEST(brokers_ask_for_many_transactions)
{
    enum { COUNT = 50 };
    char names[COUNT][16];
    int32_t partitions[] = {0, 1};
    topic_asked topic = {weir_text("a"), partitions, 2};
    transaction_asked transactions[COUNT];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof names[i], "t-%d", i);
        struct producer producer = begin(names[i]);
        ck_assert_int_eq(add_one(3, names[i], producer, "a", 1, false), 0);
        transactions[i] = (transaction_asked){.transactional_id = weir_text(names[i]),
                                              .producer_id = producer.id,
                                              .producer_epoch = producer.epoch,
                                              .verify_only = i % 2 == 0,
                                              .topics = &topic,
                                              .topics_count = 1};
    }
    struct weir_wire_add_partitions_to_txn_request request;
    weir_wire_add_partitions_to_txn_request_init(&request);
    request.transactions = transactions;
    request.transactions_count = COUNT;
    const struct weir_wire_add_partitions_to_txn_response *answer =
        ASK(add_partitions_to_txn, 4, &request);
    ck_assert_uint_eq(answer->results_by_transaction_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const topic_row *row = &answer->results_by_transaction[i].topic_results[0];
        ck_assert_int_eq(row->results_by_partition[0].partition_error_code, i % 2 == 0 ? 120 : 0);
        ck_assert_int_eq(row->results_by_partition[1].partition_error_code, 0);
    }
    request.transactions_count = 0;
    answer = ASK(add_partitions_to_txn, 4, &request);
    ck_assert_uint_eq(answer->results_by_transaction_count, 0);
}
END_TEST

/* More than any producer has ends the connection before memory is taken for it. */
START_TEST(too_many_partitions_end_the_connection)
{
    static int32_t many[10001];
    topic_asked topic = {weir_text("a"), many, 10001};
    struct weir_wire_add_partitions_to_txn_request request;
    weir_wire_add_partitions_to_txn_request_init(&request);
    request.v3_and_below_transactional_id = weir_text("t");
    request.v3_and_below_topics = &topic;
    request.v3_and_below_topics_count = 1;
    ck_assert_ptr_null(ASK(add_partitions_to_txn, 3, &request));
}
END_TEST

/* ---- people ------------------------------------------------------------------------------------- */

START_TEST(transactions_are_described)
{
    struct producer producer = begin("t");
    ck_assert_int_eq(add_one(3, "t", producer, "b", 0, false), 0);
    ck_assert_int_eq(add_one(3, "t", producer, "a", 2, false), 0);
    ck_assert_int_eq(add_one(3, "t", producer, "a", 1, false), 0);
    const struct weir_slice ids[] = {weir_text("t"), weir_text("none"), weir_text("")};
    const struct weir_wire_describe_transactions_response *answer = describe(ids, 3);
    ck_assert_uint_eq(answer->transaction_states_count, 3);
    const struct weir_wire_describe_transactions_response_transaction_state *row =
        &answer->transaction_states[0];
    ck_assert_int_eq(row->error_code, 0);
    ck_assert(weir_slice_equal(row->transaction_state, weir_text("Ongoing")));
    ck_assert_int_eq(row->producer_id, producer.id);
    ck_assert_int_eq(row->transaction_timeout_ms, 60000);
    ck_assert_int_gt(row->transaction_start_time_ms, 0);
    ck_assert_uint_eq(row->topics_count, 2);
    ck_assert(weir_slice_equal(row->topics[0].topic, weir_text("a")));
    ck_assert_uint_eq(row->topics[0].partitions_count, 2);
    ck_assert_int_eq(row->topics[0].partitions[1], 2);
    ck_assert_int_eq(answer->transaction_states[1].error_code, 105);
    ck_assert_int_eq(answer->transaction_states[2].error_code, 42);
}
END_TEST

static const listing *list(int16_t version, const struct weir_wire_list_transactions_request *asked)
{
    return ASK(list_transactions, version, asked);
}

/* By state, producer, time and pattern, as far as the version has them. */
START_TEST(transactions_are_listed)
{
    struct weir_wire_list_transactions_request request;
    const struct weir_slice states[] = {weir_text("Ongoing"), weir_text("Confused")};
    struct producer open = begin("orders-1");
    (void)begin("orders-2");
    (void)begin("views");
    ck_assert_int_eq(add_one(3, "orders-1", open, "a", 0, false), 0);
    stage_pass(&stage, 5000);
    for (int16_t version = 0; version <= 2; version++) {
        weir_wire_list_transactions_request_init(&request);
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 3);
        request.state_filters = states;
        request.state_filters_count = 2;
        const listing *answer = list(version, &request);
        ck_assert_uint_eq(answer->transaction_states_count, 1);
        ck_assert(weir_slice_equal(answer->transaction_states[0].transactional_id,
                                   weir_text("orders-1")));
        ck_assert_uint_eq(answer->unknown_state_filters_count, 1);
        ck_assert(weir_slice_equal(answer->unknown_state_filters[0], states[1]));
        request.state_filters = &states[1];
        request.state_filters_count = 1;
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 0);
        request.state_filters_count = 0;
        request.producer_id_filters = &open.id;
        request.producer_id_filters_count = 1;
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 1);
        request.producer_id_filters_count = 0;
        if (version < 1) continue;
        request.duration_filter = 4000;
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 1);
        request.duration_filter = 6000;
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 0);
        request.duration_filter = -1;
        if (version < 2) continue;
        request.transactional_id_pattern = weir_text("orders-.*");
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 2);
        request.transactional_id_pattern = weir_text("");
        ck_assert_uint_eq(list(version, &request)->transaction_states_count, 3);
        request.transactional_id_pattern = weir_text("(");
        ck_assert_int_eq(list(version, &request)->error_code, 128);
    }
}
END_TEST

/* ---- rights, announcements, memory ---------------------------------------------------------------- */

START_TEST(what_is_forbidden_is_refused)
{
    struct producer producer = begin("t");
    struct weir_slice id = weir_text("t");
    struct weir_wire_list_transactions_request all;
    weir_wire_list_transactions_request_init(&all);
    stage.forbids = true;
    ck_assert_int_eq(init(5, "t", -1, -1)->error_code, 53);
    ck_assert_int_eq(add_one(3, "t", producer, "a", 0, false), 53);
    ck_assert_int_eq(add_offsets(4, "t", producer, "g"), 53);
    ck_assert_int_eq(end(5, "t", producer, true)->error_code, 53);
    ck_assert_int_eq(describe(&id, 1)->transaction_states[0].error_code, 53);
    ck_assert_uint_eq(list(2, &all)->transaction_states_count, 0);
    struct weir_wire_add_partitions_to_txn_request request;
    weir_wire_add_partitions_to_txn_request_init(&request);
    const struct weir_wire_add_partitions_to_txn_response *answer =
        ASK(add_partitions_to_txn, 4, &request);
    ck_assert_int_eq(answer->error_code, 31);
    stage.forbids = false;
}
END_TEST

/* Clients speak version 2 of transactions where the feature says so. */
START_TEST(version_2_is_announced)
{
    struct weir_wire_api_versions_request request;
    weir_wire_api_versions_request_init(&request);
    request.client_software_name = weir_text("test");
    request.client_software_version = weir_text("1");
    for (int16_t version = 3; version <= 4; version++) {
        const struct weir_wire_api_versions_response *answer = ASK(api_versions, version, &request);
        bool is_found = false;
        for (size_t i = 0; i < answer->finalized_features_count; i++) {
            const struct weir_wire_api_versions_response_finalized_feature_key *feature =
                &answer->finalized_features[i];
            if (!weir_slice_equal(feature->name, weir_text("transaction.version"))) continue;
            ck_assert_int_eq(feature->max_version_level, 2);
            is_found = true;
        }
        ck_assert(is_found);
        ck_assert_uint_eq(answer->supported_features_count, version < 4 ? 0 : 2);
    }
}
END_TEST

/* Whatever memory is short for: an answer that says so, or no connection; and the transaction is as it was. */
START_TEST(without_memory_nothing_is_half)
{
    struct weir_test_failures failures = {0};
    int32_t partitions[] = {0, 1, 2};
    topic_asked topic = {weir_text("a"), partitions, 3};
    struct weir_slice id = weir_text("t");
    struct producer producer = begin("t");
    while (weir_test_failures_next(&failures)) {
        struct weir_wire_add_partitions_to_txn_request request;
        weir_wire_add_partitions_to_txn_request_init(&request);
        request.v3_and_below_transactional_id = id;
        request.v3_and_below_producer_id = producer.id;
        request.v3_and_below_producer_epoch = producer.epoch;
        request.v3_and_below_topics = &topic;
        request.v3_and_below_topics_count = 1;
        stage.failures = &failures;
        const struct weir_wire_add_partitions_to_txn_response *answer =
            ASK(add_partitions_to_txn, 3, &request);
        (void)weir_test_failures_disarm(&failures);
        stage.failures = NULL;
        int16_t error_code = answer == NULL ? -1
                                            : answer->results_by_topic_v3_and_below[0]
                                                  .results_by_partition[0]
                                                  .partition_error_code;
        const struct weir_wire_describe_transactions_response *found = describe(&id, 1);
        bool is_open = found->transaction_states[0].topics_count > 0;
        if (error_code == 0) ck_assert(is_open);
        if (is_open) {
            ck_assert_uint_eq(found->transaction_states[0].topics[0].partitions_count, 3);
            ck_assert_int_eq(end(3, "t", producer, false)->error_code, 0);
            stage_pass(&stage, 100);
        }
    }
    ck_assert_uint_gt(failures.hits, 5);
}
END_TEST

static void add_all(Suite *suite)
{
    TCase *tests = tcase_create("transactions");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_producer_begins_in_every_version);
    tcase_add_test(tests, a_transaction_ends_in_every_version);
    tcase_add_test(tests, a_fenced_producer_is_told_so_in_every_version);
    tcase_add_test(tests, all_partitions_are_added_or_none);
    tcase_add_test(tests, brokers_ask_for_many_transactions);
    tcase_add_test(tests, too_many_partitions_end_the_connection);
    tcase_add_test(tests, transactions_are_described);
    tcase_add_test(tests, transactions_are_listed);
    tcase_add_test(tests, what_is_forbidden_is_refused);
    tcase_add_test(tests, version_2_is_announced);
    tcase_add_test(tests, without_memory_nothing_is_half);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("handle transactions", add_all);
}
