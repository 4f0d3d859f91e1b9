#ifndef WEIR_SERVER_HANDLERS_TRANSACTION_ERROR_H
#define WEIR_SERVER_HANDLERS_TRANSACTION_ERROR_H

#include "server/context.h"

/**
 * Kafka's number for what the transaction coordinator has answered; 0 for WEIR_OK. A fenced producer is told PRODUCER_FENCED
 * from the version on in which its client knows that (`knows_fenced`), and INVALID_PRODUCER_EPOCH before.
 */
int16_t weir_transaction_error_of(int rc, bool knows_fenced);
/** The same of a producer's request. The text of an error that its user has to do something about goes into the log. */
int16_t weir_transaction_producer_error(struct weir_request_context *context,
                                        const struct weir_request *request, bool knows_fenced);
/** May the client do this to the transactional id, and is it one? Kafka's number, or 0. */
int16_t weir_transactional_id_check(const struct weir_request_context *context,
                                    enum weir_acl_operation operation, struct weir_slice id);

#endif
