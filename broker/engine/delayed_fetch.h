#ifndef WEIR_BROKER_ENGINE_DELAYED_FETCH_H
#define WEIR_BROKER_ENGINE_DELAYED_FETCH_H

#include "broker/engine/partition.h"

/** What an answer says of the partition beside records. */
void weir_fetch_show(const struct weir_partition *partition, struct weir_fetch_request *fetch);
/** What has arrived so far, of what this fetch may see: in bytes, or, of a reader that reads committed, in moves of the
 * last stable offset. How many bytes one of these uncovers is not known, so that such a fetch looks after each. */
static inline int64_t weir_fetch_bytes_now(const struct weir_partition *partition,
                                           const struct weir_fetch_request *fetch)
{
    if (fetch->read_committed) return partition->stable_moves;
    return fetch->read_uncommitted_end ? partition->bytes_appended : partition->bytes_visible;
}
/** Wait for `missing` bytes more than there were when it looked (`seen_bytes`); refused without memory. */
void weir_fetch_wait(struct weir_partition *partition, struct weir_fetch_request *fetch,
                     size_t missing);
/** The invariants of one that waits: its place in the list and in the heap, and what it waits for.
 * */
void weir_delayed_fetch_check(const struct weir_fetch_request *fetch);
/** Out of the list and the heap; it waits. */
void weir_fetch_stop_waiting(struct weir_fetch_request *fetch);
/** Answer all fetches that wait here: with this error. */
void weir_partition_answer_fetches(struct weir_partition *partition, int rc, const char *text);

#endif
