#ifndef WEIR_OPERATORS_TABLE_ROWS_H
#define WEIR_OPERATORS_TABLE_ROWS_H

#include "runtime/state/key_schema.h"
#include "runtime/task/node.h"

/** How the entries of a table's store (store 0 of the node) become rows. */
struct weir_table_rows {
    const struct weir_serde *key_serde; /* of the plain key */
    const struct weir_serde *value_serde;
    int64_t window_size_ms; /* where its keys are windows */
};

/** What the times in a store's key say; its `key` is left to the caller. */
struct weir_windowed_key weir_windowed_key_of(const struct weir_key_schema *schema,
                                              struct weir_slice key, int64_t window_size_ms);

/**
 * Forward what a cached table has held back: each changed key once, in order of first change, with
 * the value that was forwarded last as the old one; in batches. Does nothing for an uncached table.
 */
int weir_table_rows_flush(struct weir_node *node, const struct weir_table_rows *table);

#endif
