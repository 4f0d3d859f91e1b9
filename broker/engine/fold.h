#ifndef WEIR_BROKER_ENGINE_FOLD_H
#define WEIR_BROKER_ENGINE_FOLD_H

#include "broker/log/partition_log.h"
#include "broker/engine/snapshot_file.h"

/**
 * A state machine that is the fold of a partition's records: the metadata image over
 * `__cluster_metadata-0`, the committed offsets over `__consumer_offsets-n`. Restoring one reads
 * the newest snapshot and the log from there on, so that start-up does not grow with the log. A
 * snapshot that has rotted costs nothing but time: the one before it is there, and the log from that
 * one on; or the log goes back to its beginning.
 */
struct weir_fold_ops {
    /** All of the record or, after an error, nothing of it. `header`: of the batch that it is in, so that data of an
     * open transaction can be told from what is decided. */
    int (*apply)(void *impl, const struct weir_batch_header *header,
                 const struct weir_record *record, struct weir_error *error);
    /** The marker of a producer id: its transaction is committed, or aborted. Cannot fail. NULL: the partition is in
     * no transactions. */
    void (*end_transaction)(void *impl, int64_t producer_id, bool is_commit);
    /** Back to the empty state. */
    void (*reset)(void *impl);
    /** The whole state as records. */
    void (*write)(const void *impl, struct weir_snapshot_builder *builder);
};

struct weir_fold {
    const struct weir_fold_ops *ops;
    void *impl;
    struct weir_budget *budget;
    int64_t next_offset; /* of the first record that is not folded in */
    int64_t last_timestamp_ms;
    int64_t snapshot_offset; /* of the newest durable snapshot; 0: none */
    int64_t bytes_since;     /* folded in since then */
    struct weir_buffer plain;
};

void weir_fold_init(struct weir_fold *fold, const struct weir_fold_ops *ops, void *impl,
                    struct weir_budget *budget);
void weir_fold_close(struct weir_fold *fold);

/**
 * Bring a fresh state machine to the end of `log`. The caller owns the log; blocks.
 * Errors: WEIR_CORRUPT (a damaged record, a log that begins above every snapshot that can be read)
 *         and what the log and `apply` give. The state machine is to be thrown away then. Damage that
 *         the disk confirms is noted in the log: it is offline from there on, after the next open too.
 */
int weir_fold_restore(struct weir_fold *fold, struct weir_env *env, struct weir_partition_log *log,
                      const char *folder, struct weir_error *error);

/** Fold in what `log` has from `next_offset` up to `end_offset`: what a failure left out. Reads in
 * place; nothing to do in the usual case. Damage is noted as above, and the partition is to look for it. */
int weir_fold_catch_up(struct weir_fold *fold, struct weir_partition_log *log, int64_t end_offset,
                       struct weir_error *error);

/** Fold in the records from `next_offset` on of one stored batch, or of several. After an error it
 * stands between two records, and the same call goes on from there. */
int weir_fold_batches(struct weir_fold *fold, struct weir_slice batches, struct weir_error *error);

/** True once enough has been folded in to be worth a snapshot. */
static inline bool weir_fold_wants_snapshot(const struct weir_fold *fold)
{
    return fold->bytes_since >= 4 << 20 || fold->next_offset - fold->snapshot_offset >= 20000;
}

/** The state as the bytes of a snapshot at `next_offset`; the builder is closed by the caller. */
int weir_fold_snapshot(const struct weir_fold *fold, struct weir_snapshot_builder *builder);

/** A snapshot at `offset` is durable. */
void weir_fold_snapshot_taken(struct weir_fold *fold, int64_t offset);

#endif
