#include "tests/unit/server/handlers/data_stage.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "broker/broker_internal.h"
#include "broker/engine/request.h"
#include "wire/generated/describe_producers_request.h"
#include "wire/generated/describe_producers_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"
#include "wire/generated/write_txn_markers_request.h"
#include "wire/generated/write_txn_markers_response.h"

/* What the port says of transactions at partitions: who reads committed, who writes markers, who asks for producers. */

static struct stage stage;

/* Stands for the coordinator, and says yes. */
static void add_partitions(void *impl, struct weir_add_partitions_request *request)
{
    struct weir_engine *engine = &stage.engine.broker->engine;
    (void)impl;
    weir_request_set_out(engine, &request->base.request);
    request->base.request.shard = &engine->shards[0];
    request->rcs[0] = 0;
    weir_request_reply(&request->base.request, 0);
}

static void set_up(void)
{
    static const struct weir_transaction_owner_ops ops = {.add_partitions = add_partitions};
    stage_init(&stage);
    stage.engine.broker->engine.transactions = (struct weir_transaction_owner){&ops, NULL};
    stage_create(&stage, "a", 4);
}

static void tear_down(void)
{
    stage_end(&stage);
}

static void write_record(int32_t partition, int64_t id, int32_t sequence)
{
    struct weir_shared *batch = engine_producer_batch(&stage.engine, "value", id, sequence);
    batch->data[22] = WEIR_BATCH_TRANSACTIONAL;
    weir_store_u32(batch->data + 17, weir_crc32c(0, batch->data + WEIR_BATCH_CRC_FROM,
                                                 batch->size - WEIR_BATCH_CRC_FROM));
    struct weir_produce_request request = {
        .to = {weir_text("a"), partition},
        .batches = batch,
        .acks = WEIR_ACKS_ALL,
        .transactional_id = weir_text("payments"),
    };
    ck_assert_int_eq(weir_broker_wait_begin(stage.engine.broker, &request.request, NULL), 0);
    weir_broker_produce(stage.engine.broker, &request);
    ck_ok(weir_broker_wait(stage.engine.broker, &request.request, &stage.engine.error),
          &stage.engine.error);
    weir_shared_unref(batch);
}

/* ---- markers --------------------------------------------------------------------------------- */

typedef struct weir_wire_write_txn_markers_request_writable_txn_marker marker_asked;
typedef struct weir_wire_write_txn_markers_request_writable_txn_marker_topic topic_asked;

