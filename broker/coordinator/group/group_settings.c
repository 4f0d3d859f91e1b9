#include "broker/coordinator/group/group_settings.h"

/* The record of a group is one batch, and a partition of `__consumer_offsets` takes 64 MiB in one. */
enum { BYTES_MAX = 32 << 20 };

struct weir_group_settings weir_group_settings_default(void)
{
    return (struct weir_group_settings){
        .session_timeout_min_ms = 6000,
        .session_timeout_max_ms = 1800000,
        .initial_rebalance_delay_ms = 3000,
        .members_max = INT32_MAX,
        .bytes_max = BYTES_MAX,
        .consumer_members_max = INT32_MAX,
        .consumer_session_timeout_ms = 45000,
        .consumer_heartbeat_interval_ms = 5000,
        .migration = WEIR_MIGRATION_BIDIRECTIONAL,
    };
}
