#ifndef WEIR_BROKER_LOG_REPAIR_H
#define WEIR_BROKER_LOG_REPAIR_H

#include "broker/log/cut_bytes.h"
#include "broker/log/damage_file.h"
#include "broker/log/durable_mark.h"

/**
 * Mending a partition whose log is offline, by an operator who names what is lost. The log is not
 * open, and nobody else opens it: the caller holds the data directory.
 *
 *   weir_repair_open      read all of it: which offsets cannot be read? Changes nothing
 *   weir_repair_give_up   one such range is lost: the rest of its segment is written anew, with an
 *                         empty batch (Kafka's form of offsets that hold no records any more) where
 *                         it was. What is good behind it keeps its offsets
 *   weir_repair_finish    nothing is damaged (any more): leader epochs that are not the mark's are written
 *                         anew, then a durable mark with epochs and producers as the log has them, and the
 *                         damage file goes
 *   weir_repair_close
 *
 * Offsets stay dense and the log's end never goes back, so no offset is given to two records. The bytes
 * that are taken out are kept beside (cut_bytes.h). The damage file is there from the first write to
 * the last: whatever cuts a repair short leaves the log offline, and repairing again goes on.
 */
enum { WEIR_DAMAGE_RANGES_MAX = 64 };

struct weir_damage_range {
    int64_t from;         /* the first offset that is lost */
    int64_t to;           /* exclusive; of a range at the log's end: not below what was there */
    int64_t base_offset;  /* of the segment it is in */
    int64_t position;     /* in its file */
    int64_t size;         /* bytes there; 0: they are missing */
    int64_t file_end;     /* how far the file counts */
    int64_t record_count; /* -1: cannot be told */
    int32_t epoch;        /* of the empty batch */
    bool is_at_end;       /* nothing whole lies behind it */
    bool is_file_missing;
    char reason[160];
};

/** A batch whose crc fits and whose leader epoch, which lies outside the crc, is not the one that the durable
 * mark has for its offset. Nothing of it is lost. */
struct weir_wrong_epoch {
    int64_t base_offset; /* of the segment */
    int64_t position;    /* of the batch in its file */
    int64_t offset;      /* the batch's */
    int32_t epoch;       /* that it has to have */
};

struct weir_repair {
    struct weir_env *env;
    struct weir_budget *budget;
    const char *path;      /* the partition's folder; borrowed */
    int64_t mark_sequence; /* of the newest mark */
    bool has_mark;
    bool copy_is_all;   /* it is the copy */
    bool is_mark_older; /* there are segments behind all that it knows: finish writes it anew */
    bool has_damage_file;
    struct weir_damage known; /* if has_damage_file; from 0 if it cannot be read */
    struct weir_uuid topic_id;
    int32_t partition; /* its number, as the folder's name and the mark have it */
    int32_t leader_epoch;
    int64_t start_offset;
    int64_t end_offset;          /* as far as can be told */
    int64_t durable_offset;      /* the mark's end; -1: there is none */
    int64_t record_count;        /* that can be read */
    struct weir_buffer segments; /* struct weir_segment_facts: what can be read of each */
    struct weir_leader_epochs epochs;
    struct weir_producer_state producers;
    struct weir_lost_ranges lost; /* that were given up, by this repair or before */
    struct weir_buffer
        wrong_epochs; /* struct weir_wrong_epoch: whole batches, which finish corrects */
    struct weir_damage_range
        ranges[WEIR_DAMAGE_RANGES_MAX]; /* ascending; more are not looked for */
    size_t range_count;
};

/** `path` is the folder of partition number `partition` of its topic.
 * Errors: WEIR_NOT_FOUND, WEIR_CORRUPT (beyond what this can mend, with the reason; the folder is another
 * partition's; there is no mark, and offsets are left out as by a compaction: an open has to look first),
 * WEIR_UNSUPPORTED_VERSION, WEIR_IO, WEIR_NO_MEMORY. Nothing to close then. */
int weir_repair_open(struct weir_repair *repair, struct weir_env *env, const char *path,
                     int32_t partition, struct weir_error *error);
/** `kept_out`: the file with the bytes that were taken out, "" if there were none. Then open it anew.
 * Errors: WEIR_NO_SPACE (nothing changed), WEIR_IO, WEIR_NO_MEMORY. */
int weir_repair_give_up(struct weir_repair *repair, const struct weir_damage_range *range,
                        char kept_out[WEIR_CUT_NAME_SIZE], struct weir_error *error);
/** `range_count` is 0. Errors as of give_up. */
int weir_repair_finish(struct weir_repair *repair, struct weir_error *error);
void weir_repair_close(struct weir_repair *repair);

#endif
