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
 *   - without a mark that can be read nobody knows what was durable. No mark at all: the last
 *     segment may be cut as if torn. A damaged one: it may not.
 */
enum weir_recovery_verdict {
    WEIR_RECOVERY_KEEP,     /* part of the log */
    WEIR_RECOVERY_LEFTOVER, /* below the start, begun and not in the mark, or being cut: remove */
    WEIR_RECOVERY_FOREIGN,  /* not ours: leave alone */
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

/** What to do about bytes in a segment that are no batch that fits. */
enum weir_recovery_tail { WEIR_TAIL_CUT, WEIR_TAIL_OFFLINE };
struct weir_recovery_tail_facts {
    bool is_last_segment;
    bool has_mark;
    bool mark_is_damaged;
};
enum weir_recovery_tail weir_recovery_judge_tail(const struct weir_recovery_tail_facts *facts);

/** Is there a whole batch, crc and all, of an offset above `offset` somewhere in `bytes`? Then what
 * looks like a torn tail may be rot (L3). */
bool weir_recovery_finds_batch(struct weir_slice bytes, int64_t offset);

#endif
