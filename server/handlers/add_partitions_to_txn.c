#include "server/handlers/fan_out.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "server/handlers/transaction_error.h"
#include "wire/generated/add_partitions_to_txn_request.h"
#include "wire/generated/add_partitions_to_txn_response.h"
#include "wire/topic_names.h"

/*
 * AddPartitionsToTxn: all of a transaction's partitions or none. One that is not there or may not be written to is told so, and
 * the others OPERATION_NOT_ATTEMPTED. From version 4 on brokers ask, for many transactions at once, and may only want to know
 * whether the partitions are in them (KIP-890).
 *
 *     request ──> which topics are there? ──> each transaction: added, or asked about ──> answer
 *
 * Source: CLIENTS.md c, "Transaction coordinator".
 */
enum { FENCED_FROM = 2, BATCHES_FROM = 4, VERSION_2_FROM = 5 };

typedef struct weir_wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction
    transaction_asked;
typedef struct weir_wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topic_asked;
typedef struct weir_wire_add_partitions_to_txn_response_add_partitions_to_txn_result
    transaction_row;
typedef struct weir_wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result
    topic_row;
typedef struct weir_wire_add_partitions_to_txn_response_add_partitions_to_txn_partition_result
    partition_row;

/* One transaction's: what is asked of it, and its part of the answer. */
struct addition {
    const transaction_asked *asked;
    topic_row *topics;
    partition_row *rows; /* of all topics, one behind the other */
    struct weir_topic_partition *partitions;
    int *rcs;
    size_t count;
};

struct add_partitions {
    struct weir_fan_out fan_out; /* first */
    transaction_asked one;       /* that of older versions, as those of newer ones */
    struct addition *additions;
    struct weir_slice *names; /* of all topics, as they are asked for */
    struct weir_list_topics_request topics;
};

static struct add_partitions *of(struct weir_fan_out *fan_out)
{
    return (struct add_partitions *)fan_out;
}

static bool is_from_broker(const struct weir_request_context *context)
{
    return context->version >= BATCHES_FROM;
}

/* ---- the answer ------------------------------------------------------------------------------- */

static void done(struct weir_fan_out *fan_out)
{
    const struct add_partitions *add = of(fan_out);
    struct weir_request_context *context = fan_out->context;
    struct weir_wire_add_partitions_to_txn_response response;
    weir_wire_add_partitions_to_txn_response_init(&response);
    transaction_row *rows = weir_arena_array(&context->arena, fan_out->count + 1, sizeof *rows);
    if (rows == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    for (size_t i = 0; i < fan_out->count; i++) {
        const struct addition *addition = &add->additions[i];
        rows[i] = (transaction_row){addition->asked->transactional_id, addition->topics,
                                    addition->asked->topics_count};
    }
    if (is_from_broker(context)) {
        response.results_by_transaction = rows;
        response.results_by_transaction_count = fan_out->count;
    } else {
        response.results_by_topic_v3_and_below = rows[0].topic_results;
        response.results_by_topic_v3_and_below_count = rows[0].topic_results_count;
    }
    weir_outcome_reply(context, &response);
}

static void refuse_all(struct weir_request_context *context, int16_t number)
{
    struct weir_wire_add_partitions_to_txn_response response;
    weir_wire_add_partitions_to_txn_response_init(&response);
    response.error_code = number;
    weir_outcome_reply(context, &response);
}

static void answer(struct addition *addition, int16_t number)
{
    for (size_t i = 0; i < addition->count; i++) {
        addition->rows[i].partition_error_code = number;
    }
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct addition *addition = &of(fan_out)->additions[index];
    struct weir_request_context *context = fan_out->context;
    bool knows_fenced = context->version >= FENCED_FROM;
    answer(addition, weir_transaction_producer_error(context, request, knows_fenced));
    for (size_t i = 0; request->rc == 0 && i < addition->count; i++) {
        addition->rows[i].partition_error_code =
            weir_transaction_error_of(addition->rcs[i], knows_fenced);
    }
}

/* ---- one transaction -------------------------------------------------------------------------- */

static int16_t check_partition(const struct weir_request_context *context,
                               const struct weir_topic_info *topic,
                               const struct weir_topic_partition *partition)
{
    bool is_permitted = is_from_broker(context) ||
                        (!weir_topic_name_is_internal(partition->topic) &&
                         weir_authorize(context, WEIR_ACL_WRITE, WEIR_ACL_TOPIC, partition->topic));
    if (!is_permitted) return WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
    bool is_there = topic->rc == 0 && partition->partition >= 0 &&
                    partition->partition < topic->partition_count;
    return is_there ? 0 : WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
}

/* True: all may be added. `topics`: those of this transaction. */
static bool check_partitions(const struct weir_request_context *context, struct addition *addition,
                             const struct weir_topic_info *topics)
{
    size_t at = 0;
    bool is_good = true;
    for (size_t i = 0; i < addition->asked->topics_count; i++) {
        for (size_t j = 0; j < addition->asked->topics[i].partitions_count; j++, at++) {
            int16_t number = check_partition(context, &topics[i], &addition->partitions[at]);
            addition->rows[at].partition_error_code = number;
            is_good = is_good && number == 0;
        }
    }
    for (size_t i = 0; !is_good && i < addition->count; i++) {
        int16_t *number = &addition->rows[i].partition_error_code;
        if (*number == 0) *number = WEIR_WIRE_OPERATION_NOT_ATTEMPTED;
    }
    return is_good;
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct add_partitions *add = of(fan_out);
    struct addition *addition = &add->additions[index];
    const transaction_asked *asked = addition->asked;
    struct weir_request_context *context = fan_out->context;
    struct weir_add_partitions_request *partitions = (struct weir_add_partitions_request *)request;
    size_t first_topic = 0;
    for (size_t i = 0; i < index; i++)
        first_topic += add->additions[i].asked->topics_count;
    int16_t number = weir_transactional_id_check(context, WEIR_ACL_WRITE, asked->transactional_id);
    if (add->topics.request.rc < 0) {
        number = weir_transaction_error_of(add->topics.request.rc, true);
    }
    if (number != 0) {
        answer(addition, number);
        return false;
    }
    if (!check_partitions(context, addition, &add->topics.topics[first_topic])) return false;
    if (addition->count == 0) return false;
    partitions->base.transactional_id = asked->transactional_id;
    partitions->base.producer_id = asked->producer_id;
    partitions->base.producer_epoch = asked->producer_epoch;
    partitions->base.is_version_2 = context->version >= VERSION_2_FROM;
    partitions->partitions = addition->partitions;
    partitions->partition_count = addition->count;
    partitions->is_verify = asked->verify_only;
    partitions->rcs = addition->rcs;
    weir_broker_add_partitions(context->broker, partitions);
    return true;
}

/* ---- the request ------------------------------------------------------------------------------ */

static void found(struct weir_request *request)
{
    struct add_partitions *add = request->context;
    weir_fan_out_begin(&add->fan_out);
}

static size_t count_partitions(const transaction_asked *asked)
{
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++) {
        count += asked->topics[i].partitions_count;
    }
    return count;
}

