#ifndef WEIR_WIRE_RECORD_BATCH_H
#define WEIR_WIRE_RECORD_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/codec/compress.h"
#include "weir/error.h"
#include "weir/record.h"
#include "weir/types.h"

/**
 * Kafka's record batch, version 2: the bytes a producer sends, a segment holds and a reader gets.
 *
 *   0 base offset i64     17 crc u32 (of 21..end)      43 producer id i64
 *   8 length i32 (12..)   21 attributes i16            51 producer epoch i16
 *  12 leader epoch i32    23 last offset delta i32     53 base sequence i32
 *  16 magic i8 = 2        27 base timestamp i64        57 record count i32
 *                         35 max timestamp i64         61 records, compressed as one block
 *
 * Base offset and leader epoch lie outside the crc, so that the log assigns them in place.
 * Source: Kafka protocol guide, Record Batch; docs/format/record-batch.md.
 */
enum {
    WEIR_BATCH_OVERHEAD = 12, /* base offset and length: what `length` does not count */
    WEIR_BATCH_HEADER_SIZE = 61,
    WEIR_BATCH_LEADER_EPOCH_AT = 12, /* as the base offset, outside the crc */
    WEIR_BATCH_CRC_FROM = 21,        /* the crc covers from here to the end */
    WEIR_BATCH_MAGIC = 2,
};

enum weir_batch_attribute {
    WEIR_BATCH_CODEC_MASK = 0x07,
    WEIR_BATCH_LOG_APPEND_TIME = 0x08,
    WEIR_BATCH_TRANSACTIONAL = 0x10,
    WEIR_BATCH_CONTROL = 0x20,
    WEIR_BATCH_DELETE_HORIZON = 0x40,
    WEIR_BATCH_GIVEN_UP = 0x4000, /* ours; Kafka has no use for the bit and leaves it alone */
};

enum {
    WEIR_NO_PRODUCER_ID = -1,
    WEIR_NO_PRODUCER_EPOCH = -1,
    WEIR_NO_SEQUENCE = -1,
    WEIR_NO_TIMESTAMP = -1,
    WEIR_NO_LEADER_EPOCH = -1
};