/* The error of the first marker at each of these partitions. */
static void write_markers(int16_t version, marker_asked marker, const int32_t *partitions,
                          size_t count, int16_t *errors_out)
{
    topic_asked topic = {
        .name = weir_text("a"), .partition_indexes = partitions, .partition_indexes_count = count};
    struct weir_wire_write_txn_markers_request request;
    weir_wire_write_txn_markers_request_init(&request);
    marker.topics = &topic;
    marker.topics_count = 1;
    request.markers = &marker;
    request.markers_count = 1;
    struct call *call = stage_begin(&stage, 0, weir_handle_write_txn_markers,
                                    &weir_wire_write_txn_markers_request_type,
                                    &weir_wire_write_txn_markers_response_type, version, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    const struct weir_wire_write_txn_markers_response *response = call->answer;
    ck_assert_uint_eq(response->markers_count, 1);
    ck_assert_int_eq(response->markers[0].producer_id, marker.producer_id);
    ck_assert_uint_eq(response->markers[0].topics_count, 1);
    ck_assert_uint_eq(response->markers[0].topics[0].partitions_count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(response->markers[0].topics[0].partitions[i].partition_index,
                         partitions[i]);
        errors_out[i] = response->markers[0].topics[0].partitions[i].error_code;
    }
}

static int16_t mark(int16_t version, int32_t partition, int64_t id, int16_t epoch, bool is_commit,
                    int8_t transaction_version)
{
    int16_t error;
    write_markers(version,
                  (marker_asked){.producer_id = id,
                                 .producer_epoch = epoch,
                                 .transaction_result = is_commit,
                                 .coordinator_epoch = 3,
                                 .transaction_version = transaction_version},
                  &partition, 1, &error);
    return error;
}

/* In both versions a marker ends what is open; what it may not, each partition says for itself. */
START_TEST(markers_are_written_in_every_version)
{
    static const int32_t partitions[] = {1, 77, 2};
    int16_t errors[3];
    write_record(0, 7, 0);
    ck_assert_int_eq(mark(1, 0, 7, 0, true, 0), 0);
    ck_assert_int_eq(mark(2, 0, 7, 0, true, 0), 0); /* again */
    write_record(1, 7, 0);
    ck_assert_int_eq(mark(2, 1, 7, 0, true, 2), 47); /* in version 2 it has a newer epoch */
    ck_assert_int_eq(mark(2, 1, 7, 1, true, 2), 0);
    write_markers(1, (marker_asked){.producer_id = 7, .coordinator_epoch = 2}, partitions, 3,
                  errors);
    ck_assert_int_eq(errors[0], 47);
    ck_assert_int_eq(errors[1], 3);
    ck_assert_int_eq(errors[2], 0);
    write_markers(1, (marker_asked){.producer_id = 7, .producer_epoch = 1, .coordinator_epoch = 2},
                  partitions, 1, errors);
    ck_assert_int_eq(errors[0], 52); /* of an older coordinator */
    ck_assert_int_eq(engine_latest(&stage.engine, "a", 0), 2);
}
END_TEST

/* Who may not alter the cluster ends nobody's transaction (RELIABILITY N11). */
START_TEST(forged_markers_are_refused)
{
    static const int32_t partitions[] = {0, 1};
    int16_t errors[2];
    write_record(0, 7, 0);
    stage.forbids = true;
    write_markers(1, (marker_asked){.producer_id = 7}, partitions, 2, errors);
    ck_assert_int_eq(errors[0], 31);
    ck_assert_int_eq(errors[1], 31);
    stage.forbids = false;
    ck_assert_int_eq(engine_latest(&stage.engine, "a", 0), 1);
}
END_TEST

/* ---- reading --------------------------------------------------------------------------------- */

/* Who reads committed is told where that ends, what was aborted of what it gets, and gets nothing that is open; who does
 * not is told nothing of aborts and gets all. */
START_TEST(a_fetch_says_what_was_aborted)
{
    write_record(0, 7, 0);                           /* 0 */
    write_record(0, 8, 0);                           /* 1 */
    ck_assert_int_eq(mark(1, 0, 7, 0, false, 0), 0); /* 2 */
    write_record(0, 7, 1);                           /* 3 */
    ck_assert_int_eq(mark(1, 0, 8, 0, true, 0), 0);  /* 4 */
    for (int16_t version = 4; version <= 18; version++) {
        struct fetch_spec spec = {.version = version, .session_epoch = -1, FROM(AT("a", 0, 0))};
        const struct weir_wire_fetch_response_partition_data *partition =
            fetched_at(fetch(&stage, &spec), 0);
        ck_assert_int_eq(partition->high_watermark, 5);
        ck_assert_int_eq(partition->last_stable_offset, 3);
        ck_assert_ptr_null(partition->aborted_transactions);
        ck_assert_int_eq(fetched_batches(partition), 5);
        spec.isolation = 1;
        partition = fetched_at(fetch(&stage, &spec), 0);
        ck_assert_int_eq(partition->high_watermark, 5);
        ck_assert_int_eq(partition->last_stable_offset, 3);
        ck_assert_uint_eq(partition->aborted_transactions_count, 1);
        ck_assert_int_eq(partition->aborted_transactions[0].producer_id, 7);
        ck_assert_int_eq(partition->aborted_transactions[0].first_offset, 0);
        ck_assert_int_eq(fetched_batches(partition), 3);
    }
}
END_TEST

/* A fetch that waits for committed records is answered when they are decided, and not when they come. */
START_TEST(a_waiting_fetch_hears_of_the_decision)
{
    struct fetch_spec spec = {.isolation = 1, .wait_ms = 60000, FROM(AT("a", 0, 0))};
    struct call *call = fetch_begin(&stage, &spec);
    write_record(0, 7, 0);
    write_record(0, 7, 1);
    stage_pass(&stage, 100);
    ck_assert_int_eq(call->outcome, PENDING);
    ck_assert_int_eq(mark(1, 0, 7, 0, true, 0), 0);
    stage_pass(&stage, 100);
    ck_assert_int_eq(call->outcome, REPLIED);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 3);
}
END_TEST

