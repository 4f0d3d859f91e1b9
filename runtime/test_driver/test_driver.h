#ifndef WEIR_RUNTIME_TEST_DRIVER_TEST_DRIVER_H
#define WEIR_RUNTIME_TEST_DRIVER_TEST_DRIVER_H

#include "base/env/sim/sim.h"
#include "runtime/job/streams_internal.h"
#include "weir/test.h"

/**
 * The topology test driver inside: a simulated node with a log and a job on it. What the driver
 * keeps for itself (reading positions, views given out) is in memory of its own, which outlives
 * crashes of the node.
 */

/** How far weir_test_read is in one topic. */
struct weir_test_reader {
    struct weir_test_reader *next;
    char *topic;
    int32_t partition_count;
    int64_t *positions;
};

struct weir_test {
    uint32_t magic;
    struct weir_heap heap;
    struct weir_budget budget;
    const struct weir_topology *topology;
    struct weir_streams_options options;
    int32_t partition_count;
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_log *log;
    struct weir_producer *producer;
    struct weir_streams *streams;
    struct weir_test_reader *readers;
    struct weir_arena view; /* what the last call gave out */
    int64_t wall_ms;
    int64_t commit_due_ms;
    int rc; /* of the first failure */
    struct weir_error error;
};

/** Keep the first failure; returns `rc`. */
int weir_test_keep(struct weir_test *test, int rc, const struct weir_error *error);
/** Why no call does anything any more; 0: all is well. Takes over what made the job fail. */
int weir_test_check(struct weir_test *test);

#endif
