#include "broker/coordinator/offsets_machine.h"

#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group_expiry.h"
#include "broker/coordinator/live_step.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/*
 * The life of such a partition: it is read, then the groups that have members are made live, so many in a turn, for
 * their sessions begin anew; from then on it wakes for their deadlines.
 */
enum {
    LOADS_MAX = 200, /* groups that are looked at in one turn */
    SETTLE_INTERVAL_MS = 200,
};

static int open(void *impl, struct weir_partition *partition, void **machine_out)
{
    struct weir_offsets_partition *offsets;
    int rc = weir_offsets_partition_new(impl, partition, &offsets);
    if (rc == 0) *machine_out = offsets;
    return rc;
}

static int restore(void *machine, struct weir_error *error)
{
    struct weir_offsets_partition *offsets = machine;
    const struct weir_partition *partition = offsets->partition;
    return weir_fold_restore(&offsets->log.fold, partition->shard->env, partition->log,
                             partition->path, error);
}

static void run_once(void *machine, struct weir_mono now)
{
    struct weir_offsets_partition *offsets = machine;
    if (offsets->partition->state != WEIR_PARTITION_OPEN) return; /* a turn comes when it is */
    if (weir_serving_check(&offsets->partition->shard->engine->serving, NULL) < 0) return;
    if (!weir_group_settle_is_done(&offsets->coordinator->settle)) {
        /* No group is to change before it is where it belongs. */
        weir_partition_wake_at(offsets->partition, weir_mono_after_ms(now, SETTLE_INTERVAL_MS));
        return;
    }
    (void)weir_live_groups_tick(offsets, now);
    weir_live_groups_load(offsets, LOADS_MAX);
    weir_group_expiry_run(offsets, now);
    weir_live_groups_wake(offsets);
}

static void refuse(void *machine, int rc, const char *text)
{
    weir_group_write_refuse_held(machine, rc, text);
    weir_live_groups_refuse(machine, rc, text);
}

/* A last snapshot if the log is open, and gone. */
static int close(void *machine, struct weir_error *error)
{
    struct weir_offsets_partition *offsets = machine;
    struct weir_engine *engine = offsets->partition->shard->engine;
    bool is_served = offsets->partition->log != NULL && !atomic_load(&engine->serving.is_offline);
    int rc = is_served ? weir_snapshotter_finish(&offsets->log.snapshotter, error) : 0;
    weir_live_groups_refuse(offsets, WEIR_CLOSED, "the log is closed");
    weir_offsets_partition_free(offsets);
    return rc;
}

const struct weir_state_machine_ops weir_offsets_machine_ops = {
    .topic = WEIR_CONSUMER_OFFSETS_TOPIC,
    .open = open,
    .restore = restore,
    .run_once = run_once,
    .refuse = refuse,
    .close = close,
};
