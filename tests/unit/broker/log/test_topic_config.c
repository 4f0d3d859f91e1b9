#include <string.h>

#include "broker/log/topic_config.h"
#include "broker/log/topic_defaults.h"
#include "tests/support/support.h"

static struct weir_topic_config config;
static struct weir_error error;

static void set_up(void)
{
    config = weir_topic_config_default();
    error = (struct weir_error){0};
}

/* The defaults are Kafka 4's. */
START_TEST(defaults_are_kafkas)
{
    ck_assert_int_eq(config.retention_ms, 604800000);
    ck_assert_int_eq(config.retention_bytes, -1);
    ck_assert_int_eq(config.segment_bytes, 1 << 30);
    ck_assert_int_eq(config.max_message_bytes, 1048588);
    ck_assert_int_eq(config.index_interval_bytes, 4096);
    ck_assert_int_eq(config.message_timestamp_before_max_ms, INT64_MAX);
    ck_assert_int_eq(config.message_timestamp_after_max_ms, 3600000);
    ck_assert(config.cleanup_delete && !config.cleanup_compact);
    ck_assert_int_eq(config.compression_type, -1);
    ck_assert_int_eq(config.min_insync_replicas, 1);
    ck_assert_int_eq(config.flush_policy, WEIR_FLUSH_GROUP);
}
END_TEST

struct seen {
    struct weir_topic_config copy;
    int count;
    int changed;
};

static void set_again(void *context, const char *key, const char *value, bool is_default,
                      const char *text)
{
    struct seen *seen = context;
    seen->count++;
    seen->changed += !is_default;
    ck_assert_uint_gt(strlen(text), 20);
    ck_ok(weir_topic_config_set(&seen->copy, key, value, &error), &error);
}

/* What is printed can be set again, and gives the same configuration. */
START_TEST(every_setting_prints_and_parses)
{
    static const char *const settings[][2] = {
        {"cleanup.policy", "delete,compact"},
        {"retention.ms", "-1"},
        {"message.timestamp.type", "LogAppendTime"},
        {"flush.policy", "os"},
        {"min.insync.replicas", "2"},
        {"min.cleanable.dirty.ratio", "0.01"},
        {"preallocate", "true"},
        {"max.compaction.lag.ms", "1"},
        {"segment.bytes", "1000"},
        {"weir.retention.by", "record"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        ck_ok(weir_topic_config_set(&config, settings[i][0], settings[i][1], &error), &error);
    }
    struct seen seen = {.copy = weir_topic_config_default()};
    weir_topic_config_each(&config, set_again, &seen);
    ck_assert_int_eq(seen.count, 27);
    ck_assert_int_eq(seen.changed, 10);
    ck_assert_mem_eq(&seen.copy, &config, sizeof config);
    ck_assert(config.cleanup_delete && config.cleanup_compact);
    ck_assert_int_eq(config.message_timestamp_type, WEIR_LOG_APPEND_TIME);
}
END_TEST

/* A value that is out of range, of the wrong kind or without effect here is refused with what would
 * be right, and nothing changes. */
START_TEST(bad_values_are_refused_with_the_range)
{
    static const char *const bad[][3] = {
        {"retention.ms", "-2", "from -1 to"},
        {"retention.ms", "1d", "whole number"},
        {"retention.ms", "", "in ms"},
        {"retention.ms", " 1", "whole number"},
        {"retention.ms", "99999999999999999999", "from -1 to"},
        {"segment.bytes", "13", "from 14 to"},
        {"min.insync.replicas", "0", "from 1 to"},
        {"min.insync.replicas", "2147483648", "one server is one replica"},
        {"min.cleanable.dirty.ratio", "1.1", "from 0 to 1"},
        {"min.cleanable.dirty.ratio", "0,5", "from 0 to 1"},
        {"min.cleanable.dirty.ratio", ".", "from 0 to 1"},
        {"preallocate", "yes", "false|true"},
        {"segment.index.bytes", "3", "from 4 to"},
        {"remote.storage.enable", "true", "no tiered storage"},
        {"compression.type", "brotli", "it takes producer|uncompressed"},
        {"compression.type", "none", "it takes producer|uncompressed"},
        {"cleanup.policy", "delete,", "delete|compact"},
        {"cleanup.policy", "compact,shred", "delete|compact"},
        {"message.timestamp.type", "createtime", "CreateTime|LogAppendTime"},
        {"weir.retention.by", "time", "append|record"},
        {"weir.value.format", "int64", "it takes text, i8 to i64"},
        {"weir.value.format", "i64 ", "or nothing: not known"},
        {"weir.value.format", "hex", "it takes text, i8 to i64"},
        {"weir.value.format", "struct[a:i64,b]", "a field is NAME:TYPE at 'b]'"},
        {"weir.key.format", "windowed[struct[a:i64]", "struct ends with a bracket"},
        {"weir.value.format", "struct[a:i64,a:i64]", "another field of this name"},
        {"weir.value.format", "struct[\xff:i64]", "= 'struct[': a type's text is UTF-8"},
        {"weir.key.format", "i64\n", "= 'i64': a type's text has no control characters"},
        {"weir.key.format", "slice", "it takes text, i8 to i64"},
    };
    struct weir_topic_config before = config;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_code(weir_topic_config_set(&config, bad[i][0], bad[i][1], &error), WEIR_INVALID_CONFIG);
        ck_assert_msg(strstr(error.text, bad[i][2]) != NULL, "%s", error.text);
        ck_assert_ptr_nonnull(strstr(error.text, bad[i][0]));
    }
    ck_assert_mem_eq(&before, &config, sizeof config);
}
END_TEST

