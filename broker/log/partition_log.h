#ifndef WEIR_BROKER_LOG_PARTITION_LOG_H
#define WEIR_BROKER_LOG_PARTITION_LOG_H

#include "base/env/env.h"
#include "broker/log/lost_ranges.h"
#include "broker/log/producer_state.h"
#include "broker/log/topic_config.h"
#include "wire/request/batches.h"
#include "wire/request/transaction_requests.h"
#include "wire/record_batch.h"

/**
 * The log of one partition: a folder of segments in Kafka's on-disk format.
 *
 *   00000000000000000000.log        record batches                 (Kafka's)
 *   00000000000000000000.index      sparse offset -> position      (Kafka's; rebuilt when missing)
 *   00000000000000000000.timeindex  sparse timestamp -> offset     (Kafka's; rebuilt when missing)
 *   00000000000000000000.txnindex   aborted transactions           (Kafka's; rebuilt when missing)
 *   00000000000000000123.snapshot   producer state at offset 123   (Kafka's)
 *   leader-epoch-checkpoint         epoch -> first offset, text    (Kafka's)
 *   partition.metadata              version and topic id, text     (Kafka's)
 *   durable-mark, durable-mark.copy how far the log is known to be on the disk (ours)
 *
 * Offsets, in order: log start <= durable <= end. What lies above the durable offset is in the page
 * cache only; readers are served up to the high watermark, which on one server is the durable
 * offset (or the end, with `flush.policy=os`).
 *
 * Not every offset between has a record: compaction leaves holes (durable_mark.h). A read at an offset
 * in one gives the next batch. A hole that reaches to the end of what may be read is given as an empty
 * batch, made for the purpose, so that a reader gets to the end all the same.
 *
 * Thread: one owner, its shard; except weir_log_sync_run and weir_log_read_run, which are made to
 * be run by a worker on what `begin` captured. Nothing here logs; what happened is in the results.
 *
 *            open ──> clean ──append──> dirty ──sync──> clean
 *                       └────── I/O error ──┴─────> offline   (only close leaves it)
 *
 * Sources: DESIGN.md "Broker engine"; docs/format/log.md, docs/format/durable-mark.md;
 * RELIABILITY.md 2.1 (L1-L15).
 */
struct weir_partition_log;
struct weir_file_set;
struct weir_tail_pool;

struct weir_partition_log_options {
    struct weir_env *env;
    struct weir_budget *budget;
    const char *path; /* of the partition's folder; made if it is not there */
    bool must_exist;  /* it was made before: WEIR_OFFLINE if it, or all that was in it, is gone */
    struct weir_uuid topic_id;
    int32_t partition;    /* its number within the topic */
    int32_t leader_epoch; /* given to what is appended; not below what the log holds */
    struct weir_topic_config config;
    int64_t mark_interval_bytes; /* write the durable mark at least this often; 0: 4 MiB */
    size_t tail_cache_bytes;     /* newest batches kept in memory for readers; 0: 1 MiB */
    uint64_t
        shared_device; /* weir_file_stat.device of the file system that many logs' syncs are shared
                               on; 0: none is. A log that lies on another one, behind a link or a
                               mount, is synced by itself */
    struct weir_file_set
        *files; /* bounds how many segments are open; outlives the log; NULL: none */
};

/** What opening found and did; edges log it. */
struct weir_log_recovery {
    bool was_clean; /* closed properly: nothing was scanned */
    bool had_mark;
    int64_t scanned_bytes; /* past the mark */
    int64_t cut_bytes;     /* torn tail, cut back to the last whole batch */
    int64_t cut_offset;    /* the log's end after the cut; -1: nothing was cut */
    bool cut_may_be_rot;   /* what was cut was whole but for its crc, or had a whole batch behind it
                              (L3): reported, and kept */
    bool metadata_was_bad; /* partition.metadata was damaged, the mark served, it is made anew */
    const char *mark_was;  /* what was wrong with the durable mark, a literal; NULL: nothing */
    bool mark_is_lost;     /* and no copy of it could be read: where the log began nobody knows */
    char cut_kept[64];     /* the file in the log's folder that has the cut bytes; "": none */
    int mark_rc; /* a shortage: the mark on the disk may be in the page cache alone; 0: it is not */
    int64_t offline_from; /* damage: offsets from here on are offline; -1: none */
    char reason[256];     /* of a cut or an offline range, for a person */
};

