#include "broker/log/topic_config.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/compress.h"
#include "base/error.h"
#include "base/nearest.h"

enum config_kind {
    CONFIG_INT64,
    CONFIG_INT32,
    CONFIG_CHOICE,
    CONFIG_BOOL,
    CONFIG_RATIO, /* 0 to 1, kept in millionths */
    CONFIG_CODEC,
    CONFIG_CLEANUP,
};
enum { RATIO_ONE = 1000000, RATIO_DIGITS = 6 };

struct config_row {
    const char *key;
    enum config_kind kind;
    size_t field; /* offset in struct weir_topic_config */
    int64_t min;
    int64_t max;
    int64_t preset; /* the default; of a choice: its index */
    const char *unit;
    const char *choices; /* words with '|' between them, in order of their values */
    const char *text;
};

#define FIELD(name) offsetof(struct weir_topic_config, name)

/* Kafka 4's names, ranges and defaults; flush.policy is ours. A value that would have no effect is
 * refused, or its row's text says so: cleanup.policy=compact is kept because Kafka Streams'
 * changelogs carry it, and so are the settings that Kafka's tools send along and that say how a
 * replica or a cleaner works which is not here. `cleanup.policy` is two bits, delete and compact;
 * the codecs count from -1, the producer's own. */
static const struct config_row rows[] = {
    {"cleanup.policy", CONFIG_CLEANUP, FIELD(cleanup_delete), 0, 3, 1, "", "delete|compact",
     "What happens to old segments: delete removes them, compact keeps each key's last record (so "
     "far it keeps every record), or both with a comma between."},
    {"compression.type", CONFIG_CODEC, FIELD(compression_type), -1, WEIR_CODEC_COUNT - 1, -1, "",
     "producer|uncompressed|gzip|snappy|lz4|zstd",
     "The codec in which batches are stored: the producer's own, or one that the broker brings all "
     "batches into, which costs it their unpacking and packing."},
    {"delete.retention.ms", CONFIG_INT64, FIELD(delete_retention_ms), 0, INT64_MAX, 86400000, "ms",
     NULL, "How long a tombstone stays at least in a compacted topic (so far: always)."},
    {"file.delete.delay.ms", CONFIG_INT64, FIELD(file_delete_delay_ms), 0, INT64_MAX, 60000, "ms",
     NULL, "Without effect: a file is removed at once, and who reads it keeps it open."},
    {"flush.messages", CONFIG_INT64, FIELD(flush_messages), 1, INT64_MAX, INT64_MAX, "records",
     NULL, "Without effect: flush.policy says when a batch is synced."},
    {"flush.ms", CONFIG_INT64, FIELD(flush_ms), 0, INT64_MAX, INT64_MAX, "ms", NULL,
     "Without effect: flush.policy says when a batch is synced."},
    {"flush.policy", CONFIG_CHOICE, FIELD(flush_policy), 0, 1, WEIR_FLUSH_GROUP, "", "group|os",
     "When acks=all is answered: after a shared sync, or from the page cache."},
    {"index.interval.bytes", CONFIG_INT64, FIELD(index_interval_bytes), 0, INT32_MAX, 4096, "bytes",
     NULL, "Bytes of batches between two index entries."},
    {"max.compaction.lag.ms", CONFIG_INT64, FIELD(max_compaction_lag_ms), 1, INT64_MAX, INT64_MAX,
     "ms", NULL, "How long a record stays uncompacted at most (so far: always)."},
    {"max.message.bytes", CONFIG_INT64, FIELD(max_message_bytes), 0, INT32_MAX, 1048588, "bytes",
     NULL, "The largest record batch, compressed."},
    {"message.timestamp.after.max.ms", CONFIG_INT64, FIELD(message_timestamp_after_max_ms), 0,
     INT64_MAX, 3600000, "ms", NULL, "How far a timestamp may be ahead of the server's clock."},
    {"message.timestamp.before.max.ms", CONFIG_INT64, FIELD(message_timestamp_before_max_ms), 0,
     INT64_MAX, INT64_MAX, "ms", NULL, "How far a timestamp may be behind the server's clock."},
    {"message.timestamp.type", CONFIG_CHOICE, FIELD(message_timestamp_type), 0, 1, WEIR_CREATE_TIME,
     "", "CreateTime|LogAppendTime", "Whose time a record carries: its producer's or the log's."},
    {"min.cleanable.dirty.ratio", CONFIG_RATIO, FIELD(min_cleanable_dirty_millionths), 0, RATIO_ONE,
     RATIO_ONE / 2, "", NULL,
     "Which part of a log is dirty at least when it is compacted (so far: never)."},
    {"min.compaction.lag.ms", CONFIG_INT64, FIELD(min_compaction_lag_ms), 0, INT64_MAX, 0, "ms",
     NULL, "How long a record stays uncompacted at least (so far: always)."},
    {"min.insync.replicas", CONFIG_INT32, FIELD(min_insync_replicas), 1, INT32_MAX, 1, "replicas",
     NULL,
     "Replicas that must have a batch before acks=all is answered; one server is one replica, so "
     "with more than 1 acks=all is refused."},
    {"preallocate", CONFIG_BOOL, FIELD(preallocate), 0, 1, 0, "", "false|true",
     "Without effect: a segment's file grows as it is written."},
    {"retention.bytes", CONFIG_INT64, FIELD(retention_bytes), -1, INT64_MAX, -1, "bytes", NULL,
     "Bytes kept per partition; -1 keeps all."},
    {"retention.ms", CONFIG_INT64, FIELD(retention_ms), -1, INT64_MAX, 604800000, "ms", NULL,
     "How long records are kept; -1 keeps them for ever."},
    {"segment.bytes", CONFIG_INT64, FIELD(segment_bytes), 14, INT32_MAX, 1073741824, "bytes", NULL,
     "The size at which a segment is closed and the next begun."},
    {"segment.index.bytes", CONFIG_INT32, FIELD(segment_index_bytes), 4, INT32_MAX, 10485760,
     "bytes", NULL, "Without effect: an index is as large as its segment needs."},
    {"segment.jitter.ms", CONFIG_INT64, FIELD(segment_jitter_ms), 0, INT64_MAX, 0, "ms", NULL,
     "Without effect: segments are closed after segment.ms, none earlier."},
    {"segment.ms", CONFIG_INT64, FIELD(segment_ms), 1, INT64_MAX, 604800000, "ms", NULL,
     "The span of timestamps after which a segment is closed."},
    {"unclean.leader.election.enable", CONFIG_BOOL, FIELD(unclean_leader_election_enable), 0, 1, 0,
     "", "false|true", "Without effect: one server is one replica, and nobody else can lead."},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0], VALUE_TEXT_SIZE = 64 };

