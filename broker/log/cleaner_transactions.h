#ifndef WEIR_BROKER_LOG_CLEANER_TRANSACTIONS_H
#define WEIR_BROKER_LOG_CLEANER_TRANSACTIONS_H

#include "base/buffer.h"
#include "base/map.h"
#include "wire/record_batch.h"

/**
 * What compaction has to know of transactions. A look at the headers of the log comes first (`note`, in order of
 * offsets, as far as the log is sealed): it tells which transactions were aborted, and which have not ended there.
 * Whatever holds data of these is left alone, for nobody knows what will become of them. No index is asked: one that
 * is wrong would have data taken for aborted that is not.
 *
 * Then batches are gone over one after the other, from the log's begin on (`data`, `marker`), and a marker may go when
 * the pass has met no data of its transaction before it (Kafka's CleanedTransactionMetadata): while there is any, a
 * reader needs the marker to know what the data is.
 *
 * Thread: one at a time.
 */
struct weir_cleaner_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t marker_offset;
};

struct weir_cleaner_transactions {
    struct weir_budget *budget;
    struct weir_map open; /* by producer id: data was met, no marker since */
    struct weir_buffer
        aborted; /* struct weir_cleaner_aborted, sorted by id and offset once sealed */
    bool is_sealed;
};

void weir_cleaner_transactions_init(struct weir_cleaner_transactions *transactions,
                                    struct weir_budget *budget);
void weir_cleaner_transactions_close(struct weir_cleaner_transactions *transactions);
/** The next transactional batch of the log, or a marker with its type. WEIR_NO_MEMORY. */
int weir_cleaner_transactions_note(struct weir_cleaner_transactions *transactions,
                                   const struct weir_batch_header *header, int control_type);
/** Has any of what was noted no end yet? */
bool weir_cleaner_transactions_has_open(const struct weir_cleaner_transactions *transactions);
/** All was noted. Where the first transaction begins that has no end; INT64_MAX: all have one. */
int64_t weir_cleaner_transactions_seal(struct weir_cleaner_transactions *transactions);
/** Is the data of `header` known to be aborted? Sealed. */
bool weir_cleaner_transactions_is_aborted(const struct weir_cleaner_transactions *transactions,
                                          const struct weir_batch_header *header);
/** A pass has met this transactional data. WEIR_NO_MEMORY. */
int weir_cleaner_transactions_data(struct weir_cleaner_transactions *transactions,
                                   const struct weir_batch_header *header);
/** A pass has met this marker of a commit or an abort: is nothing of its transaction left? */
bool weir_cleaner_transactions_marker(struct weir_cleaner_transactions *transactions,
                                      const struct weir_batch_header *header);

#endif
