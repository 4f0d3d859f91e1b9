#ifndef WEIR_OPERATORS_VERSIONED_H
#define WEIR_OPERATORS_VERSIONED_H

#include "operators/operators.h"

/** What tables over versioned stores share. Store 0 is the table's. */

/** Whether a store keeps versions. */
bool weir_store_keeps_versions(const struct weir_store *store);

/** The node's observed time is the store's, as far as it is known: before each read, and each put. */
void weir_versions_advance(const struct weir_node *node, struct weir_store *store);

/** A version of time `timestamp_ms`, observed by the node. 1: it is put; 0: it lies behind the history, which is
 * noted and counted. Negative: it cannot be put. */
int weir_versions_put(struct weir_node *node, struct weir_store *store, struct weir_slice key,
                      struct weir_slice value, int64_t timestamp_ms, int64_t *to_ms_out);

/** count, reduce and aggregate over keys: the latest version, folded, is a new one as of the larger of both
 * times. `batch` has its keys' bytes, and neither null keys nor null values. */
int weir_versions_fold(struct weir_node *node, const struct weir_batch *batch);

#endif
