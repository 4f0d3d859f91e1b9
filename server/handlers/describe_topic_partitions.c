#include <stdlib.h>

#include "server/handlers/authorized_operations.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/describe_topic_partitions_request.h"
#include "wire/generated/describe_topic_partitions_response.h"

/*
 * DescribeTopicPartitions: what Metadata says of topics, in order of their names, so many partitions a page. A page begins at
 * the cursor of the one before: at this partition of this topic, or, if the topic has gone meanwhile, at the next one.
 * A topic that cannot be described has a row and counts as one partition.
 *
 * Source: KIP-966.
 */
enum { PAGE_MAX = 2000 }; /* max.request.partition.size.limit of Kafka */

typedef struct weir_wire_describe_topic_partitions_response_describe_topic_partitions_response_topic
    topic_row;
typedef struct
    weir_wire_describe_topic_partitions_response_describe_topic_partitions_response_partition
        partition_row;
typedef struct weir_wire_describe_topic_partitions_response_cursor cursor_row;

struct named_topic {
    struct weir_slice name;
    const struct weir_topic_info *info;
};

struct describe_partitions {
    struct weir_list_topics_request list; /* first */
    struct weir_request_context *context;
    const struct weir_wire_describe_topic_partitions_request *asked;
    struct weir_slice *names;
    /* the answer, as it grows */
    topic_row *rows;
    size_t count;
    int32_t left; /* partitions that the page has room for */
    cursor_row next;
    bool has_next;
};

static int compare_slices(struct weir_slice a, struct weir_slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.data, b.data, size) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare(const void *a, const void *b)
{
    return compare_slices(((const struct named_topic *)a)->name,
                          ((const struct named_topic *)b)->name);
}

static partition_row show_partition(const struct weir_topic_info *topic, int32_t partition)
{
    static const int32_t only_replica[] = {WEIR_NODE_ID};
    bool is_offline = topic->are_offline != NULL && topic->are_offline[partition];
    return (partition_row){
        .partition_index = partition,
        .leader_id = WEIR_NODE_ID,
        .leader_epoch = topic->leader_epochs[partition],
        .replica_nodes = only_replica,
        .replica_nodes_count = 1,
        .isr_nodes = only_replica,
        .isr_nodes_count = 1,
        .offline_replicas = is_offline ? only_replica : NULL,
        .offline_replicas_count = is_offline,
    };
}

static void show_topic(struct describe_partitions *describe, const struct weir_topic_info *topic,
                       int32_t from)
{
    struct weir_request_context *context = describe->context;
    int32_t count = topic->partition_count - from;
    if (count > describe->left) count = describe->left;
    partition_row *rows = weir_arena_array(&context->arena, (size_t)count + 1, sizeof *rows);
    if (rows == NULL) return;
    for (int32_t i = 0; i < count; i++)
        rows[i] = show_partition(topic, from + i);
    describe->rows[describe->count++] = (topic_row){
        .name = topic->name,
        .topic_id = topic->id,
        .is_internal = topic->is_internal,
        .partitions = rows,
        .partitions_count = (size_t)count,
        .topic_authorized_operations =
            weir_authorized_operations(context, WEIR_ACL_TOPIC, topic->name),
    };
    describe->left -= count;
    if (from + count == topic->partition_count) return;
    describe->has_next = true;
    describe->next = (cursor_row){topic->name, from + count};
}

static void refuse_topic(struct describe_partitions *describe, struct weir_slice name,
                         int16_t number)
{
    describe->rows[describe->count++] =
        (topic_row){.error_code = number,
                    .name = name,
                    .topic_authorized_operations = WEIR_OPERATIONS_NOT_ASKED};
    describe->left--;
}

/* The next topic; without room for it the next page begins there. */
static void add_topic(struct describe_partitions *describe, const struct named_topic *topic)
{
    const struct weir_wire_describe_topic_partitions_request_cursor *cursor =
        describe->asked->cursor;
    int order = cursor != NULL ? compare_slices(topic->name, cursor->topic_name) : 1;
    int32_t from = order == 0 ? cursor->partition_index : 0;
    bool may_see =
        weir_authorize(describe->context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, topic->name);
    bool is_named = describe->list.is_selection;
    if (order < 0 || describe->has_next || (!may_see && !is_named)) return;
    if (describe->left == 0) {
        describe->has_next = true;
        describe->next = (cursor_row){topic->name, from};
    } else if (!may_see) {
        refuse_topic(describe, topic->name, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED);
    } else if (topic->info->rc < 0) {
        refuse_topic(describe, topic->name, weir_wire_error_of(topic->info->rc));
    } else if (from >= 0 && from < topic->info->partition_count) {
        show_topic(describe, topic->info, from);
    }
}

static void answer(struct describe_partitions *describe)
{
    struct weir_wire_describe_topic_partitions_response response;
    weir_wire_describe_topic_partitions_response_init(&response);
    response.topics = describe->rows;
    response.topics_count = describe->count;
    if (describe->has_next) response.next_cursor = &describe->next;
    weir_outcome_reply(describe->context, &response);
}

static void listed(struct weir_request *request)
{
    struct describe_partitions *describe = (struct describe_partitions *)request;
    struct weir_arena *arena = &describe->context->arena;
    const struct weir_list_topics_request *list = &describe->list;
    if (request->rc < 0) {
        weir_context_reply_close(describe->context, request->error.text);
        return;
    }
    struct named_topic *topics = weir_arena_array(arena, list->topic_count + 1, sizeof *topics);
    describe->rows = weir_arena_array(arena, list->topic_count + 1, sizeof *describe->rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(describe->context, NULL);
        return;
    }
    for (size_t i = 0; i < list->topic_count; i++) {
        topics[i].info = &list->topics[i];
        topics[i].name = list->is_selection ? describe->names[i] : list->topics[i].name;
    }
    qsort(topics, list->topic_count, sizeof *topics, compare);
    for (size_t i = 0; i < list->topic_count; i++) {
        bool is_again = i > 0 && weir_slice_equal(topics[i].name, topics[i - 1].name);
        if (!is_again) add_topic(describe, &topics[i]);
    }
    answer(describe);
}

void weir_handle_describe_topic_partitions(struct weir_request_context *context)
{
    const struct weir_wire_describe_topic_partitions_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    if (asked->topics_count > WEIR_SUBJECTS_MAX) {
        weir_context_reply_close(context, "more topics than a request may name");
        return;
    }
    struct describe_partitions *describe = weir_arena_alloc_zero(arena, sizeof *describe);
    struct weir_slice *names = weir_arena_array(arena, asked->topics_count + 1, sizeof *names);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    for (size_t i = 0; i < asked->topics_count; i++)
        names[i] = asked->topics[i].name;
    int32_t limit = asked->response_partition_limit;
    *describe = (struct describe_partitions){
        .list = {.request = {.reply_to = context->actor, .done = listed},
                 .arena = arena,
                 .names = names,
                 .asked_count = asked->topics_count,
                 .is_selection = asked->topics_count > 0,
                 .with_epochs = true},
        .context = context,
        .asked = asked,
        .names = names,
        .left = limit < 1 || limit > PAGE_MAX ? PAGE_MAX : limit,
    };
    weir_broker_list_topics(context->broker, &describe->list);
}
