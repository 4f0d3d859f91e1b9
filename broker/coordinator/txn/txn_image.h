#ifndef WEIR_BROKER_COORDINATOR_TXN_TXN_IMAGE_H
#define WEIR_BROKER_COORDINATOR_TXN_TXN_IMAGE_H

#include "base/arena.h"
#include "base/map.h"
#include "broker/coordinator/txn/txn.h"
#include "weir/record.h"

/**
 * What is known of transactional ids after some prefix of a partition of `__transaction_state`: the last record of each, a
 * pure state machine. docs/format/transactions.md.
 */
struct weir_txn_entry {
    struct weir_slice id; /* behind the struct */
    struct weir_txn *txn; /* owned: one block, which the next record of the id replaces */
};

struct weir_txn_image {
    struct weir_budget *budget; /* of what it keeps, and of `scratch` */
    struct weir_map entries;    /* by transactional id */
    struct weir_arena scratch;  /* of one record's decoding */
    int64_t records_skipped;    /* of types unknown to this version */
};

void weir_txn_image_init(struct weir_txn_image *image, struct weir_budget *budget);
void weir_txn_image_close(struct weir_txn_image *image);

/** Fold one record in; after an error the image is as it was. WEIR_NO_MEMORY, WEIR_CORRUPT,
 * WEIR_UNSUPPORTED_VERSION. Records of types that are not known are counted and skipped. */
int weir_txn_image_apply(struct weir_txn_image *image, const struct weir_record *record,
                         struct weir_error *error);

/** NULL if there is none; it stays where it is until a record of this id is folded in. */
const struct weir_txn *weir_txn_image_find(const struct weir_txn_image *image,
                                           struct weir_slice id);
/** What no record has: the epoch that was asked for this one with. The id is there. */
void weir_txn_image_remember(struct weir_txn_image *image, struct weir_slice id,
                             int16_t last_epoch);

/** Each id as its record, in order of its first; stops at the first that `each` does not answer with 0, and returns
 * that. WEIR_NO_MEMORY. */
int weir_txn_image_each(const struct weir_txn_image *image,
                        int (*each)(void *context, const struct weir_record *record),
                        void *context);

#endif
