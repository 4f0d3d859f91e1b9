/* Produce requests of a transaction that is over, as raw requests: what version 1 of transactions cannot tell, and
 * version 2 refuses. tests/unit/broker/coordinator/test_late_produce.c has the rules, step by step. */
#include <time.h>

#include "tests/hostile/healthy.h"
#include "wire/error_codes.h"
#include "wire/generated/add_partitions_to_txn_request.h"
#include "wire/generated/add_partitions_to_txn_response.h"
#include "wire/generated/end_txn_request.h"
#include "wire/generated/end_txn_response.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch_reader.h"
#include "wire/request/committed_filter.h"

enum { FETCH_BYTES = 1 << 20, ABORTED_MAX = 8 };

/* What a client's release speaks. */
struct versions {
    int16_t produce;
    int16_t end_txn;
    bool adds_partitions; /* by a request of their own */
};
static const struct versions version_1 = {11, 4, true};
static const struct versions version_2 = {12, 5, false};

static const char id[] = "copies";
static const char topic_name[] = "late";
static struct hostile_server server;
static int peer;

struct producer {
    const struct versions *versions;
    int64_t producer_id;
    int16_t epoch;
};

/* ---- requests --------------------------------------------------------------------------------- */

static struct producer init_producer(const struct versions *versions)
{
    struct weir_wire_init_producer_id_request request;
    struct weir_wire_init_producer_id_response response;
    weir_wire_init_producer_id_request_init(&request);
    request.transactional_id = weir_text(id);
    request.transaction_timeout_ms = 60000;
    peer_call(&server, peer, PEER_EXCHANGE(init_producer_id, 5), &request, &response);
    ck_assert_int_eq(response.error_code, 0);
    return (struct producer){versions, response.producer_id, response.producer_epoch};
}

/* While the markers of the transaction before are being written it is asked again. */
static void add_partition(const struct producer *producer)
{
    static const int32_t zero = 0;
    struct weir_wire_add_partitions_to_txn_request request;
    struct weir_wire_add_partitions_to_txn_response response;
    struct weir_wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topic = {
        weir_text(topic_name), &zero, 1};
    int16_t number = WEIR_WIRE_CONCURRENT_TRANSACTIONS;
    if (!producer->versions->adds_partitions) return;
    weir_wire_add_partitions_to_txn_request_init(&request);
    request.v3_and_below_transactional_id = weir_text(id);
    request.v3_and_below_producer_id = producer->producer_id;
    request.v3_and_below_producer_epoch = producer->epoch;
    request.v3_and_below_topics = &topic;
    request.v3_and_below_topics_count = 1;
    while (number == WEIR_WIRE_CONCURRENT_TRANSACTIONS) {
        peer_call(&server, peer, PEER_EXCHANGE(add_partitions_to_txn, 3), &request, &response);
        number =
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
    }
    ck_assert_int_eq(number, 0);
}

static struct weir_slice batch_of(const struct producer *producer, int32_t sequence,
                                  const char *value)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_record record = {.value = weir_text(value),
                                 .timestamp_ms = (int64_t)time(NULL) * 1000};
    finish.producer_id = producer->producer_id;
    finish.producer_epoch = producer->epoch;
    finish.base_sequence = sequence;
    finish.is_transactional = true;
    weir_batch_builder_init(&builder, &server.budget, WEIR_CODEC_NONE, 0);
    ck_ok(weir_batch_builder_add(&builder, &record), NULL);
    ck_ok(weir_batch_builder_finish(&builder, &finish, &bytes), NULL);
    bytes = weir_arena_copy(&server.arena, bytes);
    weir_batch_builder_close(&builder);
    return bytes;
}

/* Kafka's number. Clients repeat what is answered with one that is retriable while markers are on their way. */
static int16_t send(const struct producer *producer, int32_t sequence, const char *value)
{
    struct weir_wire_produce_request request;
    struct weir_wire_produce_response response;
    struct weir_wire_produce_request_partition_produce_data data = {
        0, batch_of(producer, sequence, value)};
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text(topic_name), .partition_data = &data, .partition_data_count = 1};
    weir_wire_produce_request_init(&request);
    request.transactional_id = weir_text(id);
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    int16_t number = WEIR_WIRE_CONCURRENT_TRANSACTIONS;
    while (number == WEIR_WIRE_CONCURRENT_TRANSACTIONS || number == WEIR_WIRE_NOT_ENOUGH_REPLICAS) {
        peer_call(&server, peer, PEER_EXCHANGE(produce, producer->versions->produce), &request,
                  &response);
        number = response.responses[0].partition_responses[0].error_code;
    }
    return number;
}

static void finish(struct producer *producer, bool is_commit)
{
    struct weir_wire_end_txn_request request;
    struct weir_wire_end_txn_response response;
    weir_wire_end_txn_request_init(&request);
    request.transactional_id = weir_text(id);
    request.producer_id = producer->producer_id;
    request.producer_epoch = producer->epoch;
    request.committed = is_commit;
    response.error_code = WEIR_WIRE_CONCURRENT_TRANSACTIONS;
    while (response.error_code == WEIR_WIRE_CONCURRENT_TRANSACTIONS) {
        peer_call(&server, peer, PEER_EXCHANGE(end_txn, producer->versions->end_txn), &request,
                  &response);
    }
    ck_assert_int_eq(response.error_code, 0);
    if (producer->versions->end_txn >= 5) producer->epoch = response.producer_epoch;
}

