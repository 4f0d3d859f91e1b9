/* Settings are described and altered over the wire, with Kafka's numbers and sources. */
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/alter_configs_request.h"
#include "wire/generated/alter_configs_response.h"
#include "server/handlers/outcome.h"
#include "wire/generated/describe_configs_request.h"
#include "wire/generated/describe_configs_response.h"
#include "wire/generated/incremental_alter_configs_request.h"
#include "wire/generated/incremental_alter_configs_response.h"

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8 };
enum { OF_TOPIC = 1, OF_BROKER = 4, OF_KAFKA = 5 };
enum { SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3 };

static struct server_stage stage;

static void open_server(void)
{
    server_open(&stage);
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
}

static void set_up(void)
{
    server_init(&stage, 7);
}

static void tear_down(void)
{
    server_end(&stage);
}

static bool is_text(struct weir_slice slice, const char *text)
{
    return weir_slice_equal(slice, weir_text(text));
}

static bool says(struct weir_slice message, const char *part)
{
    return message.data != NULL && memmem(message.data, message.size, part, strlen(part)) != NULL;
}

/* ---- describe -------------------------------------------------------------------------------- */

#define ASKED struct weir_wire_describe_configs_request_describe_configs_resource
#define RESULT struct weir_wire_describe_configs_response_describe_configs_result
#define SETTING struct weir_wire_describe_configs_response_describe_configs_resource_result

static RESULT describe(int16_t version, ASKED asked, bool in_full)
{
    struct weir_wire_describe_configs_request request;
    struct weir_wire_describe_configs_response response;
    weir_wire_describe_configs_request_init(&request);
    request.resources = &asked;
    request.resources_count = 1;
    request.include_synonyms = in_full;
    request.include_documentation = in_full && version >= 3;
    server_call(&stage, &weir_wire_describe_configs_request_type, version, &request,
                &weir_wire_describe_configs_response_type, &response);
    ck_assert_uint_eq(response.results_count, 1);
    ck_assert_int_eq(response.results[0].resource_type, asked.resource_type);
    ck_assert(weir_slice_equal(response.results[0].resource_name, asked.resource_name));
    return response.results[0];
}

static RESULT describe_topic(const char *name, bool in_full)
{
    return describe(4, (ASKED){.resource_type = TOPIC, .resource_name = weir_text(name)}, in_full);
}

static const SETTING *find(const RESULT *result, const char *key)
{
    for (size_t i = 0; i < result->configs_count; i++) {
        if (is_text(result->configs[i].name, key)) return &result->configs[i];
    }
    ck_abort_msg("'%s' is not shown", key);
}

static void check_topic(const char *topic, const char *key, const char *value, int8_t source)
{
    RESULT result = describe_topic(topic, false);
    const SETTING *setting = find(&result, key);
    ck_assert_msg(is_text(setting->value, value), "%s is '%.*s', not '%s'", key,
                  (int)setting->value.size, (const char *)setting->value.data, value);
    ck_assert_int_eq(setting->config_source, source);
}

/* Every version shows what Streams and the tools read, with the source of each value. */
START_TEST(a_topics_settings_are_shown_in_every_version)
{
    static const char *const keys[] = {"cleanup.policy", "retention.ms", "retention.bytes",
                                       "message.timestamp.type", "min.insync.replicas"};
    open_server();
    for (int16_t version = 1; version <= 4; version++) {
        RESULT result = describe(
            version, (ASKED){.resource_type = TOPIC, .resource_name = weir_text("orders")}, false);
        ck_assert_int_eq(result.error_code, 0);
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            const SETTING *setting = find(&result, keys[i]);
            ck_assert_int_eq(setting->config_source, OF_KAFKA);
            ck_assert(!setting->read_only && !setting->is_sensitive);
            ck_assert_uint_eq(setting->synonyms_count, 0);
            ck_assert_uint_eq(setting->documentation.size, 0);
        }
        ck_assert(is_text(find(&result, "cleanup.policy")->value, "delete"));
        ck_assert(is_text(find(&result, "retention.ms")->value, "604800000"));
    }
}
END_TEST

