#ifndef WEIR_BROKER_ENGINE_STATE_MACHINE_H
#define WEIR_BROKER_ENGINE_STATE_MACHINE_H

#include <stddef.h>

#include "base/bytes.h"
#include "weir/error.h"

struct weir_partition;

/**
 * The state machine that a partition of an internal topic feeds: what comes of applying its records in
 * order, such as the committed offsets in `__consumer_offsets`. The engine opens and closes one with
 * each such partition, and knows nothing else of it; whoever registered it finds it at the partition.
 *
 *     topic known ──open──> (log open) ──restore──> requests' stages ──> close ──> (log closed)
 */
struct weir_state_machine_ops {
    const char *topic;
    /** One for this partition, whose topic is known and whose log is not open yet. WEIR_NO_MEMORY.
     * Thread: its shard's. */
    int (*open)(void *impl, struct weir_partition *partition, void **machine_out);
    /** Bring it to the end of the partition's log, which has just been opened. Blocks.
     * Thread: the worker that opens the log. */
    int (*restore)(void *machine, struct weir_error *error);
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
