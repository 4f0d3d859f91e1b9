#include "broker/server/handlers/fan_out.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/outcome.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/describe_log_dirs_response.h"

enum { UNKNOWN_BYTES = -1 };

/* One partition that is measured. */
struct measure {
    struct weir_slice topic;
    int32_t partition;
    int64_t size;
    bool is_there;
};

struct describe_log_dirs {
    struct weir_fan_out fan_out;          /* first */
    struct weir_list_topics_request list; /* of all, if all are asked for */
    const struct weir_wire_describe_log_dirs_request *request;
    struct measure *measures; /* those of a topic stand together */
    size_t count;
};

/* ---- the answer ------------------------------------------------------------------------------ */

static void
answer(struct weir_request_context *context, int16_t error_code,
       const struct weir_wire_describe_log_dirs_response_describe_log_dirs_topic *topics,
       size_t topic_count)
{
    struct weir_wire_describe_log_dirs_response_describe_log_dirs_result directory = {
        .log_dir = weir_text(weir_broker_path(context->broker)),
        .topics = topics,
        .topics_count = topic_count,
        .total_bytes = UNKNOWN_BYTES,
        .usable_bytes = UNKNOWN_BYTES,
    };
    struct weir_wire_describe_log_dirs_response response;
    weir_wire_describe_log_dirs_response_init(&response);
    response.error_code = error_code;
    if (error_code == 0) {
        response.results = &directory;
        response.results_count = 1;
    }
    weir_outcome_reply(context, &response);
}

/* The rows of one topic, from `at` on; returns where the next one begins. What is not there is left
 * out, and a topic without any partition too. */
static size_t
show_topic(struct describe_log_dirs *describe, size_t at,
           struct weir_wire_describe_log_dirs_response_describe_log_dirs_topic *topic,
           struct weir_wire_describe_log_dirs_response_describe_log_dirs_partition *rows)
{
    *topic = (struct weir_wire_describe_log_dirs_response_describe_log_dirs_topic){
        .name = describe->measures[at].topic,
        .partitions = rows,
    };
    for (; at < describe->count && weir_slice_equal(describe->measures[at].topic, topic->name);
         at++) {
        const struct measure *measure = &describe->measures[at];
        if (!measure->is_there) continue;
        rows[topic->partitions_count++] =
            (struct weir_wire_describe_log_dirs_response_describe_log_dirs_partition){
                .partition_index = measure->partition,
                .partition_size = measure->size,
            };
    }
    return at;
}

static void done(struct weir_fan_out *fan_out)
{
    struct describe_log_dirs *describe = (struct describe_log_dirs *)fan_out;
    struct weir_arena *arena = &fan_out->context->arena;
    struct weir_wire_describe_log_dirs_response_describe_log_dirs_topic *topics =
        weir_arena_array(arena, describe->count, sizeof *topics);
    struct weir_wire_describe_log_dirs_response_describe_log_dirs_partition *rows =
        weir_arena_array(arena, describe->count, sizeof *rows);
    size_t topic_count = 0;
    size_t at = 0;
    while (!weir_arena_failed(arena) && at < describe->count) {
        at = show_topic(describe, at, &topics[topic_count], rows + at);
        topic_count += topics[topic_count].partitions_count > 0;
    }
    answer(fan_out->context, 0, topics, topic_count);
}

/* ---- partitions ------------------------------------------------------------------------------ */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct describe_log_dirs *describe = (struct describe_log_dirs *)fan_out;
    struct weir_describe_partition_request *partition =
        (struct weir_describe_partition_request *)request;
    const struct measure *measure = &describe->measures[index];
    partition->of = (struct weir_topic_partition){measure->topic, measure->partition};
    weir_broker_describe_partition(fan_out->context->broker, partition);
    return true;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct describe_log_dirs *describe = (struct describe_log_dirs *)fan_out;
    const struct weir_describe_partition_request *partition =
        (const struct weir_describe_partition_request *)request;
    describe->measures[index].is_there = request->rc == 0;
    describe->measures[index].size = partition->state.size_bytes;
}

static void measure_all(struct describe_log_dirs *describe)
{
    describe->fan_out.count = describe->count;
    describe->fan_out.request_size = sizeof(struct weir_describe_partition_request);
    describe->fan_out.ask = ask;
    describe->fan_out.take = take;
    describe->fan_out.done = done;
    weir_fan_out_begin(&describe->fan_out);
}

/* ---- which ones ------------------------------------------------------------------------------ */

static void add(struct describe_log_dirs *describe, struct weir_slice topic, int32_t partition)
{
    describe->measures[describe->count++] = (struct measure){topic, partition, 0, false};
}

static void listed(struct weir_request *request)
{
    struct describe_log_dirs *describe = request->context;
    struct weir_request_context *context = describe->fan_out.context;
    const struct weir_list_topics_request *list = &describe->list;
    if (request->rc < 0) {
        weir_context_reply_close(context, request->error.text);
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < list->topic_count; i++) {
        count += (size_t)list->topics[i].partition_count;
    }
    describe->measures = weir_arena_array(&context->arena, count, sizeof *describe->measures);
    for (size_t i = 0; describe->measures != NULL && i < list->topic_count; i++) {
        for (int32_t j = 0; j < list->topics[i].partition_count; j++) {
            add(describe, list->topics[i].name, j);
        }
    }
    measure_all(describe);
}

static void list_all(struct describe_log_dirs *describe)
{
    struct weir_request_context *context = describe->fan_out.context;
    describe->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = describe},
        .arena = &context->arena,
    };
    weir_broker_list_topics(context->broker, &describe->list);
}

static void read_selection(struct describe_log_dirs *describe)
{
    const struct weir_wire_describe_log_dirs_request *request = describe->request;
    size_t count = 0;
    for (size_t i = 0; i < request->topics_count; i++) {
        count += request->topics[i].partitions_count;
    }
    describe->measures =
        weir_arena_array(&describe->fan_out.context->arena, count, sizeof *describe->measures);
    for (size_t i = 0; describe->measures != NULL && i < request->topics_count; i++) {
        for (size_t j = 0; j < request->topics[i].partitions_count; j++) {
            add(describe, request->topics[i].topic, request->topics[i].partitions[j]);
        }
    }
}

void weir_handle_describe_log_dirs(struct weir_request_context *context)
{
    const struct weir_wire_describe_log_dirs_request *request = context->request;
    if (!weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_CLUSTER, weir_null())) {
        answer(context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED, NULL, 0);
        return;
    }
    struct describe_log_dirs *describe = weir_arena_alloc_zero(&context->arena, sizeof *describe);
    if (describe == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    describe->fan_out.context = context;
    describe->request = request;
    if (request->topics == NULL) {
        list_all(describe);
    } else {
        read_selection(describe);
        measure_all(describe);
    }
}
