#ifndef WEIR_BROKER_LOG_LOST_RANGES_H
#define WEIR_BROKER_LOG_LOST_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "wire/record_batch.h"
#include "wire/request/lost_range.h"

/**
 * The offsets whose records a repair has given up. The log holds a batch for each range, without records
 * and marked as given up (wire/record_batch.h); the durable mark carries the table, so that an open need not
 * look for them. One per batch, ascending.
 */
struct weir_lost_ranges {
    struct weir_buffer entries; /* struct weir_lost_range */
};

void weir_lost_ranges_init(struct weir_lost_ranges *ranges, struct weir_budget *budget);
void weir_lost_ranges_close(struct weir_lost_ranges *ranges);
size_t weir_lost_ranges_count(const struct weir_lost_ranges *ranges);
struct weir_lost_range weir_lost_ranges_at(const struct weir_lost_ranges *ranges, size_t index);
/** The last one; both 0: there is none. */
struct weir_lost_range weir_lost_ranges_last(const struct weir_lost_ranges *ranges);
/** A batch behind all that is known: taken in if it is marked as given up. WEIR_NO_MEMORY. */
int weir_lost_ranges_note(struct weir_lost_ranges *ranges, const struct weir_batch_header *header);
/** Behind the last one. WEIR_NO_MEMORY. */
int weir_lost_ranges_add(struct weir_lost_ranges *ranges, struct weir_lost_range range);
/** The log now ends, or begins, at `offset`; it ends where a batch begins. */
void weir_lost_ranges_cut_tail(struct weir_lost_ranges *ranges, int64_t offset);
void weir_lost_ranges_cut_head(struct weir_lost_ranges *ranges, int64_t offset);

#endif
