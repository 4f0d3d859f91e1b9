#include <stdlib.h>

#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"

/*
 * ListOffsets: where a partition begins and ends, and which record is the first of a time.
 *
 * To who reads committed a partition ends at its last stable offset, and nothing behind it is found. Without tiered storage the first local offset is the first of all, and nothing
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

/* One partition's question. */
struct question {
    struct weir_slice topic;
    const partition_asked *asked;
    partition_answer *answer;
    int64_t engine_ms; /* what the engine is asked for */
    bool is_none;      /* and the answer is "none" if the partition is there */
};

struct listing {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_list_offsets_request *asked;
    topic_answer *topics;
    struct question *questions; /* in the request's order */
};

/* ---- one question ---------------------------------------------------------------------------- */

/* Kafka's number for a time that this version does not know, or 0. */
static int16_t understand(struct question *question, int16_t version)
{
    question->engine_ms = question->asked->timestamp;
    if (question->engine_ms >= 0) return 0;
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        if (specials[i].asked != question->asked->timestamp) continue;
        question->engine_ms = specials[i].engine;
        question->is_none = specials[i].is_none;
        return specials[i].since > version ? WEIR_WIRE_UNSUPPORTED_VERSION : 0;
    }
    return WEIR_WIRE_UNSUPPORTED_VERSION;
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct question *question = &((struct listing *)fan_out)->questions[index];
    struct weir_list_offsets_request *list = (struct weir_list_offsets_request *)request;
    if (question->answer->error_code != 0) return false;
    question->answer->error_code = understand(question, fan_out->context->version);
    if (question->answer->error_code != 0) return false;
    list->of = (struct weir_topic_partition){question->topic, question->asked->partition_index};
    list->timestamp_ms = question->engine_ms;
    list->read_committed =
        ((const struct listing *)fan_out)->asked->isolation_level == WEIR_ISOLATION_READ_COMMITTED;
    list->epochs.has_current = question->asked->current_leader_epoch >= 0;
    list->epochs.current = question->asked->current_leader_epoch;
    weir_broker_list_offsets(fan_out->context->broker, list);
    return true;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct question *question = &((struct listing *)fan_out)->questions[index];
    const struct weir_list_offsets_request *list =
        (const struct weir_list_offsets_request *)request;
    partition_answer *answer = question->answer;
    if (request->rc < 0) {
        answer->error_code = weir_wire_error_of(request->rc);
    } else if (!question->is_none && list->offset >= 0) {
        answer->offset = list->offset;
        answer->timestamp = list->timestamp_found_ms;
        if (fan_out->context->version >= FIRST_VERSION_WITH_EPOCHS) {
            answer->leader_epoch = list->leader_epoch;
        }
    }
}

static void done(struct weir_fan_out *fan_out)
{
    const struct listing *listing = (const struct listing *)fan_out;
    struct weir_wire_list_offsets_response response;
    weir_wire_list_offsets_response_init(&response);
    response.topics = listing->topics;
    response.topics_count = listing->asked->topics_count;
    weir_outcome_reply(fan_out->context, &response);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int by_partition(const void *a, const void *b)
{
    const struct question *left = *(const struct question *const *)a;
    const struct question *right = *(const struct question *const *)b;
    int order = weir_slice_compare(left->topic, right->topic);
    if (order != 0) return order;
    int32_t left_index = left->asked->partition_index;
    int32_t right_index = right->asked->partition_index;
    return (left_index > right_index) - (left_index < right_index);
}

/* A partition that is asked about twice is answered neither time, as by Kafka. */
static void refuse_doubles(struct listing *listing)
{
    size_t count = listing->fan_out.count;
    struct question **sorted =
        weir_arena_array(&listing->fan_out.context->arena, count, sizeof(struct question *));
    if (sorted == NULL || count < 2) return;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &listing->questions[i];
    }
    qsort(sorted, count, sizeof(struct question *), by_partition);
    for (size_t i = 1; i < count; i++) {
        bool is_double = by_partition(&sorted[i - 1], &sorted[i]) == 0;
        bool is_permitted = sorted[i]->answer->error_code == 0;
        if (!is_double || !is_permitted) continue;
        sorted[i - 1]->answer->error_code = WEIR_WIRE_INVALID_REQUEST;
        sorted[i]->answer->error_code = WEIR_WIRE_INVALID_REQUEST;
    }
}

/* Kafka's number for a topic that is not looked at, or 0. */
static int16_t check_topic(const struct listing *listing, struct weir_slice name)
{
    struct weir_request_context *context = listing->fan_out.context;
    if (listing->asked->replica_id >= 0) return WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    bool is_permitted = weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static void add_topic(struct listing *listing, size_t index, partition_answer *answers)
{
    const topic_asked *topic = &listing->asked->topics[index];
    int16_t number = check_topic(listing, topic->name);
    listing->topics[index] = (topic_answer){topic->name, answers, topic->partitions_count};
    for (size_t i = 0; i < topic->partitions_count; i++) {
        answers[i] = (partition_answer){
            .partition_index = topic->partitions[i].partition_index,
            .error_code = number,
            .timestamp = -1,
            .offset = -1,
            .leader_epoch = -1,
        };
        listing->questions[listing->fan_out.count++] = (struct question){
            .topic = topic->name, .asked = &topic->partitions[i], .answer = &answers[i]};
    }
}

static void read_request(struct listing *listing)
{
    const struct weir_wire_list_offsets_request *asked = listing->asked;
    struct weir_arena *arena = &listing->fan_out.context->arena;
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++) {
        count += asked->topics[i].partitions_count;
    }
    partition_answer *answers = weir_arena_array(arena, count, sizeof *answers);
    listing->topics = weir_arena_array(arena, asked->topics_count, sizeof *listing->topics);
    listing->questions = weir_arena_array(arena, count, sizeof *listing->questions);
    if (weir_arena_failed(arena)) return;
    for (size_t i = 0; i < asked->topics_count; i++) {
        add_topic(listing, i, answers + listing->fan_out.count);
    }
    refuse_doubles(listing);
}

void weir_handle_list_offsets(struct weir_request_context *context)
{
    struct listing *listing = weir_arena_alloc_zero(&context->arena, sizeof *listing);
    if (listing == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    listing->asked = context->request;
    listing->fan_out = (struct weir_fan_out){
        .context = context,
        .request_size = sizeof(struct weir_list_offsets_request),
        .ask = ask,
        .take = take,
        .done = done,
    };
    read_request(listing);
    weir_fan_out_begin(&listing->fan_out);
}
