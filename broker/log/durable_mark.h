#ifndef WEIR_BROKER_LOG_DURABLE_MARK_H
#define WEIR_BROKER_LOG_DURABLE_MARK_H

#include "base/arena.h"
#include "broker/log/leader_epochs.h"
#include "broker/log/lost_ranges.h"
#include "broker/log/producer_state.h"
#include "weir/types.h"

/**
 * `durable-mark`: what of a partition is known to be on the disk, and all that opening needs. Every
 * byte is in docs/format/durable-mark.md.
 *
 * Written only after the data that it names has been synced; replaced in one step. Each segment is
 * in the table before the first byte goes into it.
 *
 * Some of that no scan of the log tells: where it starts, within a segment; which segments there were;
 * how far it was durable. So the same bytes stand in `durable-mark.copy` as well, and each mark has a
 * sequence number: an open takes the newer of the two that can be read, and writes both anew where one is
 * missing, damaged or older. The copy is not synced: a loss of power may leave an older one, or a torn
 * one, but never together with a damaged mark. What keeps it from being written may leave one that orders a
 * cut which is done long since: only a mark that stands orders one.
 */
#define WEIR_DURABLE_MARK_NAME "durable-mark"
#define WEIR_DURABLE_MARK_COPY_NAME "durable-mark.copy"

enum {
    WEIR_DURABLE_MARK_VERSION = 6,
    WEIR_DURABLE_MARK_VERSION_OLDEST = 2, /* that is read; what is written is the newest */
    WEIR_DURABLE_MARK_SIZE_MAX = 256 * 1024 * 1024
};

/**
 * Batches of a segment follow one another, offset after offset, from its base to the next one's. Where
 * compaction has taken records out (`has_holes`) they need not: offsets may be left out before a
 * batch, between two and behind the last, up to the next segment's base or the log's end.
 *
 * A batch's base offset is not under its crc, so what comes next is what tells whether it is right:
 * holes are accepted only where the mark says that there may be some.
 */

struct weir_segment_facts {
    int64_t base_offset;
    int64_t end_offset; /* behind its last batch; its base while it is empty */
    int64_t size;       /* bytes that count; of the last segment: how far it is durable */
    int64_t first_timestamp_ms;
    int64_t max_timestamp_ms;     /* -1: none */
    int64_t max_timestamp_offset; /* last offset of the batch that has it */
    int64_t last_append_ms; /* wall clock of the last append, or later, never earlier; -1: empty */
    bool has_holes;
    bool
        is_swapping; /* its file may still be `.log.swap`, and those that it replaces may still be there
                         (log_swap.c); only in a mark, while it is so */
    uint32_t aborted_count; /* entries of its transaction index, or one of the below */
    uint32_t aborted_crc;   /* and their crc (transaction_index.h) */
};
/** What is in a segment's transaction index is for its headers to say; or, in a mark of before version 6, for its
 * file: whoever wrote that had no transactions, but the folder may have been Kafka's before. */
#define WEIR_ABORTED_UNKNOWN UINT32_MAX
#define WEIR_ABORTED_AS_FILED (UINT32_MAX - 1)
/** Of a segment that is empty. */
struct weir_segment_facts weir_segment_facts_at(int64_t base_offset);

struct weir_durable_mark {
    bool is_clean;      /* written by a proper close */
    bool is_truncating; /* what lies above is being cut: finish it */
    bool may_be_older;  /* the copy of one that is lost, which may have been a later one */
    struct weir_uuid topic_id;
    int32_t partition; /* its number: folders of one topic are told apart too */
    int64_t start_offset;
    int64_t end_offset;
    int32_t
        leader_epoch; /* of the next append at least; not below any batch's, cut ones included */
    const struct weir_segment_facts *segments; /* ascending; the last is the active one */
    size_t segment_count;                      /* at least 1 */
    struct weir_leader_epochs epochs;
    struct weir_producer_state producers;
    struct weir_lost_ranges lost; /* below the end */
    int64_t clean_offset;         /* below it each key has one record at most (cleaner_plan.h) */
    int64_t sequence;             /* of two marks the newer one has the higher */
};

