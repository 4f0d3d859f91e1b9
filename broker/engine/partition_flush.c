#include "broker/engine/partition_flush.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/delayed_produce.h"
#include "broker/engine/engine.h"
#include "broker/engine/fetch.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/partition_life.h"

/* A partition in its flush group: what a flush takes of it, and who is told when it is over. */

static struct weir_partition *partition_of(struct weir_flush_entry *entry)
{
    return (struct weir_partition *)((char *)entry - offsetof(struct weir_partition, flush));
}

void weir_partition_flush_if_dirty(struct weir_partition *partition)
{
    bool is_lazy = partition->config.flush_policy != WEIR_FLUSH_GROUP;
    if (!weir_partition_log_is_dirty(partition->log)) return;
    weir_flush_group_add(&partition->shard->flush, &partition->flush, is_lazy);
}

static int begin(struct weir_flush_entry *entry)
{
    struct weir_partition *partition = partition_of(entry);
    if (partition->state != WEIR_PARTITION_OPEN) return WEIR_END;
    int rc = weir_log_sync_begin(partition->log, &entry->sync);
    if (rc == 0) partition->flush_bytes = partition->bytes_appended;
    return rc;
}

/* It could not begin, which is not the disk's word yet but as final, or has failed. */
static void failed(struct weir_flush_entry *entry, int rc)
{
    struct weir_partition *partition = partition_of(entry);
    weir_partition_failed(partition, WEIR_AVAILABILITY_SYNC_FAILED, rc, &entry->sync.error);
    weir_partition_settle(partition);
}

static void flushed(struct weir_flush_entry *entry)
{
    struct weir_partition *partition = partition_of(entry);
    weir_assert(partition->state == WEIR_PARTITION_OPEN);
    int rc = weir_log_sync_end(partition->log, &entry->sync);
    if (rc < 0) {
        failed(entry, rc);
        return;
    }
    if (partition->bytes_visible < partition->flush_bytes) {
        partition->bytes_visible = partition->flush_bytes;
    }
    weir_partition_refresh(partition);
    weir_partition_check_state(partition);
    weir_partition_answer_acks(partition, 0, NULL);
    weir_partition_wake_fetches(partition);
    weir_partition_flush_if_dirty(partition);
    weir_partition_roll_if_owed(partition);
    weir_partition_settle(partition);
}

const struct weir_flush_ops weir_partition_flush_ops = {
    .begin = begin,
    .refused = failed,
    .flushed = flushed,
};
