#ifndef WEIR_OPERATORS_ROW_FOLD_H
#define WEIR_OPERATORS_ROW_FOLD_H

#include "operators/objects.h"
#include "operators/operators.h"

/**
 * What the operators that keep aggregates share (aggregate.c, slices.c, session.c, sliding.c): how
 * a row changes one. The node's config is a struct weir_aggregate_config.
 */
struct weir_counted {
    int64_t object;
    uint8_t bytes[8];
};

/** What a row makes of an aggregate: the new value as object and bytes (both null: deleted). */
struct weir_row_fold {
    struct weir_node *node;
    const void *object;
    struct weir_slice bytes;
    bool is_forwarded; /* the object is read after the next row's fold */
    bool copies_bytes; /* of the store's serde: see operators/objects.h */
    bool makes_objects;
    struct weir_counted counted;    /* a count that is not */
    struct weir_object_check check; /* of a reducer's result */
};

/** Whether updates go on as they come: not those that a cache tells at the flush, or that are told
 * when windows close. */
bool weir_row_fold_forwards(const struct weir_node *node);
/** The operators' flush: what the cached table has changed is forwarded. */
int weir_row_fold_flush(struct weir_node *node);

/** How many changes of windows the node's store has refused so far: those that are over for it,
 * though not for this input of several. On a disk Kafka Streams takes them, to no use, and does not
 * count them: 0. */
int64_t weir_row_fold_refused(const struct weir_node *node);

/** For one batch; the node's call has the context of the user's functions from then on. */
void weir_row_fold_init(struct weir_row_fold *fold, struct weir_node *node, bool is_forwarded);
/** Fold the row (node->call has it) into the aggregate whose bytes are `old`, null where there is
 * none; `old` is the store's and stays as it is. A negative code fails the row. */
int weir_fold_row(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                  struct weir_slice old);

/** The value before a key's first: what it begins with, NULL of a reduce. Kafka Streams has it go
 * before the first update, where somebody asks for old values. */
int weir_fold_initial(struct weir_row_fold *fold, const void **object_out);
/**
 * The same for a session that takes up others: their aggregates, `count` of them in order of time,
 * are merged, and the row is folded into what comes out. None: the first of its session.
 */
int weir_fold_merged(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                     const struct weir_slice *olds, size_t count);

/**
 * The aggregate of two, `left` before `right` in time, of which either may be null: of slices that
 * are one window. In fold->bytes, which may be one of the two; they stay as they are. `key`: the
 * record's, for a merger.
 *
 * Errors:  a negative code of the merger or the reducer, and WEIR_USER_FUNCTION where it deletes:
 *          what is left of a window then, a slice cannot tell.
 */
int weir_fold_two(struct weir_row_fold *fold, const void *key, struct weir_slice left,
                  struct weir_slice right);

#endif
