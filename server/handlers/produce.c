#include "base/assert.h"
#include "base/error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch_reader.h"

/*
 * Produce: one engine request per partition, all sent at once, answered when all are back. A batch
 * is a slice of the request's frame; it is not copied on its way to the log.
 *
 *   check the request ──> names of ids (v13) ──> a slice to each partition ──> reply
 *
 * `timeout_ms` bounds in Kafka how long followers may take. Here an acknowledgement waits for
 * nobody but this disk: it comes, or the log is offline and says so. So REQUEST_TIMED_OUT is never
 * given.
 *
 * Source: CLIENTS.md b, "Produce (0)"; Kafka protocol guide.
 */
enum {
    FIRST_VERSION_BY_ID = 13,
    FIRST_VERSION_WITH_ZSTD = 7,
    FIRST_VERSION_WITH_ABORTABLE = 11,
    FIRST_VERSION_OF_TRANSACTIONS_2 = 12,
    MAGIC_AT = 16
};
enum { RECORD_ERRORS_MAX = 10000 }; /* records at fault that are named */

typedef struct weir_wire_produce_request_topic_produce_data topic_asked;
typedef struct weir_wire_produce_request_partition_produce_data partition_asked;
typedef struct weir_wire_produce_response_topic_produce_response topic_answer;
typedef struct weir_wire_produce_response_partition_produce_response partition_answer;
typedef struct weir_wire_produce_response_batch_index_and_error_message record_error;

struct produce {
    struct weir_request_context *context;
    const struct weir_wire_produce_request *asked;
    topic_answer *topics;
    size_t pending; /* engine requests that are not back, and one while they are sent */
    bool has_failed;
};

/* One partition's append. */
struct append {
    struct weir_produce_request request; /* first */
    struct produce *produce;
    partition_answer *answer;
};

/* ---- answers --------------------------------------------------------------------------------- */

static void refuse(struct produce *produce, partition_answer *answer, int16_t number,
                   const char *text)
{
    answer->error_code = number;
    answer->error_message = weir_text(text);
    produce->has_failed = true;
}

static void finish(struct produce *produce)
{
    struct weir_request_context *context = produce->context;
    if (produce->asked->acks != 0) {
        struct weir_wire_produce_response response;
        weir_wire_produce_response_init(&response);
        response.responses = produce->topics;
        response.responses_count = produce->asked->topic_data_count;
        weir_context_reply(context, &response);
    } else if (produce->has_failed) {
        weir_context_reply_close(context, "an append without acknowledgement has failed");
    } else {
        weir_context_reply_nothing(context);
    }
}

static void count_down(struct produce *produce)
{
    weir_assert(produce->pending > 0);
    produce->pending--;
    if (produce->pending == 0) finish(produce);
}

/* ---- records at fault ------------------------------------------------------------------------ */

static struct weir_slice bytes_of(const struct append *append)
{
    return weir_slice(append->request.batches->data + append->request.from, append->request.size);
}

/* The records of a batch that have no key, as far as it can be read. */
static size_t find_keyless(const struct append *append, record_error *errors, size_t capacity)
{
    struct weir_record record;
    struct weir_buffer plain;
    struct weir_batch_reader reader = {
        .rest = bytes_of(append),
        .plain = &plain,
        .plain_size_max = append->request.plain_size_max,
    };
    size_t count = 0;
    weir_buffer_init(&plain, weir_context_budget(append->produce->context), 0);
    int rc = weir_batch_reader_open_next(&reader, NULL);
    for (int32_t at = 0; rc == 0 && count < capacity; at++) {
        rc = weir_batch_reader_record(&reader, &record, NULL);
        if (rc == 0 && weir_slice_is_null(record.key)) {
            errors[count++] = (record_error){.batch_index = at};
        }
    }
    weir_buffer_close(&plain);
    return count;
}

/* A producer tells its application of each record: those that are named here were at fault, the
 * others only came with them and may be sent again. They have no texts of their own; clients then
 * take the batch's. Source: KIP-467. */
static void name_keyless(const struct append *append)
{
    struct weir_request_context *context = append->produce->context;
    partition_answer *answer = append->answer;
    struct weir_batch_header header;
    if (weir_batch_peek(bytes_of(append), INT32_MAX, &header, NULL) < 0) return;
    size_t capacity = (size_t)header.record_count;
    if (capacity > RECORD_ERRORS_MAX) capacity = RECORD_ERRORS_MAX;
    record_error *errors = weir_arena_array(&context->arena, capacity + 1, sizeof *errors);
    if (errors == NULL) return;
    size_t count = find_keyless(append, errors, capacity);
    if (count == 0) return;
    answer->record_errors = errors;
    answer->record_errors_count = count;
    answer->error_message = weir_text("the topic is compacted, which needs a key in every record");
}

/* ---- the log's answer ------------------------------------------------------------------------ */

/* Where no acknowledgement is asked for, the engine tells a refusal by the error alone. */
static int outcome_of(const struct append *append)
{
    const struct weir_request *request = &append->request.request;
    return request->rc == 0 && append->request.acks == WEIR_ACKS_NONE ? request->error.code
                                                                      : request->rc;
}

