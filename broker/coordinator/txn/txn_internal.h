#ifndef WEIR_BROKER_COORDINATOR_TXN_TXN_INTERNAL_H
#define WEIR_BROKER_COORDINATOR_TXN_TXN_INTERNAL_H

#include "base/arena.h"
#include "broker/coordinator/txn/txn.h"

/** What the files of this folder share. */

/** To another state, one that the drawing in txn.h allows. */
void weir_txn_move(struct weir_txn *txn, enum weir_transaction_state to);
/** What does not fit together in one that was read; NULL: all does. Lives for ever. */
const char *weir_txn_fault(const struct weir_txn *txn);

/** By topic, then number, as memcmp does. */
int weir_txn_compare_partitions(const struct weir_topic_partition *left,
                                const struct weir_topic_partition *right);
/** Is it among these, which are in order? */
bool weir_txn_has_partition(const struct weir_txn *txn, const struct weir_topic_partition *which);
/** In order and each once, in place; how many are left. */
/** What is added in the same step (of the same producer); NULL: nothing more. */
static inline const struct weir_add_partitions_request *
weir_txn_added_with(const struct weir_add_partitions_request *add)
{
    return (const struct weir_add_partitions_request *)add->base.next;
}
size_t weir_txn_sort_partitions(struct weir_topic_partition *partitions, size_t count);
/** Those of the transaction and these, in the arena; what they point to is borrowed. `txn` NULL: these alone.
 * WEIR_NO_MEMORY, WEIR_LIMIT. */
int weir_txn_join_partitions(const struct weir_txn *txn,
                             const struct weir_add_partitions_request *add, struct weir_txn *to,
                             struct weir_arena *arena, struct weir_error *error);

/** How texts show a transactional id. */
#define WEIR_TXN_SHOWN(id) (int)((id).size & 0xff), (const char *)(id).data

/* ---- txn_end.c -------------------------------------------------------------------------------- */

int weir_txn_end(const struct weir_txn *txn, const struct weir_txn_event *event,
                 struct weir_txn_update *update, struct weir_error *error);
/** Shut the producer out that has the transaction open, and abort it. */
int weir_txn_fence(const struct weir_txn *txn, const struct weir_txn_event *event,
                   struct weir_txn_update *update);
/** All markers are there. */
int weir_txn_complete(const struct weir_txn *txn, const struct weir_txn_event *event,
                      struct weir_txn_update *update);

/* ---- txn_init.c ------------------------------------------------------------------------------- */

int weir_txn_init_producer(const struct weir_txn *txn, struct weir_slice id,
                           const struct weir_txn_event *event, struct weir_txn_update *update,
                           struct weir_error *error);

/* ---- txn_update.c ----------------------------------------------------------------------------- */

/** A copy to be changed and written: what it was before is its previous one. */
struct weir_txn weir_txn_begin_next(const struct weir_txn *txn, const struct weir_txn_event *event);
/** `next` is what the update writes. */
int weir_txn_write(struct weir_txn_update *update, const struct weir_txn *next);
/** Answers with texts. */
int weir_txn_refuse_mapping(struct weir_slice id, struct weir_error *error);
int weir_txn_refuse_epoch(const struct weir_txn *txn, int16_t epoch, struct weir_error *error);
int weir_txn_refuse_concurrent(const struct weir_txn *txn, struct weir_error *error);
static inline bool weir_txn_is_exhausted(int16_t epoch)
{
    return epoch >= WEIR_TXN_EPOCH_LAST;
}

#endif
