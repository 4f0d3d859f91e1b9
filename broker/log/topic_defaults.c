#include "broker/log/topic_defaults.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, DIGITS_MAX = 12, VALUE_SIZE_MAX = 24 };

static const struct name {
    const char *topic;
    const char *broker;
} names[] = {
    {"cleanup.policy", "log.cleanup.policy"},
    {"compression.type", "compression.type"},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms"},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms"},
    {"flush.messages", "log.flush.interval.messages"},
    {"flush.ms", "log.flush.interval.ms"},
    {"flush.policy", "flush.policy"},
    {"index.interval.bytes", "log.index.interval.bytes"},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
    {"max.message.bytes", "message.max.bytes"},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"},
    {"message.timestamp.type", "log.message.timestamp.type"},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
    {"min.insync.replicas", "min.insync.replicas"},
    {"preallocate", "log.preallocate"},
    {"retention.bytes", "log.retention.bytes"},
    {"retention.ms", "log.retention.ms"},
    {"segment.bytes", "log.segment.bytes"},
    {"segment.index.bytes", "log.index.size.max.bytes"},
    {"segment.jitter.ms", "log.roll.jitter.ms"},
    {"segment.ms", "log.roll.ms"},
    {"unclean.leader.election.enable", "unclean.leader.election.enable"},
    {"weir.retention.by", "weir.retention.by"},
};

/* Kafka's older names, in larger units. */
static const struct multiple {
    const char *broker;
    const char *topic;
    int64_t unit_ms;
} multiples[] = {
    {"log.retention.hours", "retention.ms", HOUR_MS},
    {"log.retention.minutes", "retention.ms", MINUTE_MS},
    {"log.roll.hours", "segment.ms", HOUR_MS},
    {"log.roll.jitter.hours", "segment.jitter.ms", HOUR_MS},
};

enum {
    NAME_COUNT = sizeof names / sizeof names[0],
    MULTIPLE_COUNT = sizeof multiples / sizeof multiples[0],
};

const char *weir_topic_default_name(const char *topic_key)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (strcmp(names[i].topic, topic_key) == 0) return names[i].broker;
    }
    weir_assert(weir_topic_config_is_text(topic_key)); /* every other one is in the table */
    return topic_key;
}

static const struct name *find_name(const char *key)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (strcmp(names[i].topic, key) == 0 || strcmp(names[i].broker, key) == 0) return &names[i];
    }
    return NULL;
}

static const struct multiple *find_multiple(const char *key)
{
    for (size_t i = 0; i < MULTIPLE_COUNT; i++) {
        if (strcmp(multiples[i].broker, key) == 0) return &multiples[i];
    }
    return NULL;
}

bool weir_topic_default_is_known(const char *key)
{
    return find_name(key) != NULL || find_multiple(key) != NULL || weir_topic_config_is_text(key);
}

static int refuse_multiple(const char *key, const char *value, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_CONFIG,
                          "'%s' = '%s': it takes a whole number of at most %d digits", key, value,
                          DIGITS_MAX);
}

/* -1 is for ever, in whatever unit. */
static int set_multiple(struct weir_topic_config *config, const struct multiple *multiple,
                        const char *value, struct weir_error *error)
{
    char text[VALUE_SIZE_MAX];
    size_t digits = strspn(value, "0123456789");
    bool is_forever = strcmp(value, "-1") == 0;
    bool is_number = digits > 0 && digits <= DIGITS_MAX && value[digits] == '\0';
    if (!is_number && !is_forever) return refuse_multiple(multiple->broker, value, error);
    int64_t ms = is_forever ? -1 : (int64_t)strtoll(value, NULL, 10) * multiple->unit_ms;
    (void)snprintf(text, sizeof text, "%" PRId64, ms);
    int rc = weir_topic_config_set(config, multiple->topic, text, error);
    return weir_error_wrap(error, rc, "'%s' = '%s'", multiple->broker, value);
}

/* What is known here has no rows: topic_config.c has them. */
static const struct weir_settings_table no_rows = {
    .noun = "topic setting",
    .offer = weir_topic_default_offer,
};

int weir_topic_default_set(struct weir_topic_config *config, const char *key, const char *value,
                           struct weir_error *error)
{
    const struct multiple *multiple = find_multiple(key);
    if (multiple != NULL) return set_multiple(config, multiple, value, error);
    if (weir_topic_config_is_text(key)) {
        return weir_error_set(
            error, WEIR_INVALID_CONFIG,
            "'%s' = '%.100s': it is of one topic, and has no default for all: set it "
            "on the topic",
            key, value);
    }
    const struct name *name = find_name(key);
    if (name == NULL) return weir_settings_unknown(&no_rows, key, value, error);
    int rc = weir_topic_config_set(config, name->topic, value, error);
    bool is_topics = strcmp(name->topic, key) == 0;
    return is_topics ? rc : weir_error_wrap(error, rc, "'%s'", key);
}

bool weir_topic_default_sets(const char *key, const char *topic_key)
{
    const struct multiple *multiple = find_multiple(key);
    const struct name *name = find_name(key);
    if (multiple != NULL) return strcmp(multiple->topic, topic_key) == 0;
    return name != NULL && strcmp(name->topic, topic_key) == 0;
}

void weir_topic_default_offer(struct weir_nearest *nearest)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        weir_nearest_offer(nearest, names[i].topic);
        weir_nearest_offer(nearest, names[i].broker);
    }
    for (size_t i = 0; i < MULTIPLE_COUNT; i++) {
        weir_nearest_offer(nearest, multiples[i].broker);
    }
}
