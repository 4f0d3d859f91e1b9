#include "base/assert.h"
#include "wire/topic_names.h"
#include "broker/metadata/uuid.h"
#include "server/handlers/authorized_operations.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"

/*
 * The topics asked for are listed; those that are missing and may be made are made, all of them, and
 * listed again. A client is answered when its topics are there, instead of being told to ask again.
 */
enum { ID_TOO_EARLY_FROM = 10, IDS_FROM = 12 }; /* versions 10 and 11 show ids but take none */

struct metadata {
    struct weir_fan_out creations; /* first */
    struct weir_list_topics_request list;
    struct weir_list_topics_request again; /* of those that were missing */
    struct weir_request_context *context;
    const struct weir_wire_metadata_request *request;
    struct weir_slice *names; /* as asked; null: by id */
    struct weir_uuid *ids;
    size_t asked_count;
    /* those to create: their index among those asked, their name, and how it went */
    size_t *missing;
    struct weir_slice *missing_names;
    int16_t *creation_errors;
    size_t missing_count;
};

/* ---- the answer ------------------------------------------------------------------------------ */

static const struct weir_wire_metadata_response_metadata_response_partition *
partition_rows(struct weir_arena *arena, const struct weir_topic_info *topic)
{
    static const int32_t only_replica[] = {WEIR_NODE_ID};
    struct weir_wire_metadata_response_metadata_response_partition *rows =
        weir_arena_array(arena, (size_t)topic->partition_count, sizeof *rows);
    for (int32_t i = 0; rows != NULL && i < topic->partition_count; i++) {
        rows[i] = (struct weir_wire_metadata_response_metadata_response_partition){
            .partition_index = i,
            .leader_id = WEIR_NODE_ID,
            .leader_epoch = topic->leader_epochs[i],
            .replica_nodes = only_replica,
            .replica_nodes_count = 1,
            .isr_nodes = only_replica,
            .isr_nodes_count = 1,
        };
        /* The leader stays: who asks it is told why, instead of waiting for another. */
        if (topic->are_offline == NULL || !topic->are_offline[i]) continue;
        rows[i].offline_replicas = only_replica;
        rows[i].offline_replicas_count = 1;
    }
    return rows;
}

static struct weir_wire_metadata_response_metadata_response_topic
show_topic(struct metadata *metadata, const struct weir_topic_info *topic)
{
    bool asks = metadata->request->include_topic_authorized_operations;
    return (struct weir_wire_metadata_response_metadata_response_topic){
        .name = topic->name,
        .topic_id = topic->id,
        .is_internal = topic->is_internal,
        .partitions = partition_rows(&metadata->context->arena, topic),
        .partitions_count = (size_t)topic->partition_count,
        .topic_authorized_operations =
            asks ? weir_authorized_operations(metadata->context, WEIR_ACL_TOPIC, topic->name)
                 : WEIR_OPERATIONS_NOT_ASKED,
    };
}

/* What was asked for is said again, for the client to find it. */
static struct weir_wire_metadata_response_metadata_response_topic
refuse_topic(const struct metadata *metadata, size_t index, int16_t error_code)
{
    struct weir_slice name = metadata->names[index];
    return (struct weir_wire_metadata_response_metadata_response_topic){
        .error_code = error_code,
        .name = name,
        .topic_id = weir_slice_is_null(name) ? metadata->ids[index] : (struct weir_uuid){{0}},
        .is_internal = !weir_slice_is_null(name) && weir_topic_name_is_internal(name),
        .topic_authorized_operations = WEIR_OPERATIONS_NOT_ASKED,
    };
}

static void answer(struct metadata *metadata,
                   const struct weir_wire_metadata_response_metadata_response_topic *topics,
                   size_t count)
{
    struct weir_request_context *context = metadata->context;
    struct weir_wire_metadata_response_metadata_response_broker broker = {.node_id = WEIR_NODE_ID};
    struct weir_wire_metadata_response response;
    weir_wire_metadata_response_init(&response);
    weir_context_address(context, &broker.host, &broker.port);
    response.brokers = &broker;
    response.brokers_count = 1;
    response.cluster_id = weir_text(weir_broker_cluster_id(context->broker));
    response.controller_id = WEIR_NODE_ID;
    response.topics = topics;
    response.topics_count = count;
    if (metadata->request->include_cluster_authorized_operations) {
        response.cluster_authorized_operations =
            weir_authorized_operations(context, WEIR_ACL_CLUSTER, weir_null());
    }
    weir_outcome_reply(context, &response);
}

