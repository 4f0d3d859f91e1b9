#ifndef WEIR_BROKER_COORDINATOR_COORDINATOR_LOG_H
#define WEIR_BROKER_COORDINATOR_COORDINATOR_LOG_H

#include "broker/engine/fold.h"
#include "broker/engine/snapshotter.h"
#include "wire/request/log_requests.h"

struct weir_partition;

/**
 * The log of a coordinator's partition, of groups or of transactions: records are appended as one batch, flushed, and only
 * then folded into the image, so that nobody sees what a crash takes back.
 *
 *     begin ──> add, add, … ──finish──> a batch ──write──> appended ──durable──> folded in ──> `ended`
 *                                                    └──────could not be written──────────────^
 *
 * Thread: the partition's shard.
 */
struct weir_coordinator_log {
    struct weir_partition *partition;
    struct weir_fold fold;
    struct weir_snapshotter snapshotter;
    int64_t flushed_end; /* records below are durable: the image is behind only after a failure */
    size_t write_count;  /* on their way */
    struct weir_batch_builder builder;
};

/** One batch on its way. */
struct weir_coordinator_write {
    struct weir_produce_request produce; /* first */
    struct weir_coordinator_log *log;
    struct weir_slice transactional_id; /* whose transaction the batch is in; null: in none */
    bool is_transaction_version_2;
    /**
     * Once, perhaps before the submit returns; the write's memory is its maker's again. `rc`: how the write and the
     * fold went, and `error` why. A write that is durable and could not be folded in (`is_durable`, and a
     * shortage) counts: who looks at the image catches up first.
     */
    void (*ended)(struct weir_coordinator_write *write, int rc, struct weir_error *error);
    bool is_durable;
};

/** `image` is what `ops` fold; the memory is the shard's. */
void weir_coordinator_log_init(struct weir_coordinator_log *log, struct weir_partition *partition,
                               const struct weir_fold_ops *ops, void *image);
/** Nothing is on its way. */
void weir_coordinator_log_close(struct weir_coordinator_log *log);

/** Is there anything durable that the image has not? */
bool weir_coordinator_log_is_behind(const struct weir_coordinator_log *log);
/** Fold it in. While a worker has the log that cannot be done: WEIR_NO_MEMORY, as it was for want of memory that it is
 * behind. Else as below. */
int weir_coordinator_log_catch_up(struct weir_coordinator_log *log, struct weir_error *error);
/** Fold in what is durable up to `end_offset`, whoever wrote it: weir_fold_catch_up. Damage that is met takes the partition
 * offline, and who waits for it is told. The log is the shard's. */
int weir_coordinator_log_catch_up_to(struct weir_coordinator_log *log, int64_t end_offset,
                                     struct weir_error *error);

/** A new batch, in place of what was added and not submitted. */
void weir_coordinator_log_begin(struct weir_coordinator_log *log);
/** WEIR_NO_MEMORY, WEIR_TOO_LARGE. A null value takes back. */
int weir_coordinator_log_add(struct weir_coordinator_log *log, struct weir_slice key,
                             struct weir_slice value, int64_t wall_ms);
/** A batch of what was added, which is not looked at any more. WEIR_NO_MEMORY, WEIR_TOO_LARGE. */
int weir_coordinator_log_finish(struct weir_coordinator_log *log,
                                const struct weir_batch_finish *finish,
                                struct weir_shared **batch_out);
/** A batch goes out; takes its reference. `ended` and the transaction are set. */
void weir_coordinator_log_write(struct weir_coordinator_log *log,
                                struct weir_coordinator_write *write, struct weir_shared *batch);

#endif
