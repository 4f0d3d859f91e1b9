#ifndef WEIR_WIRE_REQUEST_COMMITTED_FILTER_H
#define WEIR_WIRE_REQUEST_COMMITTED_FILTER_H

#include "wire/record_batch_reader.h"
#include "wire/request/transaction_requests.h"

/**
 * Which batches of what a fetch gave are data to be read: the one place that knows of markers and of aborted
 * transactions. Consumers, tasks, folds and tools ask it of each batch:
 *
 *   weir_committed_filter_begin(&filter, fetch.aborted, fetch.aborted_count);
 *   while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
 *       position = weir_batch_last_offset(&reader.header) + 1;
 *       rc = weir_committed_filter_admit(&filter, &reader, error);
 *       if (rc < 0) break;
 *       if (rc == WEIR_END) continue;   // a marker, or of an aborted transaction
 *       rc = weir_batch_reader_open(&reader, error);
 *       ...
 *   }
 *
 * A fetch that read committed names the aborted transactions that have records among what it gave, by
 * producer and first offset. From there on that producer's transactional batches are passed over, until its
 * abort marker: what it sends behind that is of another transaction. In what was read uncommitted nobody has said
 * what was aborted: without a list only control batches are passed over.
 *
 * How: the list is sorted by first offset, and what lies before the place that the reader has come to is moved to its
 * front, where the producers that are being passed over are kept: no memory is taken. A batch costs as many comparisons
 * as there are of them, one that is not transactional none.
 *
 * Source: KIP-98; Kafka protocol guide, Fetch.
 */
struct weir_committed_filter {
    struct weir_aborted_transaction *aborted; /* borrowed */
    size_t count;
    size_t open_count; /* from the front: passed over now; one per producer */
    size_t next;       /* those that the reader has not come to; at least `open_count` */
};

/** Of one fetch, from the first batch that it gave. The list is put into another order; it must last as long as the
 * filter is used. No list: NULL, 0. */
void weir_committed_filter_begin(struct weir_committed_filter *filter,
                                 struct weir_aborted_transaction *aborted, size_t count);
/**
 * What to do with the batch at hand, to which `reader` has just stepped; each batch once, in order. 0: its records
 * are to be read. WEIR_END: it is passed over. An abort marker is opened for it.
 * Errors: WEIR_CORRUPT (the marker's crc, or its record).
 */
int weir_committed_filter_admit(struct weir_committed_filter *filter,
                                struct weir_batch_reader *reader, struct weir_error *error);

#endif
