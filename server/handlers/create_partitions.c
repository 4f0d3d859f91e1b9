#include "server/handlers/assignments.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/create_partitions_request.h"
#include "wire/generated/create_partitions_response.h"

/* One topic of the request and its row in the answer. */
struct growth {
    const struct weir_wire_create_partitions_request_create_partitions_topic *asked;
    struct weir_outcome outcome; /* refused before the engine is asked */
};

struct create_partitions {
    struct weir_fan_out fan_out;          /* first */
    struct weir_list_topics_request list; /* how many partitions they have, to count assignments */
    const struct weir_wire_create_partitions_request *request;
    struct weir_slice *names;
    struct growth *growths;
    size_t count;
};

/* ---- how it went ----------------------------------------------------------------------------- */

static void done(struct weir_fan_out *fan_out)
{
    struct create_partitions *create = (struct create_partitions *)fan_out;
    struct weir_request_context *context = fan_out->context;
    struct weir_wire_create_partitions_response response;
    weir_wire_create_partitions_response_init(&response);
    struct weir_wire_create_partitions_response_create_partitions_topic_result *rows =
        weir_arena_array(&context->arena, create->count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < create->count; i++) {
        const struct growth *growth = &create->growths[i];
        rows[i] = (struct weir_wire_create_partitions_response_create_partitions_topic_result){
            .name = growth->asked->name,
            .error_code = growth->outcome.error_code,
            .error_message = growth->outcome.message,
        };
    }
    response.results = rows;
    response.results_count = create->count;
    weir_outcome_reply(context, &response);
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct create_partitions *create = (struct create_partitions *)fan_out;
    create->growths[index].outcome = weir_outcome_of(fan_out->context, request);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct create_partitions *create = (struct create_partitions *)fan_out;
    const struct growth *growth = &create->growths[index];
    struct weir_topic_request *topic = (struct weir_topic_request *)request;
    if (growth->outcome.error_code != 0) return false;
    topic->operation = WEIR_TOPIC_ADD_PARTITIONS;
    topic->topic = growth->asked->name;
    topic->partition_count = growth->asked->count;
    topic->validate_only = create->request->validate_only;
    weir_broker_topic(fan_out->context->broker, topic);
    return true;
}

/* One assignment per new partition. Whether the count is an increase is the engine's to say. */
static struct weir_outcome
check_assignments(struct weir_request_context *context,
                  const struct weir_wire_create_partitions_request_create_partitions_topic *asked,
                  int32_t count_now)
{
    bool is_increase = asked->count > count_now;
    if (asked->assignments == NULL || !is_increase) return (struct weir_outcome){0};
    size_t added = (size_t)(asked->count - count_now);
    if (asked->assignments_count != added) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT,
                                   "%zu partitions are added, but %zu are assigned", added,
                                   asked->assignments_count);
    }
    for (size_t i = 0; i < added; i++) {
        struct weir_outcome outcome = weir_assignment_check(
            context, asked->assignments[i].broker_ids, asked->assignments[i].broker_ids_count);
        if (outcome.error_code != 0) return outcome;
    }
    return (struct weir_outcome){0};
}

static void listed(struct weir_request *request)
{
    struct create_partitions *create = request->context;
    struct weir_request_context *context = create->fan_out.context;
    if (request->rc < 0) {
        weir_context_reply_close(context, request->error.text);
        return;
    }
    for (size_t i = 0; i < create->count; i++) {
        const struct weir_topic_info *topic = &create->list.topics[i];
        struct growth *growth = &create->growths[i];
        if (growth->outcome.error_code != 0 || topic->rc != 0) continue; /* the engine says why */
        growth->outcome = check_assignments(context, growth->asked, topic->partition_count);
    }
    weir_fan_out_begin(&create->fan_out);
}

/* ---- the door -------------------------------------------------------------------------------- */

static void
add_growth(struct create_partitions *create,
           const struct weir_wire_create_partitions_request_create_partitions_topic *asked,
           enum weir_occurrence occurrence)
{
    struct weir_request_context *context = create->fan_out.context;
    create->names[create->count] = asked->name;
    struct growth *growth = &create->growths[create->count++];
    *growth = (struct growth){.asked = asked};
    if (create->request->topics_count > WEIR_SUBJECTS_MAX) {
        growth->outcome = weir_outcome_too_many(context, "topics");
    } else if (occurrence == WEIR_OCCURS_FIRST) {
        growth->outcome = weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                              "the topic is named twice in one request");
    } else if (!weir_authorize(context, WEIR_ACL_ALTER, WEIR_ACL_TOPIC, asked->name)) {
        growth->outcome = weir_outcome_refuse(context, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED,
                                              "not allowed to alter this topic");
    }
}

static bool read_topics(struct create_partitions *create)
{
    struct weir_arena *arena = &create->fan_out.context->arena;
    size_t count = create->request->topics_count;
    struct weir_subject *subjects = weir_arena_array(arena, count, sizeof *subjects);
    create->names = weir_arena_array(arena, count, sizeof *create->names);
    create->growths = weir_arena_array(arena, count, sizeof *create->growths);
    for (size_t i = 0; subjects != NULL && i < count; i++) {
        subjects[i] = (struct weir_subject){.name = create->request->topics[i].name};
    }
    if (weir_arena_failed(arena)) return false;
    const enum weir_occurrence *occurrences = weir_subject_occurrences(arena, subjects, count);
    for (size_t i = 0; occurrences != NULL && i < count; i++) {
        if (occurrences[i] == WEIR_OCCURS_AGAIN) continue;
        add_growth(create, &create->request->topics[i], occurrences[i]);
    }
    return !weir_arena_failed(arena);
}

void weir_handle_create_partitions(struct weir_request_context *context)
{
    struct create_partitions *create = weir_arena_alloc_zero(&context->arena, sizeof *create);
    if (create == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    create->fan_out.context = context;
    create->request = context->request;
    if (!read_topics(create)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    create->fan_out.count = create->count;
    create->fan_out.request_size = sizeof(struct weir_topic_request);
    create->fan_out.ask = ask;
    create->fan_out.take = take;
    create->fan_out.done = done;
    create->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = create},
        .arena = &context->arena,
        .names = create->names,
        .asked_count = create->count,
        .is_selection = true,
    };
    weir_broker_list_topics(context->broker, &create->list);
}
