#include "broker/coordinator/coordinator_log.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/produce.h"

/* Of the memory that batches are made in; what a large one took beyond it is given back. */
enum { KEPT_BYTES = 1 << 20 };

void weir_coordinator_log_init(struct weir_coordinator_log *log, struct weir_partition *partition,
                               const struct weir_fold_ops *ops, void *image)
{
    struct weir_budget *budget = partition->shard->budget;
    *log = (struct weir_coordinator_log){.partition = partition};
    weir_fold_init(&log->fold, ops, image, budget);
    weir_snapshotter_init(&log->snapshotter, partition, &log->fold);
    weir_batch_builder_init(&log->builder, budget, WEIR_CODEC_NONE, 0);
}

void weir_coordinator_log_close(struct weir_coordinator_log *log)
{
    weir_assert(log->write_count == 0);
    weir_fold_close(&log->fold);
    weir_batch_builder_close(&log->builder);
}

/* ---- what is durable -------------------------------------------------------------------------- */

bool weir_coordinator_log_is_behind(const struct weir_coordinator_log *log)
{
    return log->fold.next_offset < log->flushed_end;
}

int weir_coordinator_log_catch_up_to(struct weir_coordinator_log *log, int64_t end_offset,
                                     struct weir_error *error)
{
    int rc = weir_fold_catch_up(&log->fold, log->partition->log, end_offset, error);
    if (rc < 0) weir_partition_look_for_damage(log->partition);
    return rc;
}

int weir_coordinator_log_catch_up(struct weir_coordinator_log *log, struct weir_error *error)
{
    if (!weir_coordinator_log_is_behind(log)) return 0;
    if (log->partition->state != WEIR_PARTITION_OPEN) {
        return weir_error_set(error, WEIR_NO_MEMORY,
                              "memory was short, and the log is being worked on; ask again");
    }
    return weir_coordinator_log_catch_up_to(log, log->flushed_end, error);
}

/* What memory was short for before is read from the log first, unless a worker has that now: then whoever comes next
 * catches up. */
static int fold_flushed(struct weir_coordinator_log *log,
                        const struct weir_coordinator_write *write, struct weir_error *error)
{
    const struct weir_shared *batch = write->produce.batches;
    log->flushed_end = write->produce.last_offset + 1;
    bool is_behind = log->fold.next_offset < write->produce.base_offset;
    if (is_behind && log->partition->state != WEIR_PARTITION_OPEN) return 0;
    int rc =
        is_behind ? weir_coordinator_log_catch_up_to(log, write->produce.base_offset, error) : 0;
    if (rc < 0) return rc;
    return weir_fold_batches(&log->fold, weir_slice(batch->data, batch->size), error);
}

static void flushed(struct weir_request *request)
{
    struct weir_coordinator_write *write = request->context;
    struct weir_coordinator_log *log = write->log;
    struct weir_error error = request->error;
    int rc = request->rc;
    write->is_durable = rc == 0;
    if (rc == 0) {
        rc = fold_flushed(log, write, &error);
        weir_snapshotter_run(&log->snapshotter);
    }
    weir_assert(log->write_count > 0);
    log->write_count--;
    weir_shared_unref(write->produce.batches);
    write->produce.batches = NULL;
    write->ended(write, rc, &error);
}

/* ---- writing --------------------------------------------------------------------------------- */

void weir_coordinator_log_begin(struct weir_coordinator_log *log)
{
    weir_batch_builder_reset(&log->builder);
}

int weir_coordinator_log_add(struct weir_coordinator_log *log, struct weir_slice key,
                             struct weir_slice value, int64_t wall_ms)
{
    struct weir_record record = {.key = key, .value = value, .timestamp_ms = wall_ms};
    return weir_batch_builder_add(&log->builder, &record);
}

int weir_coordinator_log_finish(struct weir_coordinator_log *log,
                                const struct weir_batch_finish *finish,
                                struct weir_shared **batch_out)
{
    struct weir_slice bytes;
    int rc = weir_batch_builder_finish(&log->builder, finish, &bytes);
    if (rc < 0) return rc;
    struct weir_shared *batch = weir_shared_new(log->partition->shard->budget, bytes.size);
    if (batch == NULL) return WEIR_NO_MEMORY;
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    if (log->builder.plain.capacity > KEPT_BYTES) weir_batch_builder_close(&log->builder);
    *batch_out = batch;
    return 0;
}

void weir_coordinator_log_write(struct weir_coordinator_log *log,
                                struct weir_coordinator_write *write, struct weir_shared *batch)
{
    weir_assert(write->ended != NULL);
    write->log = log;
    write->is_durable = false;
    write->produce = (struct weir_produce_request){
        .request = {.done = flushed, .context = write},
        .batches = batch,
        .acks = WEIR_ACKS_ALL,
        .is_internal = true,
        .transactional_id = write->transactional_id,
        .is_transaction_version_2 = write->is_transaction_version_2,
    };
    log->write_count++;
    weir_partition_write(log->partition, &write->produce);
}
