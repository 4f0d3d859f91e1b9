#ifndef WEIR_SERVER_HANDLERS_AUTHORIZED_OPERATIONS_H
#define WEIR_SERVER_HANDLERS_AUTHORIZED_OPERATIONS_H

#include "server/context.h"

/** In answers to who did not ask. */
#define WEIR_OPERATIONS_NOT_ASKED INT32_MIN

/** What the client may do to a topic or a group, or to the cluster (`name` null): one bit per operation, at
 * its number among Kafka's AclOperation. */
int32_t weir_authorized_operations(const struct weir_request_context *context,
                                   enum weir_acl_resource resource, struct weir_slice name);

#endif
