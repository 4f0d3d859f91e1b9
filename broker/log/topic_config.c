#include "broker/log/topic_config.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/codec/compress.h"
#include "base/error.h"
#include "base/data_type.h"
#include "base/utf8.h"

#define FIELD(name) offsetof(struct weir_topic_config, name)

static_assert(sizeof(enum weir_timestamp_type) == sizeof(unsigned), "read and written as unsigned");
static_assert(sizeof(enum weir_flush_policy) == sizeof(unsigned), "read and written as unsigned");
static_assert(sizeof(enum weir_retention_by) == sizeof(unsigned), "read and written as unsigned");
static_assert(FIELD(cleanup_compact) == FIELD(cleanup_delete) + sizeof(bool),
              "the words of one list");

/* Kafka 4's names, ranges and defaults; flush.policy and weir.… are ours. A value that
 * would have no effect is refused, or its row's text says so: cleanup.policy=compact is kept
 * because Kafka Streams' changelogs carry it, and so are the settings that Kafka's tools send
 * along and that say how a replica or a cleaner works which is not here. `cleanup.policy` is
 * two bits, delete and compact; the codecs count from -1, the producer's own. */
static const struct weir_setting rows[] = {
    {"cleanup.policy", WEIR_SETTING_LIST, FIELD(cleanup_delete), 0, 3, 1, "", "delete|compact",
     "What happens to old segments: delete removes them, compact keeps each key's last "
     "record, or both with a comma between."},
    {"compression.type", WEIR_SETTING_SMALL_CHOICE, FIELD(compression_type), -1,
     WEIR_CODEC_COUNT - 1, -1, "", "producer|uncompressed|gzip|snappy|lz4|zstd",
     "The codec in which batches are stored: the producer's own, or one that the broker brings all "
     "batches into, which costs it their unpacking and packing."},
    {"delete.retention.ms", WEIR_SETTING_INT64, FIELD(delete_retention_ms), 0, INT64_MAX, 86400000,
     "ms", NULL,
     "How long a tombstone stays at least in a compacted topic, from the first compaction that has "
     "met it."},
    {"file.delete.delay.ms", WEIR_SETTING_INT64, FIELD(file_delete_delay_ms), 0, INT64_MAX, 60000,
     "ms", NULL, "Without effect: a file is removed at once, and who reads it keeps it open."},
    {"flush.messages", WEIR_SETTING_INT64, FIELD(flush_messages), 1, INT64_MAX, INT64_MAX,
     "records", NULL, "Without effect: flush.policy says when a batch is synced."},
    {"flush.ms", WEIR_SETTING_INT64, FIELD(flush_ms), 0, INT64_MAX, INT64_MAX, "ms", NULL,
     "Without effect: flush.policy says when a batch is synced."},
    {"flush.policy", WEIR_SETTING_CHOICE, FIELD(flush_policy), 0, 1, WEIR_FLUSH_GROUP, "",
     "group|os", "When acks=all is answered: after a shared sync, or from the page cache."},
    {"index.interval.bytes", WEIR_SETTING_WIDE_INT32, FIELD(index_interval_bytes), 0, INT32_MAX,
     4096, "bytes", NULL, "Bytes of batches between two index entries."},
    {"max.compaction.lag.ms", WEIR_SETTING_INT64, FIELD(max_compaction_lag_ms), 1, INT64_MAX,
     INT64_MAX, "ms", NULL,
     "How long a record stays uncompacted at most: its segment ends after that, and is compacted "
     "then."},
    {"max.message.bytes", WEIR_SETTING_WIDE_INT32, FIELD(max_message_bytes), 0, INT32_MAX, 1048588,
     "bytes", NULL, "The largest record batch, compressed."},
    {"message.timestamp.after.max.ms", WEIR_SETTING_INT64, FIELD(message_timestamp_after_max_ms), 0,
     INT64_MAX, 3600000, "ms", NULL, "How far a timestamp may be ahead of the server's clock."},
    {"message.timestamp.before.max.ms", WEIR_SETTING_INT64, FIELD(message_timestamp_before_max_ms),
     0, INT64_MAX, INT64_MAX, "ms", NULL, "How far a timestamp may be behind the server's clock."},
    {"message.timestamp.type", WEIR_SETTING_CHOICE, FIELD(message_timestamp_type), 0, 1,
     WEIR_CREATE_TIME, "", "CreateTime|LogAppendTime",
     "Whose time a record carries: its producer's or the log's."},
    {"min.cleanable.dirty.ratio", WEIR_SETTING_RATIO, FIELD(min_cleanable_dirty_millionths), 0,
     WEIR_SETTING_RATIO_ONE, WEIR_SETTING_RATIO_ONE / 2, "", NULL,
     "A log is compacted when more than this part of its bytes, the active segment aside, is "
     "dirty."},
    {"min.compaction.lag.ms", WEIR_SETTING_INT64, FIELD(min_compaction_lag_ms), 0, INT64_MAX, 0,
     "ms", NULL, "How long a record stays uncompacted at least."},
    {"min.insync.replicas", WEIR_SETTING_INT32, FIELD(min_insync_replicas), 1, INT32_MAX, 1,
     "replicas", NULL,
     "Replicas that must have a batch before acks=all is answered; one server is one replica, so "
     "with more than 1 acks=all is refused."},
    {"preallocate", WEIR_SETTING_BOOLEAN, FIELD(preallocate), 0, 1, 0, "", "false|true",
     "Without effect: a segment's file grows as it is written."},
    {"retention.bytes", WEIR_SETTING_INT64, FIELD(retention_bytes), -1, INT64_MAX, -1, "bytes",
     NULL, "Bytes kept per partition; -1 keeps all."},
    {"retention.ms", WEIR_SETTING_INT64, FIELD(retention_ms), -1, INT64_MAX, 604800000, "ms", NULL,
     "How long records are kept, counted as weir.retention.by says; -1 keeps them for ever."},
    {"segment.bytes", WEIR_SETTING_WIDE_INT32, FIELD(segment_bytes), 14, INT32_MAX, 1073741824,
     "bytes", NULL, "The size at which a segment is closed and the next begun."},
    {"segment.index.bytes", WEIR_SETTING_INT32, FIELD(segment_index_bytes), 4, INT32_MAX, 10485760,
     "bytes", NULL, "Without effect: an index is as large as its segment needs."},
    {"segment.jitter.ms", WEIR_SETTING_INT64, FIELD(segment_jitter_ms), 0, INT64_MAX, 0, "ms", NULL,
     "Without effect: segments are closed after segment.ms, none earlier."},
    {"segment.ms", WEIR_SETTING_INT64, FIELD(segment_ms), 1, INT64_MAX, 604800000, "ms", NULL,
     "The span of timestamps after which a segment is closed."},
    {"unclean.leader.election.enable", WEIR_SETTING_BOOLEAN, FIELD(unclean_leader_election_enable),
     0, 1, 0, "", "false|true",
     "Without effect: one server is one replica, and nobody else can lead."},
    {"weir.retention.by", WEIR_SETTING_CHOICE, FIELD(retention_by), 0, 1, WEIR_RETENTION_BY_APPEND,
     "", "append|record",
     "What retention.ms counts from: the later of a record's time and its append, or the record's "
     "time alone, as in Kafka."},
};

