#ifndef WEIR_BROKER_LOG_SEGMENT_H
#define WEIR_BROKER_LOG_SEGMENT_H

#include <stdatomic.h>

#include "broker/log/durable_mark.h"
#include "broker/log/file_set.h"
#include "broker/log/offset_index.h"
#include "broker/log/segment_scan.h"
#include "broker/log/transaction_index.h"

/**
 * One `.log` file and how to find a batch in it.
 *
 * Whether it has holes is settled with its facts: no append makes any, a cut takes none away, and
 * compaction makes a new segment.
 *
 * Owner's thread: everything, but for the count of references, which any thread may lower. A worker
 * that was given a held segment may call weir_segment_seek and read `kept->file`; what it looks at
 * besides does not change while it is held. Retention unlinks the file; who holds it reads on.
 */
struct weir_segment {
    struct weir_env *env;
    struct weir_budget *budget;
    const char *directory; /* the log's */
    struct weir_segment_facts facts;
    struct weir_kept_file
        *kept; /* the file: open while it is held, and for as long as there is room */
    struct weir_transaction_index aborted; /* as the facts say it, once the log is open */
    int64_t index_interval_bytes;
    _Atomic int references;
    struct weir_uuid topic_id; /* of the log that reads it, from the first read on, as the next */
    int32_t partition;
    _Atomic uint32_t cut_count; /* how often the file was cut (weir_partition_log_truncate) … */
    _Atomic int64_t cut_size;   /* … and the smallest size that was left; INT64_MAX: never */
    _Atomic bool is_sealed;
    _Atomic bool
        was_rebuilt; /* its indexes were made anew since the log was opened: once is enough */
};

/** One reference, no file yet; NULL when memory is out. `files`, which outlives it, bounds how many are
 * open; NULL: nothing does. */
struct weir_segment *weir_segment_new(struct weir_env *env, struct weir_budget *budget,
                                      struct weir_file_set *files, const char *directory,
                                      struct weir_segment_facts facts);
/** Its invariants. Owner's thread. */
void weir_segment_check(const struct weir_segment *segment);
/** An abort, whose marker is in it, goes into its transaction index, which has room, and into its facts; the file is not
 * written. Owner's thread. */
void weir_segment_note_abort(struct weir_segment *segment, const struct weir_transaction_end *end);
struct weir_segment *weir_segment_ref(struct weir_segment *segment);
/** The last one closes the file and frees. NULL is fine. Any thread. */
void weir_segment_unref(struct weir_segment *segment);
/** A reference, and its file open for reading and writing until weir_segment_release. A shortage, WEIR_IO,
 * else WEIR_OFFLINE: it is missing. Owner's thread. */
int weir_segment_hold(struct weir_segment *segment, struct weir_error *error);
/** The same with a new file. WEIR_EXISTS, or what weir_file_open gives. */
int weir_segment_hold_new(struct weir_segment *segment, struct weir_error *error);
/** Once more, by who holds it, for somebody who may keep it for long; false: too many are lent (file_set.h). Any
 * thread. */
bool weir_segment_lend(struct weir_segment *segment);
/** NULL is fine. Any thread. */
void weir_segment_take_back(struct weir_segment *segment);
/** WEIR_CORRUPT: the file has `size` bytes, and its log knows of `size_known`. Any thread. */
int weir_segment_say_short(const struct weir_file *file, int64_t size, int64_t size_known,
                           struct weir_error *error);
/**
 * How much of a held segment's file there is to read: all of it, or less where something else has cut the file,
 * which is WEIR_CORRUPT. What lies behind the segment's end counts for nothing. Owner's thread.
 */
int weir_segment_check_size(const struct weir_segment *segment, int64_t *size_out,
                            struct weir_error *error);
/** NULL is fine. Any thread. */
void weir_segment_release(struct weir_segment *segment);
/** Begin to walk all headers of a held segment, from its first batch. */
void weir_segment_walk_headers(const struct weir_segment *segment, struct weir_segment_scan *scan);

/** Where is the batch that holds `offset`, or, if that lies in a hole, the next one? */
struct weir_segment_seek {
    int64_t offset;
    int64_t end_offset; /* of the segment */
    int64_t limit;      /* the segment's end in the file, as far as it may be read */
    const struct weir_index_entry *hint; /* from memory; NULL: ask the files */
    bool is_in_place; /* on the owner's thread: what is poor is left for a worker to rebuild */
    /* given */
    struct weir_batch_header header;
    int64_t position;
    int64_t damaged_offset; /* after WEIR_CORRUPT or WEIR_IO: what comes next is not readable */
    bool is_index_poor;     /* the hint, or the index, was wrong or lacks entries */
};
/**
 * Find it in a held segment: a hint from the index if one is right, then headers, each checked against the one
 * before. A sealed segment's indexes are rebuilt when they are missing or wrong; in a shortage, which
 * says nothing of them, the search fails. Errors: WEIR_CORRUPT, WEIR_IO, a shortage. WEIR_END: the
 * offset lies behind the limit.
 */
int weir_segment_seek(struct weir_segment *segment, struct weir_segment_seek *seek,
                      struct weir_error *error);
/** Is there, in a held segment, a header at `position` of a batch that is whole below `limit`, and in memory? */
bool weir_segment_cached_header(struct weir_segment *segment, int64_t position, int64_t limit,
                                struct weir_batch_header *header_out);
/** Is there, in a held segment, a batch whose header says what `entry` says? */
bool weir_segment_entry_is_true(struct weir_segment *segment, const struct weir_index_entry *entry,
                                int64_t limit, struct weir_batch_header *header_out);

#endif
