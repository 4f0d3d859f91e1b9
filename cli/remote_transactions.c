/** A server's transactions, over Kafka's protocol. */
#include "base/error.h"
#include "cli/no_memory.h"
#include "cli/place_remote.h"
#include "cli/place_transactions.h"
#include "wire/generated/describe_producers_request.h"
#include "wire/generated/describe_producers_response.h"
#include "wire/generated/describe_transactions_request.h"
#include "wire/generated/describe_transactions_response.h"
#include "wire/generated/list_transactions_request.h"
#include "wire/generated/list_transactions_response.h"
#include "wire/generated/write_txn_markers_request.h"
#include "wire/generated/write_txn_markers_response.h"

/* ---- list ------------------------------------------------------------------------------------ */

static int16_t list_number(const void *response)
{
    return ((const struct weir_wire_list_transactions_response *)response)->error_code;
}

static int remote_list_transactions(struct place *place, struct weir_arena *arena,
                                    struct place_transactions *transactions_out,
                                    struct weir_error *error)
{
    struct weir_wire_list_transactions_request request;
    weir_wire_list_transactions_request_init(&request);
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_list_transactions_request_type,
                  .response_type = &weir_wire_list_transactions_response_type,
                  .request = &request},
        .number_of = list_number,
    };
    const void *answer = NULL;
    int rc = remote_ask_accepted(remote_of(place), &question, &answer, error);
    if (rc < 0) return weir_error_wrap(error, rc, "list transactions");
    const struct weir_wire_list_transactions_response *response = answer;
    struct place_transactions listed = {.count = response->transaction_states_count};
    listed.rows = weir_arena_array(arena, listed.count + 1, sizeof *listed.rows);
    for (size_t i = 0; listed.rows != NULL && i < listed.count; i++) {
        const struct weir_wire_list_transactions_response_transaction_state *state =
            &response->transaction_states[i];
        listed.rows[i] = (struct place_transaction){
            .id = place_keep_text(arena, state->transactional_id),
            .state = place_keep_text(arena, state->transaction_state),
            .producer_id = state->producer_id,
        };
    }
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    *transactions_out = listed;
    return remote_offline_partitions(place, arena, WEIR_TRANSACTION_STATE_TOPIC,
                                     &transactions_out->offline, &transactions_out->offline_count,
                                     error);
}

/* ---- describe -------------------------------------------------------------------------------- */

static int16_t describe_number(const void *of_response)
{
    const struct weir_wire_describe_transactions_response *response = of_response;
    return response->transaction_states_count == 1 ? response->transaction_states[0].error_code : 0;
}

static int
keep_partitions(struct weir_arena *arena,
                const struct weir_wire_describe_transactions_response_transaction_state *state,
                struct place_transaction *transaction, struct weir_error *error)
{
    size_t count = 0;
    for (size_t t = 0; t < state->topics_count; t++) {
        count += state->topics[t].partitions_count;
    }
    struct weir_topic_partition *rows = weir_arena_array(arena, count + 1, sizeof *rows);
    if (rows == NULL) return cli_no_memory(error);
    size_t at = 0;
    for (size_t t = 0; t < state->topics_count; t++) {
        struct weir_slice topic = weir_arena_copy(arena, state->topics[t].topic);
        for (size_t p = 0; p < state->topics[t].partitions_count; p++) {
            rows[at++] = (struct weir_topic_partition){topic, state->topics[t].partitions[p]};
        }
    }
    transaction->partitions = rows;
    transaction->partition_count = count;
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

static int remote_describe_transaction(struct place *place, struct weir_arena *arena,
                                       const char *id, struct place_transaction *transaction_out,
                                       struct weir_error *error)
{
    struct weir_wire_describe_transactions_request request;
    struct weir_slice name = weir_text(id);
    weir_wire_describe_transactions_request_init(&request);
    request.transactional_ids = &name;
    request.transactional_ids_count = 1;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_describe_transactions_request_type,
                  .response_type = &weir_wire_describe_transactions_response_type,
                  .request = &request},
        .number_of = describe_number,
    };
    const void *answer = NULL;
    int rc = remote_ask_accepted(remote_of(place), &question, &answer, error);
    if (rc < 0) return weir_error_wrap(error, rc, "transactional id '%s'", id);
    const struct weir_wire_describe_transactions_response *response = answer;
    if (response->transaction_states_count != 1) return remote_no_answer(error);
    const struct weir_wire_describe_transactions_response_transaction_state *state =
        &response->transaction_states[0];
    *transaction_out = (struct place_transaction){
        .id = id,
        .state = place_keep_text(arena, state->transaction_state),
        .producer_id = state->producer_id,
        .producer_epoch = state->producer_epoch,
        .timeout_ms = state->transaction_timeout_ms,
        .start_ms = state->transaction_start_time_ms,
    };
    return keep_partitions(arena, state, transaction_out, error);
}

