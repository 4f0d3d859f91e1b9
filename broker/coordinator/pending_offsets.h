#ifndef WEIR_BROKER_COORDINATOR_PENDING_OFFSETS_H
#define WEIR_BROKER_COORDINATOR_PENDING_OFFSETS_H

#include "broker/coordinator/offsets_image.h"

/**
 * What open transactions have committed, within an image of offsets. Each is in two lists: of its partition, where
 * readers and deletions find it, and of its transaction, which the marker ends as one.
 *
 *     transaction ──next_of_transaction──> pending ──> pending
 *                                            │ next
 *     offset (group, topic, partition) ──> pending of one producer ──> of another, committed later
 */
struct weir_pending_offset {
    struct weir_committed_offset *of;
    struct weir_offset_transaction *transaction;
    struct weir_offset_value value;
    struct weir_pending_offset *next; /* of the partition */
    struct weir_pending_offset *previous;
    struct weir_pending_offset *next_of_transaction;
    struct weir_pending_offset *previous_of_transaction;
};

struct weir_offset_transaction {
    int64_t producer_id;
    struct weir_pending_offset *first; /* there is one */
};

/**
 * The producer commits this within its transaction, in place of what it has committed there before. Takes the value's
 * metadata. WEIR_NO_MEMORY: nothing has changed.
 */
int weir_pending_offset_put(struct weir_offsets_image *image, struct weir_committed_offset *offset,
                            int64_t producer_id, const struct weir_offset_value *value);
/** Drop it, and its transaction with the last one. */
void weir_pending_offset_drop(struct weir_offsets_image *image,
                              struct weir_pending_offset *pending);
/** The open transaction of this producer id, NULL if it has nothing pending. */
struct weir_offset_transaction *weir_pending_transaction(const struct weir_offsets_image *image,
                                                         int64_t producer_id);

#endif
