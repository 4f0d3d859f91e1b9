#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/offset_for_leader_epoch_request.h"
#include "wire/generated/offset_for_leader_epoch_response.h"

/*
 * OffsetForLeaderEpoch: where an epoch ended, by which a reader finds out that what it has read was
 * cut off meanwhile (KIP-320).
 *
 * Source: CLIENTS.md b, "OffsetForLeaderEpoch (23)"; Kafka protocol guide.
 */
typedef struct weir_wire_offset_for_leader_epoch_request_offset_for_leader_topic topic_asked;
typedef struct weir_wire_offset_for_leader_epoch_request_offset_for_leader_partition
    partition_asked;
typedef struct weir_wire_offset_for_leader_epoch_response_offset_for_leader_topic_result
    topic_answer;
typedef struct weir_wire_offset_for_leader_epoch_response_epoch_end_offset partition_answer;

/* One partition's question. */
struct question {
    struct weir_slice topic;
    const partition_asked *asked;
    partition_answer *answer;
};

struct search {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_offset_for_leader_epoch_request *asked;
    topic_answer *topics;
    struct question *questions; /* in the request's order */
};

/* ---- one question ---------------------------------------------------------------------------- */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct question *question = &((struct search *)fan_out)->questions[index];
    struct weir_epoch_end_request *end = (struct weir_epoch_end_request *)request;
    if (question->answer->error_code != 0) return false;
    end->of = (struct weir_topic_partition){question->topic, question->asked->partition};
    end->epochs.has_current = question->asked->current_leader_epoch >= 0;
    end->epochs.current = question->asked->current_leader_epoch;
    end->epoch = question->asked->leader_epoch;
    weir_broker_epoch_end(fan_out->context->broker, end);
    return true;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct weir_epoch_end_request *end = (const struct weir_epoch_end_request *)request;
    partition_answer *answer = ((struct search *)fan_out)->questions[index].answer;
    if (request->rc < 0) {
        answer->error_code = weir_wire_error_of(request->rc);
    } else {
        answer->leader_epoch = end->epoch_found;
        answer->end_offset = end->end_offset;
    }
}

static void done(struct weir_fan_out *fan_out)
{
    const struct search *search = (const struct search *)fan_out;
    struct weir_wire_offset_for_leader_epoch_response response;
    weir_wire_offset_for_leader_epoch_response_init(&response);
    response.topics = search->topics;
    response.topics_count = search->asked->topics_count;
    weir_outcome_reply(fan_out->context, &response);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Kafka's number for a topic that is not looked at, or 0. */
static int16_t check_topic(const struct search *search, struct weir_slice name)
{
    struct weir_request_context *context = search->fan_out.context;
    if (search->asked->replica_id >= 0) return WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    bool is_permitted = weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static void add_topic(struct search *search, size_t index, partition_answer *answers)
{
    const topic_asked *topic = &search->asked->topics[index];
    int16_t number = check_topic(search, topic->topic);
    search->topics[index] = (topic_answer){topic->topic, answers, topic->partitions_count};
    for (size_t i = 0; i < topic->partitions_count; i++) {
        answers[i] = (partition_answer){
            .error_code = number,
            .partition = topic->partitions[i].partition,
            .leader_epoch = -1,
            .end_offset = -1,
        };
        search->questions[search->fan_out.count++] =
            (struct question){topic->topic, &topic->partitions[i], &answers[i]};
    }
}

static void read_request(struct search *search)
{
    const struct weir_wire_offset_for_leader_epoch_request *asked = search->asked;
    struct weir_arena *arena = &search->fan_out.context->arena;
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++) {
        count += asked->topics[i].partitions_count;
    }
    partition_answer *answers = weir_arena_array(arena, count, sizeof *answers);
    search->topics = weir_arena_array(arena, asked->topics_count, sizeof *search->topics);
    search->questions = weir_arena_array(arena, count, sizeof *search->questions);
    if (weir_arena_failed(arena)) return;
    for (size_t i = 0; i < asked->topics_count; i++) {
        add_topic(search, i, answers + search->fan_out.count);
    }
}

void weir_handle_offset_for_leader_epoch(struct weir_request_context *context)
{
    struct search *search = weir_arena_alloc_zero(&context->arena, sizeof *search);
    if (search == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    search->asked = context->request;
    search->fan_out = (struct weir_fan_out){
        .context = context,
        .request_size = sizeof(struct weir_epoch_end_request),
        .ask = ask,
        .take = take,
        .done = done,
    };
    read_request(search);
    weir_fan_out_begin(&search->fan_out);
}
