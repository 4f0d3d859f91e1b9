#ifndef WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_H
#define WEIR_BROKER_COORDINATOR_GROUP_ASSIGNOR_H

#include "broker/coordinator/group/assignor_problem.h"

/** Who of the members gets what: one of those that members may ask for by name. */
struct weir_assignor {
    const char *name;
    /** Fills `problem->owners`: each partition of a topic that anybody wants has one of these. WEIR_NO_MEMORY. */
    int (*assign)(const struct weir_assignor_problem *problem);
};

/** All of them; the first is taken where nobody asks. */
enum { WEIR_ASSIGNOR_COUNT = 2 };
extern const struct weir_assignor weir_assignors[WEIR_ASSIGNOR_COUNT];

/** NULL if there is none of that name. */
const struct weir_assignor *weir_assignor_find(struct weir_slice name);

#endif
