#ifndef WEIR_BROKER_LOG_LEADER_EPOCHS_H
#define WEIR_BROKER_LOG_LEADER_EPOCHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "weir/error.h"

/**
 * Which leader epoch begins at which offset. Both columns rise strictly.
 *
 * The durable mark carries the table; `leader-epoch-checkpoint` is the same in Kafka's text form,
 * for its tools, and is never believed over the log.
 */
struct weir_epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

struct weir_leader_epochs {
    struct weir_budget *budget;
    struct weir_epoch_entry *entries;
    size_t count;
    size_t capacity;
};

void weir_leader_epochs_init(struct weir_leader_epochs *epochs, struct weir_budget *budget);
void weir_leader_epochs_close(struct weir_leader_epochs *epochs);
/** Its invariants; all of the columns only where assertions may be slow. */
void weir_leader_epochs_check(const struct weir_leader_epochs *epochs);
/** Room for one more, so that the next assign cannot fail. WEIR_NO_MEMORY. */
int weir_leader_epochs_reserve(struct weir_leader_epochs *epochs);
/** A batch of `epoch` begins at `offset`; does nothing if it is the last epoch already. The room
 * has been reserved; `epoch` is not lower than the last. */
void weir_leader_epochs_assign(struct weir_leader_epochs *epochs, int32_t epoch, int64_t offset);
/** The last epoch; -1 if there is none. */
int32_t weir_leader_epochs_last(const struct weir_leader_epochs *epochs);
/** The epoch of the batch at `offset`, -1 if it is not known, and where that epoch ends (INT64_MAX:
 * with the log). */
int32_t weir_leader_epochs_at(const struct weir_leader_epochs *epochs, int64_t offset,
                              int64_t *end_out);
/** Largest epoch <= `epoch` and where it ends; -1, -1 if there is none. */
void weir_leader_epochs_end(const struct weir_leader_epochs *epochs, int32_t epoch,
                            int64_t end_offset, int32_t *epoch_out, int64_t *end_out);
/** The log now ends at `offset`: forget epochs that begin there or later. */
void weir_leader_epochs_cut_tail(struct weir_leader_epochs *epochs, int64_t offset);
/** The log now starts at `offset`: forget epochs that end at or before it; the one that holds it
 * begins there. */
void weir_leader_epochs_cut_head(struct weir_leader_epochs *epochs, int64_t offset);

/** Kafka's text: `0`, the count, a line `<epoch> <start offset>` each. */
void weir_leader_epochs_encode(const struct weir_leader_epochs *epochs, struct weir_buffer *to);
/** Replaces what is in `epochs` on success. WEIR_CORRUPT, WEIR_NO_MEMORY. */
int weir_leader_epochs_decode(struct weir_leader_epochs *epochs, struct weir_slice text,
                              struct weir_error *error);

#endif