/* Formats are checked and not kept: they live where they were set. Other keys are offered by them. */
START_TEST(formats_are_checked)
{
    static const char *const good[] = {"",
                                       "text",
                                       "i64",
                                       "f64",
                                       "u16le",
                                       "windowed",
                                       "windowed[i64]",
                                       "windowed-changelog",
                                       "struct[a:i64,b:struct[c:text@2]]"};
    struct weir_topic_config before = config;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_ok(weir_topic_config_set(&config, "weir.key.format", good[i], &error), &error);
        ck_ok(weir_topic_config_set(&config, "weir.value.format", good[i], &error), &error);
    }
    ck_assert_mem_eq(&before, &config, sizeof config);
    ck_assert(weir_topic_config_is_text("weir.key.format"));
    ck_assert(!weir_topic_config_is_text("retention.ms"));
    ck_assert_int_eq(weir_topic_config_type("weir.value.format"), WEIR_CONFIG_TYPE_STRING);
    ck_code(weir_topic_config_set(&config, "weir.value.formt", "i64", &error), WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(error.text, "did you mean 'weir.value.format'?"));
    /* They are of one topic each: a server gives none to all. */
    ck_code(weir_topic_default_set(&config, "weir.value.format", "i64", &error),
            WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(error.text, "set it on the topic"));
}
END_TEST

/* A misspelt key is answered with the nearest one; one that is like none is not. */
START_TEST(misspelt_keys_are_answered_with_the_nearest)
{
    ck_code(weir_topic_config_set(&config, "retention.mss", "1", &error), WEIR_INVALID_CONFIG);
    ck_assert_msg(strstr(error.text, "did you mean 'retention.ms'?") != NULL, "%s", error.text);
    ck_code(weir_topic_config_set(&config, "clean.policy", "delete", &error), WEIR_INVALID_CONFIG);
    ck_assert_msg(strstr(error.text, "'cleanup.policy'") != NULL, "%s", error.text);
    ck_code(weir_topic_config_set(&config, "unrelated", "1", &error), WEIR_INVALID_CONFIG);
    ck_assert_ptr_null(strstr(error.text, "did you mean"));
    char huge[400];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    ck_code(weir_topic_config_set(&config, huge, "1", NULL), WEIR_INVALID_CONFIG);
}
END_TEST

/* ---- a server's defaults --------------------------------------------------------------------- */

/* Kafka's older names are in hours and minutes; -1 is for ever in any of them. */
START_TEST(defaults_in_larger_units_are_milliseconds)
{
    enum { MINUTE_MS = 60000, HOUR_MS = 3600000 };
    ck_ok(weir_topic_default_set(&config, "log.retention.minutes", "5", &error), &error);
    ck_assert_int_eq(config.retention_ms, 5 * MINUTE_MS);
    ck_ok(weir_topic_default_set(&config, "log.retention.hours", "168", &error), &error);
    ck_assert_int_eq(config.retention_ms, 168 * HOUR_MS);
    ck_ok(weir_topic_default_set(&config, "log.retention.hours", "-1", &error), &error);
    ck_assert_int_eq(config.retention_ms, -1);
    ck_ok(weir_topic_default_set(&config, "log.retention.minutes", "0", &error), &error);
    ck_assert_int_eq(config.retention_ms, 0);
    ck_ok(weir_topic_default_set(&config, "log.roll.hours", "3", &error), &error);
    ck_assert_int_eq(config.segment_ms, 3 * HOUR_MS);
    ck_ok(weir_topic_default_set(&config, "log.retention.hours", "999999999999", &error), &error);
    ck_assert_int_eq(config.retention_ms, 999999999999 * HOUR_MS);
}
END_TEST

