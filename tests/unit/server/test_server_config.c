#include <string.h>

#include "server/server_config.h"
#include "tests/support/support.h"

static struct weir_server_config config;
static struct weir_error error;

static void set_up(void)
{
    config = weir_server_config_default();
    error = (struct weir_error){0};
}

/* The defaults are Kafka 4's where it has the setting. */
START_TEST(defaults_are_kafkas)
{
    ck_assert_int_eq(config.socket_request_max_bytes, 104857600);
    ck_assert_int_eq(config.connections_max_idle_ms, 600000);
    ck_assert_int_eq(config.max_connections_per_ip, INT32_MAX);
    ck_assert_int_eq(config.fetch_max_bytes, 57671680);
    ck_assert_int_eq(config.fetch_session_slots, 1000);
    ck_assert_int_eq(config.num_partitions, 1);
    ck_assert(config.auto_create_topics_enable);
    ck_assert_int_eq(config.queued_max_request_bytes, 268435456);
    ck_assert_int_eq(config.max_connections, 10000);
    ck_assert_int_eq(config.request_read_timeout_ms, 30000);
    ck_assert_int_eq(config.response_write_timeout_ms, 30000);
    ck_assert_int_eq(config.max_in_flight_requests, 64);
}
END_TEST

struct seen {
    struct weir_server_config copy;
    const char *last_key;
    int count;
    int changed;
};

static void set_again(void *context, const char *key, const char *value, bool is_default,
                      const char *text)
{
    struct seen *seen = context;
    if (seen->last_key != NULL) ck_assert_int_lt(strcmp(seen->last_key, key), 0);
    seen->last_key = key;
    seen->count++;
    seen->changed += !is_default;
    ck_assert_uint_gt(strlen(text), 20);
    ck_assert_int_ne(weir_server_config_type(key), WEIR_CONFIG_TYPE_UNKNOWN);
    ck_ok(weir_server_config_set(&seen->copy, key, value, &error), &error);
}

/* What is printed can be set again and gives the same settings; keys come in order. */
START_TEST(every_setting_prints_and_parses)
{
    struct seen seen = {.copy = weir_server_config_default()};
    ck_ok(weir_server_config_set(&config, "auto.create.topics.enable", "false", &error), &error);
    ck_ok(weir_server_config_set(&config, "max.connections", "7", &error), &error);
    ck_ok(weir_server_config_set(&config, "queued.max.request.bytes", "8589934592", &error),
          &error);
    weir_server_config_each(&config, set_again, &seen);
    ck_assert_int_eq(seen.count, 14);
    ck_assert_int_eq(seen.changed, 3);
    ck_assert_mem_eq(&seen.copy, &config, sizeof config);
    ck_assert_int_eq(config.queued_max_request_bytes, 8589934592);
    ck_assert(!config.auto_create_topics_enable);
}
END_TEST

/* A value out of range or of another kind is refused with what would be right; nothing changes. */
START_TEST(bad_values_are_refused_with_the_range)
{
    static const char *const bad[][3] = {
        {"max.connections", "0", "from 1 to"},
        {"max.connections", "many", "whole number"},
        {"max.connections", "", "whole number"},
        {"max.connections", "2147483648", "2147483647"},
        {"connections.max.idle.ms", "-1", "in ms"},
        {"socket.request.max.bytes", "1e6", "in bytes"},
        {"auto.create.topics.enable", "yes", "true or false"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir_server_config before = config;
        ck_code(weir_server_config_set(&config, bad[i][0], bad[i][1], &error), WEIR_INVALID_CONFIG);
        ck_assert_msg(strstr(error.text, bad[i][2]) != NULL, "%s", error.text);
        ck_assert_msg(strstr(error.text, bad[i][0]) != NULL, "%s", error.text);
        ck_assert_mem_eq(&before, &config, sizeof config);
    }
}
END_TEST

/* A key with a slip in it is refused with the one that was meant; one like no other, without. */
START_TEST(an_unknown_key_says_which_was_meant)
{
    ck_code(weir_server_config_set(&config, "max.conections", "5", &error), WEIR_INVALID_CONFIG);
    ck_assert_msg(strstr(error.text, "did you mean 'max.connections'?") != NULL, "%s", error.text);
    ck_code(weir_server_config_set(&config, "zookeeper.connect", "here", &error),
            WEIR_INVALID_CONFIG);
    ck_assert_ptr_null(strstr(error.text, "did you mean"));
    ck_assert_int_eq(weir_server_config_type("zookeeper.connect"), WEIR_CONFIG_TYPE_UNKNOWN);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("server_config");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, defaults_are_kafkas);
    tcase_add_test(tests, every_setting_prints_and_parses);
    tcase_add_test(tests, bad_values_are_refused_with_the_range);
    tcase_add_test(tests, an_unknown_key_says_which_was_meant);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server/server_config", add);
}
