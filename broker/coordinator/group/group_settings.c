#include "broker/coordinator/group/group_settings.h"

#include <stddef.h>
#include <string.h>

#include "base/settings.h"

#define FIELD(name) offsetof(struct weir_group_settings, name)

enum {
    MINUTE_MS = 60000,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MINUTES = 24 * 60,
    BYTES_MAX = 64 << 20,
    METADATA_MAX = 1 << 20,
    PARTITIONS_MAX = 10000,
};

/* Kafka 4's names and defaults, but for the partitions of `__consumer_offsets`: a log in a program has one, and
 * `weir server` Kafka's 50. */
static const struct weir_setting rows[] = {
    {"group.consumer.assignment.interval.ms", WEIR_SETTING_INT32,
     FIELD(config.consumer_assignment_interval_ms), 0, HOUR_MS, 1000, "ms", NULL,
     "The least time from one assignment of a consumer group to the next: who comes and goes "
     "meanwhile is in the next one."},
    {"group.consumer.assignor.offload.enable", WEIR_SETTING_BOOLEAN,
     FIELD(config.consumer_assignor_offload), 0, 1, 1, "", NULL,
     "Kafka's choice of a thread for assignors. It changes nothing here: an assignor runs on the "
     "thread that its group is on."},
    {"group.consumer.heartbeat.interval.ms", WEIR_SETTING_INT32,
     FIELD(config.consumer_heartbeat_interval_ms), 1, HOUR_MS, 5000, "ms", NULL,
     "How often members of consumer groups say that they are there."},
    {"group.consumer.max.assignment.interval.ms", WEIR_SETTING_INT32,
     FIELD(config_bounds.max.consumer_assignment_interval_ms), 0, INT32_MAX, 15000, "ms", NULL,
     "The most that a group may be given as its own consumer.assignment.interval.ms."},
    {"group.consumer.max.heartbeat.interval.ms", WEIR_SETTING_INT32,
     FIELD(config_bounds.max.consumer_heartbeat_interval_ms), 1, INT32_MAX, 15000, "ms", NULL,
     "The most that a group may be given as its own consumer.heartbeat.interval.ms."},
    {"group.consumer.max.session.timeout.ms", WEIR_SETTING_INT32,
     FIELD(config_bounds.max.consumer_session_timeout_ms), 1, INT32_MAX, MINUTE_MS, "ms", NULL,
     "The most that a group may be given as its own consumer.session.timeout.ms."},
    {"group.consumer.max.size", WEIR_SETTING_INT32, FIELD(consumer_members_max), 1, INT32_MAX,
     INT32_MAX, "", NULL, "Members that a consumer group may have."},
    {"group.consumer.migration.policy", WEIR_SETTING_CHOICE, FIELD(migration),
     WEIR_MIGRATION_DISABLED, WEIR_MIGRATION_BIDIRECTIONAL, WEIR_MIGRATION_BIDIRECTIONAL, "",
     "disabled|upgrade|downgrade|bidirectional",
     "Which groups go over to the other protocol while they have members: classic ones to consumer "
     "(upgrade), or back when the last member of that protocol has left (downgrade)."},
    {"group.consumer.min.assignment.interval.ms", WEIR_SETTING_INT32,
     FIELD(config_bounds.min.consumer_assignment_interval_ms), 0, INT32_MAX, 0, "ms", NULL,
     "The least that a group may be given as its own consumer.assignment.interval.ms."},
    {"group.consumer.min.heartbeat.interval.ms", WEIR_SETTING_INT32,
     FIELD(config_bounds.min.consumer_heartbeat_interval_ms), 1, INT32_MAX, 5000, "ms", NULL,
     "The least that a group may be given as its own consumer.heartbeat.interval.ms."},
    {"group.consumer.min.session.timeout.ms", WEIR_SETTING_INT32,
     FIELD(config_bounds.min.consumer_session_timeout_ms), 1, INT32_MAX, 45000, "ms", NULL,
     "The least that a group may be given as its own consumer.session.timeout.ms."},
    {"group.consumer.session.timeout.ms", WEIR_SETTING_INT32,
     FIELD(config.consumer_session_timeout_ms), 1, HOUR_MS, 45000, "ms", NULL,
     "A member of a consumer group that is silent for this long is out."},
    {"group.initial.rebalance.delay.ms", WEIR_SETTING_INT32, FIELD(initial_rebalance_delay_ms), 0,
     HOUR_MS, 3000, "ms", NULL,
     "How long a classic group that was empty waits for further members before its first "
     "generation."},
    {"group.max.session.timeout.ms", WEIR_SETTING_INT32, FIELD(session_timeout_max_ms), 1,
     INT32_MAX, 30 * MINUTE_MS, "ms", NULL,
     "The longest session that a member of a classic group may ask for."},
    {"group.max.size", WEIR_SETTING_INT32, FIELD(members_max), 1, INT32_MAX, INT32_MAX, "", NULL,
     "Members that a classic group may have."},
    {"group.min.session.timeout.ms", WEIR_SETTING_INT32, FIELD(session_timeout_min_ms), 1,
     INT32_MAX, 6000, "ms", NULL,
     "The shortest session that a member of a classic group may ask for."},
    {"groups.max.bytes", WEIR_SETTING_INT64, FIELD(all_bytes_max), 1 << 20, INT64_MAX, 512 << 20,
     "bytes", NULL,
     "Memory that all groups with members may take together; above it no new member is let in, "
     "and a quarter more is the most for those that are. Weir's own."},
    {"offset.metadata.max.bytes", WEIR_SETTING_INT32, FIELD(offset_metadata_bytes_max), 0,
     METADATA_MAX, 4096, "bytes", NULL,
     "What a client may write beside an offset that it commits."},
    {"offsets.retention.check.interval.ms", WEIR_SETTING_INT64,
     FIELD(offsets_retention_check_interval_ms), 1, INT64_MAX, 10 * MINUTE_MS, "ms", NULL,
     "How often offsets that have expired are looked for."},
    {"offsets.retention.minutes", WEIR_SETTING_INT32, FIELD(offsets_retention_minutes), 1,
     INT32_MAX, 7 * DAY_MINUTES, "min", NULL,
     "Offsets of a group that nobody has been in for this long are forgotten; of one that never "
     "had members, this long after their commit."},
    {"offsets.topic.num.partitions", WEIR_SETTING_INT32, FIELD(offsets_topic_num_partitions), 1,
     PARTITIONS_MAX, 1, "", NULL,
     "Partitions of __consumer_offsets, over which groups are spread; taken when it is made, and "
     "once more where it has one."},
};

static const struct weir_settings_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .noun = "setting of groups",
};

struct weir_group_settings weir_group_settings_default(void)
{
    struct weir_group_settings settings = {.bytes_max = BYTES_MAX};
    weir_settings_default(&table, &settings);
    return settings;
}

bool weir_group_settings_is_known(const char *key)
{
    for (size_t i = 0; i < table.count; i++) {
        if (strcmp(rows[i].key, key) == 0) return true;
    }
    return false;
}

int weir_group_settings_set(struct weir_group_settings *settings, const char *key,
                            const char *value, struct weir_error *error)
{
    return weir_settings_set(&table, settings, key, value, error);
}

enum weir_config_type weir_group_settings_type(const char *key)
{
    return weir_settings_type(&table, key);
}

void weir_group_settings_each(const struct weir_group_settings *settings, weir_setting_fn each,
                              void *context)
{
    weir_settings_each(&table, settings, each, context);
}

void weir_group_settings_offer(struct weir_nearest *nearest)
{
    for (size_t i = 0; i < table.count; i++) {
        weir_nearest_offer(nearest, rows[i].key);
    }
}
