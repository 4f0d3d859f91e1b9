/* The server's door: what it answers first, where it may stand, how it closes. */
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"

static struct weir_wire_api_versions_request good_names(void)
{
    struct weir_wire_api_versions_request request;
    weir_wire_api_versions_request_init(&request);
    request.client_software_name = weir_text("apache-kafka-java");
    request.client_software_version = weir_text("4.3.0");
    return request;
}

static struct weir_wire_api_versions_response ask(struct server_stage *stage, int16_t version,
                                                  struct weir_wire_api_versions_request request)
{
    struct weir_wire_api_versions_response response;
    server_call(stage, &weir_wire_api_versions_request_type, version, &request,
                &weir_wire_api_versions_response_type, &response);
    return response;
}

static const struct weir_wire_api_versions_response_api_version *
find(const struct weir_wire_api_versions_response *response, int16_t key)
{
    for (size_t i = 0; i < response->api_keys_count; i++) {
        if (response->api_keys[i].api_key == key) return &response->api_keys[i];
    }
    return NULL;
}

/* Every version of ApiVersions is answered with the ranges that are served; Produce is announced
 * from 0, for the sake of old librdkafka. */
START_TEST(every_version_of_api_versions_is_answered)
{
    struct server_stage stage;
    server_begin(&stage, 1);
    for (int16_t version = 0; version <= 4; version++) {
        struct weir_wire_api_versions_response response = ask(&stage, version, good_names());
        ck_assert_int_eq(response.error_code, WEIR_WIRE_NONE);
        ck_assert_uint_eq(response.api_keys_count, 42);
        ck_assert_int_eq(find(&response, 0)->min_version, 0);
        ck_assert_int_eq(find(&response, 0)->max_version, 13);
        ck_assert_int_eq(find(&response, 1)->min_version, 4);
        ck_assert_int_eq(find(&response, 18)->max_version, 4);
        ck_assert_int_eq(response.finalized_features_epoch, version < 3 ? -1 : 0);
    }
    ck_assert_int_eq(server_metrics(&stage).requests, 5);
    server_end(&stage);
}
END_TEST

/* ---- where it may stand ---------------------------------------------------------------------- */

/* Without security only this machine is let in, and the refusal says how to open the port. */
START_TEST(another_address_than_loopback_is_refused)
{
    static const char *const open_to_all[] = {"0.0.0.0:9092", "node-0:9092", "node-0"};
    static const char *const malformed[] = {"",         "9092", "localhost:",  "localhost:99999",
                                            "::1:9092", "a:b",  "127.0.0.1:-1"};
    struct engine engine;
    struct weir_server *server = NULL;
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_server_options options = {.broker = engine.broker};
    for (size_t i = 0; i < sizeof open_to_all / sizeof open_to_all[0]; i++) {
        options.address = open_to_all[i];
        ck_code(weir_server_open(&options, &server, &engine.error), WEIR_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(engine.error.text, "--insecure-listen"));
        ck_assert_ptr_nonnull(strstr(engine.error.text, "`insecure`"));
    }
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        options.address = malformed[i];
        ck_code(weir_server_open(&options, &server, &engine.error), WEIR_INVALID_ARGUMENT);
        ck_assert_ptr_null(strstr(engine.error.text, "--insecure-listen"));
    }
    options.address = "localhost:0";
    ck_ok(weir_server_open(&options, &server, &engine.error), &engine.error);
    weir_server_close(server);
    engine_end(&engine);
}
END_TEST

/* Two servers at one address: the second is refused and leaves nothing behind; also where they have
 * several shards, which share an address among themselves. */
START_TEST(an_address_in_use_is_refused)
{
    for (int32_t shards = 1; shards <= 3; shards += 2) {
        struct server_stage stage;
        struct weir_server *second = NULL;
        server_init(&stage, 2);
        stage.engine.options.shard_count = shards;
        server_open(&stage);
        ck_code(weir_server_open(&stage.options, &second, &stage.engine.error), WEIR_LOCKED);
        ck_assert_ptr_null(second);
        ck_assert_int_eq(ask(&stage, 1, good_names()).error_code, WEIR_WIRE_NONE);
        server_end(&stage);
    }
}
END_TEST

