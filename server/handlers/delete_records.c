#include "wire/topic_names.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/delete_records_request.h"
#include "wire/generated/delete_records_response.h"

enum { NO_LOW_WATERMARK = -1, HIGH_WATERMARK = -1 };

/* One partition of the request and its row in the answer. */
struct cut {
    struct weir_slice topic;
    const struct weir_wire_delete_records_request_delete_records_partition *asked;
    struct weir_wire_delete_records_response_delete_records_partition_result *row;
};

struct delete_records {
    struct weir_fan_out fan_out;          /* first */
    struct weir_list_topics_request list; /* for their policies */
    const struct weir_wire_delete_records_request *request;
    struct weir_slice *names;
    struct weir_wire_delete_records_response_delete_records_topic_result *topics;
    struct cut *cuts;
    size_t cut_count;
};

/* ---- partitions ------------------------------------------------------------------------------ */

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct delete_records *delete = (struct delete_records *)fan_out;
    const struct cut *cut = &delete->cuts[index];
    struct weir_cut_request *head = (struct weir_cut_request *)request;
    if (cut->row->error_code != 0) return false;
    head->partition = (struct weir_topic_partition){cut->topic, cut->asked->partition_index};
    head->what = WEIR_CUT_HEAD;
    head->offset = cut->asked->offset;
    weir_broker_cut(fan_out->context->broker, head);
    return true;
}

/* What lies below the log's start is gone already, which is all that was wanted. */
static bool is_gone(const struct weir_cut_request *head)
{
    return head->request.rc == WEIR_OFFSET_OUT_OF_RANGE && head->offset < head->start_offset;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct delete_records *delete = (struct delete_records *)fan_out;
    const struct weir_cut_request *head = (const struct weir_cut_request *)request;
    const struct cut *cut = &delete->cuts[index];
    bool is_done = request->rc == 0 || is_gone(head);
    cut->row->error_code = is_done ? 0 : weir_wire_error_of(request->rc);
    if (is_done) cut->row->low_watermark = head->start_offset;
}

static void done(struct weir_fan_out *fan_out)
{
    struct delete_records *delete = (struct delete_records *)fan_out;
    struct weir_wire_delete_records_response response;
    weir_wire_delete_records_response_init(&response);
    response.topics = delete->topics;
    response.topics_count = delete->request->topics_count;
    weir_outcome_reply(fan_out->context, &response);
}

/* ---- topics ---------------------------------------------------------------------------------- */

/* A topic that is only compacted keeps its head: records there may be the last of their keys. */
static int16_t check_topic(struct weir_request_context *context,
                           const struct weir_topic_info *topic)
{
    if (topic->rc != 0) return weir_wire_error_of(topic->rc);
    if (!weir_authorize(context, WEIR_ACL_DELETE, WEIR_ACL_TOPIC, topic->name)) {
        return WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
    }
    if (weir_topic_name_is_internal(topic->name)) return WEIR_WIRE_INVALID_TOPIC_EXCEPTION;
    return topic->config.cleanup_delete ? 0 : WEIR_WIRE_POLICY_VIOLATION;
}

static int16_t check_offset(int64_t offset)
{
    return offset >= 0 || offset == HIGH_WATERMARK ? 0 : WEIR_WIRE_OFFSET_OUT_OF_RANGE;
}

static void listed(struct weir_request *request)
{
    struct delete_records *delete = request->context;
    struct weir_request_context *context = delete->fan_out.context;
    if (request->rc < 0) {
        weir_context_reply_close(context, request->error.text);
        return;
    }
    struct cut *cut = delete->cuts;
    for (size_t i = 0; i < delete->request->topics_count; i++) {
        int16_t error_code = check_topic(context, &delete->list.topics[i]);
        for (size_t j = 0; j < delete->request->topics[i].partitions_count; j++, cut++) {
            cut->row->error_code = error_code != 0 ? error_code : check_offset(cut->asked->offset);
        }
    }
    weir_fan_out_begin(&delete->fan_out);
}

/* ---- the door -------------------------------------------------------------------------------- */

static size_t count_partitions(const struct weir_wire_delete_records_request *request)
{
    size_t count = 0;
    for (size_t i = 0; i < request->topics_count; i++) {
        count += request->topics[i].partitions_count;
    }
    return count;
}

static void
read_topic(struct delete_records *delete, size_t index,
           struct weir_wire_delete_records_response_delete_records_partition_result *rows)
{
    const struct weir_wire_delete_records_request_delete_records_topic *topic =
        &delete->request->topics[index];
    delete->names[index] = topic->name;
    delete->topics[index] = (struct weir_wire_delete_records_response_delete_records_topic_result){
        .name = topic->name,
        .partitions = rows,
        .partitions_count = topic->partitions_count,
    };
    for (size_t i = 0; i < topic->partitions_count; i++) {
        rows[i] = (struct weir_wire_delete_records_response_delete_records_partition_result){
            .partition_index = topic->partitions[i].partition_index,
            .low_watermark = NO_LOW_WATERMARK,
        };
        delete->cuts[delete->cut_count++] = (struct cut){
            .topic = topic->name,
            .asked = &topic->partitions[i],
            .row = &rows[i],
        };
    }
}

void weir_handle_delete_records(struct weir_request_context *context)
{
    const struct weir_wire_delete_records_request *request = context->request;
    struct weir_arena *arena = &context->arena;
    size_t partition_count = count_partitions(request);
    struct delete_records *delete = weir_arena_alloc_zero(arena, sizeof *delete);
    struct weir_slice *names = weir_arena_array(arena, request->topics_count, sizeof *names);
    struct cut *cuts = weir_arena_array(arena, partition_count, sizeof *cuts);
    struct weir_wire_delete_records_response_delete_records_topic_result *topics =
        weir_arena_array(arena, request->topics_count, sizeof *topics);
    struct weir_wire_delete_records_response_delete_records_partition_result *rows =
        weir_arena_array(arena, partition_count, sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *delete =
        (struct delete_records){.request = request, .names = names, .topics = topics, .cuts = cuts};
    for (size_t i = 0; i < request->topics_count; i++) {
        read_topic(delete, i, rows + delete->cut_count);
    }
    delete->fan_out = (struct weir_fan_out){
        .context = context,
        .count = partition_count,
        .request_size = sizeof(struct weir_cut_request),
        .ask = ask,
        .take = take,
        .done = done,
    };
    delete->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = delete},
        .arena = arena,
        .names = names,
        .asked_count = request->topics_count,
        .is_selection = true,
        .with_configs = true,
    };
    weir_broker_list_topics(context->broker, &delete->list);
}
