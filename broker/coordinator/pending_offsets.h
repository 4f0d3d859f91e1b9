#ifndef WEIR_BROKER_COORDINATOR_PENDING_OFFSETS_H
#define WEIR_BROKER_COORDINATOR_PENDING_OFFSETS_H

#include "base/map.h"
#include "weir/error.h"

/**
 * What open transactions have committed, within an image of offsets. Each is in two lists: of its partition, where
 * readers and deletions find it, and of its transaction, which the marker ends as one.
 *
 *     transaction ──next_of_transaction──> pending ──> pending
 *                                            │ next
 *     offset (group, topic, partition) ──> pending of one producer ──> of another, committed later
 */
struct weir_committed_offset; /* offsets_image.h */

/** One commit's. */
struct weir_offset_value {
    int64_t offset;
    int32_t leader_epoch;
    int64_t commit_timestamp_ms;
    int64_t expire_timestamp_ms; /* given by the commit; -1: by offsets.retention.minutes */
    struct weir_uuid topic_id;
    char *metadata; /* owned, NUL-terminated */
    size_t metadata_size;
    uint64_t order; /* in which they were folded in: that of the log */
};

struct weir_pending_offset {
    struct weir_committed_offset *of;
    struct weir_pending_list *list; /* that one's */
    struct weir_offset_transaction *transaction;
    struct weir_offset_value value;
    struct weir_pending_offset *next; /* of the partition */
    struct weir_pending_offset *previous;
    struct weir_pending_offset *next_of_transaction;
    struct weir_pending_offset *previous_of_transaction;
};

/** Of one partition: one a producer, in order of the log. */
struct weir_pending_list {
    struct weir_pending_offset *first;
    struct weir_pending_offset *last;
};

struct weir_offset_transaction {
    int64_t producer_id;
    struct weir_pending_offset *first; /* there is one */
};

/** Of one image. */
struct weir_pending_offsets {
    struct weir_budget *budget;
    struct weir_map transactions; /* open ones that have anything pending, by producer id */
};

void weir_pending_offsets_init(struct weir_pending_offsets *pending, struct weir_budget *budget);
/** All have been dropped. */
void weir_pending_offsets_close(struct weir_pending_offsets *pending);

/**
 * The producer commits this within its transaction, in place of what it has committed there before. Takes the value's
 * metadata. 1: there was none; 0. WEIR_NO_MEMORY: nothing has changed.
 */
int weir_pending_offsets_put(struct weir_pending_offsets *pending, struct weir_pending_list *list,
                             struct weir_committed_offset *of, int64_t producer_id,
                             const struct weir_offset_value *value);
/** Drop it, and its transaction with the last one. */
void weir_pending_offsets_drop(struct weir_pending_offsets *pending,
                               struct weir_pending_offset *one);
/** The first of the open transaction of this producer id, NULL if it has nothing pending. */
struct weir_pending_offset *
weir_pending_offsets_of_transaction(const struct weir_pending_offsets *pending,
                                    int64_t producer_id);

#endif
