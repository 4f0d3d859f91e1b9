#include "server/handlers/named_topics.h"
#include "server/handlers/outcome.h"
#include "wire/generated/elect_leaders_request.h"
#include "wire/generated/elect_leaders_response.h"

/*
 * ElectLeaders: the one broker leads whatever there is, so nobody else can be elected. Of all partitions, which is asked
 * without a list, those are left out that need no election (as in Kafka).
 */
typedef struct weir_wire_elect_leaders_request_topic_partitions topic_asked;
typedef struct weir_wire_elect_leaders_response_replica_election_result topic_row;
typedef struct weir_wire_elect_leaders_response_partition_result partition_row;

struct elect_leaders {
    struct weir_named_topics named; /* first */
    const struct weir_wire_elect_leaders_request *asked;
    int16_t refused; /* all of it */
};

static void reply(struct weir_request_context *context, int16_t number, const topic_row *rows,
                  size_t count)
{
    struct weir_wire_elect_leaders_response response;
    weir_wire_elect_leaders_response_init(&response);
    response.error_code = number;
    response.replica_election_results = rows;
    response.replica_election_results_count = count;
    weir_outcome_reply(context, &response);
}

static partition_row outcome_of(const struct elect_leaders *elect, size_t topic, int32_t partition)
{
    partition_row row = {.partition_id = partition, .error_code = elect->refused};
    if (row.error_code == 0 && !weir_named_topics_have(&elect->named, topic, partition)) {
        row.error_code = WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (row.error_code == 0) {
        row.error_code = WEIR_WIRE_ELECTION_NOT_NEEDED;
        row.error_message = weir_text("the only broker leads it");
    }
    return row;
}

static void answer(struct weir_named_topics *named)
{
    const struct elect_leaders *elect = (const struct elect_leaders *)named;
    struct weir_arena *arena = &named->context->arena;
    size_t count = elect->asked->topic_partitions_count;
    topic_row *rows = weir_arena_array(arena, count + 1, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        const topic_asked *topic = &elect->asked->topic_partitions[i];
        partition_row *partitions =
            weir_arena_array(arena, topic->partitions_count + 1, sizeof *partitions);
        if (partitions == NULL) break;
        for (size_t j = 0; j < topic->partitions_count; j++) {
            partitions[j] = outcome_of(elect, i, topic->partitions[j]);
        }
        rows[i] = (topic_row){topic->topic, partitions, topic->partitions_count};
    }
    reply(named->context, elect->refused, rows, count);
}

static bool is_too_long(const struct weir_wire_elect_leaders_request *asked)
{
    size_t count = asked->topic_partitions_count;
    for (size_t i = 0; i < asked->topic_partitions_count; i++)
        count += asked->topic_partitions[i].partitions_count;
    return count > WEIR_SUBJECTS_MAX;
}

void weir_handle_elect_leaders(struct weir_request_context *context)
{
    const struct weir_wire_elect_leaders_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    if (is_too_long(asked)) {
        reply(context, WEIR_WIRE_INVALID_REQUEST, NULL, 0);
        return;
    }
    struct elect_leaders *elect = weir_arena_alloc_zero(arena, sizeof *elect);
    struct weir_slice *names =
        weir_arena_array(arena, asked->topic_partitions_count + 1, sizeof *names);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    elect->asked = asked;
    elect->named.context = context;
    for (size_t i = 0; i < asked->topic_partitions_count; i++)
        names[i] = asked->topic_partitions[i].topic;
    if (!weir_authorize(context, WEIR_ACL_ALTER, WEIR_ACL_CLUSTER, weir_null())) {
        elect->refused = WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
        answer(&elect->named);
        return;
    }
    weir_named_topics_begin(&elect->named, context, names, asked->topic_partitions_count, answer);
}