struct weir_batch_header {
    int64_t base_offset;
    int32_t length; /* bytes after the length field */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

/** Bytes of the whole batch. */
static inline size_t weir_batch_size(const struct weir_batch_header *header)
{
    return (size_t)header->length + WEIR_BATCH_OVERHEAD;
}
static inline int64_t weir_batch_last_offset(const struct weir_batch_header *header)
{
    return header->base_offset + header->last_offset_delta;
}
static inline enum weir_codec weir_batch_codec(const struct weir_batch_header *header)
{
    return (enum weir_codec)(header->attributes & WEIR_BATCH_CODEC_MASK);
}
/** A marker, or an end of a snapshot: no data. */
static inline bool weir_batch_is_control(const struct weir_batch_header *header)
{
    return (header->attributes & WEIR_BATCH_CONTROL) != 0;
}
/** Without records, which were there once and are lost. */
static inline bool weir_batch_is_given_up(const struct weir_batch_header *header)
{
    return (header->attributes & WEIR_BATCH_GIVEN_UP) != 0 && header->record_count == 0;
}
/** Data that a marker of its producer id commits or aborts, or such a marker. */
static inline bool weir_batch_is_transactional(const struct weir_batch_header *header)
{
    return (header->attributes & WEIR_BATCH_TRANSACTIONAL) != 0;
}

/**
 * What compressed records may unfold to. Kafka's max.message.bytes bounds a batch as it is sent and
 * stored; nothing bounds what comes out of it, and 1 MiB of zstd may hold gigabytes. The rule:
 *
 *   in    What comes through the port is refused (WEIR_TOO_LARGE) over PLAIN_FACTOR times the
 *         topic's max.message.bytes, and so is what is brought into the topic's own codec: a bomb
 *         stays out of the log. Producers within the process are bounded by their buffer_memory.
 *   out   What is in a log was acknowledged, so every reader reads it, up to what the format can
 *         say: a plain batch is counted in 31 bits. A lower bound for some would stop a job or a
 *         search by time at a batch that a consumer reads. Memory is taken as bytes come out of the
 *         codec, from the reader's budget.
 */
enum { WEIR_BATCH_PLAIN_SIZE_MAX = INT32_MAX, WEIR_BATCH_PLAIN_FACTOR = 16 };
/** The bound where batches come in. Never 0, which would stand for the bound of readers. */
static inline size_t weir_batch_plain_size_max(int64_t max_message_bytes)
{
    if (max_message_bytes > WEIR_BATCH_PLAIN_SIZE_MAX / WEIR_BATCH_PLAIN_FACTOR) {
        return WEIR_BATCH_PLAIN_SIZE_MAX;
    }
    return max_message_bytes > 0 ? (size_t)max_message_bytes * WEIR_BATCH_PLAIN_FACTOR : 1;
}

/** `sequence + increment`, wrapping from INT32_MAX to 0 as Kafka's do. */
int32_t weir_sequence_add(int32_t sequence, int32_t increment);

/**
 * Read the header at the start of `bytes`, without looking at the records.
 *
 * Errors: WEIR_TRUNCATED when fewer than 61 bytes are there or the batch is longer than `bytes`
 * (`header_out` is still written if the 61 bytes were there); WEIR_CORRUPT for a length under 49 or
 * over `size_max` (0: no bound), a magic other than 2, a negative count, delta or
 * offset.
 */
int weir_batch_peek(struct weir_slice bytes, size_t size_max, struct weir_batch_header *header_out,
                    struct weir_error *error);

/** The same for who has, or wants, the header alone: WEIR_TRUNCATED for fewer than 61 bytes only. Nothing is
 * written after an error. */
int weir_batch_peek_header(struct weir_slice bytes, size_t size_max,
                           struct weir_batch_header *header_out, struct weir_error *error);

/** WEIR_CORRUPT unless the crc fits; `batch` is one whole batch as peeked. */
int weir_batch_check_crc(struct weir_slice batch, struct weir_error *error);

/** Write into `batch` a batch of no records that takes the offsets from `base_offset` to
 * `base_offset + last_offset_delta`: what a compacted log keeps of them (Kafka's form). */
void weir_batch_store_empty(uint8_t batch[WEIR_BATCH_HEADER_SIZE], int64_t base_offset,
                            int32_t last_offset_delta, int32_t leader_epoch);
/** The same, of offsets whose records a repair has given up. */
void weir_batch_store_given_up(uint8_t batch[WEIR_BATCH_HEADER_SIZE], int64_t base_offset,
                               int32_t last_offset_delta, int32_t leader_epoch);
/** Patch what lies outside the crc. */
void weir_batch_assign(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/** LogAppendTime: set the bit and the maximum, recompute the crc. Readers then use the maximum. */
void weir_batch_set_append_time(uint8_t *batch, size_t size, int64_t now_ms);
/** Whose a batch is, where that is known only when it is sent; recompute the crc. */
struct weir_batch_producer {
    int64_t id;
    int16_t epoch;
    int32_t base_sequence;
    bool is_transactional;
};
void weir_batch_set_producer(uint8_t *batch, size_t size,
                             const struct weir_batch_producer *producer);

/**
 * Everything a broker asks of a produced batch (Kafka protocol guide, Produce), its base offset
 * aside: one whole batch, magic 2, crc, count = last delta + 1 > 0, known attributes and codec, no
 * control bit and no delete horizon unless `allow_control`, an epoch and a sequence >= 0 where
 * there is a producer id, a producer id where it is transactional, and, when `walk_records`, every
 * record well formed with deltas 0, 1, 2, … and nothing behind the last. Timestamps may be from before
 * 1970, that is negative; -1 is none.
 *
 * Errors: WEIR_CORRUPT, WEIR_INVALID_RECORD, WEIR_TOO_LARGE (batch, or plain form over
 * `plain_size_max`), WEIR_UNSUPPORTED_CODEC, WEIR_UNSUPPORTED_VERSION (magic 0, 1).
 */
struct weir_batch_check {
    size_t size_max;       /* 0: no bound */
    size_t plain_size_max; /* 0: WEIR_BATCH_PLAIN_SIZE_MAX */
    bool allow_control;
    bool walk_records;
    bool keys_required;         /* compacted topic: a null key is an invalid record */
    bool has_oldest;            /* admit: no record's timestamp is older than … */
    int64_t oldest_ms;          /* … this one */
    struct weir_budget *budget; /* for the plain form of compressed records */
    struct weir_buffer *plain;  /* where it is put, for the caller to reuse; NULL: a buffer of the
                                   call's own */
};
int weir_batch_check(struct weir_slice batch, const struct weir_batch_check *check,
                     struct weir_error *error);
/**
 * The same for a batch that came through the port, as Kafka's brokers take it in: its records are
 * walked in any case, such that claim the log's own time are refused, and a header whose largest timestamp is not the records' is put right (some clients write the last
 * one's), since the time index goes by it. The largest of nothing but times before 1970 is -1, none, as
 * Kafka has it: no search by time comes upon them.
 *
 * Errors: as above, WEIR_INVALID_TIMESTAMP. `batch` is unchanged then.
 */
int weir_batch_admit(uint8_t *batch, size_t size, const struct weir_batch_check *check,
                     struct weir_error *error);

/**
 * Build one batch. Records are encoded as they come, once, into `buffer` behind a space for the
 * header; finishing compresses, fills the header in and computes the crc.
 *
 * Reuse: `begin` again after `finish`; nothing is allocated in a steady state.
 */
struct weir_batch_builder {
    struct weir_buffer plain;      /* header space and records */
    struct weir_buffer compressed; /* used only with a codec */
    enum weir_codec codec;
    int level;
    int32_t record_count;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
};

struct weir_batch_finish {
    int64_t base_offset;  /* what a client sends: 0 */
    int32_t leader_epoch; /* what a client sends: -1 */
    int64_t producer_id;  /* -1: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    bool is_transactional;
    bool is_control;
    bool leaves_crc; /* weir_batch_set_producer is called before anybody sees it */
};
#define WEIR_BATCH_FINISH_NONE                                                                     \
    ((struct weir_batch_finish){.leader_epoch = -1,                                                \
                                .producer_id = WEIR_NO_PRODUCER_ID,                                \
                                .producer_epoch = WEIR_NO_PRODUCER_EPOCH,                          \
                                .base_sequence = WEIR_NO_SEQUENCE})

void weir_batch_builder_init(struct weir_batch_builder *builder, struct weir_budget *budget,
                             enum weir_codec codec, int level);
void weir_batch_builder_close(struct weir_batch_builder *builder);
void weir_batch_builder_reset(struct weir_batch_builder *builder);
/**
 * Append one record; its offset is ignored. WEIR_NO_MEMORY, WEIR_TOO_LARGE (over 2^31),
 * WEIR_INVALID_TIMESTAMP (under -1, or too far from the first one's). A refused record leaves the
 * builder as it was.
 */
int weir_batch_builder_add(struct weir_batch_builder *builder, const struct weir_record *record);
/** Bytes so far, plain, header included. */
static inline size_t weir_batch_builder_size(const struct weir_batch_builder *builder)
{
    return builder->plain.size;
}
/** The finished batch: a view that lasts until the next reset. `record_count > 0`. */
int weir_batch_builder_finish(struct weir_batch_builder *builder,
                              const struct weir_batch_finish *finish, struct weir_slice *batch_out);

/**
 * Append `batch` to `to` with its records under another codec, or under none; everything else stays
 * as it is, and the crc fits. `to` keeps its size on failure.
 *
 * Errors: WEIR_TOO_LARGE (plain form over `plain_size_max`, or a result over 2^31),
 * WEIR_UNSUPPORTED_CODEC, WEIR_CORRUPT, WEIR_NO_MEMORY.
 */
struct weir_batch_recompress {
    enum weir_codec codec;
    int level;
    size_t plain_size_max; /* 0: WEIR_BATCH_PLAIN_SIZE_MAX */
};
int weir_batch_recompress(struct weir_slice batch, const struct weir_batch_recompress *options,
                          struct weir_buffer *to, struct weir_error *error);

/**
 * Append to `to` what a compaction leaves of `batch`: the records that `keeps` names, with the offsets that they
 * have, in the codec that they have. First and last offset, producer, epoch and sequence of the batch stay;
 * its largest timestamp is that of what is left. Of a batch that loses nothing the bytes stay as they are.
 *
 * A batch that keeps a tombstone (a record without a value) and has no delete horizon is given one (KIP-534): attribute bit
 * 0x40 says that the base timestamp is the time from which on its tombstones may go. Records keep their times: the
 * deltas are written anew. So it is with a marker (`is_dated`) that nothing is left of.
 *
 * Errors: what weir_batch_reader gives, WEIR_NO_MEMORY. `to` keeps its size on failure.
 */
struct weir_batch_filter {
    bool (*keeps)(void *context, const struct weir_record *record); /* NULL: all of them */
    void *context;
    bool keeps_empty;   /* where no record is left, the header alone stays; else nothing does */
    bool is_dated;      /* a horizon is due, whatever the records are */
    int64_t horizon_ms; /* the one to give; WEIR_NO_TIMESTAMP: none */
    int level;
    struct weir_buffer *plain;   /* the caller's, for reuse: the records unpacked … */
    struct weir_buffer *records; /* … and those that stay */
    /* given */
    int32_t kept_count;
    int32_t kept_tombstones;
    bool is_changed;
};
int weir_batch_filter(struct weir_slice batch, struct weir_batch_filter *filter,
                      struct weir_buffer *to, struct weir_error *error);

/** Control records (markers): key {version 0, type}, value {version 0, coordinator epoch}. */
enum weir_control_type {
    WEIR_CONTROL_ABORT = 0,
    WEIR_CONTROL_COMMIT = 1,
    WEIR_CONTROL_SNAPSHOT_HEADER = 3, /* these two only in metadata snapshots */
    WEIR_CONTROL_SNAPSHOT_FOOTER = 4,
};
/** The type that a control record's key names, known here or not; WEIR_CORRUPT if it has none. */
int weir_control_type(struct weir_slice key);

/**
 * The marker that ends a producer's transaction in a partition: a control batch of one record, always of
 * the same size (KIP-98).
 */
struct weir_transaction_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch; /* of the coordinator that has decided it */
    bool is_commit;            /* else it is an abort */
    int64_t timestamp_ms;
};
enum { WEIR_BATCH_MARKER_SIZE = WEIR_BATCH_HEADER_SIZE + 17 };
/** Write it into `batch`, as a client's batch is: the log assigns offset and epoch. */
void weir_batch_store_marker(uint8_t batch[WEIR_BATCH_MARKER_SIZE],
                             const struct weir_transaction_marker *marker);
/**
 * The marker in a whole batch, whose header is peeked and whose crc is not looked at. WEIR_END: it is
 * none, but data, a control batch of another type, or one whose record compaction has taken out.
 * WEIR_CORRUPT: a control batch of a producer whose record is none.
 */
int weir_batch_read_marker(struct weir_slice batch, const struct weir_batch_header *header,
                           struct weir_transaction_marker *marker_out, struct weir_error *error);

#endif
