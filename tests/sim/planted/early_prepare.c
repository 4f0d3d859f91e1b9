/* Planted bug: a commit is written down before what it covers is durable. */
#include "broker/engine/request.h"
#include "broker/engine/sync_partition.h"

void __real_weir_engine_sync_partition(struct weir_engine *engine,
                                       struct weir_sync_partition_request *request,
                                       struct weir_topic_partition of);
void __wrap_weir_engine_sync_partition(struct weir_engine *engine,
                                       struct weir_sync_partition_request *request,
                                       struct weir_topic_partition of);

void __wrap_weir_engine_sync_partition(struct weir_engine *engine,
                                       struct weir_sync_partition_request *request,
                                       struct weir_topic_partition of)
{
    (void)of;
    weir_request_set_out(engine, &request->produce.request);
    request->produce.request.shard = &engine->shards[0];
    weir_request_reply(&request->produce.request, 0);
}
