/* The server's door: what it answers first, where it may stand, how it closes. */
#include "tests/unit/broker/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"

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
        ck_assert_uint_eq(response.api_keys_count, 16);
        ck_assert_int_eq(find(&response, 0)->min_version, 0);
        ck_assert_int_eq(find(&response, 0)->max_version, 13);
        ck_assert_int_eq(find(&response, 1)->min_version, 4);
        ck_assert_int_eq(find(&response, 18)->max_version, 4);
        ck_assert_int_eq(response.finalized_features_epoch, -1);
    }
    ck_assert_int_eq(server_metrics(&stage).requests, 5);
    server_end(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *door = tcase_create("door");
    tcase_add_test(door, every_version_of_api_versions_is_answered);
    suite_add_tcase(suite, door);
}

int main(void)
{
    return weir_test_main("server", add);
}