/* Kafka's number, of those that the client's version knows. That a transaction is still being ended is retried by who
 * has version 2 of transactions; others are given an error that they retry without looking for another broker. */
static int16_t number_of(const struct weir_request_context *context, int rc)
{
    if (rc == WEIR_TRANSACTION_ABORTABLE && context->version < FIRST_VERSION_WITH_ABORTABLE) {
        return WEIR_WIRE_INVALID_TXN_STATE;
    }
    if (rc == WEIR_CONCURRENT_TRANSACTIONS && context->version < FIRST_VERSION_OF_TRANSACTIONS_2) {
        return WEIR_WIRE_NOT_ENOUGH_REPLICAS;
    }
    return weir_wire_error_of(rc);
}

static void appended(struct weir_request *request)
{
    struct append *append = (struct append *)request;
    partition_answer *answer = append->answer;
    int rc = outcome_of(append);
    if (rc < 0) {
        refuse(append->produce, answer, number_of(append->produce->context, rc),
               weir_outcome_text(append->produce->context, request->error.text));
        if (rc == WEIR_INVALID_RECORD && append->request.keys_required) name_keyless(append);
    } else {
        answer->base_offset = append->request.base_offset;
        answer->log_append_time_ms = append->request.append_time_ms;
        answer->log_start_offset = append->request.log_start_offset;
    }
    count_down(append->produce);
}

/* ---- the answer as a whole ------------------------------------------------------------------- */

/* Every partition asked is named in the answer, whatever becomes of it. */
static bool prepare_answers(struct produce *produce)
{
    struct weir_arena *arena = &produce->context->arena;
    const struct weir_wire_produce_request *asked = produce->asked;
    produce->topics = weir_arena_array(arena, asked->topic_data_count + 1, sizeof(topic_answer));
    for (size_t i = 0; produce->topics != NULL && i < asked->topic_data_count; i++) {
        const topic_asked *topic = &asked->topic_data[i];
        size_t count = topic->partition_data_count;
        partition_answer *answers = weir_arena_array(arena, count + 1, sizeof *answers);
        for (size_t at = 0; answers != NULL && at < count; at++) {
            answers[at] = (partition_answer){
                .index = topic->partition_data[at].index,
                .base_offset = -1,
                .log_append_time_ms = -1,
                .log_start_offset = -1,
                .current_leader = {-1, -1},
            };
        }
        produce->topics[i] = (topic_answer){topic->name, topic->topic_id, answers, count};
    }
    return !weir_arena_failed(arena);
}

static partition_answer *answer_at(const struct produce *produce, size_t topic, size_t at)
{
    return (partition_answer *)&produce->topics[topic].partition_responses[at];
}

static void refuse_topic(struct produce *produce, size_t topic, int16_t number, const char *text)
{
    for (size_t at = 0; at < produce->asked->topic_data[topic].partition_data_count; at++) {
        refuse(produce, answer_at(produce, topic, at), number, text);
    }
}

static void refuse_all(struct produce *produce, int16_t number, const char *text)
{
    for (size_t i = 0; i < produce->asked->topic_data_count; i++) {
        refuse_topic(produce, i, number, text);
    }
}

/* ---- one partition --------------------------------------------------------------------------- */

/* What a request may say of records beyond what the log asks of any batch. Kafka's number, or 0. */
static int16_t check_records(struct weir_slice records, int16_t version, struct weir_error *error)
{
    struct weir_batch_header header;
    if (records.size == 0) {
        (void)weir_error_set(error, WEIR_INVALID_RECORD, "there is no record batch");
        return WEIR_WIRE_INVALID_RECORD;
    }
    if (records.size > MAGIC_AT && records.data[MAGIC_AT] != WEIR_BATCH_MAGIC) {
        (void)weir_error_set(error, WEIR_INVALID_RECORD, "record batches have magic 2, not %d",
                             records.data[MAGIC_AT]);
        return WEIR_WIRE_INVALID_RECORD;
    }
    int rc = weir_batch_peek(records, INT32_MAX, &header, error);
    if (rc == WEIR_TRUNCATED) return WEIR_WIRE_INVALID_RECORD;
    if (rc < 0) return weir_wire_error_of(rc);
    if (weir_batch_size(&header) != records.size) {
        (void)weir_error_set(error, WEIR_INVALID_RECORD,
                             "a partition is given exactly one record batch at a time");
        return WEIR_WIRE_INVALID_RECORD;
    }
    if (weir_batch_codec(&header) == WEIR_CODEC_ZSTD && version < FIRST_VERSION_WITH_ZSTD) {
        (void)weir_error_set(error, WEIR_UNSUPPORTED_CODEC, "zstd needs Produce 7 or newer");
        return WEIR_WIRE_UNSUPPORTED_COMPRESSION_TYPE;
    }
    return 0;
}