/* Within a session a reader may go over from one isolation to the other: what is watched for the one is asked for
 * anew. */
START_TEST(a_session_may_change_its_isolation)
{
    struct fetch_spec spec = {.isolation = 1, .wait_ms = 50, FROM(AT("a", 0, 0))};
    write_record(0, 7, 0);
    struct call *call = fetch(&stage, &spec);
    int32_t id = fetched(call)->session_id;
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 0);
    struct fetch_spec next = {.session_id = id, .session_epoch = 1, .wait_ms = 50};
    call = fetch(&stage, &next);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
    ck_assert_ptr_null(fetched_at(call, 0)->aborted_transactions);
    next.session_epoch = 2;
    next.isolation = 1;
    call = fetch(&stage, &next);
    ck_assert_uint_eq(fetched_count(call), 0); /* it is open still */
    ck_assert_int_eq(mark(1, 0, 7, 0, false, 0), 0);
    next.session_epoch = 3;
    call = fetch(&stage, &next);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_uint_eq(fetched_at(call, 0)->aborted_transactions_count, 1);
}
END_TEST

/* Memory that runs out on the way of an answer with aborted transactions is an end of the connection, and nothing is lost
 * of it. */
START_TEST(an_answer_with_aborts_may_find_no_memory)
{
    struct weir_test_failures failures = {0};
    write_record(0, 7, 0);
    ck_assert_int_eq(mark(1, 0, 7, 0, false, 0), 0);
    stage.failures = &failures;
    while (weir_test_failures_next(&failures)) {
        struct fetch_spec spec = {.session_epoch = -1, .isolation = 1, FROM(AT("a", 0, 0))};
        struct call *call = fetch(&stage, &spec);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(was_hit || call->outcome == REPLIED);
        if (call->outcome != REPLIED || fetched_at(call, 0)->error_code != 0) continue;
        ck_assert_uint_eq(fetched_at(call, 0)->aborted_transactions_count, 1);
    }
    stage.failures = NULL;
    ck_assert_uint_gt(failures.hits, 2);
}
END_TEST

static int64_t latest(int16_t version, int8_t isolation)
{
    struct weir_wire_list_offsets_request request;
    struct weir_wire_list_offsets_request_list_offsets_partition partition = {
        .timestamp = -1, .current_leader_epoch = -1};
    struct weir_wire_list_offsets_request_list_offsets_topic topic = {
        .name = weir_text("a"), .partitions = &partition, .partitions_count = 1};
    weir_wire_list_offsets_request_init(&request);
    request.replica_id = -1;
    request.isolation_level = isolation;
    request.topics = &topic;
    request.topics_count = 1;
    struct call *call =
        stage_begin(&stage, 0, weir_handle_list_offsets, &weir_wire_list_offsets_request_type,
                    &weir_wire_list_offsets_response_type, version, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    const struct weir_wire_list_offsets_response *response = call->answer;
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, 0);
    return response->topics[0].partitions[0].offset;
}

/* To who reads committed a partition ends where the first undecided transaction begins. */
START_TEST(the_latest_offset_is_as_the_reader_reads)
{
    write_record(0, 7, 0);
    ck_assert_int_eq(mark(1, 0, 7, 0, true, 0), 0);
    write_record(0, 7, 1);
    for (int16_t version = 2; version <= 11; version++) {
        ck_assert_int_eq(latest(version, 0), 3);
        ck_assert_int_eq(latest(version, 1), 2);
    }
    ck_assert_int_eq(latest(1, 0), 3);
}
END_TEST

/* ---- producers ------------------------------------------------------------------------------- */

