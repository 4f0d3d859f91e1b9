#ifndef WEIR_BROKER_COORDINATOR_GROUP_GROUP_SETTINGS_H
#define WEIR_BROKER_COORDINATOR_GROUP_GROUP_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "broker/metadata/group_config.h"

/** Which groups may go over to the other protocol while they have members (KIP-848). */
enum weir_group_migration {
    WEIR_MIGRATION_DISABLED,
    WEIR_MIGRATION_UPGRADE,   /* classic to consumer */
    WEIR_MIGRATION_DOWNGRADE, /* and back, when the last member of the consumer protocol has left */
    WEIR_MIGRATION_BIDIRECTIONAL,
};

/** What holds for groups, by Kafka's names; times in milliseconds. */
struct weir_group_settings {
    int32_t session_timeout_min_ms;     /* group.min.session.timeout.ms: 6,000 */
    int32_t session_timeout_max_ms;     /* group.max.session.timeout.ms: 1,800,000 */
    int32_t initial_rebalance_delay_ms; /* group.initial.rebalance.delay.ms: 3,000 */
    int32_t members_max;                /* group.max.size: INT32_MAX */
    /* Of a group of either protocol: what its members have said and are given, together. Weir's own. */
    size_t bytes_max;
    int64_t all_bytes_max; /* groups.max.bytes, Weir's own: all live groups together, 512 MiB */
    int32_t consumer_members_max; /* group.consumer.max.size: INT32_MAX */
    /* What a group has that says nothing else: group.consumer.session.timeout.ms (45,000),
     * group.consumer.heartbeat.interval.ms (5,000), group.consumer.assignment.interval.ms (1,000) and
     * group.consumer.assignor.offload.enable (true). */
    struct weir_group_config config;
    /* What a group may say: group.consumer.{min,max}.session.timeout.ms (45,000 and 60,000),
     * group.consumer.{min,max}.heartbeat.interval.ms (5,000 and 15,000) and
     * group.consumer.{min,max}.assignment.interval.ms (0 and 15,000). */
    struct weir_group_config_bounds config_bounds;
    int32_t
        migration; /* enum weir_group_migration; group.consumer.migration.policy: bidirectional */
    /* Of offsets. */
    int32_t offset_metadata_bytes_max;           /* offset.metadata.max.bytes: 4,096 */
    int32_t offsets_retention_minutes;           /* offsets.retention.minutes: 7 days */
    int64_t offsets_retention_check_interval_ms; /* offsets.retention.check.interval.ms: 600,000 */
    int32_t offsets_topic_num_partitions;        /* offsets.topic.num.partitions: 1 */
};

/** Kafka 4's defaults, and one partition of `__consumer_offsets`, of which `weir server` has 50. */
struct weir_group_settings weir_group_settings_default(void);
/** Is there a setting of this name? */
bool weir_group_settings_is_known(const char *key);
/** WEIR_INVALID_CONFIG with the key, the value, what would be right, or "did you mean". */
int weir_group_settings_set(struct weir_group_settings *settings, const char *key,
                            const char *value, struct weir_error *error);
enum weir_config_type weir_group_settings_type(const char *key);
/** Each in order of name. */
void weir_group_settings_each(const struct weir_group_settings *settings, weir_setting_fn each,
                              void *context);
/** Its names, for who looks for one that may be meant. */
void weir_group_settings_offer(struct weir_nearest *nearest);

#endif