/* Anything else is refused by the name that was given, and leaves what there was. */
START_TEST(a_default_in_a_larger_unit_is_a_whole_number)
{
    static const char *const values[] = {
        "", "-2", "-", "+1", " 1", "1 ", "1h", "1.5", "0x1", "-1 ", "1000000000000", "x"};
    ck_ok(weir_topic_default_set(&config, "log.retention.hours", "7", &error), &error);
    int64_t before = config.retention_ms;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ck_code(weir_topic_default_set(&config, "log.retention.hours", values[i], &error),
                WEIR_INVALID_CONFIG);
        ck_assert_msg(strstr(error.text, "'log.retention.hours'") != NULL, "%s", error.text);
        ck_assert_int_eq(config.retention_ms, before);
    }
    before = config.segment_ms; /* a segment is not for ever */
    ck_code(weir_topic_default_set(&config, "log.roll.hours", "0", &error), WEIR_INVALID_CONFIG);
    ck_assert_msg(strstr(error.text, "'log.roll.hours' = '0'") != NULL, "%s", error.text);
    ck_assert_int_eq(config.segment_ms, before);
}
END_TEST

/* A default goes by a topic's name and by the server's, which is the one that is shown. */
START_TEST(a_default_goes_by_both_names)
{
    ck_assert_str_eq(weir_topic_default_name("retention.bytes"), "log.retention.bytes");
    ck_assert_str_eq(weir_topic_default_name("max.message.bytes"), "message.max.bytes");
    ck_assert_str_eq(weir_topic_default_name("weir.key.format"), "weir.key.format");
    ck_ok(weir_topic_default_set(&config, "log.retention.bytes", "77", &error), &error);
    ck_assert_int_eq(config.retention_bytes, 77);
    ck_ok(weir_topic_default_set(&config, "retention.bytes", "78", &error), &error);
    ck_assert_int_eq(config.retention_bytes, 78);
    static const char *const known[] = {"log.retention.bytes", "retention.bytes",
                                        "log.retention.hours", "log.roll.jitter.hours",
                                        "weir.key.format"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ck_assert(weir_topic_default_is_known(known[i]));
    }
    ck_assert(!weir_topic_default_is_known("log.retention.days"));
    ck_assert(weir_topic_default_sets("log.retention.bytes", "retention.bytes"));
    ck_assert(weir_topic_default_sets("retention.bytes", "retention.bytes"));
    ck_assert(weir_topic_default_sets("log.retention.hours", "retention.ms"));
    ck_assert(weir_topic_default_sets("log.retention.minutes", "retention.ms"));
    ck_assert(!weir_topic_default_sets("log.retention.hours", "segment.ms"));
    ck_assert(!weir_topic_default_sets("log.retention.bytes", "retention.ms"));
    ck_assert(!weir_topic_default_sets("log.retention.days", "retention.ms"));
}
END_TEST

/* A value that a topic would refuse is refused as a default, under the name that was given; so
 * is a key that nobody knows, with the nearest. */
START_TEST(a_default_is_refused_by_its_name)
{
    ck_code(weir_topic_default_set(&config, "log.segment.bytes", "-7", &error),
            WEIR_INVALID_CONFIG);
    ck_assert_msg(strstr(error.text, "'log.segment.bytes'") != NULL, "%s", error.text);
    ck_code(weir_topic_default_set(&config, "log.retention.byte", "7", &error),
            WEIR_INVALID_CONFIG);
    ck_assert_msg(strstr(error.text, "'log.retention.bytes'") != NULL, "%s", error.text);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topic config");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, defaults_are_kafkas);
    tcase_add_test(tests, every_setting_prints_and_parses);
    tcase_add_test(tests, bad_values_are_refused_with_the_range);
    tcase_add_test(tests, formats_are_checked);
    tcase_add_test(tests, misspelt_keys_are_answered_with_the_nearest);
    tcase_add_test(tests, defaults_in_larger_units_are_milliseconds);
    tcase_add_test(tests, a_default_in_a_larger_unit_is_a_whole_number);
    tcase_add_test(tests, a_default_goes_by_both_names);
    tcase_add_test(tests, a_default_is_refused_by_its_name);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topic config", add);
}