/* Types are Kafka's numbers, from version 3 on; texts come when they are asked for. */
START_TEST(types_and_texts_are_shown)
{
    open_server();
    RESULT result = describe_topic("orders", true);
    ck_assert_int_eq(find(&result, "cleanup.policy")->config_type, 7);
    ck_assert_int_eq(find(&result, "compression.type")->config_type, 2);
    ck_assert_int_eq(find(&result, "retention.ms")->config_type, 5);
    ck_assert_int_eq(find(&result, "min.insync.replicas")->config_type, 3);
    ck_assert(says(find(&result, "retention.ms")->documentation, "How long"));
}
END_TEST

/* What a topic says of its records is shown to any client, and is of no broker. */
START_TEST(formats_are_shown)
{
    const struct weir_config_entry entry = {.key = "weir.value.format", .value = "struct[a:i64]"};
    struct weir_topic_request alter = {
        .operation = WEIR_TOPIC_ALTER_CONFIG,
        .topic = weir_text("orders"),
        .configs = &entry,
        .config_count = 1,
    };
    open_server();
    check_topic("orders", "weir.value.format", "", OF_KAFKA);
    ck_ok(engine_topic(&stage.engine, &alter), &alter.request.error);
    check_topic("orders", "weir.value.format", "struct[a:i64]", OF_TOPIC);
    check_topic("orders", "weir.key.format", "", OF_KAFKA);
    check_topic("clicks", "weir.value.format", "", OF_KAFKA);
    RESULT result =
        describe(4, (ASKED){.resource_type = BROKER, .resource_name = weir_text("0")}, false);
    for (size_t i = 0; i < result.configs_count; i++) {
        ck_assert(!is_text(result.configs[i].name, "weir.value.format"));
    }
}
END_TEST

/* A value of the topic stands before the server's, the server's before Kafka's default. */
START_TEST(synonyms_go_from_the_topic_to_the_default)
{
    stage.engine.options.topic_defaults.retention_ms = 5000;
    open_server();
    const struct weir_config_entry entry = {.key = "retention.ms", .value = "1000"};
    struct weir_topic_request alter = {
        .operation = WEIR_TOPIC_ALTER_CONFIG,
        .topic = weir_text("orders"),
        .configs = &entry,
        .config_count = 1,
    };
    ck_ok(engine_topic(&stage.engine, &alter), &alter.request.error);

    RESULT result = describe_topic("orders", true);
    const SETTING *setting = find(&result, "retention.ms");
    ck_assert_int_eq(setting->config_source, OF_TOPIC);
    ck_assert_uint_eq(setting->synonyms_count, 3);
    ck_assert(is_text(setting->synonyms[0].name, "retention.ms"));
    ck_assert(is_text(setting->synonyms[0].value, "1000"));
    ck_assert_int_eq(setting->synonyms[0].source, OF_TOPIC);
    ck_assert(is_text(setting->synonyms[1].name, "log.retention.ms"));
    ck_assert(is_text(setting->synonyms[1].value, "5000"));
    ck_assert_int_eq(setting->synonyms[1].source, OF_BROKER);
    ck_assert(is_text(setting->synonyms[2].value, "604800000"));
    ck_assert_int_eq(setting->synonyms[2].source, OF_KAFKA);
    check_topic("clicks", "retention.ms", "5000", OF_BROKER);
    check_topic("clicks", "segment.ms", "604800000", OF_KAFKA);
}
END_TEST

/* Asked for some keys, only those that exist are shown; for none, none. */
START_TEST(keys_are_chosen)
{
    const struct weir_slice keys[] = {weir_text("retention.ms"), weir_text("no.such.key")};
    ASKED asked = {.resource_type = TOPIC, .resource_name = weir_text("orders")};
    open_server();
    asked.configuration_keys = keys;
    asked.configuration_keys_count = 2;
    RESULT result = describe(4, asked, false);
    ck_assert_uint_eq(result.configs_count, 1);
    ck_assert(is_text(result.configs[0].name, "retention.ms"));
    asked.configuration_keys = weir_no_elements();
    asked.configuration_keys_count = 0;
    ck_assert_uint_eq(describe(4, asked, false).configs_count, 0);
}
END_TEST