/* A setting that is not right is refused before anything listens. */
START_TEST(a_bad_setting_is_refused)
{
    struct server_stage stage;
    server_init(&stage, 3);
    ck_ok(engine_open(&stage.engine), &stage.engine.error);
    stage.options.broker = stage.engine.broker;
    server_config(&stage, "max.connections", "many");
    ck_code(weir_server_open(&stage.options, &stage.server, &stage.engine.error),
            WEIR_INVALID_CONFIG);
    stage.options.config_count = 0;
    ck_ok(weir_server_open(&stage.options, &stage.server, &stage.engine.error),
          &stage.engine.error);
    server_end(&stage);
}
END_TEST

static struct weir_wire_metadata_response describe(struct server_stage *stage)
{
    struct weir_wire_metadata_request request;
    struct weir_wire_metadata_response response;
    weir_wire_metadata_request_init(&request);
    server_call(stage, &weir_wire_metadata_request_type, 9, &request,
                &weir_wire_metadata_response_type, &response);
    ck_assert_uint_eq(response.brokers_count, 1);
    return response;
}

/* Clients are told the address they came in by, or else the advertised one, which may be a name. */
START_TEST(clients_are_told_where_they_are)
{
    struct server_stage stage;
    server_begin(&stage, 4);
    struct weir_wire_metadata_response response = describe(&stage);
    ck_assert(weir_slice_equal(response.brokers[0].host, weir_text("node-0")));
    ck_assert_int_eq(response.brokers[0].port, 9092);
    server_end(&stage);

    server_init(&stage, 5);
    stage.options.advertised_address = "kafka.example.org:19092";
    server_open(&stage);
    response = describe(&stage);
    ck_assert(weir_slice_equal(response.brokers[0].host, weir_text("kafka.example.org")));
    ck_assert_int_eq(response.brokers[0].port, 19092);
    server_end(&stage);
}
END_TEST

/* Open, serve, close, and again on the same engine: the address is free and the memory is back. */
START_TEST(a_server_can_be_opened_again)
{
    struct server_stage stage;
    server_begin(&stage, 6);
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(ask(&stage, 3, good_names()).error_code, WEIR_WIRE_NONE);
        weir_server_close(stage.server);
        raw_close(&stage.client);
        size_t used = atomic_load(&stage.engine.env->budget->used);
        if (round > 0) ck_assert_uint_eq(used, before);
        before = used;
        ck_ok(weir_server_open(&stage.options, &stage.server, &stage.engine.error),
              &stage.engine.error);
        raw_open(&stage.client, weir_sim_node(stage.engine.sim, 1),
                 weir_server_address(stage.server));
    }
    server_end(&stage);
}
END_TEST

/* Whichever allocation of opening fails: NO_MEMORY and nothing left, or a server. */
START_TEST(any_allocation_of_opening_may_fail)
{
    struct server_stage stage;
    server_init(&stage, 7);
    stage.engine.options.shard_count = 2;
    ck_ok(engine_open(&stage.engine), &stage.engine.error);
    stage.options.broker = stage.engine.broker;
    struct weir_heap *heap = stage.engine.env->heap;
    size_t before = atomic_load(&stage.engine.env->budget->used);
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        weir_test_failures_arm(&failures, heap);
        int rc = weir_server_open(&stage.options, &stage.server, &stage.engine.error);
        bool was_hit = weir_test_failures_disarm(&failures);
        if (rc == 0) weir_server_close(stage.server);
        ck_assert(rc == 0 || (was_hit && rc == WEIR_NO_MEMORY));
        ck_assert_uint_eq(atomic_load(&stage.engine.env->budget->used), before);
    }
    stage.server = NULL;
    server_end(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *door = tcase_create("door");
    tcase_add_test(door, every_version_of_api_versions_is_answered);
    tcase_add_test(door, another_address_than_loopback_is_refused);
    tcase_add_test(door, an_address_in_use_is_refused);
    tcase_add_test(door, a_bad_setting_is_refused);
    tcase_add_test(door, clients_are_told_where_they_are);
    tcase_add_test(door, a_server_can_be_opened_again);
    tcase_add_test(door, any_allocation_of_opening_may_fail);
    suite_add_tcase(suite, door);
}

int main(void)
{
    return weir_test_main("server", add);
}