/**
 * Open or create. Past the mark batches are checked one by one; a torn tail is cut back to the last
 * whole batch and what is kept is synced before it is served. Damage below the mark is never cut:
 * `offline_from` is set, offsets below stay readable, reads above and appends give WEIR_OFFLINE.
 *
 * Errors: WEIR_IO, WEIR_NO_SPACE, WEIR_PERMISSION, WEIR_UNSUPPORTED_VERSION (a newer mark),
 *         WEIR_CORRUPT (the folder belongs to another topic id).
 * Owns:   `log_out` until weir_partition_log_close.
 */
int weir_partition_log_open(const struct weir_partition_log_options *options,
                            struct weir_partition_log **log_out,
                            struct weir_log_recovery *recovery_out, struct weir_error *error);

/** Damage: offsets from here on are not served; -1: none. */
int64_t weir_partition_log_offline_from(const struct weir_partition_log *log);
/** 0, or WEIR_OFFLINE with what happened. */
int weir_partition_log_check_online(const struct weir_partition_log *log, struct weir_error *error);

/** A write or a sync of it has failed, or it went offline with data that no sync has covered: its close
 * leaves that as it is, and what readers have seen may be gone with the power. */
bool weir_partition_log_closes_unclean(const struct weir_partition_log *log);

/** The batches that it keeps in memory for readers share in its owner's bound (tail_cache.h), which outlives it; NULL:
 * in none, as at first. The owner takes it out before another thread has the log. */
void weir_partition_log_share_tail(struct weir_partition_log *log, struct weir_tail_pool *pool);

/** Sync, write indexes, producer snapshot and a clean mark, free. It shares in no pool. After an I/O error nothing is
 * written. Returns the first error, the log is freed in any case. NULL is fine. */
int weir_partition_log_close(struct weir_partition_log *log, struct weir_error *error);

/**
 * Many logs of one file system are closed in step, so that they share two syncs of it instead of
 * having three each:
 *
 *   weir_partition_log_lay_mark      of each: its clean mark stands beside the one in force
 *   weir_sync_file_system            of theirs: data and marks of all of them are on the disk
 *   weir_partition_log_take_mark     of each: the mark comes into force
 *   weir_sync_file_system            and stays
 *   weir_partition_log_close         of each: nothing is left to write
 *
 * After the first error weir_partition_log_give_up says so to each log, whose close then writes
 * nothing. A mark that a shortage refuses is no error here: it is left to the close, which tries
 * once more by itself. A log that lies on another file system than the shared one needs none of this:
 * its close does all of it alone.
 */
bool weir_partition_log_needs_mark(const struct weir_partition_log *log);
int weir_partition_log_lay_mark(struct weir_partition_log *log, struct weir_error *error);
int weir_partition_log_take_mark(struct weir_partition_log *log, struct weir_error *error);
void weir_partition_log_give_up(struct weir_partition_log *log, int rc,
                                const struct weir_error *reason);

/** The disk has failed elsewhere: what this log has in the page cache alone may be gone as well, so
 * the next open must not take it for whole. Owner's thread. */
void weir_partition_log_distrust(struct weir_partition_log *log);

/* ---- appending ------------------------------------------------------------------------------- */

struct weir_append {
    /* One or more whole v2 batches, already checked (weir_batch_check) by who took them in; base
     * offset and leader epoch are assigned in place. The log may keep a reference in its tail
     * cache: the bytes must not change after a successful append. With a codec of the topic's own
     * (compression.type) what is written is a copy in that codec. */
    struct weir_shared *batches;
    size_t from; /* where in `batches` they are, and how many bytes; size 0: all of it */
    size_t size;
    struct weir_wall now;
    bool leaves_roll; /* where a new segment is to be begun first, nothing is done: WEIR_END */
    bool is_transaction_version_2; /* of transactional batches: KIP-890 */
    bool is_internal; /* the log's own, stamped by a clock that may have been put back since */
};