static bool may_see(const struct metadata *metadata, struct weir_slice name)
{
    return weir_authorize(metadata->context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, name);
}

static void answer_all(struct metadata *metadata)
{
    const struct weir_list_topics_request *list = &metadata->list;
    struct weir_wire_metadata_response_metadata_response_topic *rows =
        weir_arena_array(&metadata->context->arena, list->topic_count, sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; rows != NULL && i < list->topic_count; i++) {
        if (may_see(metadata, list->topics[i].name)) {
            rows[count++] = show_topic(metadata, &list->topics[i]);
        }
    }
    answer(metadata, rows, count);
}

static void answer_selection(struct metadata *metadata)
{
    const struct weir_list_topics_request *list = &metadata->list;
    struct weir_wire_metadata_response_metadata_response_topic *rows =
        weir_arena_array(&metadata->context->arena, list->topic_count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < list->topic_count; i++) {
        const struct weir_topic_info *topic = &list->topics[i];
        struct weir_slice name = topic->rc == 0 ? topic->name : metadata->names[i];
        bool is_hidden = !weir_slice_is_null(name) && !may_see(metadata, name);
        if (is_hidden) {
            rows[i] = refuse_topic(metadata, i, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED);
        } else if (topic->rc == 0) {
            rows[i] = show_topic(metadata, topic);
        } else {
            rows[i] = refuse_topic(metadata, i, weir_wire_error_of(topic->rc));
        }
    }
    for (size_t i = 0; rows != NULL && i < metadata->missing_count; i++) {
        int16_t error_code = metadata->creation_errors[i];
        size_t index = metadata->missing[i];
        if (error_code != 0) rows[index] = refuse_topic(metadata, index, error_code);
    }
    answer(metadata, rows, list->topic_count);
}

/* ---- topics that are made by being asked for ------------------------------------------------- */

static bool may_create(const struct metadata *metadata, size_t index)
{
    struct weir_slice name = metadata->names[index];
    return metadata->list.topics[index].rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION &&
           !weir_slice_is_null(name) && !weir_topic_name_is_internal(name) &&
           may_see(metadata, name);
}

static bool ask_creation(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct metadata *metadata = (struct metadata *)fan_out;
    struct weir_topic_request *topic = (struct weir_topic_request *)request;
    struct weir_slice name = metadata->missing_names[index];
    struct weir_request_context *context = metadata->context;
    if (!weir_authorize(context, WEIR_ACL_CREATE, WEIR_ACL_TOPIC, name)) {
        metadata->creation_errors[index] = WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
        return false;
    }
    topic->operation = WEIR_TOPIC_CREATE;
    topic->topic = name;
    topic->partition_count = -1;
    weir_broker_topic(context->broker, topic);
    return true;
}

/* Somebody else may have been faster, or the same request with the same name. */
static void take_creation(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct metadata *metadata = (struct metadata *)fan_out;
    if (request->rc == WEIR_EXISTS) return;
    metadata->creation_errors[index] = weir_wire_error_of(request->rc);
}

static void listed_again(struct weir_request *request)
{
    struct metadata *metadata = request->context;
    if (request->rc < 0) {
        weir_context_reply_close(metadata->context, request->error.text);
        return;
    }
    for (size_t i = 0; i < metadata->missing_count; i++) {
        metadata->list.topics[metadata->missing[i]] = metadata->again.topics[i];
    }
    answer_selection(metadata);
}

static void created(struct weir_fan_out *fan_out)
{
    struct metadata *metadata = (struct metadata *)fan_out;
    if (weir_arena_failed(&metadata->context->arena)) {
        weir_outcome_reply(metadata->context, NULL);
        return;
    }
    metadata->again.names = metadata->missing_names;
    metadata->again.asked_count = metadata->missing_count;
    metadata->again.is_selection = true;
    weir_broker_list_topics(metadata->context->broker, &metadata->again);
}

