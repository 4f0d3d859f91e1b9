#ifndef WEIR_BROKER_LOG_CLEANING_H
#define WEIR_BROKER_LOG_CLEANING_H

#include <stdatomic.h>

#include "broker/log/cleaner_batch.h"
#include "broker/log/cleaner_plan.h"
#include "broker/log/offset_index.h"
#include "broker/log/partition_log.h"
#include "broker/log/segment_scan.h"

/**
 * Compaction of one log, beside appends and reads:
 *
 *   begin (owner) ─> run (any one thread) ──> end (owner, the log alone) ─┐
 *                      ^   ^    │ a slice          │ WEIR_END: go on      │ 0: over
 *                      │   └────┘                  │                      v
 *                      └───────────────────────────┘                    close
 *
 * A pass looks at the headers of all that is sealed (cleaner_transactions.h), and, where a transaction has not ended there,
 * at those of the active segment, as far as they are durable; reads the keys of the dirty segments into
 * a table of bounded size (cleaner_map.h), and then writes one group of segments after the other anew, from the log's
 * begin on: into `.cleaned` files, which become `.swap` when they are whole and durable. `end` puts such a group in its
 * place (log_swap.c); between two of them the log is whole, and the old one to whoever reads it.
 *
 * Groups are swapped in order, and a pass that has to leave one out ends there. For a tombstone may only go when all
 * older records of its key have gone, and those lie before it.
 *
 * What run touches is its own: facts and paths that begin has copied, and files that it opens itself, one at a time.
 * The log may be appended to, rolled, trimmed and cut meanwhile; what end finds changed it does not swap. Each batch is
 * checked by its crc before anything of it is written: rot is not copied, but reported like any reader's find.
 *
 * Slices bound how long run takes, so that its caller can throttle and cancel. Memory: the table, the producers and
 * transactions of the log, a window of 256 KiB or the largest batch, and what is left of it.
 */
struct weir_cleaning_options {
    int64_t bound_offset;  /* nothing that reaches it is touched; INT64_MAX: no bound */
    bool keeps_tombstones; /* whatever delete.retention.ms says */
    bool is_forced;        /* whatever min.cleanable.dirty.ratio says */
    size_t table_bytes_max;
    struct weir_wall now;
};

enum weir_cleaning_phase {
    WEIR_CLEANING_LOOK,  /* headers */
    WEIR_CLEANING_KEYS,  /* of dirty segments, into the table */
    WEIR_CLEANING_WRITE, /* a group */
    WEIR_CLEANING_SWAP,  /* it is written: end is to be called */
    WEIR_CLEANING_OVER,
};

/** What came of it. */
struct weir_cleaning_counts {
    int64_t bytes_read; /* all passes over the files together */
    int64_t bytes_written;
    int64_t segments_before; /* that were written anew, and what has become of them */
    int64_t segments_after;
    int64_t bytes_before;
    int64_t bytes_after;
    int64_t records_before;
    int64_t records_after;
    int64_t tombstones_removed;
    int64_t keys; /* in the table */
};

struct weir_log_cleaning {
    enum weir_cleaning_phase phase;
    struct weir_cleaning_counts counts;
    int rc; /* of run */
    struct weir_error error;
    int64_t damaged_offset; /* WEIR_CORRUPT: what lies from here on cannot be read; -1 */
    bool was_cut_off; /* the log has changed under it: the pass is over, and the next begins anew */
    bool table_was_full; /* the pass has not reached all that was dirty */

    /* captured by begin */
    struct weir_partition_log *log; /* for end */
    struct weir_env *env;
    struct weir_budget *budget;
    char *path;
    struct weir_topic_config config;
    struct weir_wall now;
    int64_t index_interval_bytes;
    struct weir_segment_facts
        *segments;     /* all of them, the last the active one's, and the log's end */
    void **identities; /* of the same, held by reference */
    size_t segment_count;
    size_t table_bytes_max;
    bool keeps_tombstones;
    uint64_t truncations;
    int64_t decided_offset; /* markers below it stay: they are durable, and are never cut */
    struct weir_cleaner_plan plan;
    struct weir_buffer producers; /* struct weir_cleaner_producer */
    struct weir_siphash_key key;

    /* run's */
    struct weir_cleaner_transactions transactions;
    struct weir_cleaner_map map;
    struct weir_cleaner_pass pass;
    size_t at;              /* the segment that is read */
    struct weir_file *file; /* it; NULL: not open */
    struct weir_segment_scan scan;
    int64_t clean_offset; /* up to which the table has all keys */
    size_t group_from;    /* the group that is written */
    size_t group_end;
    struct weir_file *output;
    struct weir_segment_facts facts; /* of it */
    struct weir_index_builder index;
    struct weir_buffer pending; /* not written yet */
    int64_t written;            /* bytes in the output's file */
};

/** What there would be to do, at the cost of looking at each segment. Owner's thread. */
void weir_log_cleaning_look(const struct weir_partition_log *log, int64_t bound_offset,
                            struct weir_wall now, struct weir_cleaner_plan *plan_out);

/** False: it is offline, or its mark is to be written first (the next append, sync or close does). Owner's thread. */
bool weir_log_cleaning_may_begin(const struct weir_partition_log *log);

/**
 * 0: nothing is to be done, the log is offline, or it owes a mark (log_internal.h), which the next append writes.
 * WEIR_END: have weir_log_cleaning_run run. Owner's thread. Errors: WEIR_NO_MEMORY; `cleaning` is empty then.
 */
int weir_log_cleaning_begin(struct weir_partition_log *log,
                            const struct weir_cleaning_options *options,
                            struct weir_log_cleaning *cleaning, struct weir_error *error);
/** Go on for about `bytes_max` bytes of files. WEIR_END: there is more to run. 0: end is to be called, also after an error.
 * Any one thread. */
int weir_log_cleaning_run(struct weir_log_cleaning *cleaning, int64_t bytes_max);
/** Put in place what was written. WEIR_END: run again. 0: it is over. No sync may be under way; blocks.
 * Errors: those of run, WEIR_CORRUPT: what was read is damaged, WEIR_OFFLINE: it cannot be read, and the log is offline
 * from there; a failed swap. It is over then. The log's owner. */
int weir_log_cleaning_end(struct weir_log_cleaning *cleaning, struct weir_error *error);
/** Instead of run and end: remove what has been written, at any point. Any thread; then close. */
void weir_log_cleaning_give_up(struct weir_log_cleaning *cleaning);
/** Let go of memory and segments; a zeroed one is fine. Owner's thread. */
void weir_log_cleaning_close(struct weir_log_cleaning *cleaning);

#endif
