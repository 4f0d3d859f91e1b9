#include "broker/coordinator/transaction_machine.h"

#include "broker/coordinator/live_transaction.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/coordinator/transaction_sweep.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/*
 * The life of such a partition: it is read, then transactions that are open or being ended are made live, so many in a turn;
 * from then on it wakes for their deadlines, and for ids that nobody uses any more.
 */
enum { LOADS_MAX = 500, TURNS_MAX = 500 }; /* in one turn */

static int open(void *impl, struct weir_partition *partition, void **machine_out)
{
    struct weir_transaction_partition *home;
    int rc = weir_transaction_partition_new(impl, partition, &home);
    if (rc == 0) *machine_out = home;
    return rc;
}

static int restore(void *machine, struct weir_error *error)
{
    struct weir_transaction_partition *home = machine;
    const struct weir_partition *partition = home->partition;
    return weir_fold_restore(&home->log.fold, partition->shard->env, partition->log,
                             partition->path, error);
}

static void run_once(void *machine, struct weir_mono now)
{
    struct weir_transaction_partition *home = machine;
    if (home->partition->state != WEIR_PARTITION_OPEN) return; /* a turn comes when it is */
    if (weir_serving_check(&home->partition->shard->engine->serving, NULL) < 0) return;
    weir_live_transactions_load(home, now, LOADS_MAX);
    weir_live_transactions_tick(home, now, TURNS_MAX);
    weir_transaction_sweep_run(home, now);
    weir_live_transactions_wake(home);
}

static void refuse(void *machine, int rc, const char *text)
{
    weir_live_transactions_refuse(machine, rc, text);
}

/* A last snapshot if the log is open, and gone. */
static int close(void *machine, struct weir_error *error)
{
    struct weir_transaction_partition *home = machine;
    struct weir_engine *engine = home->partition->shard->engine;
    bool is_served = home->partition->log != NULL && !atomic_load(&engine->serving.is_offline);
    int rc = is_served ? weir_snapshotter_finish(&home->log.snapshotter, error) : 0;
    weir_live_transactions_refuse(home, WEIR_CLOSED, "the log is closed");
    weir_live_transactions_close(home);
    weir_transaction_partition_free(home);
    return rc;
}

const struct weir_state_machine_ops weir_transaction_machine_ops = {
    .topic = WEIR_TRANSACTION_STATE_TOPIC,
    .open = open,
    .restore = restore,
    .run_once = run_once,
    .refuse = refuse,
    .close = close,
};