/* ---- values ---------------------------------------------------------------------------------- */

static int64_t get(const struct weir_topic_config *config, const struct config_row *row)
{
    const char *at = (const char *)config + row->field;
    switch (row->kind) {
    case CONFIG_INT64: {
        int64_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    case CONFIG_INT32:
    case CONFIG_RATIO: {
        int32_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    case CONFIG_BOOL: {
        bool value;
        memcpy(&value, at, sizeof value);
        return value ? 1 : 0;
    }
    case CONFIG_CHOICE: {
        unsigned value; /* enumerations have an unsigned int's size */
        memcpy(&value, at, sizeof value);
        return value;
    }
    case CONFIG_CODEC:
        return config->compression_type;
    case CONFIG_CLEANUP:
        return (config->cleanup_delete ? 1 : 0) | (config->cleanup_compact ? 2 : 0);
    }
    weir_assert(false);
    return 0;
}

static void put(struct weir_topic_config *config, const struct config_row *row, int64_t value)
{
    char *at = (char *)config + row->field;
    weir_assert(value >= row->min && value <= row->max);
    switch (row->kind) {
    case CONFIG_INT64:
        memcpy(at, &value, sizeof value);
        break;
    case CONFIG_INT32:
    case CONFIG_RATIO: {
        int32_t narrow = (int32_t)value;
        memcpy(at, &narrow, sizeof narrow);
        break;
    }
    case CONFIG_BOOL: {
        bool narrow = value != 0;
        memcpy(at, &narrow, sizeof narrow);
        break;
    }
    case CONFIG_CHOICE: {
        unsigned narrow = (unsigned)value;
        memcpy(at, &narrow, sizeof narrow);
        break;
    }
    case CONFIG_CODEC:
        config->compression_type = (int8_t)value;
        break;
    case CONFIG_CLEANUP:
        config->cleanup_delete = (value & 1) != 0;
        config->cleanup_compact = (value & 2) != 0;
        break;
    }
}

static_assert(sizeof(enum weir_timestamp_type) == sizeof(unsigned), "read and written as unsigned");
static_assert(sizeof(enum weir_flush_policy) == sizeof(unsigned), "read and written as unsigned");

/* The index of `word` among `choices`; -1 if it is none of them. */
static int find_choice(const char *choices, const char *word, size_t size)
{
    int index = 0;
    for (const char *at = choices; at != NULL; index++) {
        const char *bar = strchr(at, '|');
        size_t length = bar != NULL ? (size_t)(bar - at) : strlen(at);
        if (length == size && memcmp(at, word, size) == 0) return index;
        at = bar != NULL ? bar + 1 : NULL;
    }
    return -1;
}

static void print_choice(const char *choices, int64_t index, char *text, size_t size)
{
    const char *at = choices;
    for (int64_t i = 0; i < index; i++) {
        at = strchr(at, '|') + 1;
    }
    size_t length = strcspn(at, "|");
    (void)snprintf(text, size, "%.*s", (int)length, at);
}

/* As Java prints it: "0.5", "1.0". The program's locale has no say in it. */
static void print_ratio(int64_t value, char *text, size_t size)
{
    (void)snprintf(text, size, "%d.%06d", (int)(value / RATIO_ONE), (int)(value % RATIO_ONE));
    size_t length = strlen(text);
    while (text[length - 1] == '0' && text[length - 2] != '.')
        text[--length] = '\0';
}

static void print_value(const struct config_row *row, int64_t value, char *text, size_t size)
{
    switch (row->kind) {
    case CONFIG_INT64:
    case CONFIG_INT32:
        (void)snprintf(text, size, "%" PRId64, value);
        break;
    case CONFIG_CHOICE:
    case CONFIG_BOOL:
        print_choice(row->choices, value, text, size);
        break;
    case CONFIG_RATIO:
        print_ratio(value, text, size);
        break;
    case CONFIG_CODEC:
        print_choice(row->choices, value + 1, text, size);
        break;
    case CONFIG_CLEANUP:
        (void)snprintf(text, size, "%s%s%s", (value & 1) != 0 ? "delete" : "",
                       value == 3 ? "," : "", (value & 2) != 0 ? "compact" : "");
        break;
    }
}

static bool parse_cleanup(const char *text, int64_t *value_out)
{
    int64_t value = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        int index = find_choice("delete|compact", text, size);
        if (index < 0) return false;
        value |= (int64_t)1 << index;
        text += size;
        if (*text == ',' && *++text == '\0') return false;
        text += strspn(text, " ");
    }
    *value_out = value;
    return true;
}

/* Digits, a point, digits; those after the sixth are dropped. */
static bool parse_ratio(const char *text, int64_t *value_out)
{
    size_t whole = strspn(text, "0123456789");
    const char *point = text + whole;
    size_t digits = *point == '.' ? strspn(point + 1, "0123456789") : 0;
    bool is_number = whole == 1 && (*point == '\0' || (digits > 0 && point[1 + digits] == '\0'));
    if (!is_number) return false;
    int64_t value = text[0] - '0';
    for (size_t i = 0; i < RATIO_DIGITS; i++) {
        value = value * 10 + (i < digits ? point[1 + i] - '0' : 0);
    }
    *value_out = value;
    return value <= RATIO_ONE;
}

static bool parse_value(const struct config_row *row, const char *text, int64_t *value_out)
{
    if (row->kind == CONFIG_CLEANUP) return parse_cleanup(text, value_out);
    if (row->kind == CONFIG_RATIO) return parse_ratio(text, value_out);
    if (row->choices != NULL) {
        int index = find_choice(row->choices, text, strlen(text));
        *value_out = row->kind == CONFIG_CODEC ? index - 1 : index;
        return index >= 0;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool is_number = (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && *end == '\0';
    if (!is_number || errno != 0 || value < row->min || value > row->max) return false;
    *value_out = value;
    return true;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static int unknown_key(const char *key, const char *value, struct weir_error *error)
{
    if (strncmp(key, "remote.", 7) == 0 || strncmp(key, "local.", 6) == 0) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s': there is no tiered storage here", key, value);
    }
    struct weir_nearest nearest = weir_nearest_to(key);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        weir_nearest_offer(&nearest, rows[i].key);
    }
    if (nearest.found == NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "unknown topic setting '%s' (value '%s')",
                              key, value);
    }
    return weir_error_set(error, WEIR_INVALID_CONFIG,
                          "unknown topic setting '%s' (value '%s'): did you mean '%s'?", key, value,
                          nearest.found);
}

static int bad_value(const struct config_row *row, const char *value, struct weir_error *error)
{
    if (row->choices != NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' = '%s': it takes %s. %s", row->key,
                              value, row->choices, row->text);
    }
    if (row->kind == CONFIG_RATIO) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s': it takes a number from 0 to 1. %s", row->key, value,
                              row->text);
    }
    return weir_error_set(
        error, WEIR_INVALID_CONFIG,
        "'%s' = '%s': it takes a whole number from %" PRId64 " to %" PRId64 "%s%s. %s", row->key,
        value, row->min, row->max, row->unit[0] != '\0' ? ", in " : "", row->unit, row->text);
}

