#include "broker/coordinator/transaction_sweep.h"

#include "broker/coordinator/live_transaction.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

enum { IDS_MAX = 500 }; /* that are looked at in one turn */

static void say(const struct weir_transaction_partition *home)
{
    const struct weir_partition *partition = home->partition;
    if (home->expired_count == 0) return;
    weir_log(&partition->shard->env->logger, WEIR_LOG_INFO, "transactional_ids.expired",
             "partition=%d ids=%zu", partition->number, home->expired_count);
}

/* True: all were looked at. */
static bool sweep(struct weir_transaction_partition *home)
{
    const struct weir_txn_settings *settings = &home->coordinator->settings;
    int64_t wall_ms = weir_wall_now(home->partition->shard->env).ms;
    for (size_t i = 0; i < IDS_MAX; i++) {
        const struct weir_txn_entry *entry =
            weir_map_walk_next(&home->image.entries, &home->expiry_walk);
        if (entry == NULL) return true;
        if (!weir_txn_is_expired(entry->txn, settings, wall_ms)) continue;
        home->expired_count += weir_live_transaction_expire(home, entry->txn);
    }
    return false;
}

void weir_transaction_sweep_run(struct weir_transaction_partition *home, struct weir_mono now)
{
    struct weir_mono next = weir_mono_after_ms(now, home->coordinator->settings.expiry_interval_ms);
    if (home->expiry_at.ns == 0) home->expiry_at = next; /* the first */
    if (now.ns < home->expiry_at.ns) return;
    if (weir_coordinator_log_catch_up(&home->log, NULL) == 0 && !sweep(home)) return;
    say(home);
    home->expiry_at = next;
    home->expiry_walk = (struct weir_map_walk){0};
    home->expired_count = 0;
}
