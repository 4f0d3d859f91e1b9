/** A server, over Kafka's protocol: the session, and records. */
#include "cli/place_remote.h"
#include "cli/place_transactions.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/no_memory.h"
#include "wire/error_codes.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"

static_assert(offsetof(struct remote, place) == 0,
              "a place is the beginning of its implementation");

/* From the next versions on topics go by id; by name is what we have, and what all servers take. */
enum {
    PRODUCE_VERSION_MAX = 12,
    FETCH_VERSION_MAX = 12,
    PRODUCE_TIMEOUT_MS = 30000,
    CALL_TIMEOUT_MS = 30000
};

int remote_ask_at(struct remote *remote, struct weir_remote_session *session,
                  const struct remote_question *question, const void **response_out,
                  struct weir_error *error)
{
    weir_arena_reset(&remote->answer);
    struct weir_remote_question asked = {
        .request_type = question->request_type,
        .response_type = question->response_type,
        .request = question->request,
        .version_max = question->version_max,
        .timeout_ms = CALL_TIMEOUT_MS,
        .arena = &remote->answer,
    };
    bool is_ours = session == remote->session;
    int rc = weir_remote_session_call(session, &asked, response_out, error);
    return weir_error_wrap(error, rc, "%s%s", is_ours ? remote->place.what : "server ",
                           is_ours ? "" : weir_remote_session_address(session));
}

int remote_ask(struct remote *remote, const struct remote_question *question,
               const void **response_out, struct weir_error *error)
{
    return remote_ask_at(remote, remote->session, question, response_out, error);
}

int remote_refusal(int16_t number, struct weir_slice message, struct weir_error *error)
{
    if (number == 0) return 0;
    /* Both are said by a server, so no connection is lost. */
    bool is_later = number == WEIR_WIRE_NOT_LEADER_OR_FOLLOWER;
    bool has_no_coordinator = number == WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS ||
                              number == WEIR_WIRE_COORDINATOR_NOT_AVAILABLE;
    int code = is_later ? (int)WEIR_LIMIT : weir_code_of_wire_error(number);
    if (code >= 0) code = WEIR_UNSUPPORTED;
    if (message.size > 0) {
        return weir_error_set(error, (enum weir_code)code, "%.*s", (int)message.size, message.data);
    }
    return weir_error_set(
        error, (enum weir_code)code, "%s (%s, %d)",
        is_later ? "it is not served now, for a shortage or because it moves"
        : has_no_coordinator
            ? "its coordinator does not serve: the partition of the internal topic "
              "is offline, or being opened"
            : weir_code_text(code),
        weir_wire_error_name(number), number);
}

int remote_no_answer(struct weir_error *error)
{
    return weir_error_set(error, WEIR_CORRUPT, "the answer lacks what was asked for");
}

/* ---- offsets --------------------------------------------------------------------------------- */

static int ask_offset(struct place *place, const char *topic, int32_t partition,
                      int64_t timestamp_ms, int64_t *offset_out, struct weir_error *error)
{
    struct weir_wire_list_offsets_request_list_offsets_partition asked_partition = {
        .partition_index = partition,
        .current_leader_epoch = -1,
        .timestamp = timestamp_ms,
    };
    struct weir_wire_list_offsets_request_list_offsets_topic asked_topic = {
        .name = weir_text(topic),
        .partitions = &asked_partition,
        .partitions_count = 1,
    };
    struct weir_wire_list_offsets_request request;
    weir_wire_list_offsets_request_init(&request);
    request.replica_id = -1;
    request.topics = &asked_topic;
    request.topics_count = 1;
    struct remote_question question = {.request_type = &weir_wire_list_offsets_request_type,
                                       .response_type = &weir_wire_list_offsets_response_type,
                                       .request = &request};
    const void *answer = NULL;
    int rc = remote_ask(remote_of(place), &question, &answer, error);
    if (rc < 0) return rc;
    const struct weir_wire_list_offsets_response *response = answer;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        return remote_no_answer(error);
    }
    rc = remote_refusal(response->topics[0].partitions[0].error_code, weir_null(), error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "offsets of '%s' partition %d", topic, (int)partition);
    }
    *offset_out = response->topics[0].partitions[0].offset;
    return 0;
}

