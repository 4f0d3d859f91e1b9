#include "server/handlers/handlers.h"
#include "server/handlers/transaction_error.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"

/*
 * InitProducerId: for an idempotent producer an id that nobody has had, epoch 0; for a transactional one those of its
 * transactional id, which shut out whoever had them before. From version 3 on a producer that says what it has
 * asks for its epoch to be raised (KIP-360).
 *
 * Source: CLIENTS.md c, "Idempotent producer" and "Transaction coordinator".
 */
enum { FENCED_FROM = 4 };

static void reply(struct weir_request_context *context, int16_t number, int64_t producer_id,
                  int16_t producer_epoch)
{
    struct weir_wire_init_producer_id_response response;
    weir_wire_init_producer_id_response_init(&response);
    response.error_code = number;
    response.producer_id = number == 0 ? producer_id : WEIR_NO_PRODUCER_ID;
    response.producer_epoch = number == 0 ? producer_epoch : WEIR_NO_PRODUCER_EPOCH;
    weir_context_reply(context, &response);
}

static void refuse(struct weir_request_context *context, int16_t number)
{
    reply(context, number, WEIR_NO_PRODUCER_ID, WEIR_NO_PRODUCER_EPOCH);
}

/* ---- without a transactional id --------------------------------------------------------------- */

static void given(struct weir_request *request)
{
    const struct weir_init_producer_request *init =
        (const struct weir_init_producer_request *)request;
    reply(request->context, weir_wire_error_of(request->rc), init->producer_id,
          init->producer_epoch);
}

static void ask_id(struct weir_request_context *context)
{
    struct weir_init_producer_request *init = weir_arena_alloc_zero(&context->arena, sizeof *init);
    if (init == NULL) {
        refuse(context, weir_wire_error_of(WEIR_NO_MEMORY));
        return;
    }
    init->request =
        (struct weir_request){.reply_to = context->actor, .done = given, .context = context};
    weir_broker_init_producer(context->broker, init);
}

/* ---- with one --------------------------------------------------------------------------------- */

static void begun(struct weir_request *request)
{
    const struct weir_init_transactions_request *init =
        (const struct weir_init_transactions_request *)request;
    struct weir_request_context *context = request->context;
    reply(context,
          weir_transaction_producer_error(context, request, context->version >= FENCED_FROM),
          init->producer_id, init->producer_epoch);
}

static void ask_transactions(struct weir_request_context *context,
                             const struct weir_wire_init_producer_id_request *asked)
{
    struct weir_init_transactions_request *init =
        weir_arena_alloc_zero(&context->arena, sizeof *init);
    if (init == NULL) {
        refuse(context, weir_transaction_error_of(WEIR_NO_MEMORY, true));
        return;
    }
    *init = (struct weir_init_transactions_request){
        .base = {.request = {.reply_to = context->actor, .done = begun, .context = context},
                 .transactional_id = asked->transactional_id,
                 .producer_id = asked->producer_id,
                 .producer_epoch = asked->producer_epoch},
        .timeout_ms = asked->transaction_timeout_ms,
    };
    weir_broker_init_transactions(context->broker, init);
}

/* Kafka's number, or 0. */
static int16_t check(const struct weir_request_context *context,
                     const struct weir_wire_init_producer_id_request *asked)
{
    bool has_id = asked->producer_id != WEIR_NO_PRODUCER_ID;
    bool has_epoch = asked->producer_epoch != WEIR_NO_PRODUCER_EPOCH;
    if (has_id != has_epoch || asked->producer_id < WEIR_NO_PRODUCER_ID)
        return WEIR_WIRE_INVALID_REQUEST;
    if (!weir_slice_is_null(asked->transactional_id)) {
        return weir_transactional_id_check(context, WEIR_ACL_WRITE, asked->transactional_id);
    }
    bool is_permitted =
        weir_authorize(context, WEIR_ACL_IDEMPOTENT_WRITE, WEIR_ACL_CLUSTER, weir_null());
    return is_permitted ? 0 : WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
}

void weir_handle_init_producer_id(struct weir_request_context *context)
{
    const struct weir_wire_init_producer_id_request *asked = context->request;
    int16_t number = check(context, asked);
    if (number != 0) {
        refuse(context, number);
    } else if (weir_slice_is_null(asked->transactional_id)) {
        ask_id(context);
    } else {
        ask_transactions(context, asked);
    }
}