/** The failure, if any, is in `to`. Epochs and producers are borrowed. */
struct weir_durable_mark_view {
    bool is_clean;
    bool is_truncating;
    struct weir_uuid topic_id;
    int32_t partition;
    int64_t start_offset;
    int64_t end_offset;
    int32_t leader_epoch;
    const struct weir_leader_epochs *epochs;
    const struct weir_producer_state *producers;
    const struct weir_lost_ranges *lost; /* what lies above the end is left out */
    int64_t clean_offset;
    int64_t sequence; /* higher than that of the mark before, unless it is the same one again */
    struct weir_mono now;
    size_t segment_count;
    const struct weir_segment_facts *(*segment)(const void *context, size_t index);
    const void *context;
};
void weir_durable_mark_encode(const struct weir_durable_mark_view *view, struct weir_buffer *to);
/** The invariants of what is to be written: what a decode would refuse is no mark. It costs less
 * than the encoding. */
void weir_durable_mark_check(const struct weir_durable_mark_view *view);

/**
 * A mark of version 2 has no transactions and no holes: neither was there when it was written. Up to version 3
 * it does not say what was given up, up to 4 it has the sequence 0, up to 5 nothing was compacted, it says nothing of
 * transaction indexes and has no open transaction without a batch.
 *
 * Errors: WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY.
 * Owns:   `mark_out` until weir_durable_mark_close; segments are in `arena`.
 */
int weir_durable_mark_decode(struct weir_slice bytes, struct weir_budget *budget,
                             struct weir_arena *arena, struct weir_mono now,
                             struct weir_durable_mark *mark_out, struct weir_error *error);

/** What one of the two files of a folder came to. */
enum weir_mark_state {
    WEIR_MARK_GOOD,
    WEIR_MARK_MISSING,
    WEIR_MARK_OLDER, /* than the other one, of another partition, or a copy that orders a cut which
                          the mark does not */
    WEIR_MARK_DAMAGED, /* or far too large */
    WEIR_MARK_REFUSED, /* cannot be read, or not by this program: the error says why */
};
struct weir_mark_pair {
    enum weir_mark_state mark;
    enum weir_mark_state copy;
};
/**
 * The newer one in a partition's folder; `arena` as above. Where none is good WEIR_CORRUPT: the mark is
 * damaged, or WEIR_NOT_FOUND: it is missing. Where the mark is good its copy may also fail to be read, or
 * be of another version; else that is the error: WEIR_IO, WEIR_UNSUPPORTED_VERSION. So are, of
 * either, a shortage and what is said of a thing that is no file.
 * `pair_out` may be NULL, and is written in any case.
 */
int weir_durable_mark_read(struct weir_env *env, struct weir_budget *budget, const char *directory,
                           struct weir_arena *arena, struct weir_durable_mark *mark_out,
                           struct weir_mark_pair *pair_out, struct weir_error *error);
/**
 * Replace both; the mark is durable on return, and there is no failure but its own: what keeps the copy
 * from being written leaves an older one, which the next mark, or open, replaces. With `copy_is_all`, where the
 * mark itself was not good, the copy stays until there is one that is durable: else a loss of power might
 * take both.
 */
int weir_durable_mark_replace(struct weir_env *env, const char *directory, struct weir_slice bytes,
                              bool copy_is_all, struct weir_error *error);
/** Its two halves, for whoever has many made durable by one sync of the file system: mark and copy are laid beside the
 * old ones, that sync comes, and they take their names. Until the next sync of the folder, or the file system, a loss of
 * power may bring back the older mark, which is as true. Errors of either: as above. */
int weir_durable_mark_lay(struct weir_env *env, const char *directory, struct weir_slice bytes,
                          struct weir_error *error);
int weir_durable_mark_take(struct weir_env *env, const char *directory, struct weir_error *error);
/** Make the copy anew from the mark, if that can be read. */
void weir_durable_mark_mend_copy(struct weir_env *env, struct weir_budget *budget,
                                 const char *directory);
void weir_durable_mark_close(struct weir_durable_mark *mark);

#endif