/* More keys than anybody has settings to ask for are refused before they are compared. */
START_TEST(too_many_keys_are_refused)
{
    enum { COUNT = WEIR_SUBJECTS_MAX + 1 };
    static struct weir_slice keys[COUNT];
    ASKED asked = {.resource_type = TOPIC, .resource_name = weir_text("orders")};
    open_server();
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = weir_text("retention.ms");
    }
    asked.configuration_keys = keys;
    asked.configuration_keys_count = COUNT;
    RESULT result = describe(4, asked, false);
    ck_assert_int_eq(result.error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_uint_eq(result.configs_count, 0);
    asked.configuration_keys_count = COUNT - 1;
    ck_assert_uint_eq(describe(4, asked, false).configs_count, 1);
}
END_TEST

/* The server's settings are shown by its id; none are dynamic, so '' has none. */
START_TEST(the_servers_settings_are_shown)
{
    server_config(&stage, "max.connections", "123");
    stage.engine.options.topic_defaults.max_message_bytes = 5000;
    open_server();
    for (int16_t version = 1; version <= 4; version++) {
        RESULT result = describe(
            version, (ASKED){.resource_type = BROKER, .resource_name = weir_text("0")}, true);
        const SETTING *setting = find(&result, "max.connections");
        ck_assert_int_eq(result.error_code, 0);
        ck_assert(is_text(setting->value, "123"));
        ck_assert_int_eq(setting->config_source, OF_BROKER);
        ck_assert(setting->read_only);
        ck_assert_uint_eq(setting->synonyms_count, 1);
        ck_assert_int_eq(setting->config_type, version >= 3 ? 3 : 0);
        ck_assert_int_eq(find(&result, "socket.request.max.bytes")->config_source, OF_KAFKA);
        setting = find(&result, "message.max.bytes"); /* what topics have is the server's */
        ck_assert(is_text(setting->value, "5000"));
        ck_assert_int_eq(setting->config_source, OF_BROKER);
        ck_assert_int_eq(find(&result, "log.segment.bytes")->config_source, OF_KAFKA);
        result = describe(version, (ASKED){.resource_type = BROKER, .resource_name = weir_text("")},
                          false);
        ck_assert_int_eq(result.error_code, 0);
        ck_assert_uint_eq(result.configs_count, 0);
    }
}
END_TEST

/* What is not there, or has no settings here, has its number. */
START_TEST(unknown_resources_are_refused)
{
    static const struct {
        int8_t type;
        const char *name;
        int16_t error_code;
    } bad[] = {
        {TOPIC, "missing", WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION},
        {TOPIC, "a/b", WEIR_WIRE_INVALID_TOPIC_EXCEPTION},
        {TOPIC, "", WEIR_WIRE_INVALID_TOPIC_EXCEPTION},
        {BROKER, "1", WEIR_WIRE_INVALID_REQUEST},
        {BROKER, "me", WEIR_WIRE_INVALID_REQUEST},
        {BROKER_LOGGER, "0", WEIR_WIRE_INVALID_REQUEST},
        {0, "orders", WEIR_WIRE_INVALID_REQUEST},
    };
    open_server();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        RESULT result = describe(
            1, (ASKED){.resource_type = bad[i].type, .resource_name = weir_text(bad[i].name)},
            false);
        ck_assert_int_eq(result.error_code, bad[i].error_code);
        ck_assert(result.error_message.size > 0);
        ck_assert_uint_eq(result.configs_count, 0);
    }
}
END_TEST

