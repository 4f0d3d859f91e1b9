#include "server/handlers/assignments.h"

struct weir_outcome weir_assignment_check(struct weir_request_context *context,
                                          const int32_t *broker_ids, size_t count)
{
    if (count == 0) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT,
                                   "a partition is assigned to no broker");
    }
    for (size_t i = 0; i < count; i++) {
        if (broker_ids[i] == WEIR_NODE_ID) continue;
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT,
                                   "a partition is assigned to broker %d; there is broker %d only",
                                   broker_ids[i], WEIR_NODE_ID);
    }
    if (count == 1) return (struct weir_outcome){0};
    return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT,
                               "a partition is assigned to broker %d more than once", WEIR_NODE_ID);
}