/* ---- who reads committed ------------------------------------------------------------------------ */

static size_t take_letters(const struct weir_wire_fetch_response_partition_data *partition,
                           char *letters)
{
    struct weir_aborted_transaction aborted[ABORTED_MAX];
    struct weir_committed_filter filter;
    struct weir_batch_reader reader = {.rest = partition->records};
    struct weir_record record;
    size_t count = 0;
    ck_assert_uint_le(partition->aborted_transactions_count, ABORTED_MAX);
    for (size_t i = 0; i < partition->aborted_transactions_count; i++) {
        aborted[i] =
            (struct weir_aborted_transaction){partition->aborted_transactions[i].producer_id,
                                              partition->aborted_transactions[i].first_offset};
    }
    weir_committed_filter_begin(&filter, aborted, partition->aborted_transactions_count);
    while (weir_batch_reader_next(&reader, NULL) == 0) {
        if (weir_committed_filter_admit(&filter, &reader, NULL) != 0) continue;
        ck_ok(weir_batch_reader_open(&reader, NULL), NULL);
        while (weir_batch_reader_record(&reader, &record, NULL) == 0) {
            letters[count++] = (char)record.value.data[0];
        }
    }
    return count;
}

/* A letter per record, once nothing is open any more below `end`. */
static void expect_committed(int64_t end, const char *expected)
{
    char letters[64];
    struct weir_wire_fetch_request request;
    struct weir_wire_fetch_response response;
    struct weir_wire_fetch_request_fetch_partition partition = {.current_leader_epoch = -1,
                                                                .last_fetched_epoch = -1,
                                                                .log_start_offset = -1,
                                                                .partition_max_bytes = FETCH_BYTES};
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text(topic_name), .partitions = &partition, .partitions_count = 1};
    const struct weir_wire_fetch_response_partition_data *given = NULL;
    weir_wire_fetch_request_init(&request);
    request.isolation_level = 1;
    request.max_wait_ms = 0;
    request.max_bytes = FETCH_BYTES;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    while (given == NULL || given->last_stable_offset < end) {
        peer_call(&server, peer, PEER_EXCHANGE(fetch, 12), &request, &response);
        ck_assert_uint_eq(response.responses_count, 1);
        given = &response.responses[0].partitions[0];
        ck_assert_int_eq(given->error_code, 0);
    }
    letters[take_letters(given, letters)] = '\0';
    ck_assert_str_eq(letters, expected);
}

/* ---- stories ------------------------------------------------------------------------------------ */

static void begin(void)
{
    static const char *const settings[] = {"flush.policy=os", NULL};
    hostile_begin(&server, settings);
    healthy_create_topic(&server, topic_name, 1);
    peer = peer_open(&server);
}

static void end(void)
{
    peer_close(peer);
    hostile_end(&server);
}

/* The known hole: `b` was sent for the transaction that was aborted, and is committed with the next one. */
START_TEST(in_version_1_a_late_produce_is_taken_into_the_next_transaction)
{
    begin();
    struct producer producer = init_producer(&version_1);
    add_partition(&producer);
    ck_assert_int_eq(send(&producer, 0, "a"), 0);
    struct producer late = producer;
    finish(&producer, false);
    expect_committed(2, "");
    ck_assert_int_eq(send(&late, 1, "b"), WEIR_WIRE_TRANSACTION_ABORTABLE); /* nothing is open */
    add_partition(&producer);
    ck_assert_int_eq(send(&late, 1, "b"), 0);
    ck_assert_int_eq(send(&producer, 2, "c"), 0);
    finish(&producer, true);
    expect_committed(5, "bc");
    end();
}
END_TEST

/* Its epoch is over with its transaction: before the next one, in it, and behind it. */
START_TEST(in_version_2_a_late_produce_is_fenced)
{
    begin();
    struct producer producer = init_producer(&version_2);
    ck_assert_int_eq(send(&producer, 0, "a"), 0);
    struct producer late = producer;
    finish(&producer, false);
    expect_committed(2, "");
    ck_assert_int_eq(send(&late, 1, "b"), WEIR_WIRE_INVALID_PRODUCER_EPOCH);
    ck_assert_int_eq(send(&producer, 0, "c"), 0);
    ck_assert_int_eq(send(&late, 1, "b"), WEIR_WIRE_INVALID_PRODUCER_EPOCH);
    finish(&producer, true);
    expect_committed(4, "c");
    ck_assert_int_eq(send(&late, 1, "b"), WEIR_WIRE_INVALID_PRODUCER_EPOCH);
    end();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("late requests");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, in_version_1_a_late_produce_is_taken_into_the_next_transaction);
    tcase_add_test(tests, in_version_2_a_late_produce_is_fenced);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("hostile late requests", add);
}
