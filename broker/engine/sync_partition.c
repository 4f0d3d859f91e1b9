#include "broker/engine/sync_partition.h"

#include "broker/engine/delayed_produce.h"
#include "broker/engine/partition_flush.h"
#include "broker/engine/route.h"

static void sync_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_produce_request *produce = (struct weir_produce_request *)request;
    int rc = weir_serving_check(&partition->shard->engine->serving, &request->error);
    weir_partition_refresh(partition);
    produce->last_offset = partition->shown.end_offset - 1;
    bool is_durable = produce->last_offset < partition->high_watermark;
    /* For what a log that has failed has not on the disk no flush comes any more. */
    if (rc == 0 && !is_durable && !weir_partition_log_is_dirty(partition->log)) {
        rc = weir_partition_log_check_online(partition->log, &request->error);
    }
    if (rc < 0 || is_durable) {
        weir_request_reply(request, rc);
        return;
    }
    weir_partition_flush_if_dirty(partition);
    weir_partition_wait_for_flush(partition, produce);
}

void weir_engine_sync_partition(struct weir_engine *engine,
                                struct weir_sync_partition_request *request,
                                struct weir_topic_partition of)
{
    request->produce.acks = WEIR_ACKS_ALL;
    weir_request_send(engine, &request->produce.request, of, sync_stage);
}
