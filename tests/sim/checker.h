#ifndef WEIR_TESTS_SIM_CHECKER_H
#define WEIR_TESTS_SIM_CHECKER_H

#include "tests/sim/history.h"

/**
 * A history in, the first anomaly out. Pure: no log, no simulator.
 *
 *   lost-write               acknowledged, and not there at the end (acks=1: only if no restart
 *                            after the answer may have lost what was not synced)
 *   lost-read                a reader was given it, and it is not there at the end
 *   value-changed-at-offset  two readers, or a reader and an answer, disagree about an offset
 *                            (inconsistent-offsets in RELIABILITY.md)
 *   duplicate                one value at two places
 *   phantom                  a value that nobody sent to this log
 *   out-of-order             one producer's values in another order than it sent them
 *   gap                      offsets are not 0, 1, 2, …
 *   nonmonotonic-poll        a reader was given an offset again, or one before
 *   poll-skip                a reader was not given an offset between two that it was given
 *   bounds                   start <= high watermark <= end does not hold, or the mark went back
 *   read-beyond-the-end      a value above the end of the log
 *   committed-offset         a group was told less than was acknowledged, or what nobody committed
 *   topic-lost, topic-back   created and not there; deleted and there again
 */
struct checker_anomaly {
    const char *name; /* NULL: there is none */
    char text[400];   /* in words a newcomer can follow */
};

struct checker_anomaly checker_check(const struct history *history);

/** One line of a table: what was computed by hand against what the job says. */
struct checker_cell {
    char key[48];
    int64_t value;
};

/**
 * A keyed state against the answer computed in one go: every key there, none too many, equal values.
 * Both are sorted by the call. `what` names the table: "store counts != batch answer".
 */
struct checker_anomaly checker_compare(const char *name, const char *what,
                                       struct checker_cell *actual, size_t actual_count,
                                       struct checker_cell *expected, size_t expected_count);
/** Each expected line is among the actual ones (which may repeat), and no others are. */
struct checker_anomaly checker_contains_all(const char *what, struct checker_cell *actual,
                                            size_t actual_count, struct checker_cell *expected,
                                            size_t expected_count);

#endif
