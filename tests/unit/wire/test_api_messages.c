#include "tests/fuzz/message_round_trip.h"
#include "tests/support/support.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/generated/request_header.h"

/**
 * Bytes as Kafka's clients send and expect them, written by hand from the protocol guide: the old
 * forms, the compact ones and tagged fields. What every message does is test_all_messages.c.
 */

#define BYTES(...)                                                                                 \
    weir_slice(((const uint8_t[]){__VA_ARGS__}), sizeof(const uint8_t[]){__VA_ARGS__})

#define INT64_OF(low) 0, 0, 0, 0, 0, 0, 0, low
#define INT64_MINUS_1 255, 255, 255, 255, 255, 255, 255, 255

/* The message is these bytes, and these bytes are a message that encodes to them again. */
static void assert_bytes(const struct weir_message_type *type, const void *message, int16_t version,
                         struct weir_slice expected)
{
    struct message_stage stage;
    message_stage_init(&stage);
    ck_code(weir_message_encode(type, message, version, &stage.first), 0);
    ck_assert_msg(weir_slice_equal(weir_buffer_slice(&stage.first), expected),
                  "%s version %d is not the bytes expected", type->name, version);
    ck_code(message_round_trip(&stage, type, version, expected), 0);
    ck_assert(weir_slice_equal(weir_buffer_slice(&stage.first), expected));
    message_stage_close(&stage);
}

/* The client id keeps its old form in the flexible header, whose tags stand behind it. */
START_TEST(request_headers_keep_the_old_client_id)
{
    struct weir_request_header header = {
        .request_api_key = 18, .correlation_id = 7, .client_id = weir_text("kcat")};
    assert_bytes(&weir_request_header_type, &header, 1,
                 BYTES(0, 18, 0, 0, 0, 0, 0, 7, 0, 4, 'k', 'c', 'a', 't'));
    header.request_api_version = 3;
    assert_bytes(&weir_request_header_type, &header, 2,
                 BYTES(0, 18, 0, 3, 0, 0, 0, 7, 0, 4, 'k', 'c', 'a', 't', 0));
    header.client_id = weir_null();
    assert_bytes(&weir_request_header_type, &header, 2,
                 BYTES(0, 18, 0, 3, 0, 0, 0, 7, 255, 255, 0));
}
END_TEST

/* The first request is empty in the old versions and names the client in the flexible ones. */
START_TEST(api_versions_requests)
{
    struct weir_wire_api_versions_request request = {weir_text("kcat"), weir_text("1.7")};
    assert_bytes(&weir_wire_api_versions_request_type, &request, 3,
                 BYTES(5, 'k', 'c', 'a', 't', 4, '1', '.', '7', 0));
    struct message_stage stage;
    message_stage_init(&stage);
    ck_code(weir_wire_api_versions_request_encode(&request, 2, &stage.first), 0);
    ck_assert_uint_eq(stage.first.size, 0); /* the names are dropped */
    message_stage_close(&stage);
}
END_TEST

/* The answer to a version that is not known has the old form; the newer one ends in tagged fields. */
START_TEST(api_versions_responses)
{
    const struct weir_wire_api_versions_response_api_version versions = {
        .api_key = 18, .min_version = 0, .max_version = 4};
    struct weir_wire_api_versions_response response;
    weir_wire_api_versions_response_init(&response);
    response.error_code = 35;
    response.api_keys = &versions;
    response.api_keys_count = 1;
    assert_bytes(&weir_wire_api_versions_response_type, &response, 0,
                 BYTES(0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4));

    const struct weir_wire_api_versions_response_supported_feature_key feature = {
        .name = weir_text("f"), .min_version = 1, .max_version = 2};
    response.error_code = 0;
    response.supported_features = &feature;
    response.supported_features_count = 1;
    response.finalized_features_epoch = 5;
    assert_bytes(&weir_wire_api_versions_response_type, &response, 3,
                 BYTES(0, 0, 2, 0, 18, 0, 0, 0, 4, 0, /* one key and its tags */
                       0, 0, 0, 0,                    /* throttle time */
                       2,                             /* two tagged fields: */
                       0, 8, 2, 2, 'f', 0, 1, 0, 2, 0, 1, 8, INT64_OF(5)));
}
END_TEST

/* All topics are asked for by an empty list in version 0 and by null from 1 on. */
START_TEST(metadata_requests_for_all_topics)
{
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    assert_bytes(&weir_wire_metadata_request_type, &request, 0, BYTES(0, 0, 0, 0));
    assert_bytes(&weir_wire_metadata_request_type, &request, 1, BYTES(0, 0, 0, 0));
    request.topics = NULL;
    assert_bytes(&weir_wire_metadata_request_type, &request, 1, BYTES(255, 255, 255, 255));
    assert_bytes(&weir_wire_metadata_request_type, &request, 4, BYTES(255, 255, 255, 255, 1));
    assert_bytes(&weir_wire_metadata_request_type, &request, 9, BYTES(0, 1, 0, 0, 0));
    assert_bytes(&weir_wire_metadata_request_type, &request, 13, BYTES(0, 1, 0, 0));
}
END_TEST

