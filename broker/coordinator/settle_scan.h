#ifndef WEIR_BROKER_COORDINATOR_SETTLE_SCAN_H
#define WEIR_BROKER_COORDINATOR_SETTLE_SCAN_H

#include "wire/request/request.h"

struct weir_engine;

/** One partition of `__consumer_offsets` is looked through, and what belongs to others is moved: group_settle.h. */
struct weir_settle_scan;

/** Of this partition, of so many. NULL without memory. */
struct weir_settle_scan *weir_settle_scan_new(struct weir_engine *engine, int32_t partition,
                                              int32_t partition_count);
/** It is answered when nothing is left that belongs elsewhere, or with what kept it from that: WEIR_NO_MEMORY,
 * WEIR_CLOSED, those of a write. */
struct weir_request *weir_settle_scan_request(struct weir_settle_scan *scan);
/** Set it out; its way back is filled in. */
void weir_settle_scan_send(struct weir_settle_scan *scan);
/** When it is answered. */
void weir_settle_scan_free(struct weir_settle_scan *scan);

#endif