struct weir_append_result {
    int64_t base_offset; /* of the first record; of the first time if it was a duplicate */
    int64_t last_offset;
    int64_t append_time_ms; /* LogAppendTime, or -1 */
    int64_t stored_bytes;   /* in the topic's codec; 0 for a duplicate */
    bool is_duplicate;      /* one of the producer's last five batches: nothing was written */
    /* Files were opened, or were to be, also where it failed: WEIR_LIMIT without this is the log's
     * own, not a lack of descriptors. */
    bool needed_files;
};

/**
 * Append at the end: producer state, timestamps and size are checked, offsets assigned, bytes
 * written into the page cache. Not durable until a sync has covered it.
 *
 * Errors: WEIR_OUT_OF_ORDER_SEQUENCE, WEIR_PRODUCER_FENCED, WEIR_INVALID_TXN_STATE,
 *         WEIR_INVALID_TIMESTAMP, WEIR_TOO_LARGE, WEIR_LIMIT (too many producers, or the segment is full while it is synced: later):
 *         nothing changed. A shortage of descriptors, memory or room (weir_code_is_shortage): cut
 *         back, the log stays open. WEIR_IO, WEIR_OFFLINE: the log is offline.
 * WEIR_END: `leaves_roll`; after weir_partition_log_roll the same append goes through.
 */
int weir_partition_log_append(struct weir_partition_log *log, const struct weir_append *append,
                              struct weir_append_result *result_out, struct weir_error *error);
enum { WEIR_APPEND_ALL_MAX = 16 };
/**
 * Several appends of one batch each, in their order and with one write: all of them, or none. What is not as nearly
 * all are (a batch that is refused, repeated or of a transaction, a topic's own codec, a new segment that is due) is
 * for weir_partition_log_append, one by one.
 * 2 <= `count` <= WEIR_APPEND_ALL_MAX. Errors: WEIR_END: that is the case, and nothing has been done; else as
 * weir_partition_log_append where the write fails, for all alike.
 */
int weir_partition_log_append_all(struct weir_partition_log *log, const struct weir_append *appends,
                                  size_t count, struct weir_append_result *results,
                                  struct weir_error *error);
/** Is a new segment due that a sync on its way has held back? */
bool weir_partition_log_owes_roll(const struct weir_partition_log *log);
/**
 * Begin a new segment, unless the last one is empty. It takes four syncs; all that was appended is durable
 * then. Not while a sync is on its way. Errors: a shortage, and then all is as it was; else the log is offline.
 */
int weir_partition_log_roll(struct weir_partition_log *log, struct weir_error *error);

/** May this marker be appended, as a batch is? As weir_producer_state_admit_marker says it; WEIR_OFFLINE. */
int weir_partition_log_admit_marker(const struct weir_partition_log *log,
                                    const struct weir_transaction_marker *marker, bool is_version_2,
                                    struct weir_error *error);
/** The transaction that this producer has open here. At no cost. */
struct weir_open_transaction weir_partition_log_transaction(const struct weir_partition_log *log,
                                                            int64_t producer_id);

/** Later appends carry this epoch; not lower than the last. */
int weir_partition_log_set_epoch(struct weir_partition_log *log, int32_t leader_epoch,
                                 struct weir_error *error);

/**
 * Cut the log back to `offset` (log start <= offset <= end), or to where the batch begins that the cut
 * goes through, as its single writer may: segments,
 * indexes, epochs and producer state follow, and it is durable on return. For internal topics after
 * a crash of their job, and for followers later.
 */
int weir_partition_log_truncate(struct weir_partition_log *log, int64_t offset,
                                struct weir_error *error);

/** Give up everything below `offset` (DeleteRecords); whole segments below it are removed. */
int weir_partition_log_set_start(struct weir_partition_log *log, int64_t offset,
                                 struct weir_error *error);

/** End the active segment, if it holds anything: what is in it is sealed, and the next append begins another. No sync
 * may be under way. What a roll gives. */
int weir_partition_log_end_segment(struct weir_partition_log *log, struct weir_error *error);

/** Remove segments by retention.ms and retention.bytes, never the active one: where that has
 * expired too (and the topic is not compacted as well), an empty one is begun first. Time counts as
 * weir.retention.by says (weir_retention_counts_from). How many went. */
int weir_partition_log_retain(struct weir_partition_log *log, struct weir_wall now,
                              struct weir_error *error);
/** The log has damage that could not be written down yet: retain, whatever the topic's policy, a sync
 * or the close tries again. At no cost. */
