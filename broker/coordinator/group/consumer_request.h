#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_REQUEST_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_REQUEST_H

#include "wire/request/group_requests.h"

/**
 * Is the heartbeat well formed, whatever group it is for? Says why not in the request's error, as Kafka does.
 * Errors: WEIR_INVALID_ARGUMENT, WEIR_UNSUPPORTED_ASSIGNOR.
 */
int weir_consumer_request_check(struct weir_consumer_heartbeat_request *request);

/** All that a member may say is said: it wants to hear everything as well. */
bool weir_consumer_request_is_full(const struct weir_consumer_heartbeat_request *request);

#endif
