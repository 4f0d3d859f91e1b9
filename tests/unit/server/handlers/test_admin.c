/* The cluster, log directories and the heads of logs, over the wire. */
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/delete_records_request.h"
#include "wire/generated/delete_records_response.h"
#include "wire/generated/describe_cluster_request.h"
#include "wire/generated/describe_cluster_response.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/describe_log_dirs_response.h"

static struct server_stage stage;

static void set_up(void)
{
    server_begin(&stage, 9);
}

static void tear_down(void)
{
    server_end(&stage);
}

static void produce(const char *topic, int32_t partition, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_ge(engine_produce(&stage.engine, topic, partition, "value", WEIR_ACKS_ALL),
                         0);
    }
}

/* ---- the cluster ----------------------------------------------------------------------------- */

static struct weir_wire_describe_cluster_response describe_cluster(int16_t version, int8_t endpoint,
                                                                   bool asks_operations)
{
    struct weir_wire_describe_cluster_request request;
    struct weir_wire_describe_cluster_response response;
    weir_wire_describe_cluster_request_init(&request);
    request.endpoint_type = endpoint;
    request.include_cluster_authorized_operations = asks_operations;
    server_call(&stage, &weir_wire_describe_cluster_request_type, version, &request,
                &weir_wire_describe_cluster_response_type, &response);
    return response;
}

/* One broker, which is the controller too, at the address that the client came in by. */
START_TEST(the_cluster_is_one_broker)
{
    for (int16_t version = 0; version <= 2; version++) {
        struct weir_wire_describe_cluster_response response = describe_cluster(version, 1, false);
        ck_assert_int_eq(response.error_code, 0);
        ck_assert(weir_slice_is_null(response.error_message));
        ck_assert_int_eq(response.endpoint_type, 1);
        ck_assert_int_eq(response.controller_id, 0);
        ck_assert_uint_eq(response.brokers_count, 1);
        ck_assert_int_eq(response.brokers[0].broker_id, 0);
        ck_assert(weir_slice_equal(response.brokers[0].host, weir_text("node-0")));
        ck_assert_int_eq(response.brokers[0].port, 9092);
        ck_assert(weir_slice_equal(response.cluster_id,
                                   weir_text(weir_broker_cluster_id(stage.engine.broker))));
        ck_assert_int_eq(response.cluster_authorized_operations, INT32_MIN);
        response = describe_cluster(version, 1, true);
        ck_assert_int_eq(response.cluster_authorized_operations, 0x1fa0);
    }
}
END_TEST

/* Who asks for controllers at a broker's port, or for something unheard of, is told so. */
START_TEST(controllers_are_not_here)
{
    struct weir_wire_describe_cluster_response response = describe_cluster(2, 2, false);
    ck_assert_int_eq(response.error_code, WEIR_WIRE_MISMATCHED_ENDPOINT_TYPE);
    ck_assert_uint_gt(response.error_message.size, 0);
    ck_assert_uint_eq(response.brokers_count, 0);
    response = describe_cluster(1, 9, false);
    ck_assert_int_eq(response.error_code, WEIR_WIRE_UNSUPPORTED_ENDPOINT_TYPE);
    ck_assert_uint_eq(response.brokers_count, 0);
}
END_TEST

/* ---- log directories ------------------------------------------------------------------------- */

#define ASKED_DIRS struct weir_wire_describe_log_dirs_request_describable_log_dir_topic
#define DIRECTORY struct weir_wire_describe_log_dirs_response_describe_log_dirs_result

static DIRECTORY describe_dirs(int16_t version, const ASKED_DIRS *topics, size_t count)
{
    struct weir_wire_describe_log_dirs_request request;
    struct weir_wire_describe_log_dirs_response response;
    weir_wire_describe_log_dirs_request_init(&request);
    request.topics = topics;
    request.topics_count = count;
    server_call(&stage, &weir_wire_describe_log_dirs_request_type, version, &request,
                &weir_wire_describe_log_dirs_response_type, &response);
    ck_assert_int_eq(response.error_code, 0);
    ck_assert_uint_eq(response.results_count, 1);
    ck_assert_int_eq(response.results[0].error_code, 0);
    return response.results[0];
}

/* All partitions with their sizes, those that hold records larger than those that do not; none is
 * opened for it. */
