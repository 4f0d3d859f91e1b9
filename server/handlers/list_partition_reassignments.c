#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/list_partition_reassignments_request.h"
#include "wire/generated/list_partition_reassignments_response.h"

/* ListPartitionReassignments: on one broker nothing is ever on its way to another. */
void weir_handle_list_partition_reassignments(struct weir_request_context *context)
{
    struct weir_wire_list_partition_reassignments_response response;
    weir_wire_list_partition_reassignments_response_init(&response);
    if (!weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_CLUSTER, weir_null())) {
        struct weir_outcome outcome = weir_outcome_refuse(
            context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED, "not allowed to see what is moved");
        response.error_code = outcome.error_code;
        response.error_message = outcome.message;
    }
    weir_outcome_reply(context, &response);
}
