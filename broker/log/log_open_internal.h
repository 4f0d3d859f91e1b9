#ifndef WEIR_BROKER_LOG_OPEN_INTERNAL_H
#define WEIR_BROKER_LOG_OPEN_INTERNAL_H

#include "base/arena.h"
#include "broker/log/damage_file.h"
#include "broker/log/log_internal.h"
#include "broker/log/recovery.h"

/** What one open knows while it goes on: log_open.c is the story, log_recover.c the walk. */
struct weir_log_opening {
    struct weir_partition_log *log;
    struct weir_log_recovery recovery;
    struct weir_arena arena;       /* the mark's table */
    struct weir_buffer files;      /* struct weir_recovery_file, ascending */
    struct weir_durable_mark mark; /* if has_mark */
    bool must_exist;               /* nothing is made: what is missing was lost */
    bool has_mark;
    struct weir_mark_pair marks;
    bool
        mark_is_damaged; /* `durable-mark` is: nobody knows how far it was durable, at the latest */
    bool is_same_boot;   /* nothing that was written since the last open can have been lost */
    bool has_changed;    /* what is on the disk is not what the mark says any more */
    bool has_damage;     /* of which an earlier run, or open, has left word */
    struct weir_damage damage;
    bool needs_metadata; /* partition.metadata is missing or damaged */
    struct weir_recovery_plan plan;
    struct weir_error *error; /* for the walk over the folder */
};

/* ---- log_folder.c: the partition's folder ---- */

/** The path leads to a folder, maybe by a link. WEIR_OFFLINE: to nothing, or something else. */
int weir_log_check_folder(const struct weir_partition_log *log, struct weir_error *error);
/** Make the folder if it is not there. Never removes but an empty folder. */
int weir_log_make_folder(struct weir_partition_log *log, struct weir_error *error);
/** Make its own entry durable. */
int weir_log_sync_parent(struct weir_partition_log *log, struct weir_error *error);
/** Note every `.log` file with its size in `opening->files`. */
int weir_log_list_folder(struct weir_log_opening *opening, struct weir_error *error);
struct weir_recovery_file *weir_log_folder_files(const struct weir_log_opening *opening,
                                                 size_t *count_out);
/** The file of the segment at `base_offset`; NULL if there is none. */
const struct weir_recovery_file *weir_log_folder_file(const struct weir_log_opening *opening,
                                                      int64_t base_offset);
/** Remove what the plan calls leftovers, replacements without their rename, stale snapshots. */
int weir_log_remove_leftovers(struct weir_log_opening *opening, struct weir_error *error);
/** Remove a file that may be missing. */
int weir_log_remove_if_there(struct weir_partition_log *log, const char *path,
                             struct weir_error *error);

/* ---- log_swap.c: what compaction has begun ---- */

/** What the mark says has been swapped in gets its name, where a crash came before that. */
int weir_log_finish_swaps(struct weir_log_opening *opening, struct weir_error *error);

/* ---- log_transactions.c: what was aborted ---- */

/** The transaction index of each segment, as the facts that a mark gave say; what is not so is made anew from the log,
 * whose walk may find damage. A shortage, WEIR_IO. */
int weir_log_load_transactions(struct weir_log_opening *opening, struct weir_error *error);

/* ---- log_recover.c: the walk over batches ---- */

/** Say so if damage is known now from elsewhere than from `known` on. */
void weir_log_opening_say_damage(struct weir_log_opening *opening, int64_t known,
                                 const char *reason);
/** The range from `offset` on is offline; opening goes on and writes nothing. */
void weir_log_opening_damaged(struct weir_log_opening *opening, int64_t offset, const char *reason);
/** Take in what `segment` holds between its known size and `limit`, batch by batch with crc: into
 * facts, epochs, producers, index and the log's end. What does not fit is cut or goes offline. */
int weir_log_recover_segment(struct weir_log_opening *opening, struct weir_segment *segment,
                             int64_t limit, bool is_last, struct weir_error *error);
/** The first offset that a segment whose file is too short does not hold any more. */
int64_t weir_log_first_lost_offset(struct weir_partition_log *log, struct weir_segment *segment,
                                   int64_t file_size);

#endif
