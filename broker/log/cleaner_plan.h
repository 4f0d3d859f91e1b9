#ifndef WEIR_BROKER_LOG_CLEANER_PLAN_H
#define WEIR_BROKER_LOG_CLEANER_PLAN_H

#include "base/env/env.h"
#include "broker/log/durable_mark.h"
#include "broker/log/topic_config.h"

/**
 * What of a log is to be compacted, and whether now. Pure: facts in, a plan out.
 *
 *      start          clean_offset                    limit           active
 *        |---- clean ----|------------ dirty -----------|-- not yet ----|----->
 *          each key once   what a pass reads keys from    min lag, open
 *                                                         transactions, bound
 *
 * Below `clean_offset` each key has one record at most: the pass before has seen to it, and it is the durable mark that
 * says so. A pass reads the keys of the dirty segments and writes all segments below the limit anew. Only whole
 * segments are taken. Never the active one; none that holds an offset from `bound_offset` on; none with records
 * younger than min.compaction.lag.ms, nor what lies behind such a one (Kafka's LogCleanerManager.cleanableOffsets).
 *
 * It is due when more than min.cleanable.dirty.ratio of the bytes below the limit are dirty, or when a dirty record
 * is older than max.compaction.lag.ms.
 */
struct weir_cleaner_facts {
    size_t segment_count; /* the active one is the last */
    const struct weir_segment_facts *(*segment)(const void *context, size_t index);
    const void *context;
    int64_t start_offset;
    int64_t clean_offset;
    int64_t bound_offset; /* of durability, of open transactions, of who owns the log */
    const struct weir_topic_config *config;
    struct weir_wall now;
};

struct weir_cleaner_plan {
    size_t dirty_from; /* index of the first segment that keys are read from … */
    size_t end; /* … and one past the last that is written anew; not above it: nothing is dirty */
    int64_t dirty_offset; /* keys count from here on */
    int64_t limit_offset; /* where segment `end` begins */
    int64_t clean_bytes;
    int64_t dirty_bytes;
    bool is_due;
};
void weir_cleaner_plan_make(const struct weir_cleaner_facts *facts,
                            struct weir_cleaner_plan *plan_out);

/**
 * Segments from `from` on that become one: their sizes together within segment.bytes, their offsets within what an
 * index can say (Kafka's Cleaner.groupSegmentsBySize). One past the last of them; at least `from` + 1.
 */
size_t weir_cleaner_plan_group(const struct weir_cleaner_facts *facts, size_t from, size_t end);

#endif
