#ifndef WEIR_BROKER_LOG_INTERNAL_H
#define WEIR_BROKER_LOG_INTERNAL_H

#include "broker/log/durable_mark.h"
#include "broker/log/fault_step.h"
#include "broker/log/index_window.h"
#include "broker/log/partition_log.h"
#include "broker/log/range_ends.h"
#include "broker/log/segment.h"
#include "broker/log/tail_cache.h"

/**
 * One partition's log, as its own files see it: log_open.c, log_folder.c, log_recover.c,
 * log_append.c, log_roll.c, cleaning.c, log_swap.c, log_short.c, log_sync.c, log_read.c, log_range.c, log_time.c, log_trim.c,
 * log_close.c, partition_log.c. (log_glance.c looks at a folder whose log is not open.)
 *
 * Invariants (weir_partition_log_check): start <= durable <= end; segments ascend and each begins
 * where the one before ends, or behind that if it has holes; what is appended follows directly; only the last is not sealed; whatever is in a segment, the segment is
 * in the durable mark on the disk.
 */
enum { WEIR_LOG_MAGIC = 0x77106 };

struct weir_partition_log {
    unsigned magic;
    struct weir_env *env;
    struct weir_budget *budget;
    char *path;
    struct weir_uuid topic_id;
    int32_t partition;
    struct weir_topic_config config;
    struct weir_file_set *files;
    int64_t mark_interval_bytes;

    struct weir_segment **segments; /* at least one, unless the log is offline from its start */
    size_t segment_count;
    size_t segment_capacity;

    int64_t start_offset;
    int64_t durable_offset;
    int64_t end_offset;
    int32_t leader_epoch;

    struct weir_leader_epochs epochs;
    struct weir_producer_state producers;
    struct weir_lost_ranges lost;    /* what a repair has given up */
    struct weir_index_builder index; /* of the active segment */
    struct weir_index_windows windows;
    struct weir_range_ends range_ends;
    struct weir_tail_cache tail;

    int64_t
        clean_offset; /* below it each key has one record at most; as the mark on the disk says, or a later one */

    int64_t last_append_ms; /* of all segments: counts forward only, whatever the clock does */
    struct weir_log_removal removal; /* since it was last taken */

    int64_t unmarked_bytes; /* appended since the last mark was written or captured */
    size_t mark_size;       /* of the last one, and of its copy */
    int64_t mark_sequence;  /* of the last one that was encoded */
    bool is_apart;          /* not on the file system whose syncs are shared */
    bool has_sync;          /* between sync_begin and sync_end: segments stay as they are */
    bool is_roll_due;       /* held back by a sync */
    bool is_size_checked;   /* the active segment's, since the last sync began */
    uint64_t truncations;   /* a read that began before one has to begin again */

    bool mark_is_owed; /* the mark on the disk orders a cut that is done, or may not be durable: the
                             next append writes a new one first */
    bool copy_is_all;  /* of the marks on the disk: durable-mark is none, or an older one */
    bool mark_is_clean; /* the mark on the disk is a clean one and says what is here */
    bool has_torn_tail; /* bytes of a write that failed lie behind the end: cut before the next */
    bool has_laid_mark; /* a clean mark lies beside the one in force: the log is being closed */
    bool has_laid_copy; /* and one beside its copy */
    struct weir_fault_state fault; /* what is wrong with it */
    char reason[256];              /* why, for a person */
};

static inline struct weir_segment *weir_log_active(const struct weir_partition_log *log)
{
    return log->segments[log->segment_count - 1];
}
static inline bool weir_log_is_offline(const struct weir_partition_log *log)
{
    return weir_fault_is_offline(&log->fault);
}
static inline bool weir_log_has_failed(const struct weir_partition_log *log)
{
    return weir_fault_has_failed(&log->fault);
}

/* ---- partition_log.c: the parts that the others share ---- */

