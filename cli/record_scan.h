#ifndef WEIR_CLI_RECORD_SCAN_H
#define WEIR_CLI_RECORD_SCAN_H

#include "cli/record_format.h"

/**
 * Records out of a run of bytes, by a format: what `weir produce` reads.
 *
 * A text ends where its size says (%K before %k, %V before %v), else where the literal behind it
 * begins, else with the input. The last record may lack its newline.
 */

/** WEIR_INVALID_ARGUMENT for a format that nothing can be read by: a verb that is only for printing,
 * two texts with nothing between them, a size behind what it measures. */
int record_scan_check(const struct record_format *format, struct weir_error *error);

struct record_scanned {
    struct weir_slice key;   /* null: the format has none */
    struct weir_slice value; /* never null */
    struct weir_header *headers;
    size_t header_count;
    int32_t partition;    /* -1: not given */
    int64_t timestamp_ms; /* -1: not given */
};

/**
 * The next record of `input`, and how many bytes it took. Its slices point into the input or into
 * `arena`. `is_end`: nothing comes behind the input.
 *
 * 0: a record. WEIR_END: the input is used up, or (unless `is_end`) it ends within a record: come back
 * with more. WEIR_INVALID_ARGUMENT: it does not have this format.
 */
int record_scan_next(const struct record_format *format, struct weir_slice input, bool is_end,
                     struct weir_arena *arena, struct record_scanned *scanned_out, size_t *used_out,
                     struct weir_error *error);

#endif
