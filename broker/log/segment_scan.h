#ifndef WEIR_BROKER_LOG_SEGMENT_SCAN_H
#define WEIR_BROKER_LOG_SEGMENT_SCAN_H

#include "base/env/env.h"
#include "broker/log/leader_epochs.h"
#include "broker/log/offset_index.h"
#include "broker/log/producer_state.h"
#include "wire/record_batch.h"

/**
 * Walk the batches of one segment file in order, believing nothing: each must have a header that
 * makes sense, fit into what is left, begin at the expected offset (or behind it, where the segment
 * may have holes), carry an epoch not lower than the one before, and (when asked) a crc that fits.
 * A batch's epoch lies outside its crc: where a table of the log's epochs is given, it is compared with that.
 *
 * Recovery, truncation, rebuilding an index and verification all walk this way.
 */
struct weir_segment_scan {
    struct weir_file *file;
    int64_t position;        /* of the next batch */
    int64_t limit;           /* the segment's end in the file */
    int64_t expected_offset; /* of the next batch */
    int64_t end_offset;      /* where the segment's offsets are known to end */
    int32_t epoch;           /* of the last one */
    const struct weir_leader_epochs *epochs;
    int64_t epochs_end;
    bool corrects_epochs;
    bool
        is_epoch_wrong; /* of the batch that was given last: the header has the table's, the file another */
    bool check_crc;
    bool has_holes; /* the next batch may begin behind the expected offset */
    bool met_hole;  /* one did */
    /* after WEIR_CORRUPT: */
    bool
        was_whole; /* header, length and offset fitted, only the crc did not; or all but the length */
    bool is_cut_short; /* what is there may be the beginning of the batch that belongs there */
    struct weir_buffer window;
    int64_t window_position;
};

/** The caller sets file, position, limit, expected offset and epoch; `window_size` 0 gives 256 KiB.
 * `is_headers_only` skips the crc and reads headers by hops. */
struct weir_segment_scan_options {
    struct weir_file *file;
    struct weir_budget *budget;
    int64_t position;
    int64_t limit;
    int64_t expected_offset;
    int64_t end_offset; /* 0: not known */
    int32_t epoch;
    const struct weir_leader_epochs
        *epochs; /* of offsets below `epochs_end`; NULL: not known. Borrowed */
    int64_t epochs_end;
    bool corrects_epochs; /* a batch of another epoch is given with the table's, not refused */
    bool is_headers_only;
    bool has_holes; /* durable_mark.h */
};
void weir_segment_scan_init(struct weir_segment_scan *scan,
                            const struct weir_segment_scan_options *options);
void weir_segment_scan_close(struct weir_segment_scan *scan);
/**
 * 0: a batch, which begins at `*position_out`. WEIR_END: exactly at the limit.
 * Errors: WEIR_CORRUPT (position and expected offset stay at what does not fit), WEIR_NO_MEMORY,
 *         WEIR_IO.
 */
int weir_segment_scan_next(struct weir_segment_scan *scan, struct weir_batch_header *header_out,
                           int64_t *position_out, struct weir_error *error);

/**
 * Have `producers`, where there is room for it (weir_producer_state_reserve), know the batch that was given last. If it is
 * a marker its record is read from the file, and `end_out` says what it has ended; else, or where its record is
 * damaged, which is for readers to find, that is no abort.
 * Errors: WEIR_IO, a shortage.
 */
int weir_segment_scan_note_producer(const struct weir_segment_scan *scan,
                                    const struct weir_batch_header *header,
                                    struct weir_producer_state *producers, struct weir_mono now,
                                    struct weir_transaction_end *end_out, struct weir_error *error);

/** Go on at the batch that the index says lies further on, at `entry`, if a header there says the same and may
 * follow: its last offset, a base offset from the expected one on, the epoch of the last one. False: the
 * scan stays where it is. */
bool weir_segment_scan_skip_to(struct weir_segment_scan *scan,
                               const struct weir_index_entry *entry);

/**
 * Behind something that is no batch: the next place from `position` on where a whole one begins, crc
 * and all, of an offset from `offset_min` on and within 2^31 of it, and of `epoch_min` at least.
 * 0: there it is. WEIR_END: none before the limit, or more that looked like one than is worth a crc.
 * Errors: WEIR_NO_MEMORY, WEIR_IO.
 */
struct weir_batch_search {
    struct weir_file *file;
    struct weir_budget *budget;
    int64_t position;
    int64_t limit;
    int64_t offset_min;
    int32_t epoch_min;
};
int weir_segment_find_batch(const struct weir_batch_search *search,
                            struct weir_batch_header *header_out, int64_t *position_out,
                            struct weir_error *error);

/** Does `header`, found at `position`, continue a log at `expected_offset` after `epoch` within
 * `left` bytes? WEIR_CORRUPT with the reason. */
struct weir_batch_place {
    int64_t position;
    int64_t left;
    int64_t expected_offset;
    int64_t end_offset; /* no batch reaches it; INT64_MAX: not known */
    int32_t epoch;
    bool has_holes; /* offsets may be left out before it */
};
int weir_batch_check_place(const struct weir_batch_header *header,
                           const struct weir_batch_place *place, struct weir_error *error);

#endif
