#include "base/assert.h"
#include "broker/server/handlers/handlers.h"
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

struct search {
    struct weir_request_context *context;
    const struct weir_wire_offset_for_leader_epoch_request *asked;
    topic_answer *topics;
    size_t pending; /* engine requests that are not back, and one while they are sent */
};

/* One partition's question. */
struct question {
    struct weir_epoch_end_request request; /* first */
    struct search *search;
    partition_answer *answer;
};

static void count_down(struct search *search)
{
    weir_assert(search->pending > 0);
    search->pending--;
    if (search->pending > 0) return;
    struct weir_wire_offset_for_leader_epoch_response response;
    weir_wire_offset_for_leader_epoch_response_init(&response);
    response.topics = search->topics;
    response.topics_count = search->asked->topics_count;
    weir_context_reply(search->context, &response);
}

static void found(struct weir_request *request)
{
    struct question *question = (struct question *)request;
    if (request->rc < 0) {
        question->answer->error_code = weir_wire_error_of(request->rc);
    } else {
        question->answer->leader_epoch = question->request.epoch_found;
        question->answer->end_offset = question->request.end_offset;
    }
    count_down(question->search);
}

static void ask(struct search *search, struct weir_slice topic, const partition_asked *partition,
                partition_answer *answer)
{
    struct weir_request_context *context = search->context;
    struct question *question = weir_arena_alloc_zero(&context->arena, sizeof *question);
    if (question == NULL) {
        answer->error_code = weir_wire_error_of(WEIR_NO_MEMORY);
        return;
    }
    question->search = search;
    question->answer = answer;
    question->request.request = (struct weir_request){.reply_to = context->actor, .done = found};
    question->request.of = (struct weir_topic_partition){topic, partition->partition};
    question->request.epochs.has_current = partition->current_leader_epoch >= 0;
    question->request.epochs.current = partition->current_leader_epoch;
    question->request.epoch = partition->leader_epoch;
    search->pending++;
    weir_broker_epoch_end(context->broker, &question->request);
}

/* Kafka's number for a topic that is not looked at, or 0. */
static int16_t check_topic(const struct search *search, struct weir_slice name)
{
    if (search->asked->replica_id >= 0) return WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    bool is_permitted = weir_authorize(search->context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static bool ask_topic(struct search *search, size_t index)
{
    const topic_asked *topic = &search->asked->topics[index];
    size_t count = topic->partitions_count;
    int16_t number = check_topic(search, topic->topic);
    partition_answer *answers =
        weir_arena_array(&search->context->arena, count + 1, sizeof *answers);
    if (answers == NULL) return false;
    search->topics[index] = (topic_answer){topic->topic, answers, count};
    for (size_t i = 0; i < count; i++) {
        answers[i] = (partition_answer){
            .error_code = number,
            .partition = topic->partitions[i].partition,
            .leader_epoch = -1,
            .end_offset = -1,
        };
        if (number == 0) ask(search, topic->topic, &topic->partitions[i], &answers[i]);
    }
    return true;
}

void weir_handle_offset_for_leader_epoch(struct weir_request_context *context)
{
    const struct weir_wire_offset_for_leader_epoch_request *asked = context->request;
    struct search *search = weir_arena_alloc_zero(&context->arena, sizeof *search);
    topic_answer *topics =
        weir_arena_array(&context->arena, asked->topics_count + 1, sizeof *topics);
    if (search == NULL || topics == NULL) {
        weir_context_reply_close(context, "out of memory");
        return;
    }
    *search = (struct search){context, asked, topics, 1};
    for (size_t i = 0; i < asked->topics_count; i++) {
        if (!ask_topic(search, i)) topics[i] = (topic_answer){.topic = asked->topics[i].topic};
    }
    count_down(search);
}
