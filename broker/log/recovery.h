#ifndef WEIR_BROKER_LOG_RECOVERY_H
#define WEIR_BROKER_LOG_RECOVERY_H

#include "broker/log/durable_mark.h"

/**
 * What opening decides, without touching a file: which of the files in the folder are the log,
 * which are left over from something that was finished or given up, and whether anything below the
 * durable mark is gone.
 *
 * The rules (RELIABILITY.md L1-L4, L7, L15):
 *   - every segment that ever held a byte is in the mark, so the mark's table is the log;
 *   - a file that is missing, or shorter than the mark says, is damage: offline, never a cut;
 *   - only the last segment may be torn, above the mark, for a segment is synced before the next
 *     one is created;
 *   - the mark may be the copy (durable_mark.h). Where the mark itself is lost nobody knows what was
 *     durable at the latest: nothing is cut, nor is a cut finished that the copy orders. Where neither
 *     is there the last segment may be cut as if torn.
 */
enum weir_recovery_verdict {
    WEIR_RECOVERY_KEEP, /* part of the log */
    WEIR_RECOVERY_LEFTOVER, /* below the start, begun and not in the mark, being cut, or replaced by what
                                a compaction has left of it: remove */
    WEIR_RECOVERY_FOREIGN, /* not ours: leave alone */
};

struct weir_recovery_file { /* a `.log` file with an offset for a name */
    int64_t base_offset;
    int64_t size;
    struct weir_wall modified;
    enum weir_recovery_verdict verdict; /* given */
};

struct weir_recovery_plan {
    int64_t offline_from; /* -1: nothing is missing */
    size_t
        short_segment; /* index in the mark's table: find the first offset that is gone by walking
                             it; SIZE_MAX: none */
    char reason[256];
};

/** `files` ascend; `mark` NULL if there is none that can be read. */
void weir_recovery_plan_files(const struct weir_durable_mark *mark,
                              struct weir_recovery_file *files, size_t file_count,
                              struct weir_recovery_plan *plan_out);

/**
 * What to do about bytes in a segment that are no batch that fits. A torn tail is cut, rot never is:
 *
 *   - in any segment but the last, under a mark that is damaged or the copy of one that is gone, and
 *     with damage known from earlier it is rot;
 *   - if only the process has ended (the machine has not started anew since, and no write or sync
 *     had failed), the file can but be shorter than what was being written: a last batch that the
 *     end of the file cuts short is torn, everything else is rot;
 *   - if power may have been lost, unsynced pages may be gone in any order: whatever does not fit is
 *     torn, and what lies behind it was never promised to anyone. It cannot be told from rot: where
 *     it may be, the cut is reported and what was cut is kept (log_recover.c).
 */
enum weir_recovery_tail { WEIR_TAIL_CUT, WEIR_TAIL_OFFLINE };
struct weir_recovery_tail_facts {
    bool is_last_segment;
    bool mark_is_damaged; /* or gone: its copy may be older, and end below what was durable */
    bool has_known_damage;
    bool is_same_boot; /* boot_file.h */
    bool is_cut_short; /* by the end of the file, and right so far */
    bool has_batch_behind;
};
enum weir_recovery_tail weir_recovery_judge_tail(const struct weir_recovery_tail_facts *facts);
/** Of a tail that is cut: it may be rot of a batch that was whole, or that others were written behind. */
static inline bool weir_recovery_may_be_rot(bool was_whole, bool has_batch_behind)
{
    return was_whole || has_batch_behind;
}

#endif
