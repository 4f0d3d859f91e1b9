#include "server/handlers/assignments.h"
#include "server/handlers/config_entries.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"

enum { DETAILS_FROM = 5 }; /* the version that shows settings and sizes */

/* One topic of the request and its row in the answer. */
struct creation {
    const struct weir_wire_create_topics_request_creatable_topic *asked;
    struct weir_outcome outcome; /* known before the engine is asked: it is asked all the same, for
                                    a bad name or an existing topic are said first */
    bool is_final;               /* the engine is not asked */
    struct weir_config_entry *configs;
};

struct create_topics {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_create_topics_request *request;
    struct creation *creations;
    struct weir_wire_create_topics_response_creatable_topic_result *rows;
    size_t count;
    struct weir_config_levels levels;
};

/* ---- what is asked --------------------------------------------------------------------------- */

static struct weir_outcome
check_replication(struct weir_request_context *context,
                  const struct weir_wire_create_topics_request_creatable_topic *topic)
{
    if (topic->replication_factor == -1 || topic->replication_factor == 1) {
        return (struct weir_outcome){0};
    }
    return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICATION_FACTOR,
                               "replication factor %d; one server has one replica of a partition: "
                               "1, or -1 for the default",
                               topic->replication_factor);
}

/* Each of 0 to n-1 once, in any order, on broker 0; and nothing else said about their number. */
static struct weir_outcome
check_assignments(struct weir_request_context *context,
                  const struct weir_wire_create_topics_request_creatable_topic *topic)
{
    size_t count = topic->assignments_count;
    bool *is_assigned = weir_arena_alloc_zero(&context->arena, count);
    if (topic->num_partitions != -1 || topic->replication_factor != -1) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "partitions are assigned one by one; their number and the "
                                   "replication factor must be -1 then, not %d and %d",
                                   topic->num_partitions, topic->replication_factor);
    }
    for (size_t i = 0; is_assigned != NULL && i < count; i++) {
        int32_t partition = topic->assignments[i].partition_index;
        bool is_within = partition >= 0 && (size_t)partition < count;
        if (!is_within || is_assigned[partition]) {
            return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT,
                                       "partition %d is %s; %zu assignments must name 0 to %zu, "
                                       "each once",
                                       partition, is_within ? "assigned twice" : "out of turn",
                                       count, count - 1);
        }
        is_assigned[partition] = true;
        struct weir_outcome outcome = weir_assignment_check(
            context, topic->assignments[i].broker_ids, topic->assignments[i].broker_ids_count);
        if (outcome.error_code != 0) return outcome;
    }
    return (struct weir_outcome){0};
}

static struct weir_outcome read_configs(struct weir_request_context *context,
                                        struct creation *creation)
{
    const struct weir_wire_create_topics_request_creatable_topic *topic = creation->asked;
    creation->configs =
        weir_arena_array(&context->arena, topic->configs_count, sizeof *creation->configs);
    for (size_t i = 0; creation->configs != NULL && i < topic->configs_count; i++) {
        struct weir_slice name = topic->configs[i].name;
        struct weir_slice value = topic->configs[i].value;
        bool is_text =
            weir_config_entry(&context->arena, name, value, WEIR_CONFIG_SET, &creation->configs[i]);
        if (is_text && !weir_slice_is_null(value)) continue;
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_CONFIG, "setting '%.*s' has %s",
                                   (int)name.size, (const char *)name.data,
                                   is_text ? "no value" : "a NUL character in it");
    }
    return (struct weir_outcome){0};
}

/* What no engine is needed for; it sets `is_final` where the topic's name does not matter either. */
static void check(struct weir_request_context *context, struct creation *creation,
                  enum weir_occurrence occurrence)
{
    const struct weir_wire_create_topics_request_creatable_topic *topic = creation->asked;
    creation->is_final = true;
    if (occurrence != WEIR_OCCURS_ONCE) {
        creation->outcome = weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                                "the topic is named twice in one request");
        return;
    }
    if (!weir_authorize(context, WEIR_ACL_CREATE, WEIR_ACL_TOPIC, topic->name)) {
        creation->outcome = weir_outcome_refuse(context, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED,
                                                "not allowed to create this topic");
        return;
    }
    creation->outcome = read_configs(context, creation);
    if (creation->outcome.error_code != 0) return;
    creation->is_final = false;
    creation->outcome = topic->assignments_count > 0 ? check_assignments(context, topic)
                                                     : check_replication(context, topic);
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct create_topics *create = (struct create_topics *)fan_out;
    const struct creation *creation = &create->creations[index];
    const struct weir_wire_create_topics_request_creatable_topic *asked = creation->asked;
    struct weir_topic_request *topic = (struct weir_topic_request *)request;
    bool is_assigned = asked->assignments_count > 0;
    bool is_refused = creation->outcome.error_code != 0;
    if (creation->is_final) return false;
    topic->operation = WEIR_TOPIC_CREATE;
    topic->topic = asked->name;
    topic->partition_count =
        is_assigned ? (int32_t)asked->assignments_count : asked->num_partitions;
    topic->configs = creation->configs;
    topic->config_count = asked->configs_count;
    topic->validate_only = create->request->validate_only || is_refused;
    weir_broker_topic(fan_out->context->broker, topic);
    return true;
}

