#ifndef WEIR_BROKER_ENGINE_TENANT_H
#define WEIR_BROKER_ENGINE_TENANT_H

#include <stddef.h>

#include "base/bytes.h"
#include "weir/error.h"

struct weir_partition;

/**
 * Who lives in the partitions of a topic of the engine's own: a state machine that is the fold of their
 * records, such as the committed offsets in `__consumer_offsets`. The engine opens and closes it with
 * each of them, and knows nothing else of it; whoever registered it finds it at the partition.
 *
 *     topic known ──open──> (log open) ──restore──> requests' stages ──> close ──> (log closed)
 */
struct weir_tenant_ops {
    const char *topic;
    /** One for this partition, whose topic is known and whose log is not open yet. WEIR_NO_MEMORY.
     * Thread: its shard's. */
    int (*open)(void *impl, struct weir_partition *partition, void **tenant_out);
    /** Bring it to the end of the partition's log, which has just been opened. Blocks.
     * Thread: the worker that opens the log. */
    int (*restore)(void *tenant, struct weir_error *error);
    /** Write down what is worth it if the log is still open, and go. Blocks. Thread: the partition's
     * shard, or any when the actors are gone. */
    int (*close)(void *tenant, struct weir_error *error);
};

struct weir_tenant {
    const struct weir_tenant_ops *ops;
    void *impl; /* whoever registered it */
};

enum { WEIR_TENANTS_MAX = 4 };

/** By topic. Written before any actor runs. */
struct weir_tenants {
    struct weir_tenant items[WEIR_TENANTS_MAX];
    size_t count;
};

/** One per topic; borrows both. Before any actor runs. */
void weir_tenants_add(struct weir_tenants *tenants, struct weir_tenant tenant);
/** NULL: the topic has none. Any thread; once per opening. */
const struct weir_tenant *weir_tenants_find(const struct weir_tenants *tenants,
                                            struct weir_slice topic);

#endif