START_TEST(all_partitions_are_measured)
{
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
    ck_ok(engine_create(&stage.engine, "orders", 40), NULL);
    produce("orders", 33, 3);
    for (int16_t version = 1; version <= 5; version++) {
        DIRECTORY directory = describe_dirs(version, NULL, 0);
        ck_assert(weir_slice_equal(directory.log_dir, weir_text(ENGINE_PATH)));
        ck_assert_int_eq(directory.total_bytes, -1);
        ck_assert(!directory.is_cordoned);
        ck_assert_uint_eq(directory.topics_count, 2);
        ck_assert(weir_slice_equal(directory.topics[0].name, weir_text("clicks")));
        ck_assert_uint_eq(directory.topics[1].partitions_count, 40);
        for (size_t i = 0; i < 40; i++) {
            ck_assert_int_eq(directory.topics[1].partitions[i].partition_index, (int32_t)i);
            ck_assert_int_eq(directory.topics[1].partitions[i].partition_size > 0, i == 33);
            ck_assert_int_eq(directory.topics[1].partitions[i].offset_lag, 0);
            ck_assert(!directory.topics[1].partitions[i].is_future_key);
        }
    }
    struct weir_broker_metrics metrics;
    weir_broker_metrics(stage.engine.broker, &metrics);
    ck_assert_int_eq(metrics.open_partitions, 1 + 1); /* the metadata's, and the one written to */
}
END_TEST

/* Of those asked for what is not there is left out. */
START_TEST(chosen_partitions_are_measured)
{
    static const int32_t some[] = {1, 7, 0, -1};
    static const int32_t none[] = {9};
    const ASKED_DIRS topics[] = {{weir_text("orders"), some, 4},
                                 {weir_text("missing"), some, 4},
                                 {weir_text("clicks"), none, 1}};
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
    ck_ok(engine_create(&stage.engine, "orders", 2), NULL);
    DIRECTORY directory = describe_dirs(5, topics, 3);
    ck_assert_uint_eq(directory.topics_count, 1);
    ck_assert(weir_slice_equal(directory.topics[0].name, weir_text("orders")));
    ck_assert_uint_eq(directory.topics[0].partitions_count, 2);
    ck_assert_int_eq(directory.topics[0].partitions[0].partition_index, 1);
    ck_assert_int_eq(directory.topics[0].partitions[1].partition_index, 0);
    ck_assert_uint_eq(describe_dirs(1, weir_no_elements(), 0).topics_count, 0);
}
END_TEST

/* ---- the heads of logs ----------------------------------------------------------------------- */

#define CUT struct weir_wire_delete_records_request_delete_records_partition
#define CUT_TOPIC struct weir_wire_delete_records_request_delete_records_topic
#define CUT_RESULT struct weir_wire_delete_records_response_delete_records_partition_result

static struct weir_wire_delete_records_response cut(int16_t version, const CUT_TOPIC *topics,
                                                    size_t count)
{
    struct weir_wire_delete_records_request request;
    struct weir_wire_delete_records_response response;
    weir_wire_delete_records_request_init(&request);
    request.topics = topics;
    request.topics_count = count;
    server_call(&stage, &weir_wire_delete_records_request_type, version, &request,
                &weir_wire_delete_records_response_type, &response);
    ck_assert_uint_eq(response.topics_count, count);
    return response;
}

static CUT_RESULT cut_one(int16_t version, const char *topic, int32_t partition, int64_t offset)
{
    const CUT one = {partition, offset};
    const CUT_TOPIC asked = {weir_text(topic), &one, 1};
    struct weir_wire_delete_records_response response = cut(version, &asked, 1);
    ck_assert(weir_slice_equal(response.topics[0].name, asked.name));
    ck_assert_uint_eq(response.topics[0].partitions_count, 1);
    ck_assert_int_eq(response.topics[0].partitions[0].partition_index, partition);
    return response.topics[0].partitions[0];
}

static int64_t start_of(const char *topic, int32_t partition)
{
    return engine_describe_partition(&stage.engine, topic, partition).state.start_offset;
}

/* Records below an offset are given up, and the log's new start is answered; going back is not
 * possible, and says where it is. */
