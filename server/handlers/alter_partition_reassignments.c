#include "server/handlers/named_topics.h"
#include "server/handlers/outcome.h"
#include "wire/generated/alter_partition_reassignments_request.h"
#include "wire/generated/alter_partition_reassignments_response.h"

/*
 * AlterPartitionReassignments: the one broker keeps every partition. To have it kept there is done before it is asked for;
 * anything else names a broker that there is not.
 */
typedef struct weir_wire_alter_partition_reassignments_request_reassignable_topic topic_asked;
typedef struct weir_wire_alter_partition_reassignments_request_reassignable_partition
    partition_asked;
typedef struct weir_wire_alter_partition_reassignments_response_reassignable_topic_response
    topic_row;
typedef struct weir_wire_alter_partition_reassignments_response_reassignable_partition_response
    partition_row;

struct alter_reassignments {
    struct weir_named_topics named; /* first */
    const struct weir_wire_alter_partition_reassignments_request *asked;
};

static struct weir_outcome move(const struct alter_reassignments *alter, size_t topic,
                                const partition_asked *asked)
{
    struct weir_request_context *context = alter->named.context;
    if (!weir_named_topics_have(&alter->named, topic, asked->partition_index)) {
        return weir_outcome_refuse(context, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION,
                                   "there is no such partition");
    }
    if (asked->replicas == NULL) {
        return weir_outcome_refuse(context, WEIR_WIRE_NO_REASSIGNMENT_IN_PROGRESS,
                                   "it is not being moved");
    }
    if (asked->replicas_count == 1 && asked->replicas[0] == WEIR_NODE_ID) {
        return (struct weir_outcome){.message = weir_null()};
    }
    return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT,
                               "broker %d is the only one, and keeps each partition alone",
                               WEIR_NODE_ID);
}

static void reply(const struct alter_reassignments *alter, struct weir_outcome outcome,
                  const topic_row *rows, size_t count)
{
    struct weir_wire_alter_partition_reassignments_response response;
    weir_wire_alter_partition_reassignments_response_init(&response);
    response.allow_replication_factor_change = alter->asked->allow_replication_factor_change;
    response.error_code = outcome.error_code;
    response.error_message = outcome.message;
    response.responses = rows;
    response.responses_count = count;
    weir_outcome_reply(alter->named.context, &response);
}

static void answer(struct weir_named_topics *named)
{
    const struct alter_reassignments *alter = (const struct alter_reassignments *)named;
    struct weir_arena *arena = &named->context->arena;
    topic_row *rows = weir_arena_array(arena, alter->asked->topics_count + 1, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < alter->asked->topics_count; i++) {
        const topic_asked *topic = &alter->asked->topics[i];
        partition_row *partitions =
            weir_arena_array(arena, topic->partitions_count + 1, sizeof *partitions);
        if (partitions == NULL) break;
        for (size_t j = 0; j < topic->partitions_count; j++) {
            struct weir_outcome outcome = move(alter, i, &topic->partitions[j]);
            partitions[j] = (partition_row){topic->partitions[j].partition_index,
                                            outcome.error_code, outcome.message};
        }
        rows[i] = (topic_row){topic->name, partitions, topic->partitions_count};
    }
    reply(alter, (struct weir_outcome){.message = weir_null()}, rows, alter->asked->topics_count);
}

static bool is_too_long(const struct weir_wire_alter_partition_reassignments_request *asked)
{
    size_t count = asked->topics_count;
    for (size_t i = 0; i < asked->topics_count; i++)
        count += asked->topics[i].partitions_count;
    return count > WEIR_SUBJECTS_MAX;
}

void weir_handle_alter_partition_reassignments(struct weir_request_context *context)
{
    const struct weir_wire_alter_partition_reassignments_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    struct alter_reassignments *alter = weir_arena_alloc_zero(arena, sizeof *alter);
    bool is_long = is_too_long(asked);
    struct weir_slice *names =
        weir_arena_array(arena, is_long ? 1 : asked->topics_count + 1, sizeof *names);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    alter->asked = asked;
    alter->named.context = context;
    if (!weir_authorize(context, WEIR_ACL_ALTER, WEIR_ACL_CLUSTER, weir_null())) {
        reply(alter,
              weir_outcome_refuse(context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED,
                                  "not allowed to move partitions"),
              NULL, 0);
        return;
    }
    if (is_long) {
        reply(alter, weir_outcome_too_many(context, "topics and partitions"), NULL, 0);
        return;
    }
    for (size_t i = 0; i < asked->topics_count; i++)
        names[i] = asked->topics[i].name;
    weir_named_topics_begin(&alter->named, context, names, asked->topics_count, answer);
}
