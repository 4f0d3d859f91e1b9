#include "broker/metadata/uuid.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/delete_topics_response.h"

/*
 * Names and ids are looked up first, all at once: the answer shows both, whichever was given. The
 * deletion carries name and id, so that a topic made anew under the name in between stays.
 */
enum { STATES_FROM = 6, MESSAGES_FROM = 5 };

static const struct weir_uuid no_id;

/* One topic of the request and its row in the answer. */
struct deletion {
    struct weir_slice name; /* null until it is looked up: by id */
    struct weir_uuid id;
    bool by_id;
    struct weir_outcome outcome; /* refused before the engine is asked */
};

struct delete_topics {
    struct weir_fan_out fan_out; /* first */
    struct weir_list_topics_request list;
    struct weir_slice *names;
    struct weir_uuid *ids;
    struct deletion *deletions;
    size_t count;
};

/* ---- how it went ----------------------------------------------------------------------------- */

static void done(struct weir_fan_out *fan_out)
{
    struct delete_topics *delete = (struct delete_topics *)fan_out;
    struct weir_request_context *context = fan_out->context;
    struct weir_wire_delete_topics_response response;
    weir_wire_delete_topics_response_init(&response);
    struct weir_wire_delete_topics_response_deletable_topic_result *rows =
        weir_arena_array(&context->arena, delete->count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < delete->count; i++) {
        const struct deletion *deletion = &delete->deletions[i];
        rows[i] = (struct weir_wire_delete_topics_response_deletable_topic_result){
            .name = deletion->name,
            .topic_id = deletion->id,
            .error_code = deletion->outcome.error_code,
            .error_message =
                context->version >= MESSAGES_FROM ? deletion->outcome.message : weir_null(),
        };
    }
    response.responses = rows;
    response.responses_count = delete->count;
    weir_outcome_reply(context, &response);
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct delete_topics *delete = (struct delete_topics *)fan_out;
    struct deletion *deletion = &delete->deletions[index];
    if (request->rc == WEIR_UNKNOWN_TOPIC_ID && !deletion->by_id) {
        /* Another has deleted it since it was looked up. Who asked for a name hears of no id. */
        deletion->id = no_id;
        deletion->outcome = weir_outcome_refuse(
            fan_out->context, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION, "topic '%.*s' does not exist",
            (int)deletion->name.size, (const char *)deletion->name.data);
        return;
    }
    deletion->outcome = weir_outcome_of(fan_out->context, request);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct delete_topics *delete = (struct delete_topics *)fan_out;
    const struct deletion *deletion = &delete->deletions[index];
    struct weir_topic_request *topic = (struct weir_topic_request *)request;
    if (deletion->outcome.error_code != 0) return false;
    topic->operation = WEIR_TOPIC_DELETE;
    topic->topic = deletion->name;
    topic->request.topic_id = deletion->id;
    weir_broker_topic(fan_out->context->broker, topic);
    return true;
}

static struct weir_outcome refuse_unlisted(struct weir_request_context *context,
                                           const struct weir_topic_info *topic)
{
    return weir_outcome_refuse(context, (enum weir_wire_error)weir_wire_error_of(topic->rc), "%s",
                               weir_code_text(topic->rc));
}

static void settle(struct weir_request_context *context, struct deletion *deletion,
                   const struct weir_topic_info *topic)
{
    if (deletion->outcome.error_code != 0) return;
    if (topic->rc != 0) {
        deletion->outcome = refuse_unlisted(context, topic);
        return;
    }
    deletion->name = topic->name;
    deletion->id = topic->id;
    if (!weir_authorize(context, WEIR_ACL_DELETE, WEIR_ACL_TOPIC, topic->name)) {
        deletion->outcome = weir_outcome_refuse(context, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED,
                                                "not allowed to delete this topic");
    }
}

static void listed(struct weir_request *request)
{
    struct delete_topics *delete = request->context;
    struct weir_request_context *context = delete->fan_out.context;
    if (request->rc < 0) {
        weir_context_reply_close(context, request->error.text);
        return;
    }
    for (size_t i = 0; i < delete->count; i++) {
        settle(context, &delete->deletions[i], &delete->list.topics[i]);
    }
    weir_fan_out_begin(&delete->fan_out);
}

