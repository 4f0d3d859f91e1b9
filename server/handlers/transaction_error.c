#include "server/handlers/transaction_error.h"

#include "server/handlers/group_error.h"
#include "wire/error_codes.h"

int16_t weir_transaction_error_of(int rc, bool knows_fenced)
{
    switch (rc) {
    case WEIR_PRODUCER_FENCED:
        return knows_fenced ? WEIR_WIRE_PRODUCER_FENCED : WEIR_WIRE_INVALID_PRODUCER_EPOCH;
    case WEIR_INVALID_ARGUMENT:
        return WEIR_WIRE_INVALID_REQUEST;
    default:
        return weir_group_error_of(rc);
    }
}

/* Those are part of how producers and coordinators talk. */
static bool is_routine(int rc)
{
    switch (rc) {
    case WEIR_OK:
    case WEIR_LOCKED:
    case WEIR_CLOSED:
    case WEIR_CONCURRENT_TRANSACTIONS:
    case WEIR_TRANSACTION_ABORTABLE:
        return true;
    default:
        return false;
    }
}

int16_t weir_transaction_producer_error(struct weir_request_context *context,
                                        const struct weir_request *request, bool knows_fenced)
{
    if (request->rc >= 0) return 0;
    if (!is_routine(request->rc)) weir_context_log_refusal(context, request->error.text);
    return weir_transaction_error_of(request->rc, knows_fenced);
}

int16_t weir_transactional_id_check(const struct weir_request_context *context,
                                    enum weir_acl_operation operation, struct weir_slice id)
{
    if (id.size == 0) return WEIR_WIRE_INVALID_REQUEST;
    bool is_permitted = weir_authorize(context, operation, WEIR_ACL_TRANSACTIONAL_ID, id);
    return is_permitted ? 0 : WEIR_WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}
