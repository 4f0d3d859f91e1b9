#ifndef WEIR_BROKER_LOG_RANGE_ENDS_H
#define WEIR_BROKER_LOG_RANGE_ENDS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Where the ranges ended that a log's readers were given last: who reads on from there begins at a
 * place that is known, and need not be looked for through index entry and headers. An end is a hint:
 * the header that lies there says whether it is one.
 *
 * A reader has one end, which follows it: the end of its next range takes the place of the one it
 * came from. With more readers than places the oldest end goes, and its reader asks the index.
 */
enum { WEIR_RANGE_ENDS_MAX = 8 };

struct weir_range_end {
    int64_t segment_base; /* base offset of its segment */
    int64_t offset;       /* that follows the range: a batch begins with it … */
    int64_t position; /* … here, or will; 0: there is no end here, for none is at a file's start */
};

struct weir_range_ends {
    struct weir_range_end kept[WEIR_RANGE_ENDS_MAX];
    unsigned next; /* the oldest */
};

/** Position of the batch that begins with `offset`; -1: no range ended there. */
int64_t weir_range_ends_find(const struct weir_range_ends *ends, int64_t segment_base,
                             int64_t offset);
/** The reader that asked for `from_offset` was given a range up to `end`. */
void weir_range_ends_note(struct weir_range_ends *ends, int64_t from_offset,
                          const struct weir_range_end *end);
/** The log was cut: nothing is where it was. */
void weir_range_ends_drop_all(struct weir_range_ends *ends);

#endif
