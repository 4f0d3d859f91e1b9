#include "server/handlers/authorized_operations.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/describe_cluster_request.h"
#include "wire/generated/describe_cluster_response.h"

/* Kafka's endpoint types: who may be asked about. */
enum { ENDPOINT_OF_BROKERS = 1, ENDPOINT_OF_CONTROLLERS = 2 };

static struct weir_outcome check_endpoint(struct weir_request_context *context, int8_t type)
{
    if (type == ENDPOINT_OF_BROKERS) return (struct weir_outcome){0};
    if (type == ENDPOINT_OF_CONTROLLERS) {
        return weir_outcome_refuse(context, WEIR_WIRE_MISMATCHED_ENDPOINT_TYPE,
                                   "this is a broker's port; it does not speak of controllers");
    }
    return weir_outcome_refuse(context, WEIR_WIRE_UNSUPPORTED_ENDPOINT_TYPE,
                               "endpoint type %d; 1 asks for brokers", type);
}

void weir_handle_describe_cluster(struct weir_request_context *context)
{
    const struct weir_wire_describe_cluster_request *request = context->request;
    struct weir_wire_describe_cluster_response_describe_cluster_broker broker = {
        .broker_id = WEIR_NODE_ID,
    };
    struct weir_outcome outcome = check_endpoint(context, request->endpoint_type);
    struct weir_wire_describe_cluster_response response;
    weir_wire_describe_cluster_response_init(&response);
    response.error_code = outcome.error_code;
    response.error_message = outcome.message;
    response.endpoint_type = request->endpoint_type;
    response.cluster_id = weir_text(weir_broker_cluster_id(context->broker));
    if (outcome.error_code == 0) {
        weir_context_address(context, &broker.host, &broker.port);
        response.controller_id = WEIR_NODE_ID;
        response.brokers = &broker;
        response.brokers_count = 1;
    }
    if (outcome.error_code == 0 && request->include_cluster_authorized_operations) {
        response.cluster_authorized_operations =
            weir_authorized_operations(context, WEIR_ACL_CLUSTER, weir_null());
    }
    weir_outcome_reply(context, &response);
}
