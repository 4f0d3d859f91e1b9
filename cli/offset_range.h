#ifndef WEIR_CLI_OFFSET_RANGE_H
#define WEIR_CLI_OFFSET_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/error.h"

/**
 * Where to begin reading and where to stop: rpk's grammar for `--offset`.
 *
 *     start  end  +N  -N  N  N:  N:M  N:end  :N  :end  @t  @t:  @:t  @t1:t2  @t1:end
 *
 * A time is 13 digits (ms), 10 digits (s), YYYY-MM-DD, RFC 3339 ending in Z, or a duration (1h30m, 5s,
 * -2d) from now, or, as the second of two, from the first if that is no duration itself. "beginning",
 * "oldest", "earliest", "newest" and "latest" are words for start and end.
 */
enum offset_kind {
    OFFSET_START,
    OFFSET_END,
    OFFSET_EXACT,
    OFFSET_FROM_START, /* value records behind the start */
    OFFSET_FROM_END,   /* value records before the end */
    OFFSET_TIME,       /* the first record at or after this time in ms */
};

struct offset_point {
    enum offset_kind kind;
    int64_t value;
};

struct offset_range {
    struct offset_point from;
    struct offset_point to; /* exclusive */
    bool has_to;
};

/** WEIR_INVALID_ARGUMENT says what would be right. */
int offset_range_parse(const char *text, int64_t now_ms, struct offset_range *range_out,
                       struct weir_error *error);

/**
 * Does a partition that holds [start, end) have nothing at the offsets that the range names, and never will have
 * there? It begins behind the end, where the next record will not be, or ends where records have been deleted.
 */
bool offset_range_misses(const struct offset_range *range, int64_t start, int64_t end);

/** An offset within [start, end] for what is no time. */
int64_t offset_point_resolve(const struct offset_point *point, int64_t start, int64_t end);

#endif