static int remote_offset_at(struct place *place, const char *topic, int32_t partition,
                            int64_t timestamp_ms, int64_t *offset_out, struct weir_error *error)
{
    struct place_patience patience = {0};
    int rc;
    do {
        rc = ask_offset(place, topic, partition, timestamp_ms, offset_out, error);
    } while (place_asks_again(&patience, rc));
    return rc;
}

/* ---- produce --------------------------------------------------------------------------------- */

static int read_produced(const struct weir_wire_produce_response *response,
                         struct place_produce *produce, struct weir_error *error)
{
    if (response->responses_count != 1 || response->responses[0].partition_responses_count != 1) {
        return remote_no_answer(error);
    }
    const struct weir_wire_produce_response_partition_produce_response *stored =
        &response->responses[0].partition_responses[0];
    int rc = remote_refusal(stored->error_code, stored->error_message, error);
    if (rc < 0) return rc;
    produce->base_offset = stored->base_offset;
    produce->append_time_ms = stored->log_append_time_ms;
    return 0;
}

static int remote_produce(struct place *place, struct place_produce *produce,
                          struct weir_error *error)
{
    struct weir_wire_produce_request_partition_produce_data partition = {
        .index = produce->partition,
        .records = produce->batch,
    };
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text(produce->topic),
        .partition_data = &partition,
        .partition_data_count = 1,
    };
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = (int16_t)produce->acks;
    request.timeout_ms = PRODUCE_TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    struct remote_question question = {
        .request_type = &weir_wire_produce_request_type,
        .response_type = produce->acks != 0 ? &weir_wire_produce_response_type : NULL,
        .request = &request,
        .version_max = PRODUCE_VERSION_MAX,
    };
    struct place_patience patience = {0};
    int rc;
    do {
        const void *answer = NULL;
        rc = remote_ask(remote_of(place), &question, &answer, error);
        if (rc < 0) return rc;
        produce->base_offset = -1;
        produce->append_time_ms = -1;
        if (produce->acks == 0) return 0;
        rc = read_produced(answer, produce, error);
    } while (place_asks_again(&patience, rc));
    return weir_error_wrap(error, rc, "produce to '%s' partition %d", produce->topic,
                           (int)produce->partition);
}

/* ---- fetch ----------------------------------------------------------------------------------- */

static struct place_fetch_partition *find_partition(const struct place_fetch *fetch,
                                                    int32_t partition)
{
    for (size_t i = 0; i < fetch->partition_count; i++) {
        if (fetch->partitions[i].partition == partition) return &fetch->partitions[i];
    }
    return NULL;
}

static int read_partition(const struct place_fetch *fetch,
                          const struct weir_wire_fetch_response_partition_data *data,
                          struct weir_error *error)
{
    struct place_fetch_partition *partition = find_partition(fetch, data->partition_index);
    if (partition == NULL) return remote_no_answer(error);
    int rc = remote_refusal(data->error_code, weir_null(), error);
    if (rc < 0) {
        return weir_error_wrap(error, rc, "read '%s' partition %d at offset %lld", fetch->topic,
                               (int)partition->partition, (long long)partition->offset);
    }
    weir_buffer_append(&partition->batches, data->records.data, data->records.size);
    for (size_t i = 0; fetch->read_committed && i < data->aborted_transactions_count; i++) {
        struct weir_aborted_transaction aborted = {
            .producer_id = data->aborted_transactions[i].producer_id,
            .first_offset = data->aborted_transactions[i].first_offset,
        };
        weir_buffer_append(&partition->aborted, &aborted, sizeof aborted);
        if (partition->aborted.failed) return cli_no_memory(error);
    }
    partition->log_start_offset = data->log_start_offset;
    partition->last_stable_offset = data->last_stable_offset;
    partition->high_watermark = data->high_watermark;
    if (partition->batches.failed) return cli_no_memory(error);
    return 0;
}