static const struct weir_wire_describe_producers_response *describe(const int32_t *partitions,
                                                                    size_t count)
{
    struct weir_wire_describe_producers_request request;
    struct weir_wire_describe_producers_request_topic_request topic = {
        .name = weir_text("a"), .partition_indexes = partitions, .partition_indexes_count = count};
    weir_wire_describe_producers_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    struct call *call = stage_begin(&stage, 0, weir_handle_describe_producers,
                                    &weir_wire_describe_producers_request_type,
                                    &weir_wire_describe_producers_response_type, 0, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    return call->answer;
}

/* Who has written, who has something open since where, and whose epoch a marker has begun. */
START_TEST(producers_are_described)
{
    static const int32_t partitions[] = {0, 77, 3};
    write_record(0, 8, 0);
    ck_assert_int_eq(mark(2, 0, 8, 1, true, 2), 0);
    write_record(0, 7, 0);
    write_record(0, 7, 1);
    const struct weir_wire_describe_producers_response *response = describe(partitions, 3);
    ck_assert_uint_eq(response->topics_count, 1);
    const struct weir_wire_describe_producers_response_partition_response *partition =
        response->topics[0].partitions;
    ck_assert_int_eq(partition[0].error_code, 0);
    ck_assert_uint_eq(partition[0].active_producers_count, 2);
    const struct weir_wire_describe_producers_response_producer_state *producer =
        partition[0].active_producers;
    ck_assert_int_eq(producer[0].producer_id, 8);
    ck_assert_int_eq(producer[0].producer_epoch, 1);
    ck_assert_int_eq(producer[0].last_sequence, -1);
    ck_assert_int_gt(producer[0].last_timestamp, 0); /* the marker's */
    ck_assert_int_le(producer[0].last_timestamp, producer[1].last_timestamp);
    ck_assert_int_eq(producer[0].coordinator_epoch, 3);
    ck_assert_int_eq(producer[0].current_txn_start_offset, -1);
    ck_assert_int_eq(producer[1].producer_id, 7);
    ck_assert_int_eq(producer[1].producer_epoch, 0);
    ck_assert_int_eq(producer[1].last_sequence, 1);
    ck_assert_int_gt(producer[1].last_timestamp, 0);
    ck_assert_int_eq(producer[1].coordinator_epoch, -1);
    ck_assert_int_eq(producer[1].current_txn_start_offset, 2);
    ck_assert_int_eq(partition[1].error_code, 3);
    ck_assert(!weir_slice_is_null(partition[1].error_message));
    ck_assert_int_eq(partition[2].error_code, 0);
    ck_assert_uint_eq(partition[2].active_producers_count, 0);
    stage.forbids = true;
    ck_assert_int_eq(describe(partitions, 1)->topics[0].partitions[0].error_code, 29);
    stage.forbids = false;
}
END_TEST

/* More than a request may name ends the connection before memory is taken for it. */
START_TEST(too_many_places_end_the_connection)
{
    static int32_t many[10001];
    topic_asked topic = {weir_text("a"), many, 10001};
    marker_asked marker = {.topics = &topic, .topics_count = 1};
    struct weir_wire_write_txn_markers_request markers;
    weir_wire_write_txn_markers_request_init(&markers);
    markers.markers = &marker;
    markers.markers_count = 1;
    struct call *call = stage_begin(&stage, 0, weir_handle_write_txn_markers,
                                    &weir_wire_write_txn_markers_request_type,
                                    &weir_wire_write_txn_markers_response_type, 1, &markers);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, CLOSED);
    struct weir_wire_describe_producers_request_topic_request described = {weir_text("a"), many,
                                                                           10001};
    struct weir_wire_describe_producers_request producers = {&described, 1};
    call = stage_begin(&stage, 0, weir_handle_describe_producers,
                       &weir_wire_describe_producers_request_type,
                       &weir_wire_describe_producers_response_type, 0, &producers);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, CLOSED);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transactions");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, markers_are_written_in_every_version);
    tcase_add_test(tests, forged_markers_are_refused);
    tcase_add_test(tests, a_fetch_says_what_was_aborted);
    tcase_add_test(tests, a_waiting_fetch_hears_of_the_decision);
    tcase_add_test(tests, a_session_may_change_its_isolation);
    tcase_add_test(tests, an_answer_with_aborts_may_find_no_memory);
    tcase_add_test(tests, the_latest_offset_is_as_the_reader_reads);
    tcase_add_test(tests, producers_are_described);
    tcase_add_test(tests, too_many_places_end_the_connection);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server transaction markers", add);
}
