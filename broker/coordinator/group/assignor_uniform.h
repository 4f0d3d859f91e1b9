#ifndef WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_UNIFORM_H
#define WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_UNIFORM_H

#include "broker/coordinator/group/assignor_problem.h"

/** "uniform": equally many partitions for each, and as few as possible that move. Fills `problem->owners`.
 * WEIR_NO_MEMORY. */
int weir_assign_uniform(const struct weir_assignor_problem *problem);

#endif
