/* Planted bug: a produce with acks=all is answered before the flush. */
#include "broker/broker.h"

void __real_weir_broker_produce(struct weir_broker *broker, struct weir_produce_request *request);
void __wrap_weir_broker_produce(struct weir_broker *broker, struct weir_produce_request *request);

void __wrap_weir_broker_produce(struct weir_broker *broker, struct weir_produce_request *request)
{
    if (request->acks == WEIR_ACKS_ALL) request->acks = WEIR_ACKS_LEADER;
    __real_weir_broker_produce(broker, request);
}
