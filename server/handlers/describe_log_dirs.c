#include "broker/log/log_glance.h"
#include "broker/log/small_file.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/describe_log_dirs_response.h"

enum { UNKNOWN_BYTES = -1 };

/* One partition that is measured. */
struct measure {
    struct weir_slice topic;
    int32_t partition;
    int64_t size;
};

struct describe_log_dirs {
    struct weir_work work; /* first */
    struct weir_request_context *context;
    struct weir_list_topics_request list; /* of those asked for, or of all */
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

/* The rows of one topic, from `at` on; returns where the next one begins. */
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
        rows[topic->partitions_count++] =
            (struct weir_wire_describe_log_dirs_response_describe_log_dirs_partition){
                .partition_index = measure->partition,
                .partition_size = measure->size,
            };
    }
    return at;
}

static void done(struct describe_log_dirs *describe)
{
    struct weir_arena *arena = &describe->context->arena;
    struct weir_wire_describe_log_dirs_response_describe_log_dirs_topic *topics =
        weir_arena_array(arena, describe->count, sizeof *topics);
    struct weir_wire_describe_log_dirs_response_describe_log_dirs_partition *rows =
        weir_arena_array(arena, describe->count, sizeof *rows);
    size_t topic_count = 0;
    size_t at = 0;
    while (!weir_arena_failed(arena) && at < describe->count) {
        at = show_topic(describe, at, &topics[topic_count], rows + at);
        topic_count++;
    }
    answer(describe->context, 0, topics, topic_count);
}

/* ---- partitions ------------------------------------------------------------------------------ */

/* By what lies in the folders: to be measured a partition need not be opened. One that was never written
 * has none, and nothing in it. */
static void measure_run(struct weir_work *work)
{
    struct describe_log_dirs *describe = (struct describe_log_dirs *)work;
    const struct weir_broker *broker = describe->context->broker;
    struct weir_log_path root = weir_log_path(weir_broker_path(broker), "log");
    for (size_t i = 0; i < describe->count; i++) {
        struct measure *measure = &describe->measures[i];
        struct weir_log_glance glance = {0};
        struct weir_log_path path =
            weir_log_partition_path(root.text, measure->topic, measure->partition);
        (void)weir_log_glance(weir_broker_env(broker), path.text, &glance, NULL);
        measure->size = glance.size_bytes;
    }
}

static void measured(struct weir_message *message)
{
    done((struct describe_log_dirs *)message);
}

static void measure_all(struct describe_log_dirs *describe)
{
    struct weir_request_context *context = describe->context;
    describe->work = (struct weir_work){
        .done.handle = measured, .run = measure_run, .reply_to = context->actor, .is_long = true};
    weir_work_submit(weir_broker_env(context->broker), &describe->work);
}

/* ---- which ones ------------------------------------------------------------------------------ */

static void add(struct describe_log_dirs *describe, struct weir_slice topic, int32_t partition)
{
    describe->measures[describe->count++] = (struct measure){topic, partition, 0};
}

static void add_all(struct describe_log_dirs *describe)
{
    const struct weir_list_topics_request *list = &describe->list;
    for (size_t i = 0; i < list->topic_count; i++) {
        for (int32_t j = 0; j < list->topics[i].partition_count; j++) {
            add(describe, list->topics[i].name, j);
        }
    }
}

/* What is not there is left out. */
static void add_selection(struct describe_log_dirs *describe)
{
    const struct weir_wire_describe_log_dirs_request *request = describe->request;
    for (size_t i = 0; i < request->topics_count; i++) {
        const struct weir_topic_info *topic = &describe->list.topics[i];
        for (size_t j = 0; topic->rc == 0 && j < request->topics[i].partitions_count; j++) {
            int32_t partition = request->topics[i].partitions[j];
            if (partition < 0 || partition >= topic->partition_count) continue;
            add(describe, request->topics[i].topic, partition);
        }
    }
}

static size_t count_wanted(const struct describe_log_dirs *describe)
{
    const struct weir_wire_describe_log_dirs_request *request = describe->request;
    size_t count = 0;
    for (size_t i = 0; request->topics != NULL && i < request->topics_count; i++) {
        count += request->topics[i].partitions_count;
    }
    for (size_t i = 0; request->topics == NULL && i < describe->list.topic_count; i++) {
        count += (size_t)describe->list.topics[i].partition_count;
    }
    return count;
}

static void listed(struct weir_request *asked)
{
    struct describe_log_dirs *describe = asked->context;
    struct weir_request_context *context = describe->context;
    if (asked->rc < 0) {
        weir_context_reply_close(context, asked->error.text);
        return;
    }
    describe->measures =
        weir_arena_array(&context->arena, count_wanted(describe), sizeof *describe->measures);
    if (describe->measures == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    if (describe->request->topics == NULL) {
        add_all(describe);
    } else {
        add_selection(describe);
    }
    measure_all(describe);
}

static void list_topics(struct describe_log_dirs *describe)
{
    const struct weir_wire_describe_log_dirs_request *request = describe->request;
    struct weir_request_context *context = describe->context;
    struct weir_slice *names =
        weir_arena_array(&context->arena, request->topics_count, sizeof *names);
    if (names == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    for (size_t i = 0; i < request->topics_count; i++) {
        names[i] = request->topics[i].topic;
    }
    describe->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = describe},
        .arena = &context->arena,
        .names = names,
        .asked_count = request->topics_count,
        .is_selection = request->topics != NULL,
    };
    weir_broker_list_topics(context->broker, &describe->list);
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
    describe->context = context;
    describe->request = request;
    list_topics(describe);
}