/* What cannot be served now is no error of the others; if nothing came of them it is the answer. */
static int read_fetched(const struct weir_wire_fetch_response *response,
                        const struct place_fetch *fetch, struct weir_error *error)
{
    struct weir_error later = {0};
    size_t size = 0;
    int rc = remote_refusal(response->error_code, weir_null(), error);
    for (size_t t = 0; rc == 0 && t < response->responses_count; t++) {
        for (size_t i = 0; rc == 0 && i < response->responses[t].partitions_count; i++) {
            const struct weir_wire_fetch_response_partition_data *data =
                &response->responses[t].partitions[i];
            rc = read_partition(fetch, data, error);
            size += data->records.size;
            if (rc != WEIR_LIMIT) continue;
            later = *error;
            rc = 0;
        }
    }
    if (rc < 0 || size > 0 || later.code == 0) return rc;
    *error = later;
    return WEIR_LIMIT;
}

static int ask_fetch(struct remote *remote, struct place_fetch *fetch,
                     const struct weir_wire_fetch_request_fetch_partition *partitions,
                     struct weir_error *error)
{
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text(fetch->topic),
        .partitions = partitions,
        .partitions_count = fetch->partition_count,
    };
    struct weir_wire_fetch_request request;
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = fetch->wait_ms;
    request.min_bytes = 1;
    request.max_bytes = fetch->size_max;
    request.isolation_level = fetch->read_committed ? 1 : 0;
    request.session_epoch = -1; /* no session: what is read changes from round to round */
    request.topics = &topic;
    request.topics_count = 1;
    struct remote_question question = {.request_type = &weir_wire_fetch_request_type,
                                       .response_type = &weir_wire_fetch_response_type,
                                       .request = &request,
                                       .version_max = FETCH_VERSION_MAX};
    const void *answer = NULL;
    int rc = remote_ask(remote, &question, &answer, error);
    return rc < 0 ? rc : read_fetched(answer, fetch, error);
}

static int remote_fetch(struct place *place, struct place_fetch *fetch, struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    struct weir_wire_fetch_request_fetch_partition *partitions = weir_alloc(
        weir_remote_session_budget(remote->session), fetch->partition_count * sizeof *partitions);
    if (partitions == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < fetch->partition_count; i++) {
        partitions[i] = (struct weir_wire_fetch_request_fetch_partition){
            .partition = fetch->partitions[i].partition,
            .current_leader_epoch = -1,
            .fetch_offset = fetch->partitions[i].offset,
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = fetch->size_max,
            .high_watermark = INT64_MAX,
        };
        weir_buffer_reset(&fetch->partitions[i].batches);
        if (fetch->read_committed) weir_buffer_reset(&fetch->partitions[i].aborted);
    }
    int rc = ask_fetch(remote, fetch, partitions, error);
    weir_free(partitions);
    return rc;
}

/* ---- the place ------------------------------------------------------------------------------- */

static void remote_close(struct place *place)
{
    struct remote *remote = remote_of(place);
    remote_coordinators_close(remote);
    weir_arena_close(&remote->answer);
    weir_remote_session_close(remote->session);
    weir_free(remote->what);
    weir_free(remote);
}

static const struct place_ops remote_ops = {
    .close = remote_close,
    .list = remote_list,
    .describe = remote_describe,
    .configs = remote_configs,
    .create = remote_create,
    .configure = remote_configure,
    .add_partitions = remote_add_partitions,
    .remove = remote_remove,
    .offset_at = remote_offset_at,
    .produce = remote_produce,
    .fetch = remote_fetch,
    .groups = &remote_group_ops,
    .transactions = &remote_transaction_ops,
};

int place_remote_open(struct cli *cli, const char *address, struct place **place_out,
                      struct weir_error *error)
{
    struct weir_remote_session *session = NULL;
    struct weir_remote_session_options options = {.address = address};
    int rc = weir_remote_session_open(&options, &session, error);
    if (rc < 0) return rc;
    struct remote *remote = weir_alloc_zero(&cli->budget, sizeof *remote);
    char what[512];
    (void)snprintf(what, sizeof what, "server %.400s", address);
    char *kept = weir_alloc_text(&cli->budget, what, strlen(what));
    if (remote == NULL || kept == NULL) {
        weir_free(remote);
        weir_free(kept);
        weir_remote_session_close(session);
        return cli_no_memory(error);
    }
    remote->place = (struct place){.ops = &remote_ops, .what = kept};
    remote->session = session;
    remote->what = kept;
    remote->address = kept + strlen("server ");
    weir_arena_init(&remote->answer, weir_remote_session_budget(session), 0);
    *place_out = &remote->place;
    return 0;
}
