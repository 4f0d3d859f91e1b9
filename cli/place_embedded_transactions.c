/** A data directory's transactions. */
#include "cli/no_memory.h"
#include "cli/place_embedded.h"
#include "cli/place_transactions.h"
#include "client/client.h"

static int embedded_list(struct place *place, struct weir_arena *arena,
                         struct place_transactions *transactions_out, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_list_transactions_request request = {.arena = arena, .duration_min_ms = -1};
    int rc = weir_request_wait_begin(log->env, &request.request, error);
    if (rc < 0) return rc;
    weir_log_list_transactions(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc < 0) return rc;
    struct place_transactions listed = {
        .count = request.count, .offline = request.offline, .offline_count = request.offline_count};
    listed.rows = weir_arena_array(arena, listed.count + 1, sizeof *listed.rows);
    for (size_t i = 0; listed.rows != NULL && i < listed.count; i++) {
        const struct weir_transaction_info *info = &request.list[i];
        listed.rows[i] = (struct place_transaction){
            .id = place_keep_text(arena, info->transactional_id),
            .state = weir_transaction_state_name(info->state),
            .producer_id = info->producer_id,
        };
    }
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    *transactions_out = listed;
    return 0;
}

static int embedded_describe(struct place *place, struct weir_arena *arena, const char *id,
                             struct place_transaction *transaction_out, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_describe_transaction_request request = {.base = {.transactional_id = weir_text(id)},
                                                        .arena = arena};
    int rc = weir_request_wait_begin(log->env, &request.base.request, error);
    if (rc < 0) return rc;
    weir_log_describe_transaction(log, &request);
    rc = weir_request_wait(log->env, &request.base.request, error);
    if (rc < 0) return rc;
    const struct weir_transaction_info *info = &request.info;
    *transaction_out = (struct place_transaction){
        .id = id,
        .state = weir_transaction_state_name(info->state),
        .producer_id = info->producer_id,
        .producer_epoch = info->producer_epoch,
        .timeout_ms = info->timeout_ms,
        .start_ms = info->start_ms,
        .partitions = info->partitions,
        .partition_count = info->partition_count,
    };
    return 0;
}

static int embedded_producers(struct place *place, struct weir_arena *arena,
                              const struct weir_topic_partition *of,
                              struct place_producers *producers_out, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_describe_producers_request request = {.of = *of, .arena = arena};
    int rc = weir_request_wait_begin(log->env, &request.request, error);
    if (rc < 0) return rc;
    weir_log_describe_producers(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc == 0) *producers_out = (struct place_producers){request.producers, request.count};
    return rc;
}

static int embedded_abort(struct place *place, const struct weir_topic_partition *of,
                          const struct weir_producer_info *producer, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_write_marker_request request = {
        .to = *of,
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .coordinator_epoch = producer->coordinator_epoch < 0 ? 0 : producer->coordinator_epoch,
    };
    int rc = weir_request_wait_begin(log->env, &request.request, error);
    if (rc < 0) return rc;
    weir_log_write_marker(log, &request);
    return weir_request_wait(log->env, &request.request, error);
}

const struct place_transaction_ops embedded_transaction_ops = {
    .list = embedded_list,
    .describe = embedded_describe,
    .producers = embedded_producers,
    .abort = embedded_abort,
};
