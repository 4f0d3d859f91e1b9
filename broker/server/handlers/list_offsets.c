#include "base/assert.h"
#include "broker/server/handlers/handlers.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"

/*
 * ListOffsets: where a partition begins and ends, and which record is the first of a time.
 *
 * Without transactions the last stable offset is the high watermark, so that the isolation level
 * changes nothing. Without tiered storage the first local offset is the first of all, and nothing
 * is tiered or waits to be.
 *
 * Source: CLIENTS.md b, "ListOffsets (2)"; Kafka protocol guide.
 */
enum { FIRST_VERSION_WITH_EPOCHS = 4 };

/* Times below zero that have a meaning, and since when. */
enum {
    EARLIEST_LOCAL = -4,
    LATEST_TIERED = -5,
    EARLIEST_PENDING_UPLOAD = -6,
};
static const struct {
    int64_t asked;
    int16_t since;
    int64_t engine; /* what the engine is asked for */
    bool is_none;   /* and the answer is "none" if the partition is there */
} specials[] = {
    {WEIR_OFFSET_LATEST, 1, WEIR_OFFSET_LATEST, false},
    {WEIR_OFFSET_EARLIEST, 1, WEIR_OFFSET_EARLIEST, false},
    {WEIR_OFFSET_MAX_TIMESTAMP, 7, WEIR_OFFSET_MAX_TIMESTAMP, false},
    {EARLIEST_LOCAL, 8, WEIR_OFFSET_EARLIEST, false},
    {LATEST_TIERED, 9, WEIR_OFFSET_LATEST, true},
    {EARLIEST_PENDING_UPLOAD, 11, WEIR_OFFSET_LATEST, true},
};
enum { SPECIAL_COUNT = sizeof specials / sizeof specials[0] };

typedef struct weir_wire_list_offsets_request_list_offsets_topic topic_asked;
typedef struct weir_wire_list_offsets_request_list_offsets_partition partition_asked;
typedef struct weir_wire_list_offsets_response_list_offsets_topic_response topic_answer;
typedef struct weir_wire_list_offsets_response_list_offsets_partition_response partition_answer;

struct listing {
    struct weir_request_context *context;
    const struct weir_wire_list_offsets_request *asked;
    topic_answer *topics;
    size_t pending; /* engine requests that are not back, and one while they are sent */
};

/* One partition's question. */
struct question {
    struct weir_list_offsets_request request; /* first */
    struct listing *listing;
    partition_answer *answer;
    bool is_none;
};

static void count_down(struct listing *listing)
{
    weir_assert(listing->pending > 0);
    listing->pending--;
    if (listing->pending > 0) return;
    struct weir_wire_list_offsets_response response;
    weir_wire_list_offsets_response_init(&response);
    response.topics = listing->topics;
    response.topics_count = listing->asked->topics_count;
    weir_context_reply(listing->context, &response);
}

static void listed(struct weir_request *request)
{
    struct question *question = (struct question *)request;
    struct listing *listing = question->listing;
    partition_answer *answer = question->answer;
    if (request->rc < 0) {
        answer->error_code = weir_wire_error_of(request->rc);
    } else if (!question->is_none && question->request.offset >= 0) {
        answer->offset = question->request.offset;
        answer->timestamp = question->request.timestamp_found_ms;
        if (listing->context->version >= FIRST_VERSION_WITH_EPOCHS) {
            answer->leader_epoch = question->request.leader_epoch;
        }
    }
    count_down(listing);
}

static void ask(struct listing *listing, struct weir_slice topic, const partition_asked *partition,
                partition_answer *answer)
{
    struct weir_request_context *context = listing->context;
    struct question *question = weir_arena_alloc_zero(&context->arena, sizeof *question);
    if (question == NULL) {
        answer->error_code = weir_wire_error_of(WEIR_NO_MEMORY);
        return;
    }
    int64_t time_ms = partition->timestamp;
    for (size_t i = 0; partition->timestamp < 0; i++) {
        if (i == SPECIAL_COUNT ||
            (specials[i].asked == partition->timestamp && specials[i].since > context->version)) {
            answer->error_code = WEIR_WIRE_UNSUPPORTED_VERSION;
            return;
        }
        if (specials[i].asked != partition->timestamp) continue;
        time_ms = specials[i].engine;
        question->is_none = specials[i].is_none;
        break;
    }
    question->listing = listing;
    question->answer = answer;
    question->request.request = (struct weir_request){.reply_to = context->actor, .done = listed};
    question->request.of = (struct weir_topic_partition){topic, partition->partition_index};
    question->request.timestamp_ms = time_ms;
    question->request.epochs.has_current = partition->current_leader_epoch >= 0;
    question->request.epochs.current = partition->current_leader_epoch;
    listing->pending++;
    weir_broker_list_offsets(context->broker, &question->request);
}

/* Kafka's number for a topic that is not looked at, or 0. */
static int16_t check_topic(const struct listing *listing, struct weir_slice name)
{
    if (listing->asked->replica_id >= 0) return WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    bool is_permitted = weir_authorize(listing->context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static bool ask_topic(struct listing *listing, size_t index)
{
    const topic_asked *topic = &listing->asked->topics[index];
    size_t count = topic->partitions_count;
    int16_t number = check_topic(listing, topic->name);
    partition_answer *answers =
        weir_arena_array(&listing->context->arena, count + 1, sizeof *answers);
    if (answers == NULL) return false;
    listing->topics[index] = (topic_answer){topic->name, answers, count};
    for (size_t i = 0; i < count; i++) {
        answers[i] = (partition_answer){
            .partition_index = topic->partitions[i].partition_index,
            .error_code = number,
            .timestamp = -1,
            .offset = -1,
            .leader_epoch = -1,
        };
        if (number == 0) ask(listing, topic->name, &topic->partitions[i], &answers[i]);
    }
    return true;
}

void weir_handle_list_offsets(struct weir_request_context *context)
{
    const struct weir_wire_list_offsets_request *asked = context->request;
    struct listing *listing = weir_arena_alloc_zero(&context->arena, sizeof *listing);
    topic_answer *topics =
        weir_arena_array(&context->arena, asked->topics_count + 1, sizeof *topics);
    if (listing == NULL || topics == NULL) {
        weir_context_reply_close(context, "out of memory");
        return;
    }
    *listing = (struct listing){context, asked, topics, 1};
    for (size_t i = 0; i < asked->topics_count; i++) {
        if (!ask_topic(listing, i)) topics[i] = (topic_answer){.name = asked->topics[i].name};
    }
    count_down(listing);
}