/** Set the error WEIR_OFFLINE with what happened, and of damage with what to run. */
int weir_log_refuse(const struct weir_partition_log *log, struct weir_error *error);
/** Add to an error about damage what to run. */
void weir_log_say_remedy(const struct weir_partition_log *log, struct weir_error *error);
/**
 * The disk under the log has failed with `rc`. A shortage is none of that: it is returned and the log
 * stays as it is. Anything else takes it offline above the durable offset until it is opened again,
 * and is returned as callers are to be told (weir_error_storage). The one place where that is decided.
 */
int weir_log_fail(struct weir_partition_log *log, int rc, struct weir_error *error);
/** Not served from `offset` on until it is opened again: what could not be read may be read then. */
void weir_log_take_offline(struct weir_partition_log *log, int64_t offset, const char *reason);
/** The damage file says that offsets from `offset` on are damaged, up to `end` (-1: not known). */
void weir_log_know_damage(struct weir_partition_log *log, int64_t offset, int64_t end,
                          const char *reason);
/** Have the damage file say what is known. */
void weir_log_note_damage(struct weir_partition_log *log, int64_t from, int64_t end,
                          const char *reason);
/** Try again what weir_log_note_damage could not write: with the end of a sync, with a turn of
 * retention, with the close. */
void weir_log_settle_damage(struct weir_partition_log *log);
/** Room for one more segment in the table. */
int weir_log_reserve_segment(struct weir_partition_log *log);
/** Where the offsets of a segment end: the next one's base, or the log's end. */
int64_t weir_log_segment_end(const struct weir_partition_log *log,
                             const struct weir_segment *segment);
/** Index of the segment that holds `offset` (the last one for the end). */
size_t weir_log_find_segment(const struct weir_partition_log *log, int64_t offset);

/** Index of the first segment that has a batch at `offset` or behind it: where that lies in a hole, it
 * may be a later one than the one that the offset is in. The last one if none has. */
size_t weir_log_find_batches(const struct weir_partition_log *log, int64_t offset);

/* ---- log_folder.c ---- */

/** All files of one segment, `.log` last. */
int weir_log_remove_segment_files(struct weir_partition_log *log, int64_t base_offset,
                                  struct weir_error *error);

/* ---- log_copy.c ---- */

/**
 * Copy the batches from `first` on, as many as are whole, below the bound and of one epoch: at least that one. In place
 * nothing waits for the disk.
 * Errors: WEIR_CORRUPT and what reading a file can say, with `damaged_offset`; WEIR_NO_MEMORY; in place only
 * WEIR_END: it is not in the page cache, or not as it should be, which is for a worker to say.
 */
int weir_log_copy_batches(struct weir_log_read *read, const struct weir_segment_seek *first,
                          bool is_in_place);
/** The first batch alone, past the page cache, and its crc. */
int weir_log_copy_from_disk(struct weir_log_read *read, const struct weir_segment_seek *first);

/* ---- log_range.c ---- */

/** Give the read a range that begins with `first`, if it comes to `range_min` bytes. WEIR_END: it
 * does not, or so many are out that their files would want more places than there are. Does not read what lies between the ends; what cannot be read at its end makes it shorter. */
int weir_log_range_find(struct weir_log_read *read, const struct weir_segment_seek *first);
/** A range or a copy was given: whoever reads on from its end finds the place (range_ends.h). */
void weir_log_range_note(struct weir_partition_log *log, const struct weir_log_read *read);
/** Does a range that begins with `first` have room for more than that batch? Then what memory knows of the
 * index is needed to find its end. */
bool weir_log_range_has_room(const struct weir_log_read *read,
                             const struct weir_segment_seek *first);
/** The header of the batch at `offset`, if a range ended there, it is what belongs there, and it and the range
 * that it may begin are in memory. */
bool weir_log_range_go_on(const struct weir_partition_log *log, const struct weir_log_read *read,
                          struct weir_segment_seek *first_out);
/** Read through a range that is not in the page cache, so that its sender need not wait for the
 * disk. For a worker. WEIR_END: the file ends before it does. WEIR_IO, WEIR_NO_MEMORY. */