bool weir_partition_log_owes_damage(const struct weir_partition_log *log);
/** Might retain find something? At no cost. */
bool weir_partition_log_may_retain(const struct weir_partition_log *log, struct weir_wall now);

/** What segments went with, and why. */
enum { WEIR_REMOVED_BY_TIME = 1, WEIR_REMOVED_BY_SIZE = 2, WEIR_REMOVED_BY_START_OFFSET = 4 };
struct weir_log_removal {
    int32_t segment_count; /* 0: none went, and the rest says nothing */
    int64_t from_offset;   /* what could be read before: the old log start … */
    int64_t to_offset;     /* … and the new one */
    int64_t size_bytes;
    unsigned reasons; /* WEIR_REMOVED_BY_…, of all segments together */
};
/** Of all that went since the last time. Owner's thread. */
struct weir_log_removal weir_partition_log_take_removal(struct weir_partition_log *log);

/** Apply a changed configuration to what comes. */
void weir_partition_log_configure(struct weir_partition_log *log,
                                  const struct weir_topic_config *config);

/* ---- durability ------------------------------------------------------------------------------ */

/** One sync of one log, on its way through a worker. Reused; zeroed before the first time. */
struct weir_log_sync {
    void *segment; /* the active one; its folder's entry is durable before its first byte */
    struct weir_file *file; /* its, if it holds anything that no sync has covered; else NULL */
    int64_t size;           /* that it has, by what was written */
    uint64_t file_mark;     /* what the sync of it covers */
    struct weir_env *env;
    int64_t end_offset;   /* what will be durable */
    int64_t marked_bytes; /* appended up to the mark */
    bool has_mark;        /* a mark of `end_offset` is written after the data */
    bool is_mark_laid;    /* the sync of the file system covers it */
    struct weir_buffer mark;
    bool is_apart; /* what is synced for many logs at once does not cover this one */
    char *path;    /* the log's folder (borrowed) */
    int rc;        /* filled by run */
    struct weir_error error;
};

/** True if anything lies above the durable offset. */
bool weir_partition_log_is_dirty(const struct weir_partition_log *log);
/** Capture what is to be made durable. A shortage is none of its errors. Owner's thread. */
int weir_log_sync_begin(struct weir_partition_log *log, struct weir_log_sync *sync);
/** Before the shared file system is synced: that is to make the mark durable as well. A mark takes two syncs, and many
 * logs that are written alike want theirs at once. Any one thread; touches nothing but `sync` and the disk. */
void weir_log_sync_prepare(struct weir_log_sync *sync);
/** Sync data and mark; no data if the caller has just synced the whole file system that is shared and the
 * log lies there. Any one thread; touches nothing but `sync` and the disk. */
void weir_log_sync_run(struct weir_log_sync *sync, bool file_system_is_synced);
/** Instead of run: the sync of the shared file system has failed with `rc`. Any one thread. */
void weir_log_sync_failed(struct weir_log_sync *sync, int rc, const struct weir_error *error);
/** Take the result over: the durable offset moves, or the log goes offline (a failed sync is never
 * retried). Owner's thread. Returns `sync->rc`. */
int weir_log_sync_end(struct weir_partition_log *log, struct weir_log_sync *sync);

/* ---- reading --------------------------------------------------------------------------------- */

/**
 * Whole stored batches as a range of a segment's file, to be sent as they lie there. It holds the
 * segment until weir_log_range_release, which any thread may call; the log may be closed meanwhile,
 * its environment and budget may not.
 *
 * Retention, DeleteRecords and the end of a topic unlink the file: the holder reads on. A cut of
 * the log (weir_partition_log_truncate) shortens the file under the holder: it gets fewer bytes
 * than the range has, or, where something was appended since, others. So a sender asks
 * weir_log_range_was_cut when it is through, and breaks the connection off if it was. Only the
 * owner of an internal topic cuts, after a crash of its job. What else cuts the file is seen by a size that comes
 * short, and whoever sees it reports it.
 */
