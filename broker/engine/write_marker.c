#include "broker/engine/write_marker.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/delayed_produce.h"
#include "broker/engine/fetch.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/produce.h"
#include "broker/engine/route.h"
#include "broker/engine/transaction_hold.h"

/*
 * A marker ends a producer's transaction in a partition. It is appended like a batch, with the checks of its own
 * (producer_state.h), and answered when it is durable: only then the last stable offset moves, for what a loss of power
 * takes back has decided nothing. One that is there already waits for the disk as well.
 */

/* WEIR_END: a new segment comes first, and a worker begins it. */
static int append_marker(struct weir_partition *partition,
                         const struct weir_write_marker_request *request,
                         const struct weir_transaction_marker *marker,
                         struct weir_append_result *result_out, struct weir_error *error)
{
    struct weir_shared *batch = weir_shared_new(partition->shard->budget, WEIR_BATCH_MARKER_SIZE);
    if (batch == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a marker");
    weir_batch_store_marker(batch->data, marker);
    batch->size = WEIR_BATCH_MARKER_SIZE;
    struct weir_append append = {
        .batches = batch,
        .now = {marker->timestamp_ms},
        .leaves_roll = weir_partition_may_roll(partition),
        .is_transaction_version_2 = request->is_version_2,
    };
    partition->waits_for_roll = false; /* it was for this one, whatever comes of it */
    int rc = weir_partition_append(partition, &append, 1, result_out, error);
    weir_shared_unref(batch);
    return rc;
}

/* 0: it is in the log, durable or not. WEIR_END as above. */
static int write_marker(struct weir_partition *partition, struct weir_write_marker_request *request)
{
    struct weir_error *error = &request->request.error;
    struct weir_append_result result;
    struct weir_transaction_marker marker = {
        .producer_id = request->producer_id,
        .producer_epoch = request->producer_epoch,
        .coordinator_epoch = request->coordinator_epoch,
        .is_commit = request->is_commit,
        .timestamp_ms = weir_wall_now(partition->shard->env).ms,
    };
    struct weir_open_transaction open =
        weir_partition_log_transaction(partition->log, marker.producer_id);
    int rc = weir_partition_log_admit_marker(partition->log, &marker, request->is_version_2, error);
    if (rc == WEIR_END) {
        request->last_offset = partition->shown.end_offset - 1;
        return 0;
    }
    if (rc == 0) rc = append_marker(partition, request, &marker, &result, error);
    if (rc != 0) return rc;
    request->offset = result.base_offset;
    request->last_offset = result.last_offset;
    if (open.first_offset >= 0) request->first_offset = open.first_offset;
    return 0;
}

static void write_marker_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_write_marker_request *marker = (struct weir_write_marker_request *)request;
    weir_partition_refresh(partition);
    int rc = write_marker(partition, marker);
    if (rc == WEIR_END) {
        weir_partition_roll_before(partition, &request, 1);
        return;
    }
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    weir_transaction_hold_note_marker(partition, marker->producer_id);
    weir_partition_hold_marker(partition, marker);
    weir_partition_answer_acks(partition, 0, NULL); /* that are not to wait, as this one perhaps */
    weir_partition_wake_fetches(partition);
}

static void refuse_controller(struct weir_partition *partition, struct weir_request *request)
{
    (void)partition;
    weir_request_refuse(request, WEIR_INVALID_TOPIC, "the metadata has one writer, the controller");
}

static int check_marker(const struct weir_write_marker_request *request, struct weir_error *error)
{
    if (request->producer_id >= 0 && request->producer_epoch >= 0 &&
        request->coordinator_epoch >= 0) {
        return 0;
    }
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "a marker of producer %lld epoch %d, coordinator epoch %d: none of them "
                          "is below 0",
                          (long long)request->producer_id, request->producer_epoch,
                          request->coordinator_epoch);
}

static void refuse_marker(struct weir_partition *partition, struct weir_request *request)
{
    (void)partition;
    weir_request_reply(request,
                       check_marker((struct weir_write_marker_request *)request, &request->error));
}

void weir_engine_write_marker(struct weir_engine *engine, struct weir_write_marker_request *request)
{
    struct weir_topic_partition metadata = {weir_text(WEIR_CLUSTER_METADATA_TOPIC), 0};
    request->offset = -1;
    request->last_offset = -1;
    request->first_offset = INT64_MAX;
    request->next = NULL;
    if (check_marker(request, NULL) < 0) {
        weir_request_send(engine, &request->request, metadata, refuse_marker);
    } else if (weir_slice_equal(request->to.topic, metadata.topic)) {
        weir_request_send(engine, &request->request, metadata, refuse_controller);
    } else {
        weir_request_send(engine, &request->request, request->to, write_marker_stage);
    }
}
