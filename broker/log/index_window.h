#ifndef WEIR_BROKER_LOG_INDEX_WINDOW_H
#define WEIR_BROKER_LOG_INDEX_WINDOW_H

#include "broker/log/offset_index.h"

/**
 * A stretch of a segment's `.index` in memory: whoever reads on from where the last read ended
 * finds the next places here, and asks the file once in a while instead of twice a read. Its
 * entries are hints as those of the file are; those that cannot be one are left out.
 */
enum { WEIR_INDEX_WINDOW_MAX = 1024 };

struct weir_index_window {
    int64_t base_offset; /* of the segment */
    int64_t offset_max;  /* what the window says of offsets up to here holds for the whole file */
    bool is_to_end;      /* nothing follows in the file, nor will */
    size_t count;        /* at least one */
    uint8_t bytes[];     /* entries, as in the file */
};

/** Read it, from the last entry at or before `offset` on. `is_sealed`: the file is as it will be.
 * WEIR_END: there is none. WEIR_NO_MEMORY, WEIR_CORRUPT, or what reading files gives. Any thread.
 */
int weir_index_window_read(const struct weir_index_files *files, int64_t offset, bool is_sealed,
                           struct weir_budget *budget, struct weir_index_window **window_out);

/** The entries to walk from: the last at or before `offset`, and from there on the last that is at
 * or before `bound` and lies at or before `position`. False: the file may know better. */
struct weir_index_reach {
    int64_t bound;
    int64_t size_max; /* from the first one's position on */
};
bool weir_index_window_find(const struct weir_index_window *window, int64_t offset,
                            const struct weir_index_reach *reach,
                            struct weir_index_entry *first_out, struct weir_index_entry *last_out);

/** The windows of one log, of any of its segments: two readers who are at different places each
 * have theirs, and with more of them the longest kept goes. So a log holds 16 KiB at most. */
enum { WEIR_INDEX_WINDOWS_MAX = 2 };

struct weir_index_windows {
    struct weir_index_window *kept[WEIR_INDEX_WINDOWS_MAX]; /* NULL: none */
    size_t next;                                            /* the one to go */
};

/** As weir_index_window_find, in those of the segment that begins at `base_offset`. */
bool weir_index_windows_find(const struct weir_index_windows *windows, int64_t base_offset,
                             int64_t offset, const struct weir_index_reach *reach,
                             struct weir_index_entry *first_out, struct weir_index_entry *last_out);
/** Takes the window over. */
void weir_index_windows_keep(struct weir_index_windows *windows, struct weir_index_window *window);
/** The segment's file or its index is not what it was. */
void weir_index_windows_drop(struct weir_index_windows *windows, int64_t base_offset);
void weir_index_windows_drop_all(struct weir_index_windows *windows);

#endif