/* A topic asked for by id has no name. */
START_TEST(metadata_requests_by_id)
{
    const struct weir_wire_metadata_request_metadata_request_topic topic = {
        .topic_id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, .name = weir_null()};
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    assert_bytes(&weir_wire_metadata_request_type, &request, 12,
                 BYTES(2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 1, 0, 0));
    struct message_stage stage;
    message_stage_init(&stage);
    ck_code(weir_wire_metadata_request_encode(&request, 9, &stage.first), WEIR_INVALID_ARGUMENT);
    message_stage_close(&stage);
}
END_TEST

/* Topics go by name up to version 12 and by id from 13 on. */
START_TEST(produce_requests)
{
    const struct weir_wire_produce_request_partition_produce_data partition = {
        .index = 1, .records = weir_text("abc")};
    const struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text("t"),
        .topic_id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
        .partition_data = &partition,
        .partition_data_count = 1};
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    assert_bytes(&weir_wire_produce_request_type, &request, 3,
                 BYTES(255, 255, 255, 255, 0, 0, 3, 232, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0,
                       1, 0, 0, 0, 3, 'a', 'b', 'c'));
    assert_bytes(
        &weir_wire_produce_request_type, &request, 9,
        BYTES(0, 255, 255, 0, 0, 3, 232, 2, 2, 't', 2, 0, 0, 0, 1, 4, 'a', 'b', 'c', 0, 0, 0));
    assert_bytes(&weir_wire_produce_request_type, &request, 13,
                 BYTES(0, 255, 255, 0, 0, 3, 232, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                       14, 15, 2, 0, 0, 0, 1, 4, 'a', 'b', 'c', 0, 0, 0));
}
END_TEST

/* A moved partition's new leader is told in tagged fields, which old versions do not have. */
START_TEST(produce_responses_with_a_new_leader)
{
    struct weir_wire_produce_response_partition_produce_response partition = {
        .error_code = 6,
        .base_offset = -1,
        .log_append_time_ms = -1,
        .log_start_offset = -1,
        .error_message = weir_null(),
        .current_leader = {.leader_id = -1, .leader_epoch = -1}};
    const struct weir_wire_produce_response_topic_produce_response topic = {
        .name = weir_text("t"), .partition_responses = &partition, .partition_responses_count = 1};
    struct weir_wire_produce_response response;
    weir_wire_produce_response_init(&response);
    response.responses = &topic;
    response.responses_count = 1;
    assert_bytes(&weir_wire_produce_response_type, &response, 3,
                 BYTES(0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 6, INT64_MINUS_1,
                       INT64_MINUS_1, 0, 0, 0, 0));

    const struct weir_wire_produce_response_node_endpoint leader = {
        .node_id = 1, .host = weir_text("h"), .port = 9092, .rack = weir_null()};
    partition.current_leader.leader_id = 1;
    partition.current_leader.leader_epoch = 3;
    response.node_endpoints = &leader;
    response.node_endpoints_count = 1;
    assert_bytes(&weir_wire_produce_response_type, &response, 10,
                 BYTES(2, 2, 't', 2, 0, 0, 0, 0, 0, 6, INT64_MINUS_1, INT64_MINUS_1, INT64_MINUS_1,
                       1, 0, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 3,
                       0,             /* the partition's one tagged field */
                       0, 0, 0, 0, 0, /* the topic's none, throttle time */
                       1, 0, 13, 2, 0, 0, 0, 1, 2, 'h', 0, 0, 35, 132, 0, 0));
    struct message_stage stage;
    message_stage_init(&stage);
    ck_code(weir_wire_produce_response_encode(&response, 9, &stage.first), WEIR_INVALID_ARGUMENT);
    message_stage_close(&stage);
}
END_TEST

static struct weir_wire_fetch_response
one_partition(const struct weir_wire_fetch_response_fetchable_topic_response *topic)
{
    struct weir_wire_fetch_response response;
    weir_wire_fetch_response_init(&response);
    response.responses = topic;
    response.responses_count = 1;
    return response;
}

static struct weir_wire_fetch_response_partition_data fetched(struct weir_slice records)
{
    return (struct weir_wire_fetch_response_partition_data){
        .high_watermark = 5,
        .last_stable_offset = 5,
        .diverging_epoch = {.epoch = -1, .end_offset = -1},
        .current_leader = {.leader_id = -1, .leader_epoch = -1},
        .snapshot_id = {.end_offset = -1, .epoch = -1},
        .preferred_read_replica = -1,
        .records = records,
    };
}