int weir_log_range_warm(const struct weir_log_range *range, struct weir_budget *budget,
                        struct weir_error *error);

/* ---- log_transactions.c ---- */

/** Have the files say what is in memory. */
void weir_log_save_transactions(struct weir_partition_log *log);

/* ---- log_trim.c ---- */

/** The producers at the beginning of a segment, as the snapshot of then has them, into an empty state; false when there is
 * none that can be read. */
bool weir_log_load_snapshot(struct weir_partition_log *log, int64_t offset,
                            struct weir_producer_state *producers);

/** Make the active segment's indexes anew from its headers. */
int weir_log_rebuild_active_index(struct weir_partition_log *log, struct weir_error *error);

/* ---- log_sync.c ---- */

enum weir_mark_kind { WEIR_MARK_PLAIN, WEIR_MARK_CLEAN, WEIR_MARK_TRUNCATING };
/** Encode a mark of the log as it stands. WEIR_NO_MEMORY. */
int weir_log_encode_mark(struct weir_partition_log *log, enum weir_mark_kind kind,
                         struct weir_buffer *to, struct weir_error *error);
/** Sync the active segment: everything appended is durable. A failure takes the log offline. */
int weir_log_sync_data(struct weir_partition_log *log, struct weir_error *error);
/** Replace the mark; what it names has been synced. A shortage: the old one stands and the log stays
 * open; anything else takes it offline. */
int weir_log_write_mark(struct weir_partition_log *log, enum weir_mark_kind kind,
                        struct weir_error *error);
/** The files for Kafka's tools: the epoch checkpoint, and at the end of a log that is closed a producer snapshot. Hints:
 * what cannot be written is left out. */
void weir_log_write_epochs(struct weir_partition_log *log);
void weir_log_write_side_files(struct weir_partition_log *log);
/**
 * The producer snapshot at the log's end, where a segment begins: durably, for a cut goes back to it, and an index of aborted
 * transactions is made anew from it. In a shortage there is none, also none of another history that an earlier life
 * has left. Anything else takes the log offline.
 */
int weir_log_write_snapshot(struct weir_partition_log *log, struct weir_error *error);

/* ---- log_swap.c ---- */
/** A segment's files that are made anew, the log the last: an index may be too small to be there, the log may not. */
enum { WEIR_SWAPPED_FILES = 4 };
/** `<base offset>.log.swap`: of the file with that index, and what is put behind its name (".cleaned", ".swap", or ""). */
struct weir_log_path weir_log_aside_path(const char *directory, int64_t base_offset, size_t file,
                                         const char *aside);

/** Segments that stand for others: `facts` of what `count` segments from index `first` on have become. */
struct weir_log_swap {
    size_t first;
    size_t count;
    struct weir_segment_facts
        facts;            /* its file is there as `.log.swap`, durable, with its indexes */
    int64_t clean_offset; /* that holds when it is done */
};
/** Put it in their place: durable on return, and old or new at each step. No sync may be under way. A shortage, or
 * WEIR_NO_MEMORY: nothing has changed; anything else takes the log offline. */
int weir_log_swap_segments(struct weir_partition_log *log, const struct weir_log_swap *swap,
                           struct weir_error *error);

/* ---- log_roll.c ---- */

/** Seal the active segment and begin the next at the log's end. No sync may be under way. */
int weir_log_roll(struct weir_partition_log *log, struct weir_error *error);
/** Make the file of a new segment at `base_offset`, empty and durable in its folder. */
int weir_log_create_segment(struct weir_partition_log *log, int64_t base_offset,
                            struct weir_segment **segment_out, struct weir_error *error);

/* ---- log_short.c ---- */

/** Is all of the active segment in its file? WEIR_OFFLINE: something else has cut it, and the log is damaged
 * from there; a shortage. */
int weir_log_check_active_size(struct weir_partition_log *log, struct weir_error *error);

/* ---- log_append.c ---- */

/** The facts of a segment after one more batch. */
void weir_log_note_batch(struct weir_segment_facts *facts, const struct weir_batch_header *header);

#endif
