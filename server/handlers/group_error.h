#ifndef WEIR_SERVER_HANDLERS_GROUP_ERROR_H
#define WEIR_SERVER_HANDLERS_GROUP_ERROR_H

#include "server/context.h"

/** Kafka's number for what the group coordinator has answered; 0 for WEIR_OK. Clients of a group ask again on
 * COORDINATOR_NOT_AVAILABLE, where others do on NOT_LEADER_OR_FOLLOWER. */
int16_t weir_group_error_of(int rc);
/** The same of a member's request. The text of an error that its user has to do something about, and that the
 * number alone does not explain, goes into the log. */
int16_t weir_group_member_error(struct weir_request_context *context,
                                const struct weir_request *request);
/** May the client do this to the group, and is it a name? Kafka's number, or 0. */
int16_t weir_group_check(const struct weir_request_context *context,
                         enum weir_acl_operation operation, struct weir_slice group);

#endif
