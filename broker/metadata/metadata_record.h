#ifndef WEIR_BROKER_METADATA_METADATA_RECORD_H
#define WEIR_BROKER_METADATA_METADATA_RECORD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "weir/error.h"
#include "weir/types.h"

/**
 * The records of `__cluster_metadata`, as far as this engine writes and reads them: the fields it
 * folds, in its own words. The bytes are Kafka's (KIP-631): the key is null, the value is a frame
 * version, the type, the type's version, each an unsigned varint, then the message.
 */
enum weir_metadata_type {
    WEIR_METADATA_REGISTER_BROKER = 0,
    WEIR_METADATA_TOPIC = 2,
    WEIR_METADATA_PARTITION = 3,
    WEIR_METADATA_CONFIG = 4,
    WEIR_METADATA_PARTITION_CHANGE = 5,
    WEIR_METADATA_REMOVE_TOPIC = 9,
    WEIR_METADATA_FEATURE_LEVEL = 12,
    WEIR_METADATA_PRODUCER_IDS = 15,
};

enum { WEIR_NO_LEADER_CHANGE = -2, WEIR_RESOURCE_TOPIC = 2, WEIR_RESOURCE_GROUP = 32 };

struct weir_metadata_record {
    enum weir_metadata_type type;
    union {
        struct {
            int32_t broker_id;
            int64_t broker_epoch;
            struct weir_uuid incarnation_id;
        } register_broker;
        struct {
            struct weir_slice name;
            struct weir_uuid id;
        } topic;
        struct {
            struct weir_uuid topic_id;
            int32_t partition;
            int32_t leader;
            int32_t leader_epoch;
            struct weir_uuid directory_id; /* the log directory that has it; zero: none yet */
        } partition;
        struct {
            int8_t resource_type;
            struct weir_slice resource;
            struct weir_slice key;
            struct weir_slice value; /* null: back to the default */
        } config;
        struct { /* a leader, even the same one again, raises the leader epoch by one */
            struct weir_uuid topic_id;
            int32_t partition;
            int32_t leader;                /* or WEIR_NO_LEADER_CHANGE */
            struct weir_uuid directory_id; /* zero: as it was */
        } partition_change;
        struct {
            struct weir_uuid topic_id;
        } remove_topic;
        struct {
            struct weir_slice name;
            int16_t level;
        } feature_level;
        struct {
            int32_t broker_id;
            int64_t broker_epoch;
            int64_t next_producer_id;
        } producer_ids;
    };
};

/** Append the value of a record. Errors: WEIR_NO_MEMORY, WEIR_INVALID_ARGUMENT (a text too long).
 */
int weir_metadata_record_encode(struct weir_buffer *buffer,
                                const struct weir_metadata_record *record);

/**
 * Read a record's value. Slices point into `value`; `arena` is for what decoding needs meanwhile.
 *
 * Returns 0, or WEIR_END for a type that this version does not know (to be counted and skipped).
 * Errors: WEIR_UNSUPPORTED_VERSION (frame, or a version of a known type), WEIR_CORRUPT.
 */
int weir_metadata_record_decode(struct weir_slice value, struct weir_arena *arena,
                                struct weir_metadata_record *record_out, struct weir_error *error);

#endif
