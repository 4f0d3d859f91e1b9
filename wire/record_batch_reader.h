#ifndef WEIR_WIRE_RECORD_BATCH_READER_H
#define WEIR_WIRE_RECORD_BATCH_READER_H

#include "wire/record_batch.h"

/**
 * The one reader of record batches: of what a fetch gave, what a segment or a snapshot holds.
 *
 *   next      steps to the batch behind the one at hand. Its header is decoded and must make sense;
 *             its records are not looked at, so a batch that is not wanted costs 61 bytes.
 *   open      computes the crc over the batch as it is stored, once: nothing in the records is
 *             believed before. Then compressed records are unfolded into `plain`, up to a bound
 *             (WEIR_BATCH_PLAIN_SIZE_MAX), and a count that cannot be in so many bytes is refused.
 *   record    gives the next one as a view, `records` many of them in a tight loop. Each is checked as
 *             it is met: a length that its fields fill exactly, offset deltas that ascend, with holes
 *             where compaction took records out, within the last offset delta; a time of 64 bits.
 *             Behind the last nothing may be left.
 *
 *   struct weir_batch_reader reader = {.rest = bytes, .plain = &plain};
 *   while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
 *       if (weir_batch_last_offset(&reader.header) < position) continue;
 *       rc = weir_batch_reader_open(&reader, error);
 *       while (rc == 0 && (rc = weir_batch_reader_record(&reader, &record, error)) == 0) {
 *           ...
 *       }
 *       if (rc < 0) break;
 *   }
 *
 * A batch begins where it begins: its first records may lie below the offset that was asked for, and
 * it is for the caller to pass over them. A run of bytes may end within a batch, as a fetch that is cut
 * off by its size does: WEIR_TRUNCATED then, unless `is_whole` says that there is no such end.
 *
 * What a batch holds is told by its header: weir_batch_is_control for markers and a snapshot's two
 * ends (weir_control_type says which), which take offsets but are no data; weir_batch_is_transactional
 * and the producer id for data that such a marker commits or aborts.
 *
 * After any error the reader stands where it stood, and the same call fails the same way.
 *
 * Owns: nothing. Views point into the run or, of a compressed batch, into `plain`, which the next open
 * overwrites; headers of records are in `arena`. Reads nothing outside of the run, whatever is in it.
 * Source: Kafka protocol guide, Record Batch; docs/format/record-batch.md.
 */
struct weir_batch_reader {
    /* the caller's, before the first call; all of it but `rest` may stay zero */
    struct weir_slice rest; /* of the run, behind the batch at hand */
    struct weir_buffer
        *plain;               /* for compressed records; NULL: headers are read only, or no codec */
    struct weir_arena *arena; /* for records' headers; NULL: they are checked but not given */
    size_t plain_size_max;    /* 0: WEIR_BATCH_PLAIN_SIZE_MAX */
    bool is_whole;            /* a run that ends within a batch is WEIR_CORRUPT */
    /* the batch at hand */
    struct weir_batch_header header;
    struct weir_slice batch;
    /* its records, once it is open */
    bool is_open;
    int32_t left;      /* records that were not given */
    const uint8_t *at; /* where the next one begins, plain */
    const uint8_t *end;
    int64_t delta_min; /* of its offset */
};

/** 0: the next batch of the run is at hand. WEIR_END: the run is used up.
 * Errors: WEIR_CORRUPT, WEIR_TRUNCATED. */
int weir_batch_reader_next(struct weir_batch_reader *reader, struct weir_error *error);
/** Check and unfold the batch at hand; its records are given from the first on, also where it was open.
 * Errors: WEIR_CORRUPT, WEIR_TOO_LARGE (over the bound), WEIR_UNSUPPORTED_CODEC, WEIR_NO_MEMORY. */
int weir_batch_reader_open(struct weir_batch_reader *reader, struct weir_error *error);
/** Both: for who reads every batch, or has but one. */
int weir_batch_reader_open_next(struct weir_batch_reader *reader, struct weir_error *error);
/** 0 with the next record of the open batch, WEIR_END behind the last (and only if nothing is left
 * over). Errors: WEIR_CORRUPT, WEIR_NO_MEMORY. `record_out` is written on success only. */
int weir_batch_reader_record(struct weir_batch_reader *reader, struct weir_record *record_out,
                             struct weir_error *error);
/**
 * Up to `capacity` records of the open batch at once: the count, and fewer than `capacity` only at its
 * end (0 from then on). After an error what was written to `records_out` means nothing.
 */
int weir_batch_reader_records(struct weir_batch_reader *reader, struct weir_record *records_out,
                              size_t capacity, struct weir_error *error);

#endif
