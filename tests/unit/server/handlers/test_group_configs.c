#include "tests/unit/server/handlers/data_stage.h"

#include <stdio.h>

#include "server/handlers/config_entries.h"
#include "wire/generated/alter_configs_request.h"
#include "wire/generated/alter_configs_response.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"
#include "wire/generated/describe_configs_request.h"
#include "wire/generated/describe_configs_response.h"
#include "wire/generated/incremental_alter_configs_request.h"
#include "wire/generated/incremental_alter_configs_response.h"
#include "wire/generated/list_config_resources_request.h"
#include "wire/generated/list_config_resources_response.h"

/* Settings of groups: changed, shown, listed, kept over a restart, and taken up by groups that run. */
enum { SET = 0, DELETE = 1, APPEND = 2 };
#define SESSION "consumer.session.timeout.ms"
#define INTERVAL "consumer.heartbeat.interval.ms"
#define ASSIGNMENT "consumer.assignment.interval.ms"
#define OFFLOAD "consumer.assignor.offload.enable"

typedef struct weir_wire_incremental_alter_configs_request_alterable_config change;
typedef struct weir_wire_incremental_alter_configs_response_alter_configs_resource_response outcome;
typedef struct weir_wire_describe_configs_response_describe_configs_resource_result setting;

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "orders", 2);
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

static bool is_text(struct weir_slice slice, const char *text)
{
    return weir_slice_equal(slice, weir_text(text));
}

static bool says(struct weir_slice message, const char *part)
{
    return message.data != NULL && memmem(message.data, message.size, part, strlen(part)) != NULL;
}

static const outcome *alter(const char *group, const change *changes, size_t count,
                            bool validate_only)
{
    const struct weir_wire_incremental_alter_configs_request_alter_configs_resource resource = {
        .resource_type = WEIR_RESOURCE_TYPE_GROUP,
        .resource_name = weir_text(group),
        .configs = changes,
        .configs_count = count,
    };
    struct weir_wire_incremental_alter_configs_request request;
    weir_wire_incremental_alter_configs_request_init(&request);
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = validate_only;
    const struct weir_wire_incremental_alter_configs_response *response =
        ASK(incremental_alter_configs, 1, &request);
    ck_assert_uint_eq(response->responses_count, 1);
    ck_assert_int_eq(response->responses[0].resource_type, WEIR_RESOURCE_TYPE_GROUP);
    return &response->responses[0];
}

static void set(const char *group, const char *key, const char *value)
{
    const change one = {.name = weir_text(key),
                        .config_operation = value != NULL ? SET : DELETE,
                        .value = value != NULL ? weir_text(value) : weir_null()};
    const outcome *told = alter(group, &one, 1, false);
    ck_assert_msg(told->error_code == 0, "%.*s", (int)told->error_message.size,
                  (const char *)told->error_message.data);
}

static const struct weir_wire_describe_configs_response_describe_configs_result *
describe(const char *group, bool with_synonyms)
{
    const struct weir_wire_describe_configs_request_describe_configs_resource asked = {
        .resource_type = WEIR_RESOURCE_TYPE_GROUP, .resource_name = weir_text(group)};
    struct weir_wire_describe_configs_request request;
    weir_wire_describe_configs_request_init(&request);
    request.resources = &asked;
    request.resources_count = 1;
    request.include_synonyms = with_synonyms;
    request.include_documentation = with_synonyms;
    const struct weir_wire_describe_configs_response *response = ASK(describe_configs, 4, &request);
    ck_assert_uint_eq(response->results_count, 1);
    return &response->results[0];
}

static const setting *show(const char *group, const char *key, bool with_synonyms)
{
    const struct weir_wire_describe_configs_response_describe_configs_result *result =
        describe(group, with_synonyms);
    ck_assert_int_eq(result->error_code, 0);
    for (size_t i = 0; i < result->configs_count; i++) {
        if (is_text(result->configs[i].name, key)) return &result->configs[i];
    }
    ck_abort_msg("'%s' is not shown", key);
}

static void check(const char *group, const char *key, const char *value, int8_t source)
{
    const setting *shown = show(group, key, false);
    ck_assert_msg(is_text(shown->value, value), "%s is '%.*s', not '%s'", key,
                  (int)shown->value.size, (const char *)shown->value.data, value);
    ck_assert_int_eq(shown->config_source, source);
}

