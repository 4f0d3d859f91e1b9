#ifndef WEIR_BROKER_LOG_CLEANER_BATCH_H
#define WEIR_BROKER_LOG_CLEANER_BATCH_H

#include "broker/log/cleaner_map.h"
#include "broker/log/cleaner_transactions.h"

/**
 * What compaction leaves of one batch. Pure: batches in, in order of offsets, batches out.
 *
 *   a record      stays if no later one of its key is known; one from `latest_offset` on always does
 *   a tombstone   stays, as the last of its key, until the delete horizon of its batch. The pass that meets it first
 *                 sets the horizon (KIP-534), so each reader has delete.retention.ms to see it from then on
 *   aborted data  goes
 *   a marker      stays until nothing of its transaction was left when a pass came by; that pass sets its horizon
 *   a batch       without records stays if it is the last one of its producer, whose sequence it tells, or the last
 *                 one that the pass may touch, whose offset it tells, or if a repair has left it
 *
 * Source: Kafka, Cleaner.cleanInto and shouldRetainRecord, MemoryRecords.filterTo.
 */
struct weir_cleaner_producer {
    int64_t producer_id;
    int64_t last_offset; /* of its last data; -1: of this epoch there is none */
    int16_t epoch;
};

struct weir_cleaner_pass {
    const struct weir_cleaner_map *map;
    int64_t latest_offset; /* the map knows all keys below it, from where it begins on */
    int64_t limit_offset;  /* what the pass writes anew ends here */
    struct weir_cleaner_transactions *transactions;
    const struct weir_cleaner_producer *producers; /* that the log knows, sorted by id */
    size_t producer_count;
    int64_t now_ms;
    int64_t delete_retention_ms;
    bool keeps_tombstones;    /* for ever, and markers: no horizon is set, and none is looked at */
    int level;                /* of the codec that a batch has */
    struct weir_buffer plain; /* for reuse */
    struct weir_buffer records;
    /* counted */
    int64_t records_seen;
    int64_t records_kept;
    int64_t tombstones_removed;
    bool has_changed; /* since it was last set to false: a batch is not what it was */
};

/** Empty buffers. */
void weir_cleaner_pass_init(struct weir_cleaner_pass *pass, struct weir_budget *budget);
void weir_cleaner_pass_close(struct weir_cleaner_pass *pass);
/** Append what is left of one whole batch to `to`; maybe nothing.
 * Errors: WEIR_CORRUPT and what else a reader of batches gives, WEIR_NO_MEMORY. */
int weir_cleaner_batch(struct weir_cleaner_pass *pass, struct weir_slice batch,
                       struct weir_buffer *to, struct weir_error *error);
/** The type of a control batch's record. WEIR_CORRUPT. */
int weir_cleaner_control_type(struct weir_slice batch, struct weir_error *error);

#endif
