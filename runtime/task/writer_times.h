#ifndef WEIR_RUNTIME_TASK_WRITER_TIMES_H
#define WEIR_RUNTIME_TASK_WRITER_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "weir/types.h"

/**
 * How far the writers of a repartition partition are in event time, as its reader knows from the
 * log.
 *
 * A repartition topic is written by tasks that do not wait for one another: while one is in
 * December, another may be in June. The largest timestamp in the partition, which is stream time in
 * Kafka Streams, then makes all of June late. So each writer says how far it is, in a header of
 * some of its records, and stream time is at most the least that any writer has said:
 *
 *   of one partition   a@Jan   b@Jun{b: Jun}   b@Jul   a@Feb{a: Feb}   {b: at its end}   a@Mar{..}
 *   the least          none    none            none    Feb             Feb               Mar
 *
 * A writer that has nothing for a partition sends a *time note*: a record without key and value
 * that has only the header. A writer that is at the end of its inputs says so, and holds nobody
 * back until it says another time; where all writers are at their end stream time is what it is in
 * Kafka Streams. Elapsed time decides nothing.
 *
 * A writer counts from the moment when it has said something in this run of the job; until all
 * have, the least is none. What an earlier run wrote is below `counted_from` and says nothing: that
 * its writer was at its end then does not mean that it is now. docs/format/repartition.md has the
 * bytes of the header.
 *
 * Pure: no clock, no I/O. One owner, the task that reads.
 */
#define WEIR_TIME_HEADER_KEY "weir.time"
enum { WEIR_TIME_HEADER_SIZE = 18 };

/** What a writer says in a header. */
struct weir_writer_time {
    int32_t subtopology; /* the writer is a task */
    int32_t partition;
    /* Nothing of it that is still to come is older, but for its own disorder; -1: not known. */
    int64_t time_ms;
    bool is_at_end;    /* it has written all that comes of its inputs as they stand */
    bool is_idle;      /* so it has been for idle_close_ms: its time goes with the wall clock */
    bool is_time_note; /* the record is no record */
};

void weir_writer_time_encode(const struct weir_writer_time *time,
                             uint8_t bytes[WEIR_TIME_HEADER_SIZE]);
/** The header is one of these by its name, whatever is in it: no user is to see it. */
bool weir_is_time_header(const struct weir_header *header);
/** False: of a version that this Weir does not know, or damaged; it says nothing then. */
bool weir_writer_time_decode(const struct weir_header *header, struct weir_writer_time *time_out);

/** As far as one writer is known to be. */
struct weir_writer_reached {
    int64_t time_ms; /* -1: it has not said */
    bool is_at_end;
    bool is_idle;
};

struct weir_writer_times {
    int64_t counted_from;       /* offsets below are of an earlier run */
    const int32_t *first;       /* by sub-topology: where its tasks begin among the writers */
    const int32_t *task_counts; /* by sub-topology; 0: it does not write here */
    size_t subtopology_count;
    struct weir_writer_reached *writers;
    size_t count;
    int64_t least_ms; /* of those that are not at their end; INT64_MAX: there is none such */
};

/** `writes` says of each sub-topology whether it writes to the topic, `task_counts` how many tasks
 * it has. In `arena`. WEIR_NO_MEMORY. */
int weir_writer_times_init(struct weir_writer_times *times, struct weir_arena *arena,
                           const bool *writes, const int32_t *task_counts, size_t subtopology_count,
                           int64_t counted_from);
/** What `least_ms` is once the writer has said this at `offset`; changes nothing. */
int64_t weir_writer_times_least_with(const struct weir_writer_times *times, int64_t offset,
                                     const struct weir_writer_time *time);
/** The writer has said this at `offset`. A writer that is not known is none of this run's: it says
 * nothing. */
void weir_writer_times_take(struct weir_writer_times *times, int64_t offset,
                            const struct weir_writer_time *time);
/** The least of what they have said by the wall clock; -1: not all of them stand idle. */
int64_t weir_writer_times_idle_ms(const struct weir_writer_times *times);

#endif