/* Records are bytes behind a length in either form; no aborted transactions are null. */
START_TEST(fetch_responses)
{
    const struct weir_wire_fetch_response_partition_data partition = fetched(weir_text("abc"));
    const struct weir_wire_fetch_response_fetchable_topic_response topic = {
        .topic = weir_text("t"), .partitions = &partition, .partitions_count = 1};
    struct weir_wire_fetch_response response = one_partition(&topic);
    assert_bytes(&weir_wire_fetch_response_type, &response, 4,
                 BYTES(0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, INT64_OF(5),
                       INT64_OF(5), 255, 255, 255, 255, 0, 0, 0, 3, 'a', 'b', 'c'));
    assert_bytes(&weir_wire_fetch_response_type, &response, 12,
                 BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 't', 2, 0, 0, 0, 0, 0, 0, INT64_OF(5),
                       INT64_OF(5), INT64_OF(0), 0, 255, 255, 255, 255, 4, 'a', 'b', 'c', 0, 0, 0));
}
END_TEST

/* Spliced, a fetch's answer has the lengths of records but not the records, and says where they go;
 * empty and null ones leave nothing to do. */
START_TEST(fetch_responses_are_spliced)
{
    const struct weir_wire_fetch_response_partition_data partitions[] = {
        fetched(weir_text("abc")), fetched(weir_text("")), fetched(weir_null()),
        fetched(weir_text("de"))};
    const struct weir_wire_fetch_response_fetchable_topic_response topic = {
        .topic = weir_text("t"), .partitions = partitions, .partitions_count = 4};
    struct weir_wire_fetch_response response = one_partition(&topic);
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_splices splices = {.arena = &stage.arena};
    weir_buffer_append(&stage.first, "head", 4);
    ck_code(weir_message_encode_spliced(&weir_wire_fetch_response_type, &response, 12, &stage.first,
                                        &splices),
            0);
    ck_assert_uint_eq(splices.count, 2);
    ck_assert_uint_eq(splices.size, 5);
    ck_assert_ptr_eq(splices.items[0].data, partitions[0].records.data);
    ck_assert_uint_eq(splices.items[0].size, 3);
    ck_assert_uint_eq(stage.first.data[splices.items[0].at - 1], 4); /* the length stays */
    ck_assert_ptr_eq(splices.items[1].data, partitions[3].records.data);
    ck_assert_uint_eq(stage.first.data[splices.items[1].at - 1], 3);
    ck_assert_uint_eq(stage.first.size + splices.size,
                      4 + weir_wire_fetch_response_size(&response, 12));
    message_stage_close(&stage);
}
END_TEST

/* What cannot be encoded, or not for want of memory, leaves buffer and splices as they were. */
START_TEST(a_failed_splice_leaves_nothing_behind)
{
    struct weir_wire_fetch_response_partition_data partitions[20];
    for (size_t i = 0; i < 20; i++) {
        partitions[i] = fetched(weir_text("abc"));
    }
    const struct weir_wire_fetch_response_fetchable_topic_response topic = {
        .topic = weir_text("t"), .partitions = partitions, .partitions_count = 20};
    struct weir_wire_fetch_response response = one_partition(&topic);
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_splices splices = {.arena = &stage.arena};
    response.session_id = 9; /* version 4 has no sessions */
    ck_code(weir_message_encode_spliced(&weir_wire_fetch_response_type, &response, 4, &stage.first,
                                        &splices),
            WEIR_INVALID_ARGUMENT);
    ck_assert_uint_eq(stage.first.size, 0);
    ck_assert_uint_eq(splices.count, 0);
    ck_assert_uint_eq(splices.size, 0);

    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        weir_buffer_close(&stage.first);
        weir_arena_close(&stage.arena);
        weir_arena_init(&stage.arena, &stage.budget, 1); /* each is an allocation of the heap's */
        weir_buffer_init(&stage.first, &stage.budget, 0);
        splices = (struct weir_splices){.arena = &stage.arena};
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = weir_message_encode_spliced(&weir_wire_fetch_response_type, &response, 12,
                                             &stage.first, &splices);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert_uint_eq(splices.count, rc == 0 ? 20 : 0);
        ck_assert_uint_eq(splices.size, rc == 0 ? 60 : 0);
        if (rc < 0) ck_assert_uint_eq(stage.first.size, 0);
    }
    ck_assert_uint_gt(failures.hits, 2);
    message_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("api messages");
    tcase_add_test(tests, request_headers_keep_the_old_client_id);
    tcase_add_test(tests, api_versions_requests);
    tcase_add_test(tests, api_versions_responses);
    tcase_add_test(tests, metadata_requests_for_all_topics);
    tcase_add_test(tests, metadata_requests_by_id);
    tcase_add_test(tests, produce_requests);
    tcase_add_test(tests, produce_responses_with_a_new_leader);
    tcase_add_test(tests, fetch_responses);
    tcase_add_test(tests, fetch_responses_are_spliced);
    tcase_add_test(tests, a_failed_splice_leaves_nothing_behind);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("api_messages", add);
}