/* ---- the door -------------------------------------------------------------------------------- */

static struct deletion read_topic(struct weir_request_context *context, size_t index)
{
    const struct weir_wire_delete_topics_request *request = context->request;
    if (context->version < STATES_FROM) {
        return (struct deletion){.name = request->topic_names[index]};
    }
    struct deletion deletion = {
        .name = request->topics[index].name,
        .id = request->topics[index].topic_id,
    };
    bool is_named = !weir_slice_is_null(deletion.name);
    bool has_id = !weir_uuid_equal(deletion.id, no_id);
    deletion.by_id = !is_named;
    if (is_named == has_id) {
        deletion.outcome = weir_outcome_refuse(
            context, WEIR_WIRE_INVALID_REQUEST,
            is_named ? "both a name and an id: one of them is wanted" : "neither a name nor an id");
    }
    return deletion;
}

/* Those that are named twice come to one row, as do those that are given twice by their id. */
static void read_topics(struct delete_topics *delete, size_t asked_count)
{
    struct weir_request_context *context = delete->fan_out.context;
    struct weir_arena *arena = &context->arena;
    struct weir_subject *subjects = weir_arena_array(arena, asked_count, sizeof *subjects);
    for (size_t i = 0; subjects != NULL && i < asked_count; i++) {
        struct deletion *deletion = &delete->deletions[i];
        *deletion = read_topic(context, i);
        subjects[i] = (struct weir_subject){
            .kind = deletion->by_id,
            .name = deletion->by_id ? weir_uuid_slice(&deletion->id) : deletion->name,
        };
    }
    if (weir_arena_failed(arena)) return;
    const enum weir_occurrence *occurrences =
        weir_subject_occurrences(arena, subjects, asked_count);
    for (size_t i = 0; occurrences != NULL && i < asked_count; i++) {
        if (occurrences[i] == WEIR_OCCURS_AGAIN) continue;
        struct deletion *deletion = &delete->deletions[delete->count++];
        *deletion = delete->deletions[i];
        if (asked_count > WEIR_SUBJECTS_MAX) {
            deletion->outcome = weir_outcome_too_many(context, "topics");
        } else if (occurrences[i] == WEIR_OCCURS_FIRST) {
            deletion->outcome = weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                                    "the topic is named twice in one request");
        }
    }
}

static void list(struct delete_topics *delete)
{
    for (size_t i = 0; i < delete->count; i++) {
        delete->names[i] = delete->deletions[i].name;
        delete->ids[i] = delete->deletions[i].id;
    }
    delete->list = (struct weir_list_topics_request){
        .request = {.reply_to = delete->fan_out.context->actor, .done = listed, .context = delete},
        .arena = &delete->fan_out.context->arena,
        .names = delete->names,
        .ids = delete->ids,
        .asked_count = delete->count,
        .is_selection = true,
    };
    weir_broker_list_topics(delete->fan_out.context->broker, &delete->list);
}

void weir_handle_delete_topics(struct weir_request_context *context)
{
    const struct weir_wire_delete_topics_request *request = context->request;
    struct weir_arena *arena = &context->arena;
    size_t count =
        context->version < STATES_FROM ? request->topic_names_count : request->topics_count;
    struct delete_topics *delete = weir_arena_alloc_zero(arena, sizeof *delete);
    struct deletion *deletions = weir_arena_array(arena, count, sizeof *deletions);
    struct weir_slice *names = weir_arena_array(arena, count, sizeof *names);
    struct weir_uuid *ids = weir_arena_array(arena, count, sizeof *ids);
    if (!weir_arena_failed(arena)) {
        *delete = (struct delete_topics){.names = names, .ids = ids, .deletions = deletions};
        delete->fan_out.context = context;
        read_topics(delete, count);
    }
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    delete->fan_out.count = delete->count;
    delete->fan_out.request_size = sizeof(struct weir_topic_request);
    delete->fan_out.ask = ask;
    delete->fan_out.take = take;
    delete->fan_out.done = done;
    list(delete);
}