START_TEST(the_head_of_a_log_is_given_up)
{
    ck_ok(engine_create(&stage.engine, "orders", 2), NULL);
    produce("orders", 0, 10);
    produce("orders", 1, 10);
    for (int16_t version = 0; version <= 2; version++) {
        CUT_RESULT result = cut_one(version, "orders", 1, 3 + version);
        ck_assert_int_eq(result.error_code, 0);
        ck_assert_int_eq(result.low_watermark, 3 + version);
        ck_assert_int_eq(start_of("orders", 1), 3 + version);
    }
    ck_assert_int_eq(cut_one(2, "orders", 1, 0).low_watermark, 5);
    ck_assert_int_eq(cut_one(2, "orders", 1, -1).low_watermark, 10);
    ck_assert_int_eq(start_of("orders", 1), 10);
    ck_assert_int_eq(start_of("orders", 0), 0);
}
END_TEST

/* Offsets that are not there, partitions that are not, logs that may not be cut: each its number, and
 * nothing is given up. */
START_TEST(what_may_not_be_cut_is_refused)
{
    const struct weir_config_entry compacted = {.key = "cleanup.policy", .value = "compact"};
    struct weir_topic_request table = {
        .operation = WEIR_TOPIC_CREATE,
        .topic = weir_text("table"),
        .partition_count = 1,
        .configs = &compacted,
        .config_count = 1,
    };
    ck_ok(engine_topic(&stage.engine, &table), &table.request.error);
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    produce("orders", 0, 2);
    produce("table", 0, 2);
    ck_assert_int_eq(cut_one(0, "orders", 0, 3).error_code, WEIR_WIRE_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(cut_one(0, "orders", 0, -2).error_code, WEIR_WIRE_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(cut_one(0, "orders", 1, 0).error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(cut_one(0, "orders", -1, 0).error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(cut_one(2, "missing", 0, 0).error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(cut_one(2, "a/b", 0, 0).error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    CUT_RESULT refused = cut_one(2, "table", 0, 1);
    ck_assert_int_eq(refused.error_code, WEIR_WIRE_POLICY_VIOLATION);
    ck_assert_int_eq(refused.low_watermark, -1);
    ck_assert_int_eq(start_of("orders", 0), 0);
    ck_assert_int_eq(start_of("table", 0), 0);
}
END_TEST

/* The committed offsets are not for clients to cut. */
START_TEST(internal_logs_are_not_cut)
{
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    ck_ok(engine_commit(&stage.engine, "group", "orders", 0, 1), NULL);
    ck_assert_int_eq(cut_one(2, "__consumer_offsets", 0, -1).error_code,
                     WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_eq(engine_committed(&stage.engine, "group", "orders", 0), 1);
}
END_TEST

/* Partitions of several topics are answered where they were asked, each on its own. */
START_TEST(partitions_are_cut_one_by_one)
{
    static const CUT orders[] = {{0, 2}, {1, 99}, {0, 1}};
    static const CUT clicks[] = {{0, -1}};
    const CUT_TOPIC topics[] = {{weir_text("orders"), orders, 3},
                                {weir_text("missing"), clicks, 1},
                                {weir_text("clicks"), clicks, 1}};
    ck_ok(engine_create(&stage.engine, "orders", 2), NULL);
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
    produce("orders", 0, 5);
    produce("clicks", 0, 4);
    struct weir_wire_delete_records_response response = cut(2, topics, 3);
    ck_assert_int_eq(response.topics[0].partitions[0].low_watermark, 2);
    ck_assert_int_eq(response.topics[0].partitions[1].error_code, WEIR_WIRE_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(response.topics[0].partitions[2].low_watermark, 2);
    ck_assert_int_eq(response.topics[1].partitions[0].error_code,
                     WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(response.topics[2].partitions[0].low_watermark, 4);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("admin");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_cluster_is_one_broker);
    tcase_add_test(tests, controllers_are_not_here);
    tcase_add_test(tests, all_partitions_are_measured);
    tcase_add_test(tests, chosen_partitions_are_measured);
    tcase_add_test(tests, the_head_of_a_log_is_given_up);
    tcase_add_test(tests, what_may_not_be_cut_is_refused);
    tcase_add_test(tests, internal_logs_are_not_cut);
    tcase_add_test(tests, partitions_are_cut_one_by_one);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server/handlers/admin", add);
}
