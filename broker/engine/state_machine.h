#ifndef WEIR_BROKER_ENGINE_STATE_MACHINE_H
#define WEIR_BROKER_ENGINE_STATE_MACHINE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/env/env.h"
#include "weir/error.h"

struct weir_partition;

/**
 * The state machine that a partition of an internal topic feeds: what comes of applying its records in
 * order, such as the committed offsets in `__consumer_offsets`. The engine opens and closes one with
 * each such partition, and knows nothing else of it; whoever registered it finds it at the partition.
 *
 *     topic known ──open──> (log open) ──restore──> requests' stages, turns ──> close ──> (log closed)
 *
 * Requests may wait in it for one another or for a time. It is given a turn when the time comes that it has
 * asked for (weir_partition_wake_at), and answers all of them when it is told to refuse them.
 */
struct weir_state_machine_ops {
    const char *topic;
    /** One for this partition, whose topic is known and whose log is not open yet. WEIR_NO_MEMORY.
     * Thread: its shard's. */
    int (*open)(void *impl, struct weir_partition *partition, void **machine_out);
    /** Bring it to the end of the partition's log, which has just been opened. Blocks.
     * Thread: the worker that opens the log. */
    int (*restore)(void *machine, struct weir_error *error);
    /** The time has come that it wanted a turn at; there is none from now on until it asks again. One comes
     * whenever the log has come back from a worker, and so as soon as the partition is served. Bounded work. Thread: its shard's. */
    void (*run_once)(void *machine, struct weir_mono now);
    /** Markers of transactions, which somebody else has written, are durable in the partition. Bounded work. NULL: it
     * has no transactions. Thread: its shard's. */
    void (*marked)(void *machine);
    /** The log is being closed or has failed, or the topic is being deleted: answer all that waits in it, now,
     * with this. Thread: its shard's. */
    void (*refuse)(void *machine, int rc, const char *text);
    /** Write down what is worth it if the log is still open, and go. Blocks. Thread: the partition's
     * shard, or any when the actors are gone. */
    int (*close)(void *machine, struct weir_error *error);
};

struct weir_state_machine {
    const struct weir_state_machine_ops *ops;
    void *impl; /* whoever registered it */
};

enum { WEIR_STATE_MACHINES_MAX = 4 };

/** By topic. Written before any actor runs. */
struct weir_state_machines {
    struct weir_state_machine items[WEIR_STATE_MACHINES_MAX];
    size_t count;
};

/** One per topic; borrows both. Before any actor runs. */
void weir_state_machines_add(struct weir_state_machines *machines,
                             struct weir_state_machine machine);
/** NULL: the topic has none. Any thread; once per opening. */
const struct weir_state_machine *
weir_state_machines_find(const struct weir_state_machines *machines, struct weir_slice topic);

#endif