static const struct text {
    const char *key;
    const char *text;
} texts[] = {
    {"weir.key.format",
     "What the bytes of keys stand for, as readers show them: text, i64, f64, "
     "struct[NAME:TYPE,...], windowed[TYPE] and so on; empty: not known. Records are not checked "
     "by it."},
    {"weir.value.format",
     "What the bytes of values stand for, as readers show them: text, i64, f64, "
     "struct[NAME:TYPE,...] and so on; empty: not known. Records are not checked by it."},
};

enum { TEXT_COUNT = sizeof texts / sizeof texts[0] };

static void offer_texts(struct weir_nearest *nearest)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        weir_nearest_offer(nearest, texts[i].key);
    }
}

static const struct weir_settings_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .noun = "topic setting",
    .offer = offer_texts,
};

struct weir_topic_config weir_topic_config_default(void)
{
    struct weir_topic_config config;
    memset(&config, 0, sizeof config);
    weir_settings_default(&table, &config);
    return config;
}

bool weir_topic_config_is_text(const char *key)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (strcmp(texts[i].key, key) == 0) return true;
    }
    return false;
}

static int check_text(const char *key, const char *value, struct weir_error *error)
{
    struct weir_error reason = {0};
    /* Clients are told the refusal: what it quotes is printable. */
    int shown = (int)weir_utf8_printable(weir_text(value), 100);
    if (value[0] == '\0') return 0;
    int rc = weir_data_type_parse(weir_text(value), NULL, NULL, &reason);
    if (rc == WEIR_NOT_FOUND) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%.*s': it takes %s, or nothing: not known", key, shown,
                              value, weir_data_type_right);
    }
    if (rc < 0) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' = '%.*s': %s", key, shown, value,
                              reason.text);
    }
    return 0;
}

static bool begins_with(const char *key, const char *words)
{
    return strncmp(key, words, strlen(words)) == 0;
}

int weir_topic_config_set(struct weir_topic_config *config, const char *key, const char *value,
                          struct weir_error *error)
{
    if (weir_topic_config_is_text(key)) return check_text(key, value, error);
    if (begins_with(key, "remote.") || begins_with(key, "local.")) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s': there is no tiered storage here", key, value);
    }
    return weir_settings_set(&table, config, key, value, error);
}

int64_t weir_retention_counts_from(enum weir_retention_by by, int64_t max_timestamp_ms,
                                   int64_t last_append_ms)
{
    bool takes_append =
        by == WEIR_RETENTION_BY_APPEND ? last_append_ms > max_timestamp_ms : max_timestamp_ms < 0;
    return takes_append ? last_append_ms : max_timestamp_ms;
}

enum weir_config_type weir_topic_config_type(const char *key)
{
    if (weir_topic_config_is_text(key)) return WEIR_CONFIG_TYPE_STRING;
    return weir_settings_type(&table, key);
}

void weir_topic_config_each(const struct weir_topic_config *config, weir_setting_fn each,
                            void *context)
{
    weir_settings_each(&table, config, each, context);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        each(context, texts[i].key, "", true, texts[i].text);
    }
}