/* Resources of every kind in one request are answered in the order they were asked. */
START_TEST(resources_are_answered_in_order)
{
    const ASKED asked[] = {{.resource_type = TOPIC, .resource_name = weir_text("missing")},
                           {.resource_type = BROKER, .resource_name = weir_text("0")},
                           {.resource_type = TOPIC, .resource_name = weir_text("orders")},
                           {.resource_type = 9, .resource_name = weir_text("x")},
                           {.resource_type = TOPIC, .resource_name = weir_text("clicks")}};
    struct weir_wire_describe_configs_request request;
    struct weir_wire_describe_configs_response response;
    open_server();
    weir_wire_describe_configs_request_init(&request);
    request.resources = asked;
    request.resources_count = 5;
    server_call(&stage, &weir_wire_describe_configs_request_type, 4, &request,
                &weir_wire_describe_configs_response_type, &response);
    ck_assert_uint_eq(response.results_count, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert(weir_slice_equal(response.results[i].resource_name, asked[i].resource_name));
    }
    ck_assert_int_eq(response.results[0].error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_uint_gt(response.results[1].configs_count, 0);
    ck_assert_uint_gt(response.results[2].configs_count, 0);
    ck_assert_int_eq(response.results[3].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_uint_gt(response.results[4].configs_count, 0);
}
END_TEST

/* ---- alter one by one ------------------------------------------------------------------------ */

#define CHANGE struct weir_wire_incremental_alter_configs_request_alterable_config
#define CHANGED struct weir_wire_incremental_alter_configs_request_alter_configs_resource
#define OUTCOME struct weir_wire_incremental_alter_configs_response_alter_configs_resource_response

static struct weir_wire_incremental_alter_configs_response
change(int16_t version, const CHANGED *resources, size_t count, bool validate_only)
{
    struct weir_wire_incremental_alter_configs_request request;
    struct weir_wire_incremental_alter_configs_response response;
    weir_wire_incremental_alter_configs_request_init(&request);
    request.resources = resources;
    request.resources_count = count;
    request.validate_only = validate_only;
    server_call(&stage, &weir_wire_incremental_alter_configs_request_type, version, &request,
                &weir_wire_incremental_alter_configs_response_type, &response);
    ck_assert_uint_eq(response.responses_count, count);
    return response;
}

static OUTCOME change_topic(const char *topic, const CHANGE *changes, size_t count)
{
    const CHANGED resource = {.resource_type = TOPIC,
                              .resource_name = weir_text(topic),
                              .configs = changes,
                              .configs_count = count};
    return change(1, &resource, 1, false).responses[0];
}

static OUTCOME change_one(const char *key, int8_t operation, const char *value)
{
    const CHANGE one = {
        .name = weir_text(key), .config_operation = operation, .value = weir_text(value)};
    return change_topic("orders", &one, 1);
}

/* Setting and deleting a value touches that key of that topic only, in both versions. */
START_TEST(one_setting_is_changed_at_a_time)
{
    open_server();
    for (int16_t version = 0; version <= 1; version++) {
        const CHANGE set = {weir_text("retention.ms"), SET, weir_text("1000")};
        const CHANGED resource = {TOPIC, weir_text("orders"), &set, 1};
        ck_assert_int_eq(change(version, &resource, 1, true).responses[0].error_code, 0);
        check_topic("orders", "retention.ms", "604800000", OF_KAFKA);
        ck_assert_int_eq(change(version, &resource, 1, false).responses[0].error_code, 0);
        ck_assert_int_eq(change_one("segment.ms", SET, "2000").error_code, 0);
        check_topic("orders", "retention.ms", "1000", OF_TOPIC);
        check_topic("clicks", "retention.ms", "604800000", OF_KAFKA);
        ck_assert_int_eq(change_one("retention.ms", DELETE, NULL).error_code, 0);
        check_topic("orders", "retention.ms", "604800000", OF_KAFKA);
        check_topic("orders", "segment.ms", "2000", OF_TOPIC);
    }
}
END_TEST

/* Words are appended to a list and taken from it. */
START_TEST(lists_grow_and_shrink)
{
    open_server();
    ck_assert_int_eq(change_one("cleanup.policy", APPEND, "compact").error_code, 0);
    check_topic("orders", "cleanup.policy", "delete,compact", OF_TOPIC);
    ck_assert_int_eq(change_one("cleanup.policy", SUBTRACT, "delete").error_code, 0);
    check_topic("orders", "cleanup.policy", "compact", OF_TOPIC);
}
END_TEST

/* Each mistake has its number and changes nothing, not even the settings beside it. */
START_TEST(a_bad_change_changes_nothing)
{
    static const struct {
        const char *key;
        int8_t operation;
        const char *value;
        int16_t error_code;
        const char *says;
    } bad[] = {
        {"retention.mz", SET, "1", WEIR_WIRE_INVALID_CONFIG, "did you mean 'retention.ms'"},
        {"retention.ms", SET, "-2", WEIR_WIRE_INVALID_CONFIG, "from -1"},
        {"retention.ms", SET, NULL, WEIR_WIRE_INVALID_REQUEST, "no value"},
        {"retention.ms", APPEND, "1", WEIR_WIRE_INVALID_CONFIG, "not a list"},
        {"retention.ms", 4, "1", WEIR_WIRE_INVALID_REQUEST, "operation 4"},
        {"retention.ms", -1, "1", WEIR_WIRE_INVALID_REQUEST, "operation -1"},
        {"segment.ms", SET, "1", WEIR_WIRE_INVALID_REQUEST, "twice"},
    };
    open_server();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const CHANGE changes[] = {
            {weir_text("segment.ms"), SET, weir_text("2000")},
            {weir_text(bad[i].key), bad[i].operation, weir_text(bad[i].value)}};
        OUTCOME outcome = change_topic("orders", changes, 2);
        ck_assert_int_eq(outcome.error_code, bad[i].error_code);
        ck_assert_msg(says(outcome.error_message, bad[i].says), "%zu: %.*s", i,
                      (int)outcome.error_message.size, (const char *)outcome.error_message.data);
        check_topic("orders", "segment.ms", "604800000", OF_KAFKA);
    }
}
END_TEST

/* Resources are judged one by one: what is wrong with some does not keep the others back. */
START_TEST(resources_are_changed_one_by_one)
{
    const CHANGE set = {weir_text("retention.ms"), SET, weir_text("1000")};
    const CHANGED resources[] = {
        {TOPIC, weir_text("missing"), &set, 1}, {TOPIC, weir_text("orders"), &set, 1},
        {BROKER, weir_text("0"), &set, 1},      {BROKER, weir_text(""), &set, 1},
        {BROKER, weir_text("3"), &set, 1},      {BROKER_LOGGER, weir_text("0"), &set, 1},
        {TOPIC, weir_text("clicks"), &set, 1},  {TOPIC, weir_text("clicks"), &set, 1},
    };
    open_server();
    struct weir_wire_incremental_alter_configs_response response = change(1, resources, 8, false);
    ck_assert_int_eq(response.responses[0].error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(response.responses[1].error_code, 0);
    for (size_t i = 2; i < 8; i++) {
        ck_assert_int_eq(response.responses[i].error_code, WEIR_WIRE_INVALID_REQUEST);
    }
    ck_assert(says(response.responses[2].error_message, "when it starts"));
    check_topic("orders", "retention.ms", "1000", OF_TOPIC);
    check_topic("clicks", "retention.ms", "604800000", OF_KAFKA);
}
END_TEST

/* ---- alter as a whole ------------------------------------------------------------------------ */

#define VALUE struct weir_wire_alter_configs_request_alterable_config
#define REPLACED struct weir_wire_alter_configs_request_alter_configs_resource

static struct weir_wire_alter_configs_response replace(int16_t version, const REPLACED *resources,
                                                       size_t count, bool validate_only)
{
    struct weir_wire_alter_configs_request request;
    struct weir_wire_alter_configs_response response;
    weir_wire_alter_configs_request_init(&request);
    request.resources = resources;
    request.resources_count = count;
    request.validate_only = validate_only;
    server_call(&stage, &weir_wire_alter_configs_request_type, version, &request,
                &weir_wire_alter_configs_response_type, &response);
    ck_assert_uint_eq(response.responses_count, count);
    return response;
}

/* What is not named goes back to its default; in every version, unless it only validates. */
START_TEST(settings_are_replaced_as_a_whole)
{
    open_server();
    for (int16_t version = 0; version <= 2; version++) {
        const VALUE first = {weir_text("retention.ms"), weir_text("1000")};
        const VALUE second = {weir_text("segment.ms"), weir_text("2000")};
        const REPLACED with_first = {TOPIC, weir_text("orders"), &first, 1};
        const REPLACED with_second = {TOPIC, weir_text("orders"), &second, 1};
        ck_assert_int_eq(replace(version, &with_first, 1, false).responses[0].error_code, 0);
        check_topic("orders", "retention.ms", "1000", OF_TOPIC);
        check_topic("orders", "segment.ms", "604800000", OF_KAFKA);
        ck_assert_int_eq(replace(version, &with_second, 1, true).responses[0].error_code, 0);
        check_topic("orders", "retention.ms", "1000", OF_TOPIC);
        ck_assert_int_eq(replace(version, &with_second, 1, false).responses[0].error_code, 0);
        check_topic("orders", "retention.ms", "604800000", OF_KAFKA);
        check_topic("orders", "segment.ms", "2000", OF_TOPIC);
    }
}
END_TEST

/* A bad replacement leaves everything as it was. */
START_TEST(a_bad_replacement_replaces_nothing)
{
    const VALUE good = {weir_text("retention.ms"), weir_text("1000")};
    const VALUE valueless = {weir_text("segment.ms"), weir_null()};
    const VALUE unknown = {weir_text("segment.meters"), weir_text("1")};
    const VALUE twice[] = {good, good};
    const REPLACED before = {TOPIC, weir_text("orders"), &good, 1};
    const REPLACED resources[] = {{TOPIC, weir_text("orders"), &valueless, 1},
                                  {TOPIC, weir_text("clicks"), &unknown, 1},
                                  {BROKER, weir_text("0"), &good, 1}};
    const REPLACED doubled = {TOPIC, weir_text("orders"), twice, 2};
    open_server();
    (void)replace(2, &before, 1, false);
    struct weir_wire_alter_configs_response response = replace(2, resources, 3, false);
    ck_assert_int_eq(response.responses[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(response.responses[1].error_code, WEIR_WIRE_INVALID_CONFIG);
    ck_assert_int_eq(response.responses[2].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(replace(2, &doubled, 1, false).responses[0].error_code,
                     WEIR_WIRE_INVALID_REQUEST);
    check_topic("orders", "retention.ms", "1000", OF_TOPIC);
}
END_TEST

/* Each allocation in turn fails: the client is answered or cut off, and the next one is served. */
START_TEST(without_memory_the_next_client_is_served)
{
    const CHANGE set = {weir_text("retention.ms"), SET, weir_text("1000")};
    const CHANGED resource = {TOPIC, weir_text("orders"), &set, 1};
    struct weir_wire_incremental_alter_configs_request request;
    open_server();
    struct weir_heap *heap = stage.engine.env->heap;
    weir_wire_incremental_alter_configs_request_init(&request);
    request.resources = &resource;
    request.resources_count = 1;
    for (uint64_t n = 1;; n++) {
        ck_assert_uint_lt(n, 1000);
        heap->fail_at = n;
        (void)server_send(&stage, &weir_wire_incremental_alter_configs_request_type, 1, &request);
        bool is_answered = raw_frame(&stage.client).data != NULL;
        bool was_hit = heap->fail_at == 0;
        heap->fail_at = 0;
        if (!is_answered) {
            raw_close(&stage.client);
            raw_open(&stage.client, weir_sim_node(stage.engine.sim, 1),
                     weir_server_address(stage.server));
        }
        ck_assert_int_eq(describe_topic("orders", true).error_code, 0);
        if (!was_hit) break;
    }
    check_topic("orders", "retention.ms", "1000", OF_TOPIC);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("configs");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_topics_settings_are_shown_in_every_version);
    tcase_add_test(tests, types_and_texts_are_shown);
    tcase_add_test(tests, formats_are_shown);
    tcase_add_test(tests, synonyms_go_from_the_topic_to_the_default);
    tcase_add_test(tests, keys_are_chosen);
    tcase_add_test(tests, too_many_keys_are_refused);
    tcase_add_test(tests, the_servers_settings_are_shown);
    tcase_add_test(tests, unknown_resources_are_refused);
    tcase_add_test(tests, resources_are_answered_in_order);
    tcase_add_test(tests, one_setting_is_changed_at_a_time);
    tcase_add_test(tests, lists_grow_and_shrink);
    tcase_add_test(tests, a_bad_change_changes_nothing);
    tcase_add_test(tests, resources_are_changed_one_by_one);
    tcase_add_test(tests, settings_are_replaced_as_a_whole);
    tcase_add_test(tests, a_bad_replacement_replaces_nothing);
    tcase_add_test(tests, without_memory_the_next_client_is_served);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server/handlers/configs", add);
}