/* Its rows and partitions, in the order asked; the names of its topics behind `names`. */
static void read_addition(struct weir_arena *arena, const transaction_asked *asked,
                          struct addition *addition, struct weir_slice *names)
{
    size_t count = count_partitions(asked);
    size_t at = 0;
    *addition = (struct addition){
        .asked = asked,
        .topics = weir_arena_array(arena, asked->topics_count + 1, sizeof *addition->topics),
        .rows = weir_arena_array(arena, count + 1, sizeof *addition->rows),
        .partitions = weir_arena_array(arena, count + 1, sizeof *addition->partitions),
        .rcs = weir_arena_array(arena, count + 1, sizeof *addition->rcs),
        .count = count,
    };
    if (weir_arena_failed(arena)) return;
    for (size_t i = 0; i < asked->topics_count; i++) {
        const topic_asked *topic = &asked->topics[i];
        names[i] = topic->name;
        addition->topics[i] =
            (topic_row){topic->name, &addition->rows[at], topic->partitions_count};
        for (size_t j = 0; j < topic->partitions_count; j++, at++) {
            addition->rows[at] = (partition_row){.partition_index = topic->partitions[j]};
            addition->partitions[at] =
                (struct weir_topic_partition){topic->name, topic->partitions[j]};
        }
    }
}

/* Of all transactions. False without memory. */
static bool read_all(struct add_partitions *add, const transaction_asked *transactions)
{
    struct weir_arena *arena = &add->fan_out.context->arena;
    size_t count = add->fan_out.count;
    size_t topic_count = 0;
    for (size_t i = 0; i < count; i++)
        topic_count += transactions[i].topics_count;
    add->additions = weir_arena_array(arena, count + 1, sizeof *add->additions);
    add->names = weir_arena_array(arena, topic_count + 1, sizeof *add->names);
    if (weir_arena_failed(arena)) return false;
    add->topics.asked_count = topic_count;
    topic_count = 0;
    for (size_t i = 0; i < count; i++) {
        read_addition(arena, &transactions[i], &add->additions[i], &add->names[topic_count]);
        topic_count += transactions[i].topics_count;
    }
    return !weir_arena_failed(arena);
}

static bool is_too_large(const transaction_asked *transactions, size_t count)
{
    size_t partitions = count;
    for (size_t i = 0; i < count && partitions <= WEIR_SUBJECTS_MAX; i++) {
        partitions += count_partitions(&transactions[i]) + transactions[i].topics_count;
    }
    return partitions > WEIR_SUBJECTS_MAX;
}

void weir_handle_add_partitions_to_txn(struct weir_request_context *context)
{
    const struct weir_wire_add_partitions_to_txn_request *asked = context->request;
    struct add_partitions *add = weir_arena_alloc_zero(&context->arena, sizeof *add);
    if (add == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    add->one = (transaction_asked){
        .transactional_id = asked->v3_and_below_transactional_id,
        .producer_id = asked->v3_and_below_producer_id,
        .producer_epoch = asked->v3_and_below_producer_epoch,
        .topics = asked->v3_and_below_topics,
        .topics_count = asked->v3_and_below_topics_count,
    };
    const transaction_asked *transactions = &add->one;
    size_t count = 1;
    if (is_from_broker(context)) {
        transactions = asked->transactions;
        count = asked->transactions_count;
        if (!weir_authorize(context, WEIR_ACL_ALTER, WEIR_ACL_CLUSTER, weir_null())) {
            refuse_all(context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
            return;
        }
    }
    if (is_too_large(transactions, count)) {
        weir_context_reply_close(context, "more than 10000 partitions are added to transactions");
        return;
    }
    add->fan_out = (struct weir_fan_out){
        .context = context,
        .count = count,
        .request_size = sizeof(struct weir_add_partitions_request),
        .ask = ask,
        .take = take,
        .done = done,
    };
    if (!read_all(add, transactions)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    add->topics.request =
        (struct weir_request){.reply_to = context->actor, .done = found, .context = add};
    add->topics.arena = &context->arena;
    add->topics.names = add->names;
    add->topics.is_selection = true;
    weir_broker_list_topics(context->broker, &add->topics);
}