static void append_one(struct produce *produce, const topic_asked *topic, struct weir_slice name,
                       const partition_asked *partition, partition_answer *answer)
{
    struct weir_request_context *context = produce->context;
    struct weir_error error = {0};
    int16_t number = check_records(partition->records, context->version, &error);
    if (number != 0) {
        refuse(produce, answer, number, weir_arena_printf(&context->arena, "%s", error.text));
        return;
    }
    struct append *append = weir_arena_alloc_zero(&context->arena, sizeof *append);
    if (append == NULL) {
        refuse(produce, answer, weir_wire_error_of(WEIR_NO_MEMORY), "out of memory");
        return;
    }
    append->produce = produce;
    append->answer = answer;
    append->request.request = (struct weir_request){
        .reply_to = context->actor, .done = appended, .topic_id = topic->topic_id};
    append->request.to = (struct weir_topic_partition){name, partition->index};
    append->request.batches = context->frame;
    append->request.from = (size_t)(partition->records.data - context->frame->data);
    append->request.size = partition->records.size;
    append->request.acks = (enum weir_acks)produce->asked->acks;
    append->request.walk_records = true;
    append->request.transactional_id = produce->asked->transactional_id;
    append->request.is_transaction_version_2 = context->version >= FIRST_VERSION_OF_TRANSACTIONS_2;
    produce->pending++;
    weir_broker_produce(context->broker, &append->request);
}

/* Asked by its id a topic is called what it is called now; the engine checks the id again. */
static int16_t find_name(const struct produce *produce, const topic_asked *topic,
                         struct weir_slice *name_out)
{
    struct weir_request_context *context = produce->context;
    *name_out = topic->name;
    if (context->version < FIRST_VERSION_BY_ID) return 0;
    struct weir_slice name =
        weir_broker_topic_name(context->broker, context->actor, topic->topic_id);
    if (weir_slice_is_null(name)) return WEIR_WIRE_UNKNOWN_TOPIC_ID;
    *name_out = weir_arena_copy(&context->arena, name);
    return name_out->data != NULL ? 0 : weir_wire_error_of(WEIR_NO_MEMORY);
}

static void append_topic(struct produce *produce, size_t index)
{
    const topic_asked *topic = &produce->asked->topic_data[index];
    struct weir_slice name;
    int16_t number = find_name(produce, topic, &name);
    if (number != 0) {
        bool is_unknown = number == WEIR_WIRE_UNKNOWN_TOPIC_ID;
        refuse_topic(produce, index, number, is_unknown ? "no topic has this id" : "out of memory");
        return;
    }
    if (!weir_authorize(produce->context, WEIR_ACL_WRITE, WEIR_ACL_TOPIC, name)) {
        refuse_topic(produce, index, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED, "not permitted");
        return;
    }
    for (size_t at = 0; at < topic->partition_data_count; at++) {
        append_one(produce, topic, name, &topic->partition_data[at], answer_at(produce, index, at));
    }
}

/* ---- the request ----------------------------------------------------------------------------- */

static void append_all(struct produce *produce)
{
    produce->pending = 1;
    for (size_t i = 0; i < produce->asked->topic_data_count; i++)
        append_topic(produce, i);
    count_down(produce);
}

static bool has_transactional_batch(const struct weir_wire_produce_request *asked)
{
    for (size_t i = 0; i < asked->topic_data_count; i++) {
        const topic_asked *topic = &asked->topic_data[i];
        for (size_t at = 0; at < topic->partition_data_count; at++) {
            struct weir_batch_header header;
            int rc = weir_batch_peek(topic->partition_data[at].records, INT32_MAX, &header, NULL);
            if (rc == 0 && weir_batch_is_transactional(&header)) return true;
        }
    }
    return false;
}

/* What is refused as a whole. Kafka's number, or 0. */
static int16_t check_request(const struct produce *produce, const char **text_out)
{
    const struct weir_wire_produce_request *asked = produce->asked;
    if (asked->acks < -1 || asked->acks > 1) {
        *text_out = "acks is -1, 0 or 1";
        return WEIR_WIRE_INVALID_REQUIRED_ACKS;
    }
    if (!has_transactional_batch(asked)) return 0;
    struct weir_slice id = asked->transactional_id;
    if (weir_slice_is_null(id)) {
        *text_out = "a batch of a transaction, and no transactional id with it";
        return WEIR_WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    if (!weir_authorize(produce->context, WEIR_ACL_WRITE, WEIR_ACL_TRANSACTIONAL_ID, id)) {
        *text_out = "not permitted";
        return WEIR_WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    return 0;
}

void weir_handle_produce(struct weir_request_context *context)
{
    struct produce *produce = weir_arena_alloc_zero(&context->arena, sizeof *produce);
    if (produce == NULL) {
        weir_context_reply_close(context, "out of memory");
        return;
    }
    produce->context = context;
    produce->asked = context->request;
    if (!prepare_answers(produce)) {
        weir_context_reply_close(context, "out of memory");
        return;
    }
    const char *text = NULL;
    int16_t number = check_request(produce, &text);
    if (number != 0) {
        refuse_all(produce, number, text);
        finish(produce);
    } else {
        append_all(produce);
    }
}
