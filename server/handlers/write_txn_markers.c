#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/write_txn_markers_request.h"
#include "wire/generated/write_txn_markers_response.h"

/*
 * WriteTxnMarkers: markers at partitions, from another broker's coordinator, or from a person's tool that aborts what hangs
 * (Admin.abortTransaction). The coordinator here does not come this way. Whoever may not alter the cluster may not
 * end other people's transactions.
 *
 * Source: CLIENTS.md b and c; KIP-98, KIP-664, KIP-1228 (the version of transactions).
 */
enum { TRANSACTION_VERSION_OF_EPOCHS = 2 };

typedef struct weir_wire_write_txn_markers_request_writable_txn_marker marker_asked;
typedef struct weir_wire_write_txn_markers_request_writable_txn_marker_topic topic_asked;
typedef struct weir_wire_write_txn_markers_response_writable_txn_marker_result marker_answer;
typedef struct weir_wire_write_txn_markers_response_writable_txn_marker_topic_result topic_answer;
typedef struct weir_wire_write_txn_markers_response_writable_txn_marker_partition_result
    partition_answer;

/* One marker at one partition. */
struct place {
    const marker_asked *marker;
    struct weir_slice topic;
    partition_answer *answer;
};

struct writing {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_write_txn_markers_request *asked;
    marker_answer *markers;
    struct place *places; /* in the request's order */
};

/* ---- one place ------------------------------------------------------------------------------- */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct place *place = &((struct writing *)fan_out)->places[index];
    struct weir_write_marker_request *marker = (struct weir_write_marker_request *)request;
    if (place->answer->error_code != 0) return false;
    marker->to = (struct weir_topic_partition){place->topic, place->answer->partition_index};
    marker->producer_id = place->marker->producer_id;
    marker->producer_epoch = place->marker->producer_epoch;
    marker->coordinator_epoch = place->marker->coordinator_epoch;
    marker->is_commit = place->marker->transaction_result;
    marker->is_version_2 = place->marker->transaction_version >= TRANSACTION_VERSION_OF_EPOCHS;
    weir_broker_write_marker(fan_out->context->broker, marker);
    return true;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct place *place = &((const struct writing *)fan_out)->places[index];
    if (request->rc < 0) place->answer->error_code = weir_wire_error_of(request->rc);
}

static void done(struct weir_fan_out *fan_out)
{
    const struct writing *writing = (const struct writing *)fan_out;
    struct weir_wire_write_txn_markers_response response;
    weir_wire_write_txn_markers_response_init(&response);
    response.markers = writing->markers;
    response.markers_count = writing->asked->markers_count;
    weir_outcome_reply(fan_out->context, &response);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void add_topic(struct writing *writing, const marker_asked *marker, const topic_asked *topic,
                      topic_answer *answer, int16_t number)
{
    struct weir_arena *arena = &writing->fan_out.context->arena;
    size_t count = topic->partition_indexes_count;
    partition_answer *partitions = weir_arena_array(arena, count + 1, sizeof *partitions);
    *answer = (topic_answer){.name = topic->name};
    if (partitions == NULL) return;
    answer->partitions = partitions;
    answer->partitions_count = count;
    for (size_t i = 0; i < count; i++) {
        partitions[i] = (partition_answer){.partition_index = topic->partition_indexes[i],
                                           .error_code = number};
        writing->places[writing->fan_out.count++] =
            (struct place){marker, topic->name, &partitions[i]};
    }
}

static void add_marker(struct writing *writing, size_t index, int16_t number)
{
    const marker_asked *marker = &writing->asked->markers[index];
    struct weir_arena *arena = &writing->fan_out.context->arena;
    topic_answer *topics = weir_arena_array(arena, marker->topics_count + 1, sizeof *topics);
    writing->markers[index] = (marker_answer){.producer_id = marker->producer_id};
    if (topics == NULL) return;
    writing->markers[index].topics = topics;
    writing->markers[index].topics_count = marker->topics_count;
    for (size_t i = 0; i < marker->topics_count; i++)
        add_topic(writing, marker, &marker->topics[i], &topics[i], number);
}

static size_t count_places(const struct weir_wire_write_txn_markers_request *asked)
{
    size_t count = 0;
    for (size_t i = 0; i < asked->markers_count; i++) {
        for (size_t at = 0; at < asked->markers[i].topics_count; at++)
            count += asked->markers[i].topics[at].partition_indexes_count;
    }
    return count;
}

static void read_request(struct writing *writing)
{
    struct weir_request_context *context = writing->fan_out.context;
    struct weir_arena *arena = &context->arena;
    size_t marker_count = writing->asked->markers_count;
    bool is_permitted = weir_authorize(context, WEIR_ACL_ALTER, WEIR_ACL_CLUSTER, weir_null());
    int16_t number = is_permitted ? 0 : WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    writing->markers = weir_arena_array(arena, marker_count + 1, sizeof *writing->markers);
    writing->places =
        weir_arena_array(arena, count_places(writing->asked) + 1, sizeof *writing->places);
    if (weir_arena_failed(arena)) return;
    for (size_t i = 0; i < marker_count; i++)
        add_marker(writing, i, number);
    if (weir_arena_failed(arena)) writing->fan_out.count = 0;
}

/* Before memory is taken for them. */
static bool is_too_long(const struct weir_wire_write_txn_markers_request *asked)
{
    size_t count = asked->markers_count + count_places(asked);
    for (size_t i = 0; i < asked->markers_count; i++)
        count += asked->markers[i].topics_count;
    return count > WEIR_SUBJECTS_MAX;
}

void weir_handle_write_txn_markers(struct weir_request_context *context)
{
    if (is_too_long(context->request)) {
        weir_context_reply_close(context, "more markers than a request may have");
        return;
    }
    struct writing *writing = weir_arena_alloc_zero(&context->arena, sizeof *writing);
    if (writing == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    writing->asked = context->request;
    writing->fan_out = (struct weir_fan_out){
        .context = context,
        .request_size = sizeof(struct weir_write_marker_request),
        .ask = ask,
        .take = take,
        .done = done,
    };
    read_request(writing);
    weir_fan_out_begin(&writing->fan_out);
}