/* ---- at a partition -------------------------------------------------------------------------- */

static int remote_producers(struct place *place, struct weir_arena *arena,
                            const struct weir_topic_partition *of,
                            struct place_producers *producers_out, struct weir_error *error)
{
    struct weir_wire_describe_producers_request_topic_request topic = {of->topic, &of->partition,
                                                                       1};
    struct weir_wire_describe_producers_request request = {&topic, 1};
    const void *answer = NULL;
    int rc = remote_ask(
        remote_of(place),
        &(struct remote_question){.request_type = &weir_wire_describe_producers_request_type,
                                  .response_type = &weir_wire_describe_producers_response_type,
                                  .request = &request},
        &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_describe_producers_response *response = answer;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        return remote_no_answer(error);
    }
    const struct weir_wire_describe_producers_response_partition_response *partition =
        &response->topics[0].partitions[0];
    rc = remote_refusal(partition->error_code, partition->error_message, error);
    if (rc < 0) return rc;
    size_t count = partition->active_producers_count;
    struct weir_producer_info *rows = weir_arena_array(arena, count + 1, sizeof *rows);
    if (rows == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        const struct weir_wire_describe_producers_response_producer_state *state =
            &partition->active_producers[i];
        rows[i] = (struct weir_producer_info){
            .producer_id = state->producer_id,
            .producer_epoch = (int16_t)state->producer_epoch,
            .last_sequence = state->last_sequence,
            .last_timestamp_ms = state->last_timestamp,
            .coordinator_epoch = state->coordinator_epoch,
            .transaction_first_offset = state->current_txn_start_offset,
        };
    }
    *producers_out = (struct place_producers){rows, count};
    return 0;
}

static int remote_abort(struct place *place, const struct weir_topic_partition *of,
                        const struct weir_producer_info *producer, struct weir_error *error)
{
    struct weir_wire_write_txn_markers_request_writable_txn_marker_topic topic = {
        of->topic, &of->partition, 1};
    struct weir_wire_write_txn_markers_request_writable_txn_marker marker = {
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .topics = &topic,
        .topics_count = 1,
        .coordinator_epoch = producer->coordinator_epoch < 0 ? 0 : producer->coordinator_epoch,
    };
    struct weir_wire_write_txn_markers_request request = {&marker, 1};
    const void *answer = NULL;
    int rc = remote_ask(
        remote_of(place),
        &(struct remote_question){.request_type = &weir_wire_write_txn_markers_request_type,
                                  .response_type = &weir_wire_write_txn_markers_response_type,
                                  .request = &request},
        &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_write_txn_markers_response *response = answer;
    bool is_whole = response->markers_count == 1 && response->markers[0].topics_count == 1 &&
                    response->markers[0].topics[0].partitions_count == 1;
    if (!is_whole) return remote_no_answer(error);
    return remote_refusal(response->markers[0].topics[0].partitions[0].error_code, weir_null(),
                          error);
}

const struct place_transaction_ops remote_transaction_ops = {
    .list = remote_list_transactions,
    .describe = remote_describe_transaction,
    .producers = remote_producers,
    .abort = remote_abort,
};
