#ifndef WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_RANGE_H
#define WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_RANGE_H

#include "broker/coordinator/group/assignor_problem.h"

/** "range": each member gets neighbouring partitions of each topic, and members that want the same topics
 * with equally many partitions get the same numbers of all. Fills `problem->owners`. WEIR_NO_MEMORY. */
int weir_assign_range(const struct weir_assignor_problem *problem);

#endif