struct weir_log_range {
    void *segment; /* NULL: there is no range */
    int64_t position;
    int64_t size;
    /* Thousands wait in answers that nobody takes, so these two are small. */
    uint32_t cut_count;  /* the segment's, when it was given */
    uint32_t last_delta; /* its last offset, counted from the segment's base offset */
};
/** Its file, held as long as the range. Any thread. */
struct weir_file *weir_log_range_file(const struct weir_log_range *range);
/** Let go; an empty range is fine. Any thread. */
void weir_log_range_release(struct weir_log_range *range);
/** Was the file cut below the range's end since it was given? Any thread. */
bool weir_log_range_was_cut(const struct weir_log_range *range);
/** Of which partition it is, and its last offset: for who finds the file shorter than the range. Any thread. */
struct weir_log_range_place {
    struct weir_uuid topic_id;
    int32_t partition;
    int64_t last_offset;
};
struct weir_log_range_place weir_log_range_place(const struct weir_log_range *range);

struct weir_log_read {
    /* asked */
    int64_t offset;
    int64_t offset_max; /* exclusive: no batch that reaches it is given; INT64_MAX: to the end */
    size_t size_max;    /* the first batch is given even if it is larger (KIP-74) */
    size_t range_min; /* from this many bytes on give a range of the file, below it only of what is
                           not in memory; 0: never; 1: always */
    bool checks_disk; /* the first batch alone, as the disk has it, and its crc: a reader has found
                           wrong what it was given, which may be so in memory only */
    /* given */
    struct weir_log_range range; /* instead of parts; `size` counts its bytes */
    struct weir_log_batches batches;
    size_t size;
    int rc;
    struct weir_error error;
    /* between begin and run */
    void *segment;           /* held by reference */
    void *window;            /* of the segment's index, which run has read; NULL: none */
    int64_t position;        /* of a batch to walk from; -1: ask the index files */
    int64_t position_offset; /* that batch's last offset */
    int64_t end_position;    /* of a batch to walk from to a range's end, if `position` is known */
    int64_t end_position_offset;
    int64_t range_end_offset;   /* given with what a segment has: one past its last batch */
    int64_t range_end_position; /* and where it ends in its segment */
    int64_t limit;              /* how far the segment may be read */
    int64_t size_known;         /* of the segment; more than `limit` where its file has been cut */
    int64_t limit_offset;       /* and where its offsets end there */
    int32_t epoch;              /* of the batch that holds `offset`; -1: not known */
    int64_t epoch_end;          /* where that epoch ends */
    int64_t damaged_offset;     /* given by run: nothing from here on can be served; -1: none */
    bool is_index_poor;         /* given by run: what memory knows of the segment's index goes */
    int64_t offset_bound;       /* `offset_max`, the log's end and damage taken together */
    uint64_t truncations;
    struct weir_env *env;
    struct weir_budget *budget;
    struct weir_partition_log *log;
};

/**
 * Find a range of a segment that is in the page cache, if one was asked for; look at the
 * tail cache; read what is small and in the page cache; else prepare a read of a segment. Owner's thread.
 * 0: done, parts or a range are there (none at the end). WEIR_END: have weir_log_read_run run by a
 * worker (or in place), then weir_log_read_end.
 * Errors: WEIR_OFFSET_OUT_OF_RANGE (below log start, above end), WEIR_OFFLINE.
 */
int weir_log_read_begin(struct weir_partition_log *log, struct weir_log_read *read);
/** Read from the segment, or find a range of it and read through it if it is cold. Header fields
 * are checked against position, expected offset and epoch, of a range at its two ends; what does
 * not fit is WEIR_CORRUPT, never served. Any one thread. */
void weir_log_read_run(struct weir_log_read *read);
/** Release what begin held; damage takes the range offline (L5). If the disk was checked and is right,
 * what memory has of the log's tail is forgotten. Owner's thread. Returns rc. */
int weir_log_read_end(struct weir_log_read *read);
/** Drop the references of parts and range. */
void weir_log_read_release(struct weir_log_read *read);

/**
 * A reader found damage that only it can see (a batch's crc): what lies at and above `offset` is
 * offline from now on, what lies below stays readable (L5). It is written down (damage_file.h), so
 * that the next open knows it too, until weir_log_repair. Owner's thread; blocks for that.
 */
void weir_partition_log_damaged(struct weir_partition_log *log, int64_t offset, const char *reason);