/* ---- how it went ----------------------------------------------------------------------------- */

/* As the topic has them now, or would have them. */
static void show_configs(struct create_topics *create, const struct creation *creation,
                         const struct weir_topic_config *config,
                         struct weir_wire_create_topics_response_creatable_topic_result *row)
{
    struct weir_request_context *context = create->fan_out.context;
    const struct weir_config_levels *levels = &create->levels;
    const struct weir_config_value *values = weir_config_values(
        context, levels, config, creation->configs, creation->asked->configs_count);
    struct weir_wire_create_topics_response_creatable_topic_configs *configs =
        weir_arena_array(&context->arena, levels->count, sizeof *configs);
    if (weir_arena_failed(&context->arena)) return;
    for (size_t i = 0; i < levels->count; i++) {
        configs[i] = (struct weir_wire_create_topics_response_creatable_topic_configs){
            .name = levels->rows[i].name,
            .value = values[i].value,
            .config_source = (int8_t)values[i].source,
        };
    }
    row->configs = configs;
    row->configs_count = levels->count;
}

/* A topic that was only checked has no id yet. */
static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct create_topics *create = (struct create_topics *)fan_out;
    struct creation *creation = &create->creations[index];
    struct weir_wire_create_topics_response_creatable_topic_result *row = &create->rows[index];
    const struct weir_topic_request *topic = (const struct weir_topic_request *)request;
    struct weir_request_context *context = fan_out->context;
    if (request->rc < 0) creation->outcome = weir_outcome_of(context, request);
    if (creation->outcome.error_code != 0) return;
    row->topic_id = topic->topic_id;
    if (context->version < DETAILS_FROM) return;
    if (!weir_authorize(context, WEIR_ACL_DESCRIBE_CONFIGS, WEIR_ACL_TOPIC, row->name)) {
        row->topic_config_error_code = WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
        row->configs = NULL;
        return;
    }
    row->num_partitions = topic->partition_count;
    row->replication_factor = 1;
    if (!weir_arena_failed(&context->arena)) show_configs(create, creation, &topic->config, row);
}

static void done(struct weir_fan_out *fan_out)
{
    struct create_topics *create = (struct create_topics *)fan_out;
    struct weir_wire_create_topics_response response;
    weir_wire_create_topics_response_init(&response);
    for (size_t i = 0; i < create->count; i++) {
        create->rows[i].error_code = create->creations[i].outcome.error_code;
        create->rows[i].error_message = create->creations[i].outcome.message;
    }
    response.topics = create->rows;
    response.topics_count = create->count;
    weir_outcome_reply(fan_out->context, &response);
}

/* ---- the door -------------------------------------------------------------------------------- */

static const enum weir_occurrence *find_twins(struct weir_arena *arena,
                                              const struct weir_wire_create_topics_request *request)
{
    struct weir_subject *subjects =
        weir_arena_array(arena, request->topics_count, sizeof *subjects);
    if (subjects == NULL) return NULL;
    for (size_t i = 0; i < request->topics_count; i++) {
        subjects[i] = (struct weir_subject){.name = request->topics[i].name};
    }
    return weir_subject_occurrences(arena, subjects, request->topics_count);
}

static void add_creation(struct create_topics *create,
                         const struct weir_wire_create_topics_request_creatable_topic *topic,
                         enum weir_occurrence occurrence)
{
    struct weir_request_context *context = create->fan_out.context;
    struct creation *creation = &create->creations[create->count];
    *creation = (struct creation){.asked = topic};
    create->rows[create->count++] =
        (struct weir_wire_create_topics_response_creatable_topic_result){
            .name = topic->name,
            .num_partitions = -1,
            .replication_factor = -1,
            .configs = weir_no_elements(),
        };
    if (create->request->topics_count > WEIR_SUBJECTS_MAX) {
        creation->is_final = true;
        creation->outcome = weir_outcome_too_many(context, "topics");
    } else {
        check(context, creation, occurrence);
    }
}

void weir_handle_create_topics(struct weir_request_context *context)
{
    const struct weir_wire_create_topics_request *request = context->request;
    struct weir_arena *arena = &context->arena;
    struct create_topics *create = weir_arena_alloc_zero(arena, sizeof *create);
    const enum weir_occurrence *occurrences = find_twins(arena, request);
    struct creation *creations = weir_arena_array(arena, request->topics_count, sizeof *creations);
    struct weir_wire_create_topics_response_creatable_topic_result *rows =
        weir_arena_array(arena, request->topics_count, sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    create->request = request;
    create->creations = creations;
    create->rows = rows;
    create->fan_out.context = context;
    if (context->version >= DETAILS_FROM) create->levels = weir_config_levels(context);
    for (size_t i = 0; i < request->topics_count; i++) {
        if (occurrences[i] == WEIR_OCCURS_AGAIN) continue;
        add_creation(create, &request->topics[i], occurrences[i]);
    }
    create->fan_out.count = create->count;
    create->fan_out.request_size = sizeof(struct weir_topic_request);
    create->fan_out.ask = ask;
    create->fan_out.take = take;
    create->fan_out.done = done;
    weir_fan_out_begin(&create->fan_out);
}