/* Those of one group, whether it is there or not, and of no other. */
START_TEST(a_groups_settings_are_its_own)
{
    check("g", SESSION, "45000", WEIR_CONFIG_OF_KAFKA);
    check("g", INTERVAL, "5000", WEIR_CONFIG_OF_KAFKA);
    set("g", SESSION, "50000");
    set("g", INTERVAL, "6000");
    check("g", SESSION, "50000", WEIR_CONFIG_OF_GROUP);
    check("g", INTERVAL, "6000", WEIR_CONFIG_OF_GROUP);
    check("h", SESSION, "45000", WEIR_CONFIG_OF_KAFKA);
    const setting *shown = show("g", SESSION, true);
    ck_assert_int_eq(shown->config_type, 3);
    ck_assert_uint_gt(shown->documentation.size, 20);
    ck_assert_uint_eq(shown->synonyms_count, 2);
    ck_assert(is_text(shown->synonyms[0].name, SESSION));
    ck_assert(is_text(shown->synonyms[0].value, "50000"));
    ck_assert(is_text(shown->synonyms[1].name, "group.consumer.session.timeout.ms"));
    ck_assert(is_text(shown->synonyms[1].value, "45000"));
    ck_assert_int_eq(shown->synonyms[1].source, WEIR_CONFIG_OF_KAFKA);
    set("g", SESSION, NULL);
    check("g", SESSION, "45000", WEIR_CONFIG_OF_KAFKA);
    check("g", INTERVAL, "6000", WEIR_CONFIG_OF_GROUP);
}
END_TEST

/* Those of assignments: numbers and a choice, by the names, types and defaults of Kafka 4.3. */
START_TEST(assignments_have_settings)
{
    check("g", ASSIGNMENT, "1000", WEIR_CONFIG_OF_KAFKA);
    check("g", OFFLOAD, "true", WEIR_CONFIG_OF_KAFKA);
    set("g", ASSIGNMENT, "0");
    set("g", OFFLOAD, "false");
    check("g", ASSIGNMENT, "0", WEIR_CONFIG_OF_GROUP);
    check("g", OFFLOAD, "false", WEIR_CONFIG_OF_GROUP);
    check("h", OFFLOAD, "true", WEIR_CONFIG_OF_KAFKA);
    const setting *shown = show("g", OFFLOAD, true);
    ck_assert_int_eq(shown->config_type, 1);
    ck_assert(is_text(shown->synonyms[1].name, "group.consumer.assignor.offload.enable"));
    shown = show("g", ASSIGNMENT, true);
    ck_assert_int_eq(shown->config_type, 3);
    ck_assert(is_text(shown->synonyms[1].name, "group.consumer.assignment.interval.ms"));
    set("g", OFFLOAD, NULL);
    check("g", OFFLOAD, "true", WEIR_CONFIG_OF_KAFKA);
}
END_TEST

static void crash(void)
{
    engine_crash(&stage.engine, WEIR_SIM_POWER);
    struct weir_env *env = stage.engine.env;
    weir_budget_init(&stage.part.budget, "server", env->heap, env->budget, 0);
    ck_assert_int_eq(engine_open(&stage.engine), 0);
}

/* They are records of the metadata: there after a stop, and after a crash. */
START_TEST(settings_outlive_the_server)
{
    set("g", SESSION, "50000");
    ck_assert_int_eq(engine_close(&stage.engine), 0);
    ck_assert_int_eq(engine_open(&stage.engine), 0);
    check("g", SESSION, "50000", WEIR_CONFIG_OF_GROUP);
    set("g", INTERVAL, "7000");
    crash();
    check("g", SESSION, "50000", WEIR_CONFIG_OF_GROUP);
    check("g", INTERVAL, "7000", WEIR_CONFIG_OF_GROUP);
}
END_TEST

