#ifndef WEIR_TESTS_SIM_GROUP_CHECKER_H
#define WEIR_TESTS_SIM_GROUP_CHECKER_H

#include "tests/sim/checker.h"
#include "tests/sim/group_history.h"

/** The protocol and the bounds of each group of a history. */
struct group_shape {
    bool is_consumer; /* KIP-848; else classic */
    /* Both: of a group that was empty for a moment generations begin anew where it changed its protocol, so that the
     * rules that compare them do not hold; what they are for is seen at the partitions all the same. */
    bool is_mixed;
    int32_t partition_count;
};

/**
 * A history of groups in, the first anomaly out. Pure: no coordinator, no simulator.
 *
 *   two-owners         one partition was given to two slots in one generation; or, in a consumer group, to one
 *                      while another that the coordinator could not have given up on was reading it
 *   generation-back    a slot was given an assignment of an older generation than it had
 *   forgotten-member   a slot was given an assignment of a generation whose leader was not told of it
 *   stale-commit       a commit was accepted from one that speaks of a generation which was over before (I13)
 *   committed-lost     a fetch shows less than a commit that was acknowledged before it, or an earlier fetch, has
 *   phantom-commit     a fetch shows what nobody committed, or what was refused
 *   skip               a slot read on from where nobody had come to (I12)
 *   unread-commit      an offset was committed that nobody had read up to
 */
struct checker_anomaly group_checker_check(const struct group_history *history,
                                           const struct group_shape *shapes, int group_count);

#endif