/**
 * The first offset whose timestamp is >= `timestamp_ms`, with its own timestamp: exact, also within
 * compressed batches; of a batch in log-append time it is the first record. Reads the time index,
 * the headers of an index interval and a batch, which may have to come from the disk:
 *
 *   begin (owner) -> WEIR_END -> run (any one thread) -> end (owner) -> WEIR_END: run once more
 *
 * Begin and end give 0 when `offset` and `found_ms` are there, -1 and -1 if there is no such
 * record.
 * Errors: WEIR_CORRUPT (what lies behind is offline then), WEIR_IO, WEIR_NO_MEMORY.
 */
struct weir_log_time {
    int64_t timestamp_ms; /* asked */
    int64_t offset_max;   /* asked, of the largest: exclusive, a batch's border */
    int64_t offset;       /* given */
    int64_t found_ms;
    int rc;
    struct weir_error error;
    /* between begin and end */
    void *segment;    /* held by reference */
    int64_t position; /* of a batch to walk from; -1: ask the index files */
    int64_t position_offset;
    int64_t limit; /* as of a read */
    int64_t limit_offset;
    int64_t offset_bound;
    int64_t start_offset;
    int64_t damaged_offset;
    bool is_largest;    /* still looking for how large it is */
    int64_t largest_ms; /* so far; -1: none */
    uint64_t truncations;
    struct weir_budget *budget;
    struct weir_partition_log *log;
};
int weir_log_time_begin(struct weir_partition_log *log, struct weir_log_time *find);
/** Instead of a time that is asked for, the largest of the records below `offset_max`. */
int weir_log_time_begin_largest(struct weir_partition_log *log, struct weir_log_time *find);
void weir_log_time_run(struct weir_log_time *find);
int weir_log_time_end(struct weir_log_time *find);
/** All of it in place. */
int weir_partition_log_find_time(struct weir_partition_log *log, int64_t timestamp_ms,
                                 int64_t *offset_out, int64_t *timestamp_out,
                                 struct weir_error *error);
/** The transactions that were aborted and have records in [from, to), of which everything is decided: in the order of
 * their ends, in memory that is the caller's to free. At no cost where there are none. WEIR_NO_MEMORY. */
int weir_partition_log_aborted(const struct weir_partition_log *log, int64_t from, int64_t to,
                               struct weir_aborted_transaction **list_out, size_t *count_out);

/** The producers that are known, who wrote last at the end: an array in `arena`. WEIR_NO_MEMORY. */
int weir_partition_log_producers(const struct weir_partition_log *log, struct weir_arena *arena,
                                 struct weir_producer_info **list_out, size_t *count_out);

/** Largest epoch <= `epoch` and where it ends; -1, -1 if none (OffsetForLeaderEpoch). */
void weir_partition_log_epoch_end(const struct weir_partition_log *log, int32_t epoch,
                                  int32_t *epoch_out, int64_t *end_offset_out);

/** The epoch of the record at `offset`; -1 if it is not known. */
int32_t weir_partition_log_epoch_at(const struct weir_partition_log *log, int64_t offset);

/** What appends and syncs change, at no cost. */
struct weir_log_offsets {
    int64_t start_offset;
    int64_t durable_offset;
    int64_t end_offset;
    int64_t last_stable_offset; /* below it every transaction is decided; the end if none is open */
    size_t segment_count;
};
struct weir_log_offsets weir_partition_log_offsets(const struct weir_partition_log *log);

/** All there is to say; looks at each segment. */
struct weir_partition_log_state {
    int64_t start_offset;
    int64_t durable_offset;
    int64_t end_offset;
    int64_t last_stable_offset; /* below it every transaction is decided; the end if none is open */
    int64_t max_timestamp_ms;
    int64_t size_bytes;
    int32_t leader_epoch;
    int32_t segment_count;
    bool is_offline;
    int64_t offline_from;        /* -1: none */
    struct weir_lost_range lost; /* the last one that a repair has given up; both 0: none */
    size_t lost_count;
};
struct weir_partition_log_state weir_partition_log_state(const struct weir_partition_log *log);
/** No record at or above it has been taken out by compaction: where the last segment that was written anew ends. Looks
 * at each segment behind it. */
int64_t weir_partition_log_compacted_end(const struct weir_partition_log *log);

/** Invariants, for tests and slow assertions. */
void weir_partition_log_check(const struct weir_partition_log *log);

#endif
