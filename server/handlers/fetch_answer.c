#include "server/handlers/fetch_poll.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "broker/metadata/uuid.h"
#include "wire/generated/fetch_response.h"

/*
 * What a fetch is answered with. Records are not copied: they go out from the memory or the file
 * that the engine gave.
 *
 * A full answer names every partition in the order asked; one within a session leaves out what has
 * neither records nor news: the same high watermark and log start as the reader knows, and no
 * error.
 */
enum { FIRST_VERSION_WITH_SESSIONS = 7, LAST_VERSION_WITHOUT_STORAGE_ERROR = 5 };

typedef struct weir_wire_fetch_response_fetchable_topic_response topic_answer;
typedef struct weir_wire_fetch_response_partition_data partition_answer;
typedef struct weir_wire_fetch_response_aborted_transaction aborted_transaction;

struct answer {
    struct weir_fetch_poll *poll;
    topic_answer *topics;
    size_t topic_count;
    partition_answer *partitions; /* of all topics, one after the other */
    size_t partition_count;
};

/* ---- one partition --------------------------------------------------------------------------- */

static partition_answer refused(int32_t partition, int16_t number, int16_t version)
{
    bool is_unknown =
        number == WEIR_WIRE_KAFKA_STORAGE_ERROR && version <= LAST_VERSION_WITHOUT_STORAGE_ERROR;
    return (partition_answer){
        .partition_index = partition,
        .error_code = is_unknown ? WEIR_WIRE_NOT_LEADER_OR_FOLLOWER : number,
        .high_watermark = -1,
        .last_stable_offset = -1,
        .log_start_offset = -1,
        .diverging_epoch = {-1, -1},
        .current_leader = {-1, -1},
        .snapshot_id = {-1, -1},
        .preferred_read_replica = -1,
        .records = weir_slice("", 0), /* none, which is not null */
    };
}

/* Hand what an entry holds over to the context; null without memory. */
static struct weir_slice give_records(const struct weir_fetch_poll *poll,
                                      struct weir_fetch_entry *entry)
{
    struct weir_fetch_request *request = &entry->request;
    struct weir_arena *arena = &poll->context->arena;
    struct weir_records_source *source = weir_arena_alloc_zero(arena, sizeof *source);
    size_t count = request->batches.part_count;
    struct weir_log_part *parts = weir_arena_array(arena, count + 1, sizeof *parts);
    if (source == NULL || parts == NULL) return weir_null();
    weir_copy(parts, request->batches.parts, count * sizeof *parts);
    source->parts = parts;
    source->part_count = count;
    source->range = entry->port.range;
    source->size = request->size;
    request->batches.part_count = 0;
    entry->port.range = (struct weir_log_range){0};
    weir_context_give_source(poll->context, source);
    return weir_slice(source, source->size);
}

/* Those that have records among what is given; none is not null to who reads committed. */
static const aborted_transaction *name_aborted(const struct weir_fetch_poll *poll,
                                               const struct weir_fetch_request *request,
                                               size_t *count_out)
{
    size_t count = request->aborted_count;
    *count_out = 0;
    if (count == 0) return weir_no_elements();
    aborted_transaction *named = weir_arena_array(&poll->context->arena, count, sizeof *named);
    if (named == NULL) return weir_no_elements(); /* the arena has failed, and so has the answer */
    for (size_t i = 0; i < count; i++) {
        named[i] = (aborted_transaction){.producer_id = request->aborted[i].producer_id,
                                         .first_offset = request->aborted[i].first_offset};
    }
    *count_out = count;
    return named;
}

static bool is_answered(const struct weir_fetch_entry *entry)
{
    return entry->state == WEIR_FETCH_ANSWERED;
}

static bool diverges(const struct weir_fetch_entry *entry)
{
    return is_answered(entry) && entry->number == 0 && entry->request.diverging_epoch >= 0;
}

/* Nobody has looked at it yet, and the fetch ends (the server closes): the reader shall ask again. */
static int16_t error_of(const struct weir_fetch_entry *entry)
{
    if (is_answered(entry)) return entry->number;
    return entry->high_watermark < 0 ? WEIR_WIRE_NOT_LEADER_OR_FOLLOWER : WEIR_WIRE_NONE;
}