/* ---- the door -------------------------------------------------------------------------------- */

struct weir_topic_config weir_topic_config_default(void)
{
    struct weir_topic_config config;
    memset(&config, 0, sizeof config);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        put(&config, &rows[i], rows[i].preset);
    }
    return config;
}

int weir_topic_config_set(struct weir_topic_config *config, const char *key, const char *value,
                          struct weir_error *error)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].key, key) != 0) continue;
        int64_t parsed;
        if (!parse_value(&rows[i], value, &parsed)) return bad_value(&rows[i], value, error);
        put(config, &rows[i], parsed);
        return 0;
    }
    return unknown_key(key, value, error);
}

enum weir_config_type weir_topic_config_type(const char *key)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].key, key) != 0) continue;
        if (rows[i].kind == CONFIG_CLEANUP) return WEIR_CONFIG_TYPE_LIST;
        if (rows[i].kind == CONFIG_BOOL) return WEIR_CONFIG_TYPE_BOOLEAN;
        if (rows[i].kind == CONFIG_RATIO) return WEIR_CONFIG_TYPE_DOUBLE;
        if (rows[i].choices != NULL) return WEIR_CONFIG_TYPE_STRING;
        return rows[i].max <= INT32_MAX ? WEIR_CONFIG_TYPE_INT : WEIR_CONFIG_TYPE_LONG;
    }
    return WEIR_CONFIG_TYPE_UNKNOWN;
}

void weir_topic_config_each(const struct weir_topic_config *config, weir_topic_config_fn each,
                            void *context)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char text[VALUE_TEXT_SIZE];
        int64_t value = get(config, &rows[i]);
        print_value(&rows[i], value, text, sizeof text);
        each(context, rows[i].key, text, value == rows[i].preset, rows[i].text);
    }
}