static void create_missing(struct metadata *metadata)
{
    struct weir_arena *arena = &metadata->context->arena;
    size_t count = metadata->asked_count;
    metadata->missing = weir_arena_array(arena, count, sizeof *metadata->missing);
    metadata->missing_names = weir_arena_array(arena, count, sizeof *metadata->missing_names);
    metadata->creation_errors =
        weir_arena_alloc_zero(arena, count * sizeof *metadata->creation_errors);
    for (size_t i = 0; !weir_arena_failed(arena) && i < count; i++) {
        if (!may_create(metadata, i)) continue;
        metadata->missing[metadata->missing_count] = i;
        metadata->missing_names[metadata->missing_count++] = metadata->names[i];
    }
    if (metadata->missing_count == 0 || metadata->missing_count > WEIR_SUBJECTS_MAX) {
        metadata->missing_count = 0;
        answer_selection(metadata);
        return;
    }
    metadata->creations = (struct weir_fan_out){
        .context = metadata->context,
        .count = metadata->missing_count,
        .request_size = sizeof(struct weir_topic_request),
        .ask = ask_creation,
        .take = take_creation,
        .done = created,
    };
    weir_fan_out_begin(&metadata->creations);
}

/* ---- the question ---------------------------------------------------------------------------- */

static void listed(struct weir_request *request)
{
    struct metadata *metadata = request->context;
    bool creates = metadata->request->allow_auto_topic_creation &&
                   weir_broker_options_of(metadata->context->broker)->auto_create_topics;
    if (request->rc < 0) {
        weir_context_reply_close(metadata->context, request->error.text);
    } else if (!metadata->list.is_selection) {
        answer_all(metadata);
    } else if (creates) {
        create_missing(metadata);
    } else {
        answer_selection(metadata);
    }
}

static struct weir_list_topics_request question(struct metadata *metadata,
                                                void (*done)(struct weir_request *request))
{
    return (struct weir_list_topics_request){
        .request = {.reply_to = metadata->context->actor, .done = done, .context = metadata},
        .arena = &metadata->context->arena,
        .with_epochs = true,
    };
}

/* False: asked in a way that the version does not have. An id counts before a name. */
static bool read_topics(struct metadata *metadata)
{
    static const struct weir_uuid no_id;
    int16_t version = metadata->context->version;
    bool is_right = true;
    for (size_t i = 0; i < metadata->asked_count; i++) {
        const struct weir_wire_metadata_request_metadata_request_topic *topic =
            &metadata->request->topics[i];
        bool by_id = !weir_uuid_equal(topic->topic_id, no_id);
        bool is_named = !weir_slice_is_null(topic->name);
        if (version >= ID_TOO_EARLY_FROM && version < IDS_FROM && (by_id || !is_named)) {
            is_right = false;
        }
        metadata->names[i] = by_id && version >= IDS_FROM ? weir_null() : topic->name;
        metadata->ids[i] = topic->topic_id;
    }
    return is_right;
}

static void refuse_all(struct metadata *metadata)
{
    struct weir_wire_metadata_response_metadata_response_topic *rows =
        weir_arena_array(&metadata->context->arena, metadata->asked_count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < metadata->asked_count; i++) {
        rows[i] = refuse_topic(metadata, i, WEIR_WIRE_INVALID_REQUEST);
        if (weir_slice_is_null(rows[i].name)) rows[i].name = weir_text("");
    }
    answer(metadata, rows, metadata->asked_count);
}

void weir_handle_metadata(struct weir_request_context *context)
{
    const struct weir_wire_metadata_request *request = context->request;
    struct weir_arena *arena = &context->arena;
    struct metadata *metadata = weir_arena_alloc_zero(arena, sizeof *metadata);
    bool is_all = request->topics == NULL || (context->version == 0 && request->topics_count == 0);
    size_t count = is_all ? 0 : request->topics_count;
    struct weir_slice *names = weir_arena_array(arena, count, sizeof *names);
    struct weir_uuid *ids = weir_arena_array(arena, count, sizeof *ids);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    metadata->context = context;
    metadata->request = request;
    metadata->names = names;
    metadata->ids = ids;
    metadata->asked_count = count;
    if (!read_topics(metadata)) {
        refuse_all(metadata);
        return;
    }
    metadata->again = question(metadata, listed_again);
    metadata->list = question(metadata, listed);
    metadata->list.names = names;
    metadata->list.ids = ids;
    metadata->list.asked_count = count;
    metadata->list.is_selection = !is_all;
    weir_broker_list_topics(context->broker, &metadata->list);
}
