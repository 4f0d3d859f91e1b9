#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/describe_producers_request.h"
#include "wire/generated/describe_producers_response.h"

/*
 * DescribeProducers: who writes to partitions, and where what they have open begins. By it a person finds a transaction
 * that hangs (KIP-664).
 *
 * Source: CLIENTS.md b; Kafka protocol guide.
 */
typedef struct weir_wire_describe_producers_request_topic_request topic_asked;
typedef struct weir_wire_describe_producers_response_topic_response topic_answer;
typedef struct weir_wire_describe_producers_response_partition_response partition_answer;
typedef struct weir_wire_describe_producers_response_producer_state producer_answer;

struct question {
    struct weir_slice topic;
    partition_answer *answer;
};

struct description {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_describe_producers_request *asked;
    topic_answer *topics;
    struct question *questions; /* in the request's order */
};

/* ---- one question ---------------------------------------------------------------------------- */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct question *question = &((struct description *)fan_out)->questions[index];
    struct weir_describe_producers_request *describe =
        (struct weir_describe_producers_request *)request;
    if (question->answer->error_code != 0) return false;
    describe->of =
        (struct weir_topic_partition){question->topic, question->answer->partition_index};
    describe->arena = &fan_out->context->arena;
    weir_broker_describe_producers(fan_out->context->broker, describe);
    return true;
}

static producer_answer answer_of(const struct weir_producer_info *producer)
{
    return (producer_answer){
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .last_sequence = producer->last_sequence,
        .last_timestamp = producer->last_timestamp_ms,
        .coordinator_epoch = producer->coordinator_epoch,
        .current_txn_start_offset = producer->transaction_first_offset,
    };
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_request_context *context = fan_out->context;
    partition_answer *answer = ((struct description *)fan_out)->questions[index].answer;
    const struct weir_describe_producers_request *describe =
        (const struct weir_describe_producers_request *)request;
    if (request->rc < 0) {
        answer->error_code = weir_wire_error_of(request->rc);
        answer->error_message = weir_text(weir_outcome_text(context, request->error.text));
        return;
    }
    producer_answer *producers =
        weir_arena_array(&context->arena, describe->count + 1, sizeof *producers);
    if (producers == NULL) return;
    for (size_t i = 0; i < describe->count; i++)
        producers[i] = answer_of(&describe->producers[i]);
    answer->active_producers = producers;
    answer->active_producers_count = describe->count;
}

static void done(struct weir_fan_out *fan_out)
{
    const struct description *description = (const struct description *)fan_out;
    struct weir_wire_describe_producers_response response;
    weir_wire_describe_producers_response_init(&response);
    response.topics = description->topics;
    response.topics_count = description->asked->topics_count;
    weir_outcome_reply(fan_out->context, &response);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void add_topic(struct description *description, size_t index, partition_answer *answers)
{
    const topic_asked *topic = &description->asked->topics[index];
    struct weir_request_context *context = description->fan_out.context;
    bool is_permitted = weir_authorize(context, WEIR_ACL_READ, WEIR_ACL_TOPIC, topic->name);
    description->topics[index] =
        (topic_answer){topic->name, answers, topic->partition_indexes_count};
    for (size_t i = 0; i < topic->partition_indexes_count; i++) {
        answers[i] = (partition_answer){
            .partition_index = topic->partition_indexes[i],
            .error_code = is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED,
        };
        description->questions[description->fan_out.count++] =
            (struct question){topic->name, &answers[i]};
    }
}

static void read_request(struct description *description)
{
    const struct weir_wire_describe_producers_request *asked = description->asked;
    struct weir_arena *arena = &description->fan_out.context->arena;
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++)
        count += asked->topics[i].partition_indexes_count;
    partition_answer *answers = weir_arena_array(arena, count + 1, sizeof *answers);
    description->topics =
        weir_arena_array(arena, asked->topics_count + 1, sizeof *description->topics);
    description->questions = weir_arena_array(arena, count + 1, sizeof *description->questions);
    if (weir_arena_failed(arena)) return;
    for (size_t i = 0; i < asked->topics_count; i++)
        add_topic(description, i, answers + description->fan_out.count);
}

/* Before memory is taken for them. */
static bool is_too_long(const struct weir_wire_describe_producers_request *asked)
{
    size_t count = asked->topics_count;
    for (size_t i = 0; i < asked->topics_count; i++)
        count += asked->topics[i].partition_indexes_count;
    return count > WEIR_SUBJECTS_MAX;
}

void weir_handle_describe_producers(struct weir_request_context *context)
{
    if (is_too_long(context->request)) {
        weir_context_reply_close(context, "more partitions than a request may name");
        return;
    }
    struct description *description = weir_arena_alloc_zero(&context->arena, sizeof *description);
    if (description == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    description->asked = context->request;
    description->fan_out = (struct weir_fan_out){
        .context = context,
        .request_size = sizeof(struct weir_describe_producers_request),
        .is_one_by_one = true,
        .ask = ask,
        .take = take,
        .done = done,
    };
    read_request(description);
    weir_fan_out_begin(&description->fan_out);
}