static partition_answer describe(const struct weir_fetch_poll *poll, struct weir_fetch_entry *entry)
{
    int16_t number = error_of(entry);
    partition_answer answer = refused(entry->place.partition, number, poll->context->version);
    if (number != 0) return answer;
    answer.high_watermark = entry->high_watermark;
    answer.last_stable_offset = entry->last_stable_offset;
    answer.log_start_offset = entry->log_start_offset;
    bool reads_committed = poll->interest->read_committed;
    if (reads_committed) answer.aborted_transactions = weir_no_elements();
    if (diverges(entry)) {
        answer.diverging_epoch.epoch = entry->request.diverging_epoch;
        answer.diverging_epoch.end_offset = entry->request.diverging_end_offset;
    } else if (is_answered(entry) && entry->request.size > 0) {
        if (reads_committed) {
            answer.aborted_transactions =
                name_aborted(poll, &entry->request, &answer.aborted_transactions_count);
        }
        answer.records = give_records(poll, entry);
    }
    return answer;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_same_topic(const topic_answer *topic, const struct weir_fetch_entry *entry)
{
    if (entry->interest->by_id) return weir_uuid_equal(topic->topic_id, entry->place.topic_id);
    return weir_slice_equal(topic->topic, entry->place.topic);
}

static void add(struct answer *answer, struct weir_fetch_entry *entry)
{
    topic_answer *last = answer->topic_count > 0 ? &answer->topics[answer->topic_count - 1] : NULL;
    partition_answer *partition = &answer->partitions[answer->partition_count];
    if (last == NULL || !is_same_topic(last, entry)) {
        last = &answer->topics[answer->topic_count];
        *last = (topic_answer){.partitions = partition};
        if (entry->interest->by_id) {
            last->topic_id = entry->place.topic_id;
        } else {
            last->topic = entry->place.topic;
        }
        answer->topic_count++;
    }
    *partition = describe(answer->poll, entry);
    answer->partition_count++;
    last->partitions_count++;
    entry->told_high_watermark = partition->high_watermark;
    entry->told_log_start_offset = partition->log_start_offset;
    if (entry->state == WEIR_FETCH_WATCHED) weir_fetch_ring_remove(&entry->line); /* no news now */
}

static bool is_news(const struct weir_fetch_entry *entry)
{
    return entry->number != 0 || entry->request.size > 0 || diverges(entry) ||
           weir_fetch_entry_has_news(entry);
}

static void add_all(struct answer *answer)
{
    struct weir_fetch_node *order = &answer->poll->interest->order;
    for (struct weir_fetch_node *node = order->next; node != order; node = node->next) {
        add(answer, weir_fetch_entry_of_order(node));
    }
}

static void add_news(struct answer *answer)
{
    struct weir_fetch_node *gathered = &answer->poll->gathered;
    for (struct weir_fetch_node *node = gathered->next; node != gathered; node = node->next) {
        struct weir_fetch_entry *entry = weir_fetch_entry_of_line(node);
        if (is_news(entry)) add(answer, entry);
    }
    struct weir_fetch_node *news = &answer->poll->interest->news;
    while (!weir_fetch_ring_is_empty(news)) {
        add(answer, weir_fetch_entry_of_line(news->next));
    }
}

static size_t count_ring(const struct weir_fetch_node *head)
{
    size_t count = 0;
    for (const struct weir_fetch_node *node = head->next; node != head; node = node->next) {
        count++;
    }
    return count;
}

static bool prepare(struct answer *answer, struct weir_fetch_poll *poll)
{
    struct weir_arena *arena = &poll->context->arena;
    size_t count = poll->is_full ? weir_fetch_interest_count(poll->interest)
                                 : count_ring(&poll->gathered) + count_ring(&poll->interest->news);
    *answer = (struct answer){
        .poll = poll,
        .topics = weir_arena_array(arena, count + 1, sizeof(topic_answer)),
        .partitions = weir_arena_array(arena, count + 1, sizeof(partition_answer)),
    };
    return answer->topics != NULL && answer->partitions != NULL;
}

/* What gave something is asked again the next time, behind the others; what is empty is watched. */
static void put_away(struct weir_fetch_poll *poll)
{
    struct weir_fetch_interest *interest = poll->interest;
    bool is_over = poll->is_abandoned || interest->is_released;
    while (!weir_fetch_ring_is_empty(&poll->gathered)) {
        struct weir_fetch_entry *entry = weir_fetch_entry_of_line(poll->gathered.next);
        bool is_empty = entry->number == 0 && entry->request.size == 0 && !diverges(entry);
        if (is_empty && !is_over) {
            weir_fetch_entry_watch(entry, 1);
        } else {
            weir_fetch_entry_be_due(entry, &interest->due);
        }
    }
}

void weir_fetch_answer(struct weir_fetch_poll *poll)
{
    struct weir_request_context *context = poll->context;
    struct weir_fetch_interest *interest = poll->interest;
    struct answer answer;
    struct weir_wire_fetch_response response;
    weir_wire_fetch_response_init(&response);
    bool is_ready = prepare(&answer, poll);
    if (is_ready && poll->is_full) add_all(&answer);
    if (is_ready && !poll->is_full) add_news(&answer);
    response.session_id = poll->session_id;
    response.responses = answer.topics;
    response.responses_count = answer.topic_count;
    put_away(poll);
    weir_fetch_interest_end_poll(interest);
    if (weir_arena_failed(&context->arena)) {
        weir_context_reply_close(context, "out of memory");
    } else {
        weir_context_reply_records(context, &response);
    }
    weir_fetch_interest_let_go(interest);
}

/* ---- errors of the whole --------------------------------------------------------------------- */

static bool add_refused_topic(struct weir_request_context *context, topic_answer *answer,
                              const struct weir_wire_fetch_request_fetch_topic *topic,
                              int16_t number)
{
    partition_answer *partitions =
        weir_arena_array(&context->arena, topic->partitions_count + 1, sizeof *partitions);
    if (partitions == NULL) return false;
    for (size_t i = 0; i < topic->partitions_count; i++) {
        partitions[i] = refused(topic->partitions[i].partition, number, context->version);
    }
    *answer = (topic_answer){.topic = topic->topic,
                             .partitions = partitions,
                             .partitions_count = topic->partitions_count};
    return true;
}

void weir_fetch_answer_error(struct weir_request_context *context, int16_t number)
{
    const struct weir_wire_fetch_request *asked = context->request;
    bool is_whole = context->version >= FIRST_VERSION_WITH_SESSIONS;
    size_t count = is_whole ? 0 : asked->topics_count;
    topic_answer *topics = weir_arena_array(&context->arena, count + 1, sizeof *topics);
    bool is_ready = topics != NULL;
    for (size_t i = 0; is_ready && i < count; i++) {
        is_ready = add_refused_topic(context, &topics[i], &asked->topics[i], number);
    }
    if (!is_ready) {
        weir_context_reply_close(context, "out of memory");
        return;
    }
    struct weir_wire_fetch_response response;
    weir_wire_fetch_response_init(&response);
    if (is_whole) response.error_code = number;
    response.responses = topics;
    response.responses_count = count;
    weir_context_reply_records(context, &response);
}
