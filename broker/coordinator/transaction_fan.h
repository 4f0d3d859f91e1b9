#ifndef WEIR_BROKER_COORDINATOR_TRANSACTION_FAN_H
#define WEIR_BROKER_COORDINATOR_TRANSACTION_FAN_H

#include "broker/engine/sync_partition.h"
#include "wire/request/transaction_requests.h"

/**
 * The same asked of each partition of a transaction, so many at a time: to be durable up to its end, or to take a marker.
 *
 *     begin ──> WIDTH are out ──each that comes back lets the next go──> none left ──> `ended`
 *
 * A partition whose topic has been deleted is done: what the transaction wrote there is gone. So is one that knows a newer
 * epoch or coordinator, for nothing of this transaction is open there.
 * Thread: the shard's that `reply_to` is.
 */
enum { WEIR_TRANSACTION_FAN_WIDTH = 32 };

/** What of: the request that each partition is asked, and the partition's index. */
struct weir_transaction_fan_slot {
    struct weir_transaction_fan *fan;
    size_t index;
    union {
        struct weir_request request; /* the others' first */
        struct weir_sync_partition_request sync;
        struct weir_write_marker_request marker;
    };
};

struct weir_transaction_fan {
    const struct weir_topic_partition *partitions; /* the maker's, until `ended` */
    size_t count;
    /** Send the slot's request about its partition; `reply_to`, `done` and `context` are set. */
    void (*send)(struct weir_transaction_fan *fan, struct weir_transaction_fan_slot *slot);
    /** All that were asked have answered: `rc` is the first that failed, and `error` why. It may be closed there. */
    void (*ended)(struct weir_transaction_fan *fan);
    struct weir_actor *reply_to;
    struct weir_env *env; /* for what is logged */
    bool *is_done;        /* by partition */
    size_t next;          /* to be asked */
    size_t out_count;
    size_t done_count;
    struct weir_transaction_fan_slot *slots;
    int rc;
    struct weir_error error;
};

/** Ask those that are not done; none: it ends before this returns. The fields down to `env` are the maker's.
 * WEIR_NO_MEMORY: nothing was asked. */
int weir_transaction_fan_begin(struct weir_transaction_fan *fan, struct weir_budget *budget);
/** Something is out. */
static inline bool weir_transaction_fan_is_out(const struct weir_transaction_fan *fan)
{
    return fan->out_count > 0;
}
/** Nothing is out. A zeroed one is fine, and twice. */
void weir_transaction_fan_close(struct weir_transaction_fan *fan);

#endif
