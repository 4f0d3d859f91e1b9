/* Planted bug: a fetch is given what lies above the high watermark, too. */
#include "broker/broker.h"

void __real_weir_broker_fetch(struct weir_broker *broker, struct weir_fetch_request *request);
void __wrap_weir_broker_fetch(struct weir_broker *broker, struct weir_fetch_request *request);

void __wrap_weir_broker_fetch(struct weir_broker *broker, struct weir_fetch_request *request)
{
    request->read_uncommitted_end = true;
    __real_weir_broker_fetch(broker, request);
}