/* Each mistake has its number and its text, and changes nothing, not even what stands beside it. */
START_TEST(a_bad_setting_changes_nothing)
{
    static const struct {
        const char *key;
        int8_t operation;
        const char *value;
        int16_t error_code;
        const char *says;
    } bad[] = {
        {"consumer.sesion.timeout.ms", SET, "50000", WEIR_WIRE_INVALID_CONFIG, "did you mean"},
        {"share.session.timeout.ms", SET, "50000", WEIR_WIRE_INVALID_CONFIG,
         "share.session.timeout.ms"},
        {"retention.ms", DELETE, NULL, WEIR_WIRE_INVALID_CONFIG, "retention.ms"},
        {SESSION, SET, "44999", WEIR_WIRE_INVALID_CONFIG, "45000 to 60000"},
        {SESSION, SET, "60001", WEIR_WIRE_INVALID_CONFIG, "45000 to 60000"},
        {SESSION, SET, "long", WEIR_WIRE_INVALID_CONFIG, "long"},
        {ASSIGNMENT, SET, "15001", WEIR_WIRE_INVALID_CONFIG, "0 to 15000"},
        {ASSIGNMENT, SET, "-1", WEIR_WIRE_INVALID_CONFIG, "-1"},
        {OFFLOAD, SET, "1", WEIR_WIRE_INVALID_CONFIG, "true or false"},
        {SESSION, APPEND, "50000", WEIR_WIRE_INVALID_CONFIG, "not a list"},
        {INTERVAL, SET, "4999", WEIR_WIRE_INVALID_REQUEST, "twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const change changes[] = {
            {weir_text(INTERVAL), SET, weir_text("6000")},
            {weir_text(bad[i].key), bad[i].operation,
             bad[i].value != NULL ? weir_text(bad[i].value) : weir_null()},
        };
        const outcome *told = alter("g", changes, 2, false);
        ck_assert_msg(told->error_code == bad[i].error_code, "%zu: %d", i, told->error_code);
        ck_assert_msg(says(told->error_message, bad[i].says), "%zu: %.*s", i,
                      (int)told->error_message.size, (const char *)told->error_message.data);
        check("g", INTERVAL, "5000", WEIR_CONFIG_OF_KAFKA);
    }
    const change good = {weir_text(INTERVAL), SET, weir_text("6000")};
    ck_assert_int_eq(alter("", &good, 1, false)->error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(alter("g", &good, 1, true)->error_code, 0); /* it only looked */
    check("g", INTERVAL, "5000", WEIR_CONFIG_OF_KAFKA);
    stage.forbids = true;
    ck_assert_int_eq(alter("g", &good, 1, false)->error_code, WEIR_WIRE_GROUP_AUTHORIZATION_FAILED);
    ck_assert_int_eq(describe("g", false)->error_code, WEIR_WIRE_GROUP_AUTHORIZATION_FAILED);
    stage.forbids = false;
    ck_assert_int_eq(describe("", false)->error_code, WEIR_WIRE_INVALID_REQUEST);
    check("g", INTERVAL, "5000", WEIR_CONFIG_OF_KAFKA);
}
END_TEST

/* By AlterConfigs what is not named goes back to the server's. */
START_TEST(settings_are_replaced_as_a_whole)
{
    const struct weir_wire_alter_configs_request_alterable_config one = {weir_text(INTERVAL),
                                                                         weir_text("8000")};
    const struct weir_wire_alter_configs_request_alter_configs_resource resource = {
        WEIR_RESOURCE_TYPE_GROUP, weir_text("g"), &one, 1};
    struct weir_wire_alter_configs_request request;
    set("g", SESSION, "50000");
    weir_wire_alter_configs_request_init(&request);
    request.resources = &resource;
    request.resources_count = 1;
    const struct weir_wire_alter_configs_response *response = ASK(alter_configs, 2, &request);
    ck_assert_int_eq(response->responses[0].error_code, 0);
    check("g", SESSION, "45000", WEIR_CONFIG_OF_KAFKA);
    check("g", INTERVAL, "8000", WEIR_CONFIG_OF_GROUP);
}
END_TEST

/* ---- a group that runs ----------------------------------------------------------------------- */

static const struct weir_wire_consumer_group_heartbeat_response *heartbeat(const char *member,
                                                                           int32_t epoch)
{
    const struct weir_slice topic = weir_text("orders");
    struct weir_wire_consumer_group_heartbeat_request request;
    weir_wire_consumer_group_heartbeat_request_init(&request);
    request.group_id = weir_text("g");
    request.member_id = weir_text(member);
    request.member_epoch = epoch;
    if (epoch == 0) {
        request.rebalance_timeout_ms = 1000;
        request.subscribed_topic_names = &topic;
        request.subscribed_topic_names_count = 1;
        request.topic_partitions = weir_no_elements();
    }
    return ASK(consumer_group_heartbeat, 1, &request);
}

/* It is told its interval in the answer to the next heartbeat, and has its session from then on. */
START_TEST(a_running_group_takes_its_settings_up)
{
    int32_t epoch = heartbeat("me", 0)->member_epoch;
    set("g", SESSION, "60000");
    set("g", INTERVAL, "15000");
    stage_pass(&stage, 40000);
    const struct weir_wire_consumer_group_heartbeat_response *heard = heartbeat("me", epoch);
    ck_assert_int_eq(heard->error_code, 0);
    ck_assert_int_eq(heard->heartbeat_interval_ms, 15000);
    stage_pass(&stage, 55000); /* longer than the server's 45 s */
    ck_assert_int_eq(heartbeat("me", epoch)->error_code, 0);
    set("g", SESSION, NULL);
    set("g", INTERVAL, NULL);
    ck_assert_int_eq(heartbeat("me", epoch)->heartbeat_interval_ms, 5000);
    stage_pass(&stage, 55000);
    ck_assert_int_eq(heartbeat("me", epoch)->error_code, WEIR_WIRE_UNKNOWN_MEMBER_ID);
}
END_TEST

/* Two that come at once: the second has its part when the group's interval is over, or at once where that is 0. */
START_TEST(a_running_group_takes_its_assignment_interval_up)
{
    set("g", ASSIGNMENT, "15000");
    int32_t epoch = heartbeat("me", 0)->member_epoch;
    ck_assert_int_eq(heartbeat("you", 0)->member_epoch, epoch);
    stage_pass(&stage, 1500); /* longer than the server's */
    ck_assert_int_eq(heartbeat("you", epoch)->member_epoch, epoch);
    set("g", ASSIGNMENT, "0");
    ck_assert_int_eq(heartbeat("you", epoch)->member_epoch, epoch + 1);
}
END_TEST

/* A group that is loaded again after a crash begins its sessions by its own settings. */
START_TEST(a_group_is_loaded_with_its_settings)
{
    set("g", SESSION, "60000");
    int32_t epoch = heartbeat("me", 0)->member_epoch;
    crash();
    stage_pass(&stage, 55000);
    ck_assert_int_eq(heartbeat("me", epoch)->error_code, 0);
}
END_TEST

/* ---- list ------------------------------------------------------------------------------------ */

static const struct weir_wire_list_config_resources_response *
list(int16_t version, const int8_t *types, size_t count)
{
    struct weir_wire_list_config_resources_request request;
    weir_wire_list_config_resources_request_init(&request);
    request.resource_types = types;
    request.resource_types_count = count;
    return ASK(list_config_resources, version, &request);
}

/* Topics, the broker, and the groups that have been set to anything; by type or all, and none of those that Kafka has
 * and this server has not. */
START_TEST(what_has_settings_is_listed)
{
    static const int8_t group[] = {WEIR_RESOURCE_TYPE_GROUP};
    static const int8_t others[] = {WEIR_RESOURCE_TYPE_CLIENT_METRICS,
                                    WEIR_RESOURCE_TYPE_BROKER_LOGGER};
    static const int8_t unknown[] = {3};
    ck_assert_uint_eq(list(1, group, 1)->config_resources_count, 0);
    set("h", SESSION, "50000");
    set("g", SESSION, "50000");
    const struct weir_wire_list_config_resources_response *listed = list(1, group, 1);
    ck_assert_int_eq(listed->error_code, 0);
    ck_assert_uint_eq(listed->config_resources_count, 2);
    ck_assert(is_text(listed->config_resources[0].resource_name, "g"));
    ck_assert(is_text(listed->config_resources[1].resource_name, "h"));
    ck_assert_int_eq(listed->config_resources[1].resource_type, WEIR_RESOURCE_TYPE_GROUP);
    listed = list(1, NULL, 0);
    ck_assert_uint_eq(listed->config_resources_count, 4);
    ck_assert(is_text(listed->config_resources[0].resource_name, "orders"));
    ck_assert_int_eq(listed->config_resources[0].resource_type, WEIR_RESOURCE_TYPE_TOPIC);
    ck_assert(is_text(listed->config_resources[1].resource_name, "0"));
    ck_assert_int_eq(listed->config_resources[1].resource_type, WEIR_RESOURCE_TYPE_BROKER);
    ck_assert_uint_eq(list(1, others, 2)->config_resources_count, 0);
    ck_assert_uint_eq(list(0, NULL, 0)->config_resources_count, 0); /* of client metrics */
    ck_assert_int_eq(list(1, unknown, 1)->error_code, WEIR_WIRE_UNSUPPORTED_VERSION);
    stage.forbids = true;
    ck_assert_int_eq(list(1, group, 1)->error_code, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
    stage.forbids = false;
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group configs");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_groups_settings_are_its_own);
    tcase_add_test(tests, assignments_have_settings);
    tcase_add_test(tests, settings_outlive_the_server);
    tcase_add_test(tests, a_bad_setting_changes_nothing);
    tcase_add_test(tests, settings_are_replaced_as_a_whole);
    tcase_add_test(tests, a_running_group_takes_its_settings_up);
    tcase_add_test(tests, a_running_group_takes_its_assignment_interval_up);
    tcase_add_test(tests, a_group_is_loaded_with_its_settings);
    tcase_add_test(tests, what_has_settings_is_listed);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server group configs", add);
}
