#include "server/handlers/group_error.h"

#include "base/error.h"
#include "wire/error_codes.h"

int16_t weir_group_error_of(int rc)
{
    if (weir_code_is_shortage(rc)) return WEIR_WIRE_COORDINATOR_NOT_AVAILABLE;
    switch (rc) {
    case WEIR_LOCKED: /* groups are being moved to where they belong */
        return WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS;
    case WEIR_CLOSED:
    case WEIR_IO:
    case WEIR_OFFLINE:
    case WEIR_CRASHED:
        return WEIR_WIRE_COORDINATOR_NOT_AVAILABLE;
    case WEIR_GROUP_OWNED: /* by a stream application: nobody else is a member */
        return WEIR_WIRE_UNKNOWN_MEMBER_ID;
    case WEIR_TOO_LARGE:
        return WEIR_WIRE_INVALID_COMMIT_OFFSET_SIZE;
    default:
        return weir_wire_error_of(rc);
    }
}

/* Those are part of how members and coordinators talk; others say that something is set up wrongly. */
static bool is_routine(int rc)
{
    switch (rc) {
    case WEIR_OK:
    case WEIR_LOCKED:
    case WEIR_CLOSED:
    case WEIR_MEMBER_ID_REQUIRED:
    case WEIR_UNKNOWN_MEMBER_ID:
    case WEIR_ILLEGAL_GENERATION:
    case WEIR_REBALANCE_IN_PROGRESS:
    case WEIR_FENCED_MEMBER_EPOCH:
    case WEIR_STALE_MEMBER_EPOCH:
    case WEIR_GROUP_ID_NOT_FOUND:
        return true;
    default:
        return false;
    }
}

int16_t weir_group_member_error(struct weir_request_context *context,
                                const struct weir_request *request)
{
    if (request->rc >= 0) return 0;
    if (!is_routine(request->rc)) weir_context_log_refusal(context, request->error.text);
    return weir_group_error_of(request->rc);
}

int16_t weir_group_check(const struct weir_request_context *context,
                         enum weir_acl_operation operation, struct weir_slice group)
{
    if (group.size == 0) return WEIR_WIRE_INVALID_GROUP_ID;
    bool is_permitted = weir_authorize(context, operation, WEIR_ACL_GROUP, group);
    return is_permitted ? 0 : WEIR_WIRE_GROUP_AUTHORIZATION_FAILED;
}
