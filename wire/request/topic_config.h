#ifndef WEIR_WIRE_REQUEST_TOPIC_CONFIG_H
#define WEIR_WIRE_REQUEST_TOPIC_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

/**
 * The settings of a topic, each under the name that Kafka has for it (broker/log/topic_config.h reads and
 * prints them). Times in ms, sizes in bytes.
 */
enum weir_timestamp_type { WEIR_CREATE_TIME, WEIR_LOG_APPEND_TIME };
enum weir_flush_policy { WEIR_FLUSH_GROUP, WEIR_FLUSH_OS };
/** What retention.ms counts from: the later of a record's time and its append, or, as Kafka has it,
 * the record's time alone. */
enum weir_retention_by { WEIR_RETENTION_BY_APPEND, WEIR_RETENTION_BY_RECORD };

struct weir_topic_config {
    int64_t retention_ms;    /* -1: for ever */
    int64_t retention_bytes; /* -1: any */
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t index_interval_bytes;
    int64_t max_message_bytes;
    int64_t message_timestamp_before_max_ms;
    int64_t message_timestamp_after_max_ms;
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    int64_t file_delete_delay_ms;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t segment_jitter_ms;
    int32_t segment_index_bytes;
    int32_t min_cleanable_dirty_millionths;
    enum weir_timestamp_type message_timestamp_type;
    enum weir_flush_policy flush_policy;
    enum weir_retention_by retention_by;
    bool cleanup_delete; /* cleanup.policy */
    bool cleanup_compact;
    bool preallocate;
    bool unclean_leader_election_enable;
    int8_t compression_type; /* enum weir_codec, or -1: the producer's */
    int32_t min_insync_replicas;
};

#endif
