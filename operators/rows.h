#ifndef WEIR_OPERATORS_ROWS_H
#define WEIR_OPERATORS_ROWS_H

#include "runtime/task/node.h"

/**
 * Rows in the making, for operators whose output has other rows than their input (flat_map,
 * process, the updates of a table). Columns grow in the batch's arena; the first failure sticks.
 */
struct weir_rows {
    struct weir_arena *arena;
    size_t count;
    size_t capacity;
    const void **keys;
    const void **values;
    const void **olds;            /* only if asked for */
    struct weir_slice *key_bytes; /* only if asked for */
    int64_t *timestamps;
    struct weir_headers *headers;
    int64_t *offsets;
    const struct weir_source_position *source; /* of the rows that have an origin */
    bool has_olds;
    bool has_key_bytes;
    bool has_headers; /* some row has any */
    bool has_offsets; /* some row comes of a record, not of a timer or a flush */
    bool failed;
};

/** What holds between the fields, while nothing has failed; before rows become a batch. */
void weir_rows_check(const struct weir_rows *rows);
void weir_rows_init(struct weir_rows *rows, struct weir_arena *arena, bool has_olds,
                    bool has_key_bytes);
/** Room for one more row: its number, or -1 (and failed). The caller fills the columns in. */
int64_t weir_rows_add(struct weir_rows *rows);
/** `row` comes of a record: it takes over headers, source and offset. */
void weir_rows_set_origin(struct weir_rows *rows, int64_t row, const struct weir_batch *from,
                          uint32_t from_row);
/** The rows as a batch; valid until the arena's reset. */
struct weir_batch weir_rows_batch(const struct weir_rows *rows);
/** Forward what is there, if anything, and start again. */
int weir_rows_forward(struct weir_rows *rows, struct weir_node *node);

/** A selection being made: room for every row of `batch`; NULL when memory is out. */
static inline uint32_t *weir_rows_selection(struct weir_node *node, const struct weir_batch *batch)
{
    return weir_arena_array(weir_node_arena(node), batch->count, sizeof(uint32_t));
}

/** A new column over the rows of `batch`. */
static inline void *weir_rows_column(struct weir_node *node, const struct weir_batch *batch,
                                     size_t size)
{
    return weir_arena_array(weir_node_arena(node), weir_batch_row_bound(batch), size);
}

/** Forward `count` rows of `batch`, by a selection made from it; nothing if there are none. */
int weir_rows_forward_selected(struct weir_node *node, const struct weir_batch *batch,
                               const uint32_t *selection, size_t count);

/** The selected rows [from, from + count) of a batch. WEIR_NO_MEMORY. */
int weir_rows_part(struct weir_node *node, const struct weir_batch *batch, size_t from,
                   size_t count, struct weir_batch *part_out);

/** Which rows go on after a user function has looked at them. */
enum weir_rows_keep { WEIR_ROWS_WHERE_TRUE, WEIR_ROWS_WHERE_FALSE, WEIR_ROWS_ALL };
/** Call `look` for each row and forward those to keep; rows it fails on go to the handler. */
int weir_rows_forward_where(struct weir_node *node, const struct weir_batch *batch,
                            weir_predicate_fn look, void *context, enum weir_rows_keep keep);

/** The object of bytes that belong to somebody else (a store's entry): copied into the batch's
 * arena first, for objects may point into their bytes. Null bytes give NULL. */
int weir_rows_object(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                     struct weir_slice bytes, const void **object_out);

/** Rows whose key (and, where `value_too`, value) is not null; the others are counted as dropped
 * when `is_counted`. `batch_out->count` may be 0. */
int weir_rows_without_nulls(struct weir_node *node, const struct weir_batch *batch, bool value_too,
                            bool is_counted, struct weir_batch *batch_out);

/** Rows with the bytes of their keys and values: weir_node_key_bytes and weir_node_value_bytes. Those that fail are left out;
 * `batch_out->count` may be 0. */
int weir_rows_bytes(struct weir_node *node, const struct weir_batch *batch,
                    const struct weir_serde *key_serde, const struct weir_serde *value_serde,
                    struct weir_batch *batch_out);

#endif
