#ifndef WEIR_SERVER_HANDLERS_ASSIGNMENTS_H
#define WEIR_SERVER_HANDLERS_ASSIGNMENTS_H

#include "server/handlers/outcome.h"

/** The brokers that a client has chosen for a partition: here that can be broker 0, once. Otherwise
 * INVALID_REPLICA_ASSIGNMENT. */
struct weir_outcome weir_assignment_check(struct weir_request_context *context,
                                          const int32_t *broker_ids, size_t count);

#endif
