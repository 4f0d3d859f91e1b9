#ifndef WEIR_RUNTIME_TASK_TIME_STATE_H
#define WEIR_RUNTIME_TASK_TIME_STATE_H

#include "runtime/task/writer_times.h"
#include "weir/types.h"

/**
 * The stream time of a task, and what its readers are told of it.
 *
 * Behind repartition topics (*timed* inputs) stream time is at most the least of what their writers
 * have reached (writer_times.h): as long as one of these has said nothing, there is none. Elsewhere
 * it is the largest timestamp processed, as in Kafka Streams.
 *
 * To its own timed sinks the task says its stream time: with the first record that goes to a
 * partition once the time that it says has moved on, and by a time note where no record went. A row
 * is never older than what was said before it, but for the disorder of the task's own inputs. So
 *
 *   - the time that is said is that of before the batch at hand, and moves on at most every
 *     `rows_per_saying` rows;
 *   - that the task is at the end of its inputs is said behind the last row, by a note, to those
 *     partitions that think otherwise. While it stays there (live data, a few rows at a time)
 *     nothing more is said at all;
 *   - rows that a cache holds back leave with the flush before a commit, in any order: until then
 *     the time stays as it was at the flush before;
 *   - nor does it pass what operators hold until time has come (suppress, windows that emit when
 *     they close).
 *
 * With idle_close_ms a task that has stood at the end of its inputs for that long goes on by the wall clock, that long
 * behind it, a step at a time (`is_idle`), and says so by notes. One that reads timed inputs goes as far as the least
 * of what their writers say in this way, and no further by itself: what they still hold back comes before it.
 *
 * The stream thread's.
 */
/** What the partitions of one sink's topic have been told. */
struct weir_told {
    size_t topic;
    int32_t partition_count;
    uint32_t *versions; /* of what is said; 0: nothing yet */
    bool *at_end;       /* whether that was that the task is at its end */
};

struct weir_task_time {
    int64_t seen_ms;      /* the largest timestamp processed; -1: none */
    int64_t bound_ms;     /* the least of all timed inputs; INT64_MAX: nobody holds it back */
    bool has_bound_moved; /* and the nodes do not know yet */
    bool is_bounded;      /* there are timed inputs */
    bool holds_back;      /* there are cached stores whose rows leave with the flush */

    struct weir_told *
        *told; /* by the topology's topics, NULL where they are not timed; NULL: none is */
    struct weir_told *tellings; /* the same, one behind the other */
    size_t telling_count;
    size_t rows_per_saying;
    size_t rows_since;       /* what is said has moved on */
    size_t rows_since_notes; /* all have heard it */
    int64_t idle_since_ms;   /* by the wall clock; -1: it is not at the end of its inputs */
    int64_t idle_next_ms;    /* the next step, not before */
    bool is_idle;
    bool has_idled;   /* a step was made that has not been told */
    uint32_t version; /* of what is said; at first 1 */
    struct weir_writer_time saying;
    uint8_t saying_bytes[WEIR_TIME_HEADER_SIZE];
    struct weir_header saying_header;
};

#endif
