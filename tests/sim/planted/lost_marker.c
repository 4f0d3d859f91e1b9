/* Planted bug: the coordinator takes a marker for written that no partition has; one in eight. */
#include "broker/engine/request.h"
#include "broker/engine/write_marker.h"

void __real_weir_engine_write_marker(struct weir_engine *engine,
                                     struct weir_write_marker_request *request);
void __wrap_weir_engine_write_marker(struct weir_engine *engine,
                                     struct weir_write_marker_request *request);

void __wrap_weir_engine_write_marker(struct weir_engine *engine,
                                     struct weir_write_marker_request *request)
{
    static int count;
    if (++count % 8 != 0) {
        __real_weir_engine_write_marker(engine, request);
        return;
    }
    weir_request_set_out(engine, &request->request);
    request->request.shard = &engine->shards[0];
    weir_request_reply(&request->request, 0);
}
