#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "server/handlers/transaction_error.h"
#include "wire/generated/describe_transactions_request.h"
#include "wire/generated/describe_transactions_response.h"

/*
 * DescribeTransactions: where the transactions of some transactional ids stand, and which partitions they are in; of one that is
 * being ended those that have no marker yet. Source: KIP-664.
 */
typedef struct weir_wire_describe_transactions_response_transaction_state transaction_row;
typedef struct weir_wire_describe_transactions_response_topic_data topic_row;

struct describe_transactions {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_describe_transactions_request *asked;
    transaction_row *rows;
};

static struct describe_transactions *of(struct weir_fan_out *fan_out)
{
    return (struct describe_transactions *)fan_out;
}

static void done(struct weir_fan_out *fan_out)
{
    struct weir_wire_describe_transactions_response response;
    weir_wire_describe_transactions_response_init(&response);
    response.transaction_states = of(fan_out)->rows;
    response.transaction_states_count = fan_out->count;
    weir_outcome_reply(fan_out->context, &response);
}

/* They come in order of topic. */
static void put_topics(struct weir_arena *arena, const struct weir_transaction_info *info,
                       transaction_row *row)
{
    size_t count = info->partition_count;
    topic_row *topics = weir_arena_array(arena, count + 1, sizeof *topics);
    int32_t *numbers = weir_arena_array(arena, count + 1, sizeof *numbers);
    size_t topic_count = 0;
    if (weir_arena_failed(arena)) return;
    for (size_t i = 0; i < count; i++) {
        const struct weir_topic_partition *partition = &info->partitions[i];
        numbers[i] = partition->partition;
        bool is_same =
            topic_count > 0 && weir_slice_equal(topics[topic_count - 1].topic, partition->topic);
        if (!is_same) {
            topics[topic_count++] =
                (topic_row){.topic = partition->topic, .partitions = &numbers[i]};
        }
        topics[topic_count - 1].partitions_count++;
    }
    row->topics = topics;
    row->topics_count = topic_count;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    const struct weir_describe_transaction_request *described =
        (const struct weir_describe_transaction_request *)request;
    const struct weir_transaction_info *info = &described->info;
    transaction_row *row = &of(fan_out)->rows[index];
    row->error_code = weir_transaction_error_of(request->rc, true);
    if (request->rc < 0) return;
    row->transaction_state = weir_text(weir_transaction_state_name(info->state));
    row->transaction_timeout_ms = info->timeout_ms;
    row->transaction_start_time_ms = info->start_ms;
    row->producer_id = info->producer_id;
    row->producer_epoch = info->producer_epoch;
    put_topics(&fan_out->context->arena, info, row);
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_describe_transaction_request *describe =
        (struct weir_describe_transaction_request *)request;
    struct weir_slice id = of(fan_out)->asked->transactional_ids[index];
    transaction_row *row = &of(fan_out)->rows[index];
    *row = (transaction_row){.transactional_id = id, .transaction_state = weir_text("")};
    row->error_code = weir_transactional_id_check(fan_out->context, WEIR_ACL_DESCRIBE, id);
    if (fan_out->count > WEIR_SUBJECTS_MAX) row->error_code = WEIR_WIRE_INVALID_REQUEST;
    if (row->error_code != 0) return false;
    describe->base.transactional_id = id;
    describe->arena = &fan_out->context->arena;
    weir_broker_describe_transaction(fan_out->context->broker, describe);
    return true;
}

void weir_handle_describe_transactions(struct weir_request_context *context)
{
    const struct weir_wire_describe_transactions_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    size_t count = asked->transactional_ids_count;
    struct describe_transactions *describe = weir_arena_alloc_zero(arena, sizeof *describe);
    transaction_row *rows = weir_arena_alloc_zero(arena, (count + 1) * sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *describe = (struct describe_transactions){
        .fan_out = {.context = context,
                    .count = count,
                    .request_size = sizeof(struct weir_describe_transaction_request),
                    .is_one_by_one = true,
                    .ask = ask,
                    .take = take,
                    .done = done},
        .asked = asked,
        .rows = rows,
    };
    weir_fan_out_begin(&describe->fan_out);
}
